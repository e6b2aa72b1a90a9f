"""Which of the CPU plugin's kernels a convolution runs on: reading it, and wishing for another.

The wish is ``PrimitivesPriority``, an attribute of OpenVINO's that is documented nowhere: it counts only after a model
was saved and read again, and a wish that cannot be granted may end at a reference kernel a hundred times as slow. So
what a wish led to is read from the execution graph each time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ATTRIBUTE = "PrimitivesPriority"
REREAD_ATTRIBUTE = "primitives_priority_0"
"""What OpenVINO calls it in a model that was read from a file."""

FAMILIES = ("brgconv_avx512", "jit_avx512", "brgconv_avx2", "jit_avx2")
SUFFIXES = {"depthwise": "_dw", "pointwise": "_1x1"}
"""What a family's kernel for a kind of convolution is called. Others are left alone: on 1x1 convolutions in groups and
the first convolution, wishes ended at reference kernels or cost copies of the image around them."""

SLOW = ("ref", "gemm")
"""Parts of the names of kernels that no convolution should run on."""


def kind_of(node: Any) -> str | None:
    """The kind of convolution that ``node`` is, a key of :data:`SUFFIXES`; None where it is none of them."""
    if node.get_type_name() not in ("Convolution", "GroupConvolution"):
        return None
    shape = node.input_value(1).get_partial_shape()
    if shape.is_dynamic:
        return None
    sizes = list(shape.to_shape())
    if len(sizes) == 5:
        return "depthwise" if sizes[1:3] == [1, 1] else None
    return "pointwise" if sizes[2:] == [1, 1] else None


def priority(kind: str, family: str) -> str:
    """The wish for ``family``, or else another family's kernel for the ``kind``."""
    order = (family, *(other for other in FAMILIES if other != family))
    return ",".join(f"cpu:{one}{SUFFIXES[kind]}" for one in order)


def wish(model: Any, families: Mapping[str, str]) -> None:
    """Ask for the family of kernels that ``families`` has for a convolution's name."""
    for node in model.get_ops():
        family, kind = families.get(node.get_friendly_name()), kind_of(node)
        if family and kind:
            node.get_rt_info()[ATTRIBUTE] = priority(kind, family)


def is_tuned(model: Any) -> bool:
    """Whether wishes were put into ``model`` already."""
    return any({ATTRIBUTE, REREAD_ATTRIBUTE} & set(node.get_rt_info()) for node in model.get_ops())


def forget(model: Any) -> None:
    """Take all wishes out of ``model``."""
    for node in model.get_ops():
        info = node.get_rt_info()
        for name in {ATTRIBUTE, REREAD_ATTRIBUTE} & set(info):
            del info[name]


def reread(model: Any) -> Any:
    """``model`` saved and read again, which is when wishes begin to count."""
    import openvino

    core = openvino.Core()
    core.set_property({"ENABLE_MMAP": False})  # the file is gone before the model is
    with tempfile.TemporaryDirectory() as folder:
        xml = Path(folder) / "model.xml"
        openvino.save_model(model, xml, compress_to_fp16=False)
        return core.read_model(xml)


def granted(compiled: Any) -> dict[str, str]:
    """By name of a convolution of a compiled model: its kernel, without the number format."""
    found = {}
    for node in compiled.get_runtime_model().get_ops():
        info = node.get_rt_info()
        if info["layerType"].astype(str) in ("Convolution", "GroupConvolution"):
            found[node.get_friendly_name()] = info["primitiveType"].astype(str).rpartition("_")[0]
    return found


def slow(kernels: Mapping[str, str]) -> set[str]:
    """The names of convolutions that run on a kernel of the slow kind."""
    return {name for name, kernel in kernels.items() if any(word in kernel for word in SLOW)}
