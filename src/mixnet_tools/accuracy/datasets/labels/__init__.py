"""Where labels come from: lists of names with labels, ImageNet's devkit, Kaggle's solution, names of classes."""
