"""Runs the original model, to compare the converted one with it."""
