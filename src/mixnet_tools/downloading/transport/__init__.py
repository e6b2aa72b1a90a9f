"""Brings the bytes of one file from one source (HTTP, Google Drive, a local file) into a partial file."""
