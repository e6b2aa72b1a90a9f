"""Which kernel of OpenVINO's CPU plugin a convolution runs on: reads it, and requests another.

The request is the node attribute ``PrimitivesPriority``. OpenVINO does not document it, and takes notice of it only
after a model was saved and read again. A request that cannot be met may lead to a reference kernel, which takes a
hundred times as long. So the kernel that was applied is read from the execution graph each time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.ir.core import openvino_core
from mixnet_tools.ir.read import read_ir

if TYPE_CHECKING:
    import openvino

ATTRIBUTE = "PrimitivesPriority"
REREAD_ATTRIBUTE = "primitives_priority_0"
"""Name of the same attribute in a model that was read from a file."""

FAMILIES = ("brgconv_avx512", "jit_avx512", "brgconv_avx2", "jit_avx2")
SUFFIXES = {"depthwise": "_dw", "pointwise": "_1x1"}
"""For each kind of convolution, what the name of a family's kernel for it ends in.

Other kinds are left alone. For 1x1 convolutions in groups and for the first convolution, requests led to reference
kernels, or to copies of the image before and behind it.
"""

SLOW = ("ref", "gemm")
"""Parts of the names of kernels that no convolution should run on."""


def kind_of(node: openvino.Node) -> str | None:
    """The kind of convolution that ``node`` is: a key of :data:`SUFFIXES`, or None."""
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
    """The value of the attribute: the kernel of ``family`` for ``kind``, and after it those of the other families."""
    order = (family, *(other for other in FAMILIES if other != family))
    return ",".join(f"cpu:{one}{SUFFIXES[kind]}" for one in order)


def request_kernels(model: openvino.Model, families: Mapping[str, str]) -> None:
    """Request kernels in ``model``: ``families`` has the family for each convolution, by its name."""
    for node in model.get_ops():
        family, kind = families.get(node.get_friendly_name()), kind_of(node)
        if family and kind:
            node.get_rt_info()[ATTRIBUTE] = priority(kind, family)


def is_tuned(model: openvino.Model) -> bool:
    """Whether ``model`` requests kernels already."""
    return any({ATTRIBUTE, REREAD_ATTRIBUTE} & set(node.get_rt_info()) for node in model.get_ops())


def remove_requests(model: openvino.Model) -> None:
    """Remove all requests for kernels from ``model``."""
    for node in model.get_ops():
        info = node.get_rt_info()
        for name in {ATTRIBUTE, REREAD_ATTRIBUTE} & set(info):
            del info[name]


def reread(model: openvino.Model) -> openvino.Model:
    """Save ``model`` and read it again: only then does OpenVINO take notice of requests."""
    import openvino

    core = openvino_core()
    core.set_property({"ENABLE_MMAP": False})  # the file is gone before the model is
    with tempfile.TemporaryDirectory() as folder:
        xml = Path(folder) / "model.xml"
        openvino.save_model(model, xml, compress_to_fp16=False)
        return read_ir(xml, core)


def applied_kernels(compiled: openvino.CompiledModel) -> dict[str, str]:
    """The kernel on which each convolution runs, by the convolution's name; without the number format."""
    found = {}
    for node in compiled.get_runtime_model().get_ops():
        info = node.get_rt_info()
        if info["layerType"].astype(str) in ("Convolution", "GroupConvolution"):
            found[node.get_friendly_name()] = info["primitiveType"].astype(str).rpartition("_")[0]
    return found


def slow_convolutions(kernels: Mapping[str, str]) -> set[str]:
    """The names of the convolutions in ``kernels`` that run on one of the :data:`SLOW` kernels."""
    return {name for name, kernel in kernels.items() if any(word in kernel for word in SLOW)}
