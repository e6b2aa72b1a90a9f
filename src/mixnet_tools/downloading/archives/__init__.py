"""Unpacking archives safely, and regex_replace."""
