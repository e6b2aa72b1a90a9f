"""Running a model in a framework: arrays in, arrays out; and timing it."""
