"""Is a measured accuracy what it should be: references, tolerances and baselines turn a report into a verdict."""
