"""A stand-in's variables under the names that timm gives them in its port of the published MixNet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from training.mixnet import BlockArgs, MixNetSpec

Array = npt.NDArray[np.float32]

_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


def timm_state(values: Mapping[str, Array], spec: MixNetSpec, model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The ``values`` of the form ``plain``, by name, as a state of ``model``, which is timm's ``tf_mixnet_*``."""
    modules: Any = model
    places = [f"blocks.{stage}.{index}" for stage, blocks in enumerate(modules.blocks) for index in range(len(blocks))]
    blocks = spec.blocks()
    assert len(places) == len(blocks)
    state = {}
    for name, value in values.items():
        layer = name.removeprefix(f"{spec.name}/mixnet_model/")
        if within := re.fullmatch(r"blocks_(\d+)/(.+)", layer):
            number = int(within[1])
            path = f"{places[number]}.{_in_block(within[2], blocks[number])}"
        else:
            path = _outside(layer)
        assert path not in state, path
        state[path] = torch.from_numpy(_as_torch(layer, value))
    return state


def _outside(layer: str) -> str:
    scope, _, rest = layer.partition("/")
    kind, _, variable = rest.partition("/")
    if kind == "dense":
        return f"classifier.{'weight' if variable == 'kernel' else 'bias'}"
    if kind == "conv2d":
        return f"conv_{scope}.weight"
    return f"{'bn1' if scope == 'stem' else 'bn2'}.{_NORM[variable]}"


def _in_block(layer: str, block: BlockArgs) -> str:
    kind, _, variable = layer.rpartition("/")
    expands = block.expand_ratio != 1
    if kind.startswith("se/"):
        part = "conv_reduce" if kind == "se/conv2d" else "conv_expand"
        return f"se.{part}.{'weight' if variable == 'kernel' else 'bias'}"
    base = re.sub(r"_\d+$", "", kind)
    index = int(kind.removeprefix(base).strip("_") or 0)
    if base == "tpu_batch_normalization":
        return f"bn{index + 1}.{_NORM[variable]}"
    if base == "depthwise_conv2d":
        return _grouped("conv_dw", index, len(block.kernels))
    groups = block.expand_groups if expands else 0
    if index < groups:
        return _grouped("conv_pw", index, groups)
    # Without an expansion, timm calls the projection as the expansion of the others.
    return _grouped("conv_pwl" if expands else "conv_pw", index - groups, block.project_groups)


def _grouped(name: str, index: int, groups: int) -> str:
    return f"{name}.weight" if groups == 1 else f"{name}.{index}.weight"


def _as_torch(layer: str, value: Array) -> Array:
    if layer.endswith("/depthwise_kernel"):  # [H, W, C, 1] -> [C, 1, H, W]
        return np.ascontiguousarray(value.transpose(2, 3, 0, 1))
    if value.ndim == 4:  # [H, W, in, out] -> [out, in, H, W]
        return np.ascontiguousarray(value.transpose(3, 2, 0, 1))
    return np.ascontiguousarray(value.T)
