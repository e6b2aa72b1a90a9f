"""Generates the inputs on which original and IR are compared: for each side as it takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mixnet_tools.conversion.plan import CHANNELS, ConversionPlan, InputPlan
from mixnet_tools.conversion.reference.base import Reference
from mixnet_tools.errors import ParityError
from mixnet_tools.inference.base import Array
from mixnet_tools.inference.openvino import listed, port_named

if TYPE_CHECKING:
    import openvino

IMAGES = 8
SEED = 20190722  # the day MixNet was published


def natural_images(
    count: int, height: int, width: int, seed: int = SEED, channels: int = CHANNELS
) -> npt.NDArray[np.float32]:
    """``count`` images with the statistics of photographs: float32 [count, height, width, channels], 0..255, integers.

    RGB, or grey with one channel: noise whose amplitude falls with spatial frequency (1/f, Field 1987), of varied
    brightness and contrast, crossed by a few flat shapes with sharp edges.
    """
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    amplitude = 1.0 / np.maximum(frequency, 1.0 / max(height, width))
    rows, columns = np.mgrid[0:height, 0:width]
    images = np.empty((count, height, width, channels), np.float32)
    for image in images:
        for channel in range(channels):
            noise = np.fft.irfft2(amplitude * np.exp(2j * np.pi * rng.random(amplitude.shape)), (height, width))
            image[..., channel] = rng.uniform(60, 190) + rng.uniform(20, 60) * noise / noise.std()
        for _ in range(3):
            center_row, center_column = rng.uniform(0, height), rng.uniform(0, width)
            radii = rng.uniform(0.05, 0.3, 2) * (height, width)
            inside = ((rows - center_row) / radii[0]) ** 2 + ((columns - center_column) / radii[1]) ** 2 < 1
            image[inside] = rng.uniform(0, 255, channels)
    return np.rint(np.clip(images, 0, 255)).astype(np.float32)


@dataclass(frozen=True)
class Port:
    """An input of the IR: its ``name`` in the original, static ``shape``, numpy ``dtype``, and what the plan says of it
    (None: nothing).
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    plan: InputPlan | None


def ports_of(model: openvino.Model, original: Reference, plan: ConversionPlan) -> tuple[Port, ...]:
    """The inputs of ``model``, found by the names that ``original`` has for them.

    Raises :class:`ParityError` where the two do not have the same inputs.
    """
    planned = {entry.cut.text: entry for entry in plan.inputs}
    ports = []
    for name in original.inputs:
        port = port_named(model.inputs, name)
        if port is None:
            raise ParityError(f"{plan.model}: the IR has no input {name!r}; available: {listed(model.inputs)}")
        ports.append(Port(name, tuple(port.get_shape()), port.get_element_type().to_dtype(), planned.get(name)))
    if len(ports) != len(model.inputs):
        names = ", ".join(original.inputs)
        raise ParityError(f"{plan.model}: expected the original's inputs ({names}), got {listed(model.inputs)}")
    return tuple(ports)


def make_feeds(ports: Sequence[Port], count: int = IMAGES) -> list[dict[str, Array]]:
    """``count`` sets of inputs as the IR takes them, by name: images where the plan says that an input is one.

    Other inputs get numbers: normally distributed ones, or 0 and 1 for whole numbers and booleans.
    """
    rng = np.random.default_rng(SEED)
    columns: dict[str, Array] = {}
    for port in ports:
        shape = (count, *port.shape)
        if _is_image(port):
            sizes = dict(zip(port.plan.layout or "", port.shape, strict=True)) if port.plan else {}
            images = natural_images(count * sizes.get("N", 1), sizes["H"], sizes["W"], channels=sizes["C"])
            images = images[..., ::-1] if port.plan and port.plan.reverse else images  # the IR takes BGR
            axes = ["NHWC".index(axis) for axis in (port.plan.layout if port.plan else "") or ""]
            column: Array = images.reshape(shape) if len(axes) == 3 else images.transpose(axes).reshape(shape)
        elif np.issubdtype(port.dtype, np.floating):
            column = rng.normal(size=shape)
        else:
            column = rng.integers(0, 2, shape)
        columns[port.name] = np.ascontiguousarray(column.astype(port.dtype))
    return [{name: column[index] for name, column in columns.items()} for index in range(count)]


def as_original(array: Array, port: Port) -> Array:
    """The original's input where the IR gets ``array``: the plan's preprocessing, done by numpy."""
    plan = port.plan
    if plan is None:
        return array
    axis = plan.channel_axis
    if plan.reverse and axis is not None:
        array = np.flip(array, axis)
    if plan.mean or plan.scale:
        array = array.astype(np.float32)
    for values, apply in ((plan.mean, np.subtract), (plan.scale, np.divide)):
        if values:
            shape = [1] * array.ndim
            if len(values) > 1 and axis is not None:
                shape[axis] = len(values)
            array = apply(array, np.array(values, np.float32).reshape(shape))
    return np.ascontiguousarray(array)


def _is_image(port: Port) -> bool:
    layout = port.plan.layout if port.plan else None
    return (
        bool(layout)
        and sorted(layout or "") in (sorted("HWC"), sorted("NHWC"))
        and (port.shape[(layout or "").index("C")] in (CHANNELS, 1))
    )
