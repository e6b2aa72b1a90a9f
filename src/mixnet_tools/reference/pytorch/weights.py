"""Reads weights as data: PyTorch's state dictionaries and safetensors. No object is made of what a file says."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from mixnet_tools.errors import first_line, listed
from mixnet_tools.reference.job import Refused
from mixnet_tools.reference.pytorch.pickles import globals_in

if TYPE_CHECKING:
    import torch

    Tensors = Mapping[str, torch.Tensor]

_COUNTER = "n_averaged"
"""What torch.optim.swa_utils.AveragedModel has beside the weights."""

_SAFETENSORS = b'{"'


def read_weights(path: Path, key: str | None = None) -> Tensors:
    """The weights in the file at ``path`` by their names: its only state dictionary, or the one called ``key``.

    Raises :class:`Refused` where it cannot be read as data, or holds no or several state dictionaries.
    """
    with path.open("rb") as stream:
        head = stream.read(10)
    if head.startswith(b"{"):
        raise Refused(
            f"{path}: expected weights, got text in JSON",
            "where it lists several files of weights, save them all as one: weights names one file",
        )
    contents = _read_safetensors(path) if head[8:10] == _SAFETENSORS else _read_torch(path)
    return _state_dictionary(contents, key, path)


def load_weights(module: torch.nn.Module, weights: Tensors, path: Path) -> None:
    """Put ``weights``, which ``path`` held, into ``module``. Raises :class:`Refused` unless all fit.

    What DataParallel, torch.compile, Lightning and others put before all names is left out.
    """
    own = module.state_dict()
    weights = _without_prefix({name: one for name, one in weights.items() if name in own or name != _COUNTER}, own)
    _require_values(weights, own, path)
    other = f"{path}: the weights are those of another model than {type(module).__name__}"
    hint = "look whether model-name, model-param and weights in conversion_to_onnx_args belong together"
    try:
        left_out, unexpected = module.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:] if line.strip()] or [first_line(error)]
        raise Refused(f"{other}: {'; '.join(lines[:3])}{_more(len(lines) - 3)}", hint) from error
    filled = {_memory(own[name]) for name in weights if name in own}
    missing = [name for name in left_out if _memory(own[name]) not in filled]  # a shared tensor is saved once
    parts = [f"{len(names)} {what}: {listed(names)}" for what, names in (
        ("weights are missing", missing), ("are not the model's", unexpected),
    ) if names]  # fmt: skip
    if parts:
        raise Refused(f"{other}: {'; '.join(parts)}", hint)


def _read_safetensors(path: Path) -> Tensors:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: Tensors = load_file(path)
        return tensors
    except (SafetensorError, OSError, ValueError) as error:
        raise Refused(f"{path}: cannot be read as safetensors: {first_line(error)}", _AGAIN) from error


def _read_torch(path: Path) -> object:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except MemoryError:
            raise
        except Exception as error:
            if "weights_only" in str(error) and (called := globals_in(path)):
                raise _needs_code(path, called) from error
            if "legacy .tar" in str(error):
                raise _needs_code(path, ("what a tar of PyTorch's first versions holds",)) from error
            raise Refused(f"{path}: PyTorch cannot read these weights: {_reason(error)}", _AGAIN) from error


_AGAIN = "the file is damaged or none of PyTorch: fetch it again"
_PLAIN = "save names and tensors with torch.save, at the top of the file or one level below"


def _reason(error: Exception) -> str:
    """What PyTorch says is wrong, without its advice to read the file in another way."""
    _, found, said = str(error).partition("WeightsUnpickler error:")
    return first_line(Exception(said)) if found else first_line(error)[:300]


def _needs_code(path: Path, called: tuple[str, ...]) -> Refused:
    """A file that only code can unpickle."""
    return Refused(
        f"{path}: is more than weights: its pickle calls {listed(called)}. Reading it would run that, and is not done",
        "if you trust the file, save its weights alone, in Python (this runs the file's code): "
        f"m = torch.load({path.name!r}, weights_only=False); m = getattr(m, 'state_dict', lambda: m)(); "
        f"torch.save(m.get('state_dict', m.get('model', m)), {f'{path.stem}-weights.pth'!r})",
    )


def _state_dictionary(contents: object, key: str | None, path: Path) -> Tensors:
    import torch

    def is_one(value: object) -> TypeGuard[Tensors]:
        return isinstance(value, Mapping) and bool(value) and all(
            isinstance(name, str) and isinstance(one, torch.Tensor) for name, one in value.items()
        )  # fmt: skip

    if key is None and is_one(contents):
        return contents
    if not isinstance(contents, Mapping):
        raise Refused(f"{path}: expected names and tensors, got {type(contents).__name__}", _PLAIN)
    nested: dict[str, Tensors] = {str(name): value for name, value in contents.items() if is_one(value)}
    if key is not None:
        if key in nested:
            return nested[key]
        raise Refused(f"{path}: holds no weights called {key!r}; there is {listed(nested) or 'no state dictionary'}")
    if len(nested) == 1:
        return next(iter(nested.values()))
    if nested:
        raise Refused(
            f"{path}: holds several sets of weights: {listed(nested)}",
            f"say which by weights-key in conversion_to_onnx_args, such as weights-key={next(iter(nested))}",
        )
    raise Refused(f"{path}: holds no weights by their names; it has {listed(map(str, contents)) or 'nothing'}", _PLAIN)


def _without_prefix(weights: Tensors, own: Tensors) -> Tensors:
    """``weights`` without what all their names begin with, part by part, until one of them is in ``own``."""
    while weights and not any(name in own for name in weights):
        first = next(iter(weights)).partition(".")[0] + "."
        if not all(name.startswith(first) for name in weights):
            break
        weights = {name.removeprefix(first): tensor for name, tensor in weights.items()}
    return weights


def _require_values(weights: Tensors, own: Tensors, path: Path) -> None:
    """Raise :class:`Refused` where a tensor is no plain array, or holds whole or complex numbers for real ones."""
    import torch

    for name, tensor in weights.items():
        form = "quantized" if tensor.is_quantized else "without values" if tensor.is_meta else str(tensor.layout)
        if form != str(torch.strided):
            raise Refused(f"{path}: expected plain tensors, and {name} is {form.removeprefix('torch.')}", _PLAIN)
        if name in own and own[name].is_floating_point() and not tensor.is_floating_point():
            found = str(tensor.dtype).removeprefix("torch.")
            raise Refused(
                f"{path}: expected numbers with a fraction for {name}, got {found}",
                "such weights have lost their scale or a part: name the file with the float weights",
            )


def _memory(tensor: torch.Tensor) -> tuple[object, ...]:
    """Where the values of ``tensor`` are: the same for a tensor that has two names."""
    if not tensor.numel():
        return (id(tensor),)
    return tensor.data_ptr(), tuple(tensor.shape), tensor.stride()


def _more(count: int) -> str:
    return f" and {count} more" if count > 0 else ""
