"""The PyTorch classifiers of a checkout of Open Model Zoo, with random weights in the place of the published ones.

``OMZ_MODELS`` names the checkout's folder ``models``. ``OMZ_MIRROR`` may name a folder with the Python files that the
descriptors name, as a download folder has them (``public/dla-34/dla.py``); what it lacks is skipped. Without it they
are downloaded. ``mixnet-download`` brings them, and holds each against the descriptor's digest.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mixnet_tools.conversion.sources.pytorch_arguments import parse_module

MODELS, MIRROR = "OMZ_MODELS", "OMZ_MIRROR"
WEIGHTS = (".pth", ".pyth")

_REGNET_CONFIG = "{dl}/configs/dds_baselines/regnetx/RegNetX-3.2GF_dds_8gpu.yaml"
_REGNET = f"import pycls.core.config as c; c.cfg.merge_from_file(r'{_REGNET_CONFIG}')"

_CONVNEXT = (
    (r"^head\.norm\.", "norm."), (r"^head\.fc\.", "head."), (r"^stem\.", "downsample_layers.0."),
    (r"^stages\.(\d+)\.blocks\.", r"stages.\1."), (r"^stages\.(\d+)\.downsample\.", r"downsample_layers.\1."),
    (r"conv_dw", "dwconv"), (r"mlp\.fc", "pwconv"),
)  # fmt: skip


@dataclass(frozen=True)
class Maker:
    """How a model is made whose function in the descriptor wants the weights: another function, the entry of the
    checkpoint that its code takes, a line of Python to run before, and how the checkpoint calls its weights otherwise.
    """

    module: str
    function: str
    key: str | None = None
    setup: str | None = None
    parameters: dict[str, str] = field(default_factory=dict)
    renamed: tuple[tuple[str, str], ...] = ()


MAKERS = {
    "convnext-tiny": Maker("timm.models.convnext", "convnext_tiny", renamed=_CONVNEXT),
    "levit-128s": Maker("timm.models.levit", "levit_128s", "model"),
    **{
        f"repvgg-{size}": Maker("repvgg", f"create_RepVGG_{size.upper()}", parameters={"deploy": "False"})
        for size in ("a0", "b1", "b3")
    },  # as it is trained: the model's pre-convert.py joins the branches of its layers
    "regnetx-3.2gf": Maker("pycls.models.model_zoo", "RegNet", "model_state", _REGNET),
    "swin-tiny-patch4-window7-224": Maker("timm.models.swin_transformer", "swin_tiny_patch4_window7_224", "model"),
    "t2t-vit-14": Maker("models.t2t_vit", "t2t_vit_14", "state_dict_ema"),
}


def names(models: Path) -> list[str]:
    """All PyTorch classifiers below ``models``."""
    return sorted(path.parent.name for path in models.glob("public/*/model.yml") if _is_one(read(path)))


def read(path: Path) -> dict[str, Any]:
    """A model.yml as plain values."""
    data: dict[str, Any] = yaml.safe_load(path.read_text())
    return data


def _is_one(data: dict[str, Any]) -> bool:
    return bool(data["framework"] == "pytorch" and data["task_type"] == "classification")


def prepare(name: str, models: Path, mirror: Path | None, work: Path) -> str | None:
    """Fill ``work`` with ``zoo``, a copy of the model's descriptor, and ``dl``, its files; the weights are random.

    Returns what cannot be had, or None.
    """
    mixnet = [sys.executable, "-m", "mixnet_tools.cli.main"]
    source = models / "public" / name
    folder, dl = work / "zoo/public" / name, work / "dl/public" / name
    shutil.copytree(source, folder)
    data = read(folder / "model.yml")
    is_weights = [entry["name"].endswith(WEIGHTS) for entry in data["files"]]
    code = [entry for entry, weights in zip(data["files"], is_weights, strict=True) if not weights]
    missing = [one["name"] for one in code if mirror and not (mirror / "public" / name / one["name"]).is_file()]
    if missing:
        return ", ".join(missing)
    script = folder / "pre-convert.py"
    download = [*mixnet, "download", "--name", name, "--models_dir", str(work / "zoo"), "-o", str(work / "dl")]
    download += ["--mirror", str(work / "mirror"), "-q"]
    download += ["--mirror", str(mirror), "--offline"] if mirror else []
    said = parse_module(data["conversion_to_onnx_args"], {"$dl_dir": str(dl), "$config_dir": str(folder),
                                                          "$conv_dir": str(dl)})  # fmt: skip
    if code:
        (folder / "model.yml").write_text(yaml.safe_dump({**data, "files": code}, sort_keys=False))
        subprocess.run(download, check=True)
    maker = MAKERS.get(name) or Maker(said.module, said.function, parameters=dict(said.parameters))
    weights = [entry for entry, one in zip(data["files"], is_weights, strict=True) if one]
    assert len(weights) == 1
    wanted = said.weights and Path(said.weights).name
    if not script.is_file():
        weights[0]["name"] = next((one["name"] for one in weights if one["name"].endswith(wanted or "")), wanted)
    path = work / "mirror/public" / name / weights[0]["name"]
    order = {
        "path": str(path), "module": maker.module, "function": maker.function, "parameters": maker.parameters,
        "shape": said.inputs[0].shape, "folders": said.folders, "key": maker.key,
        "renamed": maker.renamed, "setup": maker.setup and maker.setup.format(dl=dl),
    }  # fmt: skip
    _run("-m", "tests.zoo.random_weights", json.dumps(order))
    contents = path.read_bytes()
    weights[0].update(size=len(contents), checksum=hashlib.sha384(contents).hexdigest())
    (folder / "model.yml").write_text(yaml.safe_dump({**data, "files": [*code, *weights]}, sort_keys=False))
    subprocess.run(download, check=True)
    if script.is_file():
        _run(str(script), str(dl), str(dl))
    return None


def _run(*words: str) -> None:
    """Run Python, which imports code of others."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
