"""Helpers that tests share: archives, images, servers."""
