"""A model with an archive that is unpacked and a script that is patched, and what a download makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.downloads import add_model, file_entry, noise, tar_gz
from tests.support.http_server import FaultyServer

WEIGHTS = noise(1_500_000, "weights")
ARCHIVE = tar_gz({"net/model.ckpt": WEIGHTS, "net/checkpoint": b"model.ckpt\n", "net/a/b": b"deep"})
SCRIPT = b"import old_name\r\nold_name.run()\nkeep old_name2\n"
PATCHED = b"import new_name\nnew_name.run()\nkeep old_name2\n"
STEPS: list[dict[str, Any]] = [
    {"$type": "unpack_archive", "format": "gztar", "file": "net.tar.gz"},
    {"$type": "regex_replace", "file": "code/run.py", "pattern": r"\bold_name\b", "replacement": "new_name"},
    {"$type": "regex_replace", "file": "net/checkpoint", "pattern": "model", "replacement": "saved", "count": 1},
]
FINISHED = {
    "public/net/net.tar.gz": ARCHIVE,
    "public/net/net/model.ckpt": WEIGHTS,
    "public/net/net/checkpoint": b"saved.ckpt\n",
    "public/net/net/a/b": b"deep",
    "public/net/code/run.py": PATCHED,
}


def add_archived_model(zoo: Path, server: FaultyServer) -> None:
    """Add the model ``net`` to ``zoo``, and let ``server`` have its files: ``/net.tar.gz`` and ``/run.py``."""
    files = [
        file_entry("net.tar.gz", ARCHIVE, server.put("/net.tar.gz", ARCHIVE)),
        file_entry("code/run.py", SCRIPT, server.put("/run.py", SCRIPT)),
    ]
    add_model(zoo, "net", files, STEPS)
