"""Describes models of one's own: writes their descriptors, and checks whole zoos."""
