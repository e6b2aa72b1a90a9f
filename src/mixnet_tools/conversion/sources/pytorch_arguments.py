"""Reads ``conversion_to_onnx_args``: how a PyTorch module is made, in the words of Open Model Zoo's export to ONNX."""

from __future__ import annotations

import ast
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mixnet_tools.conversion.notation import InputText, joined
from mixnet_tools.descriptors.strict_yaml import shorten
from mixnet_tools.reference.job import TorchInput, TorchModule

DTYPES = {
    "bool": "bool", "double": "float64", "float": "float32", "half": "float16", "int32": "int32", "int8": "int8",
    "long": "int64", "short": "int16", "uint8": "uint8",
}  # fmt: skip
"""Open Model Zoo's words for types of inputs, and PyTorch's."""

ONCE = ("model-name", "import-module", "weights", "weights-key", "input-shapes", "input-names", "output-names",
        "inputs-dtype")  # fmt: skip
REPEATED = ("model-path", "model-param")
WITHOUT_EFFECT = ("output-file", "conversion-param", "opset-version")
"""Arguments about the ONNX file, which is not made."""

REQUIRED = ("model-name", "import-module", "input-shapes", "input-names", "output-names")
ALIASES = {"input-shape": "input-shapes"}

_INSTALLED = ("timm", "timm.models", "torchvision.models")
"""Packages whose functions need no consent: they make models, and nothing else."""


def parse_module(arguments: Sequence[str], folders: Mapping[str, str]) -> TorchModule:
    """The module that ``arguments`` describe. ``folders`` are the values of ``$dl_dir`` and so on.

    Raises ValueError whose arguments are all problems, a text each.

    >>> parse_module(["--model-name=resnet18", "--import-module=torchvision.models", "--input-shape=1,3,224,224",
    ...               "--input-names=data", "--output-names=prob", "--model-param=num_classes=10"], {}).parameters
    (('num_classes', '10'),)
    """
    values, problems = _values(arguments)
    parameters, wrong = _parameters(values.get("model-param", []), folders)
    problems += wrong
    problems += [f"--{name} is required" for name in REQUIRED if name not in values]
    paths = tuple(dict.fromkeys(_filled(path, folders) for path in values.get("model-path", ())))
    problems += [
        f"--model-path: expected a folder at or below {', '.join(folders)}, got {shorten(path)}"
        for path in paths
        if not any(Path(os.path.normpath(path)).is_relative_to(folder) for folder in folders.values())
    ]
    for name in values.get("import-module", ()):
        if not all(part.isidentifier() for part in name.split(".")):
            problems.append(f"--import-module: expected names with dots between them, got {shorten(name)}")
    inputs: tuple[TorchInput, ...] = ()
    if not problems:
        try:
            inputs = _inputs(*(values.get(name, [""])[0] for name in ("input-names", "input-shapes", "inputs-dtype")))
        except ValueError as error:
            problems.append(str(error))
    outputs = tuple(name.strip() for name in values.get("output-names", [""])[0].split(","))
    for option, names in (("input-names", [one.name for one in inputs]), ("output-names", list(outputs))):
        repeated = sorted({name for name in names if names.count(name) > 1})
        problems += [f"--{option}: {repeated[0]!r} is named twice"] if repeated else []
    if problems:
        raise ValueError(*problems)
    return TorchModule(
        module=values["import-module"][0],
        function=values["model-name"][0],
        inputs=inputs,
        outputs=outputs,
        parameters=parameters,
        folders=tuple(map(os.path.normpath, paths)),
        weights=_filled(values["weights"][0], folders) if "weights" in values else None,
        weights_key=values.get("weights-key", [None])[0],
    )


def completed(
    said: TorchModule, inputs: Sequence[InputText], outputs: Sequence[str]
) -> tuple[list[InputText], tuple[str, ...]]:
    """``inputs`` with the shapes of ``said``, and ``outputs``: all of ``said`` where none are named.

    Raises ValueError where they are others than those of ``said``.
    """
    shapes = {one.name: one.shape for one in said.inputs}
    inputs = inputs or [InputText(name, None, None, None) for name in shapes]
    names = ([entry.name for entry in inputs], list(outputs))
    for given, known, option in zip(names, (tuple(shapes), said.outputs), ("input-names", "output-names"), strict=True):
        if unknown := [name for name in given if name not in known]:
            raise ValueError(f"--{option}: {unknown[0]!r} is converted, and is not among {', '.join(known)}")
    for entry in inputs:
        if entry.shape not in (None, shapes[entry.name]):
            other = list(entry.shape or ())
            raise ValueError(
                f"--input-shapes: {list(shapes[entry.name])} for {entry.name!r}, and input_info has {other}"
            )
    return [replace(entry, shape=shapes[entry.name]) for entry in inputs], tuple(outputs) or said.outputs


