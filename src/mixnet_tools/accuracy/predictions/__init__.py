"""What models answered, image by image: the values, their file, and the merging of several files."""
