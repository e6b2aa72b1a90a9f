"""HTTP as other people's networks have it: proxies, certificates, redirects, true causes, and when to ask again."""