def is_of_known_package(said: TorchModule) -> bool:
    """Whether the function of ``said`` is one of the installed packages that make models and nothing else."""
    return any(said.module == name or said.module.startswith(f"{name}.") for name in _INSTALLED if name != "timm") or (
        (said.module, said.function) == ("timm", "create_model")
    )


def paths_in(said: TorchModule) -> tuple[str, ...]:
    """All texts in the parameters of ``said``: some are paths of files that its code reads."""
    return tuple(text for _, value in said.parameters for text in _texts(ast.literal_eval(value)))


def _values(arguments: Sequence[str]) -> tuple[dict[str, list[str]], list[str]]:
    values: dict[str, list[str]] = {}
    problems = []
    for argument in joined(arguments):
        name, equals, value = argument.removeprefix("--").partition("=")
        name = name.replace("_", "-")
        name = ALIASES.get(name, name)
        if not argument.startswith("--") or name not in ONCE + REPEATED + WITHOUT_EFFECT:
            problems.append(f"{argument.partition('=')[0]} is not supported")
        elif not equals or not value:
            problems.append(f"--{name} needs a value")
        elif name in values and name in ONCE:
            problems.append(f"--{name} is given twice")
        else:
            values.setdefault(name, []).append(value)
    return values, problems


def _parameters(texts: Sequence[str], folders: Mapping[str, str]) -> tuple[tuple[tuple[str, str], ...], list[str]]:
    """Names and literals, with the folders filled into texts; and what is wrong."""
    found: dict[str, str] = {}
    problems = []
    for text in texts:
        name, equals, written = text.partition("=")
        name = name.strip()
        if not equals or not name.isidentifier():
            problems.append(f"--model-param: expected name=value, got {text!r}")
            continue
        if name in found:
            problems.append(f"--model-param: {name!r} is given twice")
        try:
            value = repr(_with_folders(ast.literal_eval(written.strip()), folders))
            ast.literal_eval(value)  # not so for 1e999, which is 'inf' when it is written again
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            problems.append(
                f"--model-param: expected {name}=<a Python literal>, such as 2, [1, 2] or 'text' with quotes; "
                f"got {shorten(written)}, which is not evaluated"
            )
            continue
        found[name] = value
    return tuple(found.items()), problems


def _inputs(names: str, shapes: str, dtype: str) -> tuple[TorchInput, ...]:
    """The inputs. Raises ValueError that says what does not fit."""
    every = [name.strip() for name in names.split(",")]
    if dtype and dtype not in DTYPES:
        raise ValueError(f"--inputs-dtype: expected one of {', '.join(DTYPES)}, got {dtype!r}")
    expected = f"--input-shapes: expected positive sizes such as [1,3,224,224], a shape for each input, got {shapes!r}"
    try:
        found = ast.literal_eval(shapes)
        listed = [tuple(shape) for shape in (found if isinstance(found[0], (list, tuple)) else [found])]
    except (ValueError, SyntaxError, TypeError, IndexError, MemoryError, RecursionError):
        raise ValueError(expected) from None
    if not all(isinstance(size, int) and not isinstance(size, bool) and size > 0 for one in listed for size in one):
        raise ValueError(expected)
    if len(listed) != len(every):
        raise ValueError(f"--input-shapes: {len(listed)} shapes for {len(every)} names in --input-names")
    return tuple(TorchInput(name, shape, DTYPES[dtype or "float"]) for name, shape in zip(every, listed, strict=True))


def _filled(text: str, folders: Mapping[str, str]) -> str:
    for variable, folder in folders.items():
        text = text.replace(variable, folder)
    return text


def _with_folders(value: object, folders: Mapping[str, str]) -> object:
    """``value`` with the folders filled into the texts that it holds."""
    if isinstance(value, str):
        return _filled(value, folders)
    if isinstance(value, (list, tuple, set)):
        return type(value)(_with_folders(one, folders) for one in value)
    if isinstance(value, dict):
        return {key: _with_folders(one, folders) for key, one in value.items()}
    return value


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [text for one in value for text in _texts(one)] if isinstance(value, (list, tuple, set)) else []
