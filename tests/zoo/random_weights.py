"""Weights for a model of which only the code can be had: random, with batch-norm statistics that fit them.

As a program it takes one JSON object with the parameters of :func:`write`, and imports code of others: run it apart.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mixnet_tools.conversion.comparison_inputs import natural_images

SEED = 19


def write(
    path: Path,
    module: str,
    function: str,
    parameters: Mapping[str, str],
    shape: Sequence[int],
    *,
    folders: Sequence[str] = (),
    key: str | None = None,
    setup: str | None = None,
    renamed: Sequence[tuple[str, str]] = (),
) -> None:
    """Save random weights of a module to ``path``: as a state dictionary, or as its entry ``key``.

    ``setup`` is a line of Python that is run before, ``shape`` that of an input. ``folders`` go first on Python's path.
    ``renamed`` are patterns in names and what takes their place, one after the other.
    """
    sys.path[:0] = folders
    torch.manual_seed(SEED)
    if setup:
        exec(setup, {})
    made = getattr(importlib.import_module(module), function)
    model = made(**{name: ast.literal_eval(text) for name, text in parameters.items()})
    calibrate(model, shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    state = model.state_dict()
    for pattern, other in renamed:
        state = {re.sub(pattern, other, name): value for name, value in state.items()}
    torch.save({key: state, "epoch": 3} if key else state, path)


def calibrate(model: Any, shape: Sequence[int]) -> None:
    """Give every batch norm of ``model`` the statistics of its inputs on eight images, and random scales and shifts.

    They are near 1 and 0: wide ones make a deep network amplify every rounding, as no trained one does. A scale that
    begins with zero is that of the last norm of a residual branch, which stays small in training.
    """
    norms = [one for one in model.modules() if isinstance(one, torch.nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all
        if norm.affine:
            torch.nn.init.uniform_(norm.weight, *((0.9, 1.1) if norm.weight.any() else (0.1, 0.3)))
            torch.nn.init.normal_(norm.bias, std=0.1)
    images = natural_images(8, shape[-2], shape[-1], seed=SEED)
    batch = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))) / 58.0 - 2.1
    model.eval()
    for norm in norms:
        norm.train()
    with torch.no_grad():
        model(batch)
    model.eval()


if __name__ == "__main__":
    said = json.loads(sys.argv[1])
    write(Path(said.pop("path")), **said)
