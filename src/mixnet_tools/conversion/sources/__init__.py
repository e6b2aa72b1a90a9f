"""The kinds of source model, a module each: files, names, how OpenVINO reads it, how the original runs."""
