"""A page to try a classifier on: drop pictures, see what each form of the model says. Nothing leaves the machine."""
