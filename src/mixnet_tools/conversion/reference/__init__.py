"""The original model, run as it was published, to compare the converted one with."""
