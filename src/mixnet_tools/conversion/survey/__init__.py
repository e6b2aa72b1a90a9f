"""What can be found out about a model file that nothing describes yet: its kind, files, inputs, outputs, classes."""
