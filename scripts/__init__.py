"""Programs for those who work on mixnet_tools; no part of the package."""
