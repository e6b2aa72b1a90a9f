"""What a zoo holds: descriptors, accuracy-check.yml, cards, labels."""

from __future__ import annotations

import json

from PIL import Image

from mixnet_tools.accuracy import PROFILES
from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import load_accuracy_config
from mixnet_tools.accuracy.preprocessing.pipeline import apply
from mixnet_tools.accuracy.preprocessing.plan import make_plan
from mixnet_tools.descriptors import zoo
from mixnet_tools.descriptors.file_entries import RegexReplace
from mixnet_tools.descriptors.labels import read_labels
from mixnet_tools.downloading.archives.regex_replace import replace_text
from mixnet_tools.errors import MixnetToolsError
from tests.fuzz.mutation import yaml_changes
from tests.fuzz.target import Files, Finding, Place, Target, command

_ROOT = zoo.embedded_root() / "public"
_OTHER = """
description: A model with everything.
task_type: detection
files:
  - {name: FP16/net.xml, size: 10, checksum: 'sha256:%s', source: 'https://127.0.0.1:1/net.xml'}
  - name: net.onnx
    size: 10
    checksum: %s
    source: {$type: google_drive, id: abc}
    original_source: {$type: http, url: 'http://127.0.0.1:1/a'}
postprocessing:
  - {$type: regex_replace, file: net.onnx, pattern: '(a|b)+c', replacement: '\\1', count: 1}
input_info: [{name: 'a:0', shape: [1, 3, 8, 8], layout: NCHW}, {name: b}]
model_optimizer_args:
  ['--input_model=$dl_dir/net.onnx', '--mean_values=a[1,2,3]', '--scale_values=a[255]', '--output=y']
framework: onnx
license: https://license.invalid
quantizable: true
"""


def _descriptors() -> list[Files]:
    texts = [(_ROOT / name / "model.yml").read_bytes() for name in ("mixnet-l", "mixnet-nano")]
    texts.append((_OTHER % ("ab" * 32, "cd" * 48)).encode())
    return [{"public/net/model.yml": text} for text in texts]


def _show(place: Place) -> None:
    _, out = command("info", "--models_dir", place.given, "--all", "--json")
    json.loads(out)
    command("convert", "--models_dir", place.given, "--all", "--dry_run", "-d", place.scratch, "-q")
    for entry in zoo.find_models([place.given]):
        for step in entry.load().postprocessing:
            if isinstance(step, RegexReplace):
                replace_text(step, b"abcabc" * 200, "text")


def _accuracy() -> list[Files]:
    seeds: list[Files] = []
    for name in ("mixnet-l", "mixnet-nano"):
        files = {"accuracy-check.yml": (_ROOT / name / "accuracy-check.yml").read_bytes()}
        profiles = _ROOT / name / "profiles.yml"
        seeds.append(files | ({"profiles.yml": profiles.read_bytes()} if profiles.is_file() else {}))
    grey = seeds[0]["accuracy-check.yml"].replace(b"bgr_to_rgb", b"bgr_to_gray\n            cast_to_float: false")
    seeds.append({"accuracy-check.yml": grey})
    return seeds


def _prepare(place: Place) -> None:
    config = load_accuracy_config(place.given / "accuracy-check.yml")
    colours = Image.new("RGB", (31, 17), (10, 200, 30))
    refusals: list[MixnetToolsError] = []
    for launcher in ("openvino", "tf", "onnx"):
        for profile in PROFILES:
            try:
                plan = make_plan(config.measurement(launcher, profile))
                picture = colours.convert("L") if plan.operations.grey_reader else colours
                if apply(picture, plan.operations).shape[2] != (1 if plan.order == "GRAY" else 3):
                    raise Finding("preprocessing gave other channels than it said")
            except MixnetToolsError as error:
                refusals.append(error)
    if len(refusals) == 3 * len(PROFILES):
        raise refusals[0]


def _cards() -> list[Files]:
    model = (_ROOT / "mixnet-nano" / "model.yml").read_bytes()
    names = ("README.md", "labels.txt")
    files = {f"public/net/{name}": (_ROOT / "mixnet-nano" / name).read_bytes() for name in names}
    return [{"public/net/model.yml": model, **files}]


def _read_card(place: Place) -> None:
    read_labels(place.given / "public/net/labels.txt")
    _, out = command("info", "--models_dir", place.given, "--all", "--json")
    json.loads(out)


TARGETS = (
    Target("descriptor", _descriptors, {"*model.yml": yaml_changes}, _show, examples=150, starts_processes=True),
    Target("accuracy-check", _accuracy, {"*.yml": yaml_changes}, _prepare, examples=150),
    Target("card", _cards, {"*.md": None, "*.txt": None}, _read_card, examples=60),
)
