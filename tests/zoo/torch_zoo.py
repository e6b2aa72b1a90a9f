"""PyTorch models for tests: a descriptor in a zoo, and the files that it names in a download folder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.zoo_builder import write_model


@dataclass(frozen=True)
class TorchZoo:
    """A zoo, and its models as if they had been downloaded."""

    root: Path

    @property
    def models(self) -> Path:
        """What ``--models_dir`` names."""
        return self.root / "zoo"

    @property
    def downloads(self) -> Path:
        """What ``--download_dir`` names."""
        return self.root / "dl"

    def folder(self, name: str) -> Path:
        """The folder of the files of a model."""
        folder = self.downloads / "public" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def add(self, name: str, arguments: Sequence[str], size: int = 224, optimizer: Sequence[str] = ()) -> None:
        """Describe ``name``: its files are those in its folder, its input is ``data``, its output ``prob``."""
        folder = self.folder(name)
        files = [
            {
                "name": path.relative_to(folder).as_posix(),
                "size": path.stat().st_size,
                "checksum": hashlib.sha384(path.read_bytes()).hexdigest(),
                "source": "https://model.invalid/file",
            }
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        ]
        data: dict[str, Any] = {
            "description": "A model for tests.",
            "task_type": "classification",
            "files": files,
            "conversion_to_onnx_args": [
                *arguments, f"--input-shape=1,3,{size},{size}", "--input-names=data", "--output-names=prob",
                "--output-file=$conv_dir/net.onnx",
            ],
            "input_info": [{"name": "data", "shape": [1, 3, size, size], "layout": "NCHW"}],
            "model_optimizer_args": ["--input_model=$conv_dir/net.onnx", "--output=prob", *optimizer],
            "framework": "pytorch",
            "license": "https://license.invalid",
        }  # fmt: skip
        write_model(self.models, name, data)

    def add_code(self, name: str, code: str, *arguments: str) -> None:
        """Describe a model that the function ``make`` of ``code`` makes, a file ``net.py``."""
        (self.folder(name) / "net.py").write_text(code)
        self.add(name, ["--model-path=$dl_dir", "--import-module=net", "--model-name=make", *arguments], size=8)
