"""Unpacks archives safely, and patches text files."""
