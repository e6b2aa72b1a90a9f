"""Says what a pickle in a PyTorch file would call, without running it."""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_HARMLESS = ("torch._utils ", "torch.storage ", "torch.serialization ", "collections OrderedDict")
"""What files with nothing but weights call as well."""

_HARMLESS_TYPES = ("Storage", "Size", "device", "float", "half", "double", "int", "long", "short", "bool", "uint8")
_MOST_OPERATIONS = 5_000_000


def globals_in(path: Path) -> tuple[str, ...]:
    """The classes and functions that the pickles in the file at ``path`` name, without those that weights need.

    Sorted, each as ``module.name``. Empty where the file cannot be followed.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if name.endswith("data.pkl")]
                found: set[str] = set()
                for name in names:
                    with archive.open(name) as stream:
                        found |= set(_named(stream))
        else:
            with path.open("rb") as stream:
                found = set(_all_named(stream))
    except Exception:  # whatever a file that is made to confuse brings zipfile and pickletools to raise
        return ()
    return tuple(sorted(name.replace(" ", ".") for name in found if not _is_harmless(name)))


def _all_named(stream: IO[bytes]) -> Iterator[str]:
    """Of all pickles that follow each other. The bytes of tensors behind them are no pickle."""
    for _ in range(8):
        try:
            yield from _named(stream)
        except (ValueError, IndexError, KeyError):
            return


def _named(stream: IO[bytes]) -> Iterator[str]:
    texts: list[str] = []
    memo: dict[int, str] = {}
    memoized, is_text = 0, False
    for count, (operation, argument, _) in enumerate(pickletools.genops(stream)):
        if count > _MOST_OPERATIONS:
            return
        if operation.name == "GLOBAL":
            yield str(argument)
        elif operation.name == "STACK_GLOBAL" and len(texts) >= 2:
            yield f"{texts[-2]} {texts[-1]}"
        elif operation.name == "MEMOIZE":
            if is_text:
                memo[memoized] = texts[-1]
            memoized += 1
        elif operation.name in ("BINGET", "LONG_BINGET") and argument in memo:
            texts.append(memo[argument])
        if is_text := isinstance(argument, str):
            texts.append(str(argument))


def _is_harmless(name: str) -> bool:
    module, _, attribute = name.partition(" ")
    return name.startswith(_HARMLESS) or (module == "torch" and attribute.endswith(_HARMLESS_TYPES))
