"""HTML pages and pictures for people: what the reports of all stages share."""
