"""Tests with PyTorch and timm, which are several gigabytes: `make test-zoo`."""
