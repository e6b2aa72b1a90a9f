"""Imports PyTorch before TensorFlow: the other way round, their copies of LLVM crash the process."""

from __future__ import annotations

import torchvision  # noqa: F401
