"""Descriptors for tests: a complete model.yml from a few words, in a zoo made in a temporary folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

DIGEST = "ab" * 48


def descriptor_data(**changes: Any) -> dict[str, Any]:
    """The contents of a valid model.yml of mixnet-l's form; ``changes`` replace keys, None removes one."""
    data: dict[str, Any] = {
        "description": "A model for tests.",
        "task_type": "classification",
        "files": [
            {"name": "net.tar.gz", "size": 12, "checksum": DIGEST, "source": "https://mirror.invalid/net.tar.gz"}
        ],
        "postprocessing": [{"$type": "unpack_archive", "format": "gztar", "file": "net.tar.gz"}],
        "input_info": [{"name": "IteratorGetNext:0", "shape": [1, 224, 224, 3], "layout": "NHWC"}],
        "model_optimizer_args": [
            "--input_meta_graph=$dl_dir/net/model.ckpt.meta",
            "--output=logits",
            "--reverse_input_channels",
        ],
        "framework": "tf",
        "license": "https://license.invalid/LICENSE",
    }
    data.update(changes)
    return {key: value for key, value in data.items() if value is not None}


def write_model(root: Path, name: str, data: dict[str, Any] | str | None = None) -> Path:
    """``root/public/<name>/model.yml`` with ``data`` (a mapping, or raw text); returns the file's path."""
    path = root / "public" / name / "model.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    contents = descriptor_data() if data is None else data
    path.write_text(contents if isinstance(contents, str) else yaml.safe_dump(contents, sort_keys=False))
    return path


def write_composite(root: Path, name: str, stages: Sequence[str], **changes: Any) -> Path:
    """``root/public/<name>/composite-model.yml`` with the models ``stages``; ``changes`` replace keys."""
    for stage in stages:
        write_model(root, f"{name}/{stage}")
    path = root / "public" / name / "composite-model.yml"
    data = {"description": "Both.", "task_type": "classification", "framework": "tf", "stages_order": list(stages)}
    path.write_text(yaml.safe_dump({**data, "license": "https://license.invalid", **changes}, sort_keys=False))
    return path
