"""Downloads the files of a model, verifies, unpacks and patches them. The stage is ``download.py``."""
