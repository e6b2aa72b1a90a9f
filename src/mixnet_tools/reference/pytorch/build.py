"""Makes the PyTorch module that a descriptor names: imports its function, calls it, and gives it its weights."""

from __future__ import annotations

import ast
import difflib
import errno
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.errors import first_line
from mixnet_tools.reference.job import Refused, TorchModule
from mixnet_tools.reference.pytorch.code import is_listed
from mixnet_tools.reference.pytorch.weights import load_weights, read_weights

if TYPE_CHECKING:
    import torch

_OURS = ("torch", "torchvision", "timm", "safetensors")
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EFBIG, errno.EROFS)
_LONGEST = 400
_MATCHING = "torch and torchvision do not fit each other: install both anew from one place, as the README has it"


def build(said: TorchModule) -> torch.nn.Module:
    """The module that ``said`` describes, ready for inference.

    Raises :class:`Refused` with what is wrong, ImportError where a package is missing.
    """
    import torch

    function = _function(said)
    parameters = {name: ast.literal_eval(text) for name, text in said.parameters}
    torch.manual_seed(0)  # where nothing gives weights, they are the same in every run
    written = ", ".join(f"{name}={text}" for name, text in said.parameters)
    try:
        module = function(**parameters)
    except BaseException as error:
        raise _failed(f"{said.module}.{said.function}({written})", error, said) from error
    if not isinstance(module, torch.nn.Module):
        raise Refused(f"{said.module}.{said.function}({written}): expected a torch.nn.Module, got {_kind(module)}")
    if said.weights is not None:
        path = Path(said.weights)
        load_weights(module, read_weights(path, said.weights_key), path)
    return module.eval().requires_grad_(False)


def _function(said: TorchModule) -> Callable[..., object]:
    where = f" in {' or '.join(said.folders)}, or among the installed packages" if said.folders else ""
    if (loaded := sys.modules.get(said.module)) and is_listed(said.module):
        raise Refused(
            f"the Python module {said.module} of the model has the name of one that is loaded already, "
            f"{getattr(loaded, '__file__', None) or 'a part of Python'}",
            "give its file another name, and import-module in conversion_to_onnx_args too",
        )
    try:
        module = importlib.import_module(said.module)
    except BaseException as error:
        name = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
        if name and f"{said.module}.".startswith(f"{name}.") and (said.folders or "." in name):
            hint = "look at import-module in conversion_to_onnx_args"
            raise Refused(f"there is no Python module {name!r}{where}", hint) from error
        raise _failed(f"importing {said.module}", error, said) from error
    try:
        function: Callable[..., object] = getattr(module, said.function)
        return function
    except AttributeError:
        known = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        near = difflib.get_close_matches(said.function, known, 3)
        raise Refused(
            f"the Python module {said.module} has no class or function {said.function!r}",
            f"did you mean {' or '.join(near)}?" if near else "look at model-name in conversion_to_onnx_args",
        ) from None


def _failed(doing: str, error: BaseException, said: TorchModule) -> Exception:
    """What went wrong in code of others, and where."""
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing in _OURS and isinstance(error, ImportError):
        return error  # our own installation lacks it
    text = f"{doing}: {type(error).__name__}: {first_line(error)[:_LONGEST]}{_place(error, said.folders)}"
    if missing:
        return Refused(text, f"its code needs the Python module {missing}: install the package that has it")
    if isinstance(error, OSError) and error.errno in _FORBIDDEN:
        return Refused(text, "the code may read the files that are named to it, and not write, connect or run programs")
    if "torchvision::" in str(error):
        return Refused(text, _MATCHING)
    return Refused(text)


def _place(error: BaseException, folders: Sequence[str]) -> str:
    """The file and line of code where ``error`` was raised: in ``folders``, if it came by there."""
    own = os.path.dirname(__file__)
    outside = [
        frame for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((own, "<frozen", os.path.dirname(importlib.__file__)))
    ]  # fmt: skip
    inside = [frame for frame in outside if frame.filename.startswith(tuple(folders))] if folders else []
    last = (inside or outside)[-1:]
    return f" ({last[0].filename}, line {last[0].lineno})" if last else ""


def _kind(value: object) -> str:
    return type(value).__name__
