"""Which files of a source hold many images each, and in which form: by their names only."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mixnet_tools.errors import DatasetError

ShardForm = Literal["imagenet_tar", "webdataset", "tfrecord", "parquet"]

_NUMBERED = re.compile(r".+-\d{5}-of-\d{5}")

_KINDS: tuple[tuple[ShardForm, Callable[[str], bool]], ...] = (
    ("parquet", lambda name: name.endswith(".parquet")),
    ("tfrecord", lambda name: ".tfrecord" in name or bool(_NUMBERED.fullmatch(name))),
    ("imagenet_tar", lambda name: name.endswith(".tar")),
)


@dataclass(frozen=True)
class Shards:
    """Files of one ``form``, sorted by name. ``imagenet_tar`` stands for any tar: what is in it tells more."""

    form: ShardForm
    paths: tuple[Path, ...]


def find_shards(source: Path) -> Shards | None:
    """The shards that ``source`` is, or that lie in the folder ``source``; None where there are none.

    Where some are called validation or val..., only these are taken. Raises :class:`DatasetError` where a folder holds
    shards of several forms.
    """
    candidates = [source] if source.is_file() else sorted(path for path in source.iterdir() if path.is_file())
    found = {form: [path for path in candidates if known(path.name)] for form, known in _KINDS}
    forms = [form for form, paths in found.items() if paths]
    if not forms:
        return None
    if len(forms) > 1:
        names = ", ".join(found[form][0].name for form in forms)
        raise DatasetError(f"{source}: shards of several forms: {names}", hint="give one of them to -s/--source")
    paths = [path for path in found[forms[0]] if "devkit" not in path.name]
    validation = [path for path in paths if path.name.startswith("val")]
    return Shards(forms[0], tuple(validation or paths)) if paths else None
