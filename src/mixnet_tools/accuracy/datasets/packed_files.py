"""Which files of a source hold many images each, and in which form: by their names only."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location

ShardForm = Literal["imagenet_tar", "webdataset", "tfrecord", "parquet"]

_NUMBERED = re.compile(r".+-\d{5}-of-\d{5}")

_COUNTED = re.compile(r"(.+)-(\d{5})-of-(\d{5})")

_KINDS: tuple[tuple[ShardForm, Callable[[str], bool]], ...] = (
    ("parquet", lambda name: name.endswith(".parquet")),
    ("tfrecord", lambda name: ".tfrecord" in name or bool(_NUMBERED.fullmatch(name))),
    ("imagenet_tar", lambda name: name.endswith(".tar")),
)


def is_shard(name: str) -> bool:
    """Whether a file of this name may hold many images."""
    return any(known(name) for _, known in _KINDS)


@dataclass(frozen=True)
class Shards:
    """Files of one ``form``, sorted by name. ``imagenet_tar`` stands for any tar: what is in it tells more."""

    form: ShardForm
    paths: tuple[Location, ...]


def find_shards(source: Location) -> Shards | None:
    """The shards that ``source`` is, or that lie in the folder ``source``; None where there are none.

    Where some are called validation or val..., only these are taken. Raises :class:`DatasetError` where a folder holds
    shards of several forms.
    """
    path = source.path
    return choose_shards(
        source, [source] if path.is_file() else [source / one.name for one in path.iterdir() if one.is_file()]
    )


def choose_shards(source: Location, files: Iterable[Location]) -> Shards | None:
    """The same for a ``source`` whose ``files`` are known (itself, where it is one)."""
    candidates = sorted(files, key=lambda path: path.name)
    found = {form: [path for path in candidates if known(path.name)] for form, known in _KINDS}
    forms = [form for form, paths in found.items() if paths]
    if not forms:
        return None
    if len(forms) > 1:
        names = ", ".join(found[form][0].name for form in forms)
        raise DatasetError(f"{source}: shards of several forms: {names}", hint="give one of them to -s/--source")
    paths = [path for path in found[forms[0]] if "devkit" not in path.name]
    validation = [path for path in paths if path.name.startswith("val")]
    chosen = validation or paths
    if candidates != [source]:
        _check_complete(source, chosen)
    return Shards(forms[0], tuple(chosen)) if chosen else None


def _check_complete(source: Location, paths: list[Location]) -> None:
    """Refuse a folder in which shards are missing, where their names say how many there are."""
    sets: dict[tuple[str, int], set[int]] = {}
    for path in paths:
        if match := _COUNTED.match(path.name):
            sets.setdefault((match[1], int(match[3])), set()).add(int(match[2]))
    for (name, count), present in sets.items():
        missing = sorted(set(range(count)) - present)
        if missing:
            raise DatasetError(
                f"{source}: {len(missing)} of {count} shards of {name!r} are missing, the first is number {missing[0]}",
                hint="fetch them, or give single shards to -s/--source",
            )
