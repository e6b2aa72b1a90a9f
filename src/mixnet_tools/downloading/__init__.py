"""Downloading: from a descriptor to files that are verified, unpacked and patched. The stage is ``download.py``."""
