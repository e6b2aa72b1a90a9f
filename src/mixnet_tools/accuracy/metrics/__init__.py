"""Arrays of answers in, figures out: top-k, intervals, paired tests, calibration error. Pure functions."""
