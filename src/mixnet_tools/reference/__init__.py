"""The original model, run as it was published, in a child process with few rights: arrays in, arrays out."""
