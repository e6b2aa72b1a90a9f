"""The bytes of one file from one source: HTTP, Google Drive, a local file; the partial file, and retries."""
