"""Verified files kept by their digest, and a record of which models used them and when."""
