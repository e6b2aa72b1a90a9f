"""The answers of models to each image: as values, in a file, and merged from several files."""
