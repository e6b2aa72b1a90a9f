"""Judges measured accuracies: against references with tolerances, and against the answers of an earlier run."""
