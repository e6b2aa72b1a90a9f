"""What a descriptor asks of the converter: ``model_optimizer_args`` and ``input_info`` as a :class:`ConversionPlan`.

The arguments are the Model Optimizer's command line. Planning reads the descriptor only, touches no file and imports
nothing heavy, so a dry run over a whole zoo is cheap; what cannot be executed is refused here, before any work.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mixnet_tools.descriptor import ModelDescriptor
from mixnet_tools.errors import UnsupportedOption

FLAGS = ("reverse_input_channels",)
OPTIONS = ("input_meta_graph", "output", "input", "input_shape", "layout")
ALIASES = {"input_meta": "input_meta_graph"}
CHANNELS = 3


@dataclass(frozen=True)
class Cut:
    """Where the model's input is fed: a tensor of the source graph, in the Model Optimizer's notation.

    ``side`` is ``output`` for ``node:port``, ``input`` for ``port:node``, ``node`` for a bare name.
    """

    text: str
    node: str
    side: Literal["node", "output", "input"]
    port: int

    @property
    def placeholder(self) -> str:
        """Name of the Placeholder that the Model Optimizer put there, which deployed applications know."""
        if self.side == "node":
            return self.node
        return f"{self.node}/placeholder_{'out_' if self.side == 'output' else ''}port_{self.port}"


@dataclass(frozen=True)
class ConversionPlan:
    """Everything that conversion will do to one model, before anything is done.

    ``input_shape`` is the IR's (batch first), ``layout`` its axes (``NHWC``); ``reverse_input_channels`` says that
    the IR takes BGR where the source model takes RGB.
    """

    model: str
    meta_graph: Path
    cut: Cut
    output: str
    input_shape: tuple[int, ...]
    layout: str
    reverse_input_channels: bool

    @property
    def checkpoint(self) -> Path:
        """Prefix of the checkpoint's files: the meta graph's path without ``.meta``."""
        return self.meta_graph.with_suffix("")

    @property
    def aliases(self) -> tuple[str, ...]:
        """Further names under which older tools know the input."""
        return (self.cut.text,) if self.cut.text != self.cut.placeholder else ()


def parse_cut(text: str) -> Cut:
    """The Model Optimizer's notation for a tensor.

    >>> parse_cut("IteratorGetNext:0").placeholder
    'IteratorGetNext/placeholder_out_port_0'
    >>> parse_cut("0:sub").placeholder
    'sub/placeholder_port_0'
    >>> parse_cut("input").placeholder
    'input'
    """
    if match := re.fullmatch(r"(.+):(\d+)", text):
        return Cut(text, match[1], "output", int(match[2]))
    if match := re.fullmatch(r"(\d+):(.+)", text):
        return Cut(text, match[2], "input", int(match[1]))
    return Cut(text, text, "node", 0)


def plan_conversion(descriptor: ModelDescriptor, download_dir: Path) -> ConversionPlan:
    """What converting ``descriptor`` means, its files lying below ``download_dir``.

    Raises :class:`UnsupportedOption` that names the model, and each option that this converter does not execute.
    """
    if descriptor.framework != "tf" or descriptor.model_optimizer_args is None:
        what = f"is from {descriptor.framework!r}; this converter executes 'tf' descriptors with a meta graph"
        if descriptor.framework == "dldt":
            what = "is OpenVINO IR already: there is nothing to convert"
        raise UnsupportedOption(f"{descriptor.path}: framework: {descriptor.name} {what}")
    folders = {
        "$dl_dir": str(download_dir / descriptor.subdirectory),
        "$conv_dir": str(download_dir / descriptor.subdirectory),
        "$config_dir": str(descriptor.directory),
    }
    options = _parse_arguments(descriptor, folders)
    problems = []
    if "input_meta_graph" not in options:
        problems.append("expected --input_meta_graph=<file>.meta; other sources are not converted")
    outputs = [name for name in options.get("output", "").split(",") if name]
    if len(outputs) != 1:
        problems.append(f"expected one --output=<node>, got {', '.join(outputs) or 'none'}")
    if problems:
        raise _refuse(descriptor, "model_optimizer_args", problems)
    cut, shape, layout = _input(descriptor, options)
    reverse = "reverse_input_channels" in options
    if reverse and ("C" not in layout or len(layout) != len(shape) or shape[layout.index("C")] != CHANNELS):
        problem = f"--reverse_input_channels needs a layout with {CHANNELS} channels, got {layout!r} for {list(shape)}"
        raise _refuse(descriptor, "input_info[0]", [problem])
    return ConversionPlan(
        model=descriptor.name,
        meta_graph=Path(options["input_meta_graph"]),
        cut=cut,
        output=outputs[0].removesuffix(":0"),
        input_shape=shape,
        layout=layout,
        reverse_input_channels=reverse,
    )


def _parse_arguments(descriptor: ModelDescriptor, folders: dict[str, str]) -> dict[str, str]:
    options: dict[str, str] = {}
    problems = []
    for argument in descriptor.model_optimizer_args or ():
        name, equals, value = argument.removeprefix("--").partition("=")
        name = ALIASES.get(name, name)
        if not argument.startswith("--") or name not in FLAGS + OPTIONS:
            problems.append(f"{argument.partition('=')[0]} is not supported")
        elif bool(equals) != (name in OPTIONS):
            problems.append(f"--{name} {'takes no value' if equals else 'needs a value'}")
        elif name in options:
            problems.append(f"--{name} is given twice")
        for variable, folder in folders.items():
            value = value.replace(variable, folder)
        options[name] = value
    if problems:
        raise _refuse(descriptor, "model_optimizer_args", problems)
    return options


def _input(descriptor: ModelDescriptor, options: dict[str, str]) -> tuple[Cut, tuple[int, ...], str]:
    """The one input: where it is cut, its shape and its layout; command-line arguments go before input_info."""
    if len(descriptor.input_info) > 1 or "," in options.get("input", ""):
        raise _refuse(descriptor, "input_info", ["expected one input: models with several are not converted"])
    info = descriptor.input_info[0] if descriptor.input_info else None
    name = options.get("input") or (info.name if info else None)
    shape = info.shape if info else None
    if "input_shape" in options:
        text = options["input_shape"]
        if not re.fullmatch(r"[\[(]\d+(,\d+)*[\])]", text):
            raise _refuse(descriptor, "model_optimizer_args", [f"--input_shape: expected [n,n,...], got {text!r}"])
        shape = tuple(int(number) for number in text.strip("[]()").split(","))
    layout = options.get("layout") or (info.layout if info else None) or "NHWC"
    if name is None or shape is None:
        raise _refuse(descriptor, "input_info", ["expected the input's name and shape"])
    if any(number <= 0 for number in shape):
        raise _refuse(descriptor, "input_info[0].shape", [f"expected positive sizes, got {list(shape)}"])
    if len(layout) != len(shape):
        raise _refuse(descriptor, "input_info[0].layout", [f"{layout!r} does not fit the shape {list(shape)}"])
    return parse_cut(name), shape, layout


def _refuse(descriptor: ModelDescriptor, key: str, problems: list[str]) -> UnsupportedOption:
    lines = [f"{descriptor.path}: {key}: {problem}" for problem in problems]
    return UnsupportedOption("\n".join(lines))
