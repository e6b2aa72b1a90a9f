"""Makes the :class:`ConversionPlan` from a descriptor's ``model_optimizer_args`` and ``input_info``.

The arguments are the Model Optimizer's command line, and mean what they mean there. ``input_info`` stands for
``--input``, ``--input_shape`` and ``--layout`` where these are not given. Planning reads only the descriptor and
imports nothing heavy, so a dry run over a whole zoo is cheap. An option that cannot be executed is refused here, before
any work.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from mixnet_tools.conversion import notation
from mixnet_tools.conversion.plan import (
    CHANNELS,
    Constant,
    ConversionPlan,
    Cut,
    InputPlan,
    Source,
    parse_cut,
)
from mixnet_tools.conversion.sources.base import SourceModel
from mixnet_tools.conversion.sources.kinds import KINDS
from mixnet_tools.conversion.sources.pytorch_arguments import completed, parse_module
from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.errors import UnsupportedOption
from mixnet_tools.reference.job import TorchModule

SOURCES = tuple(dict.fromkeys(kind.option for kind in KINDS.values()))
EITHER = ("compress_to_fp16",)
"""Options with or without a value. ``compress_to_fp16`` has no effect: users choose the precisions."""

FLAGS = ("reverse_input_channels", "input_model_is_text")
OPTIONS = (
    *SOURCES, "output", "input", "input_shape", "layout", "mean_values", "scale_values", "scale",
    "freeze_placeholder_with_value", "compress_to_fp16", "saved_model_tags", "saved_model_signature",
)  # fmt: skip
ALIASES = {"input_meta": "input_meta_graph", "m": "input_model"}
PREPARATION_SCRIPT = "pre-convert.py"
ELEMENT_TYPES = ("f16", "f32", "f64", "i8", "i16", "i32", "i64", "u8", "boolean")

T = TypeVar("T")


def plan_conversion(
    descriptor: ModelDescriptor, download_dir: Path, output_dir: Path | None = None, mo_args: Sequence[str] = ()
) -> ConversionPlan:
    """Plan the conversion of ``descriptor``, whose files are below ``download_dir``.

    ``output_dir`` (default: the same folder) is what ``$conv_dir`` refers to: the folder for converted models.
    ``mo_args`` are further arguments of the Model Optimizer. They take the place of the descriptor's of the same name.

    Raises :class:`UnsupportedOption`, which names the model and each option that this converter does not execute.
    """
    return _Planner(descriptor, download_dir, output_dir or download_dir, tuple(mo_args)).plan()


@dataclass(frozen=True)
class _Planner:
    """Reads one descriptor. :meth:`refuse` makes every error, so that each names the file and the key."""

    descriptor: ModelDescriptor
    download_dir: Path
    output_dir: Path
    mo_args: tuple[str, ...]

    def plan(self) -> ConversionPlan:
        descriptor = self.descriptor
        if descriptor.framework == "dldt":
            raise self.refuse("framework", f"{descriptor.name} is OpenVINO IR already: there is nothing to convert")
        module = self.module() if descriptor.framework == "pytorch" else None
        options = self.options()
        kind, path = self.source(options, module)
        script = descriptor.directory / PREPARATION_SCRIPT
        made = path.exists() and (module is None or module.weights is not None)
        if script.is_file() and not made:
            error = self.refuse("", f"the model needs its script {PREPARATION_SCRIPT}, which is not run")
            folders = shlex.join(("python", *map(str, (script, self.folders["$dl_dir"], self.folders["$conv_dir"]))))
            error.hint = f"read it, and run it yourself: {folders}; it makes {path.name}"
            raise error
        inputs, outputs = self.inputs(options), self.outputs(options, kind)
        if module is not None:
            try:
                inputs, names = completed(module, inputs, [cut.text for cut in outputs])
            except ValueError as error:
                raise self.refuse("conversion_to_onnx_args", str(error)) from None
            outputs = tuple(kind.parse_name(name) for name in names)
        self.refuse_repeated(inputs, outputs)
        constants = [Constant(entry.name, entry.value) for entry in inputs if entry.value is not None]
        constants += self.frozen_placeholders(options)
        plans = self.with_values(options, self.with_layouts(options, [e for e in inputs if e.value is None], kind))
        if constants and not kind.takes_constants:
            raise self.refuse("model_optimizer_args", f"--freeze_placeholder_with_value is not done for {kind.kind}")
        return ConversionPlan(
            model=descriptor.name,
            source=Source(kind.kind, path),
            inputs=plans,
            outputs=outputs,
            constants=tuple(constants),
            signature=options.get("saved_model_signature"),
            tags=notation.parse_tags(options["saved_model_tags"]) if "saved_model_tags" in options else None,
            module=module,
            download_dir=self.download_dir,
            made=path if script.is_file() else None,
        )

    def module(self) -> TorchModule:
        """How the PyTorch module is made."""
        folders = {variable: os.path.abspath(folder) for variable, folder in self.folders.items()}
        try:
            return parse_module(self.descriptor.conversion_to_onnx_args or (), folders)
        except ValueError as error:
            raise self.refuse("conversion_to_onnx_args", *map(str, error.args)) from None

    def refuse_repeated(self, inputs: list[notation.InputText], outputs: tuple[Cut, ...]) -> None:
        for option, names in (("input", [entry.name for entry in inputs]), ("output", [cut.label for cut in outputs])):
            repeated = sorted({name for name in names if names.count(name) > 1})
            if repeated:
                raise self.refuse("model_optimizer_args", f"--{option}: {repeated[0]!r} is named twice")

    def refuse(self, key: str, *problems: str) -> UnsupportedOption:
        if key == "model_optimizer_args" and self.mo_args:
            key += " with `mo_args`"
        place = f"{self.descriptor.path}: {key}: " if key else f"{self.descriptor.path}: "
        return UnsupportedOption("\n".join(f"{place}{problem}" for problem in problems))

    def parsed(self, option: str, parse: Callable[[str], T], text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise self.refuse("model_optimizer_args", f"--{option}: {error}") from None

    @property
    def folders(self) -> dict[str, str]:
        """What the variables in arguments stand for."""
        below = self.descriptor.subdirectory
        return {
            "$dl_dir": str(self.download_dir / below),
            "$conv_dir": str(self.output_dir / below),
            "$config_dir": str(self.descriptor.directory),
        }

    def options(self) -> dict[str, str]:
        """Option names and values, variables substituted. All unknown options are in one error."""
        options: dict[str, str] = {}
        problems = []
        further = notation.joined(self.mo_args)
        replaced = {argument.removeprefix("--").partition("=")[0] for argument in further}
        own = notation.joined(self.descriptor.model_optimizer_args or ())
        own = [one for one in own if one.removeprefix("--").partition("=")[0] not in replaced]
        for argument in (*own, *further):
            name, equals, value = argument.removeprefix("--").partition("=")
            name = ALIASES.get(name, name)
            if not argument.startswith("--") or name not in FLAGS + OPTIONS:
                problems.append(f"{argument.partition('=')[0]} is not supported")
            elif bool(equals) != (name in OPTIONS) and name not in EITHER:
                problems.append(f"--{name} {'takes no value' if equals else 'needs a value'}")
            elif name in options:
                problems.append(f"--{name} is given twice")
            for variable, folder in self.folders.items():
                value = value.replace(variable, folder)
            options[name] = value
        if problems:
            raise self.refuse("model_optimizer_args", *problems)
        return options

    def source(self, options: dict[str, str], module: TorchModule | None) -> tuple[type[SourceModel], Path]:
        given = [option for option in SOURCES if option in options]
        if module is not None:  # an ONNX file, which is not made, may be named
            if other := [option for option in given if option != KINDS["pytorch"].option]:
                raise self.refuse("model_optimizer_args", f"--{other[0]}: does not fit the framework")
            return KINDS["pytorch"], Path(module.weights or self.folders["$dl_dir"])
        if len(given) != 1:
            listed = ", ".join(f"--{option}" for option in SOURCES)
            raise self.refuse("model_optimizer_args", f"expected one of {listed}, got {len(given) or 'none'} of them")
        option, path = given[0], Path(options[given[0]])
        wanted = (self.descriptor.framework, option)
        kind = next((kind for kind in KINDS.values() if (kind.framework, kind.option) == wanted), None)
        problem = kind.path_problem(path) if kind else f"{path.name} does not fit the framework"
        if kind is None or problem:
            raise self.refuse("model_optimizer_args", f"--{option}: {problem}")
        return kind, path

    def outputs(self, options: dict[str, str], kind: type[SourceModel]) -> tuple[Cut, ...]:
        cuts = tuple(kind.parse_name(name) for name in self.parsed("output", notation.split, options.get("output", "")))
        for cut in cuts:
            if cut.side == "input":
                raise self.refuse("model_optimizer_args", f"--output: expected node or node:port, got {cut.text!r}")
        return cuts

    def inputs(self, options: dict[str, str]) -> list[notation.InputText]:
        """Names, shapes, types and values, from the arguments, or from input_info where they say nothing."""
        info = self.descriptor.input_info
        if "input" in options:
            entries = [
                self.parsed("input", notation.parse_input, part)
                for part in self.parsed("input", notation.split, options["input"])
            ]
        else:
            entries = [notation.InputText(entry.name, entry.shape, None, None) for entry in info]
        known = {entry.name: entry.shape for entry in info}
        entries = [replace(entry, shape=entry.shape or known.get(entry.name)) for entry in entries]
        if "input_shape" in options:
            shapes = [
                self.parsed("input_shape", notation.parse_shape, part)
                for part in self.parsed("input_shape", notation.split, options["input_shape"])
            ]
            if len(shapes) != len(entries):
                problem = f"--input_shape has {len(shapes)} shapes for {len(entries)} inputs"
                raise self.refuse("model_optimizer_args", problem)
            entries = [replace(entry, shape=shape) for entry, shape in zip(entries, shapes, strict=True)]
        for index, entry in enumerate(entries):
            if entry.shape is not None and any(size <= 0 for size in entry.shape):
                raise self.refuse(f"input_info[{index}].shape", f"expected positive sizes, got {list(entry.shape)}")
            if entry.element_type not in (None, *ELEMENT_TYPES):
                problem = f"--input: expected a type of {', '.join(ELEMENT_TYPES)}, got {entry.element_type!r}"
                raise self.refuse("model_optimizer_args", problem)
        return entries

    def with_layouts(
        self, options: dict[str, str], entries: list[notation.InputText], kind: type[SourceModel]
    ) -> tuple[InputPlan, ...]:
        given = self.per_input("layout", options, [entry.name for entry in entries])
        known = {entry.name: entry.layout for entry in self.descriptor.input_info}
        plans = []
        for index, entry in enumerate(entries):
            text = given.get(entry.name) or known.get(entry.name)
            layout = self.parsed("layout", notation.parse_layout, text) if text else None
            if layout and entry.shape and len(layout) != len(entry.shape):
                problem = f"{layout!r} does not fit the shape {list(entry.shape)}"
                raise self.refuse(f"input_info[{index}].layout", problem)
            plans.append(InputPlan(kind.parse_name(entry.name), entry.shape, layout, entry.element_type))
        return tuple(plans)

    def with_values(self, options: dict[str, str], plans: tuple[InputPlan, ...]) -> tuple[InputPlan, ...]:
        """Reversal, mean and scale for each input that has channels. Refused where no input has any."""
        names = [plan.cut.text for plan in plans]
        means = self.per_input("mean_values", options, names)
        scales = self.per_input("scale_values", options, names)
        reverse = "reverse_input_channels" in options
        common = self.parsed("scale", notation.parse_numbers, options["scale"]) if "scale" in options else ()
        if len(common) > 1:
            raise self.refuse("model_optimizer_args", f"--scale: expected one number, got {options['scale']!r}")
        result = []
        for plan in plans:
            mean, scale = means.get(plan.cut.text), scales.get(plan.cut.text)
            planned = replace(
                plan,
                reverse=reverse and is_image(plan),
                mean=self.parsed("mean_values", notation.parse_numbers, mean) if mean else (),
                scale=self.parsed("scale_values", notation.parse_numbers, scale) if scale else common,
            )
            self.check_values(planned)
            result.append(planned)
        if reverse and not any(plan.reverse for plan in result):
            found = ", ".join(plan.describe() for plan in result) or "no input_info"
            problem = f"--reverse_input_channels needs an image input (shape, layout, {CHANNELS} channels); got {found}"
            raise self.refuse("model_optimizer_args", problem)
        return tuple(result)

    def check_values(self, plan: InputPlan) -> None:
        for option, values in (("mean_values", plan.mean), ("scale_values", plan.scale)):
            if len(values) > 1 and len(values) != _channels(plan):
                found = f"{_channels(plan)} channels" if _channels(plan) else "no layout that names channels"
                problem = f"--{option}: {len(values)} values for {plan.cut.text!r}, which has {found}"
                raise self.refuse("model_optimizer_args", problem)
        if 0.0 in plan.scale:
            raise self.refuse("model_optimizer_args", "--scale_values: cannot divide by 0")

    def per_input(self, option: str, options: dict[str, str], names: list[str]) -> dict[str, str]:
        """Values of ``option`` by input name; unnamed ones go to the inputs in order (a single one to all)."""
        if option not in options:
            return {}
        entries = self.parsed(option, notation.parse_named, options[option])
        unnamed = [value for name, value in entries if name is None]
        if unnamed and len(unnamed) != len(entries):
            raise self.refuse("model_optimizer_args", f"--{option}: name all inputs, or none")
        if len(unnamed) == 1:
            return dict.fromkeys(names, unnamed[0])
        if unnamed:
            if len(unnamed) != len(names):
                raise self.refuse("model_optimizer_args", f"--{option}: {len(unnamed)} values for {len(names)} inputs")
            return dict(zip(names, unnamed, strict=True))
        by_node = {parse_cut(name).node: name for name in names}
        result = {}
        for name, value in entries:
            key = name if name in names else by_node.get(name or "")
            if key is None:
                raise self.refuse("model_optimizer_args", f"--{option}: no input is called {name!r}")
            result[key] = value
        return result

    def frozen_placeholders(self, options: dict[str, str]) -> list[Constant]:
        constants = []
        for part in self.parsed(
            "freeze_placeholder_with_value", notation.split, options.get("freeze_placeholder_with_value", "")
        ):
            name, arrow, value = part.partition("->")
            if not arrow:
                problem = f"--freeze_placeholder_with_value: expected name->value, got {part!r}"
                raise self.refuse("model_optimizer_args", problem)
            constants.append(Constant(name.strip(), value.strip()))
        return constants


def is_image(plan: InputPlan) -> bool:
    """Whether ``plan`` is an input of colour images: height, width, and :data:`CHANNELS` channels."""
    return {"H", "W", "C"} <= set(plan.layout or "") and _channels(plan) == CHANNELS


def _channels(plan: InputPlan) -> int | None:
    return plan.shape[plan.channel_axis] if plan.shape and plan.channel_axis is not None else None
