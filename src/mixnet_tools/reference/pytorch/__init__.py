"""PyTorch in the child process: code from memory, weights as data, the module as an original and as an IR."""
