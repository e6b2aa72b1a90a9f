"""Write docs/zoo.md: what becomes of the classifiers and detectors of a checkout of Open Model Zoo.

    python -m scripts.list_classifiers open_model_zoo/models

Whether a model is planned and its accuracy-check.yml read is found out anew. What conversion gave is measured by
tests/zoo/test_omz_classifiers.py, and stands in :data:`CONVERTED`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from mixnet_tools.api.model_files import ModelChoice, read_config
from mixnet_tools.conversion.arguments import PREPARATION_SCRIPT
from mixnet_tools.conversion.options import ConversionOptions, make_plan
from mixnet_tools.descriptors import zoo
from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.errors import MixnetToolsError

DOCUMENT = Path(__file__).parents[1] / "docs/zoo.md"

CONVERTED: dict[str, tuple[float, float]] = {
    "convnext-tiny": (1.6e-6, 1.6e-3), "dla-34": (2.0e-5, 1.8e-2), "efficientnet-b0-pytorch": (1.6e-5, 5.0e-2),
    "efficientnet-v2-b0": (1.1e-5, 1.4e-2), "efficientnet-v2-s": (1.9e-5, 1.8e-2),
    "googlenet-v3-pytorch": (2.9e-5, 2.7e-2), "hbonet-0.25": (9.8e-6, 2.0e-2), "hbonet-1.0": (1.3e-5, 1.9e-2),
    "levit-128s": (2.6e-5, 2.4e-2), "mobilenet-v2-pytorch": (2.1e-5, 3.5e-2), "regnetx-3.2gf": (4.6e-5, 5.4e-2),
    "repvgg-a0": (6.8e-6, 5.0e-3), "repvgg-b1": (1.6e-5, 9.5e-3), "repvgg-b3": (2.2e-5, 9.1e-3),
    "resnest-50-pytorch": (1.3e-4, 0.19), "resnet-18-pytorch": (4.9e-6, 3.3e-3), "resnet-34-pytorch": (1.1e-5, 5.8e-3),
    "resnet-50-pytorch": (2.2e-5, 1.8e-2), "rexnet-v1-x1.0": (1.7e-5, 2.8e-2), "shufflenet-v2-x1.0": (1.9e-5, 2.6e-2),
    "swin-tiny-patch4-window7-224": (2.0e-6, 1.9e-3), "t2t-vit-14": (9.1e-6, 4.2e-3),
}  # fmt: skip
"""The largest difference from PyTorch in FP32 and in FP16, in units of the output's variation, with random weights."""

INTRODUCTION = """# Classifiers of Open Model Zoo

<!-- Written by python -m scripts.list_classifiers. Change the script, not this page. -->

Which of Open Model Zoo's classifiers are converted and measured here, and why others are not. Models of other tasks are
converted where the same arguments do (`mixnet-convert --dry_run` tells); their accuracy is not measured.

* **planned**: mixnet-convert takes the descriptor. "code" means that Python code comes with the model: it needs
  `--trust_code NAME` ([convert.md](convert.md#code-that-comes-with-a-model)). "after its script": see
  [below](#models-with-a-script).
* **converted**: the largest difference of the IR from PyTorch in FP32 and FP16, in units of the output's variation from
  image to image. The published weights could not be had, so they are random, with fitting batch-norm statistics; the
  Python files were those whose digests the descriptors have. The limits are 0.001 and 0.25
  ([convert.md](convert.md#the-proof)). Measured by tests/zoo/test_omz_classifiers.py; empty: no figure.
* **checked**: mixnet-check reads the model's accuracy-check.yml.

| model | framework | planned | converted | checked | reason |
|---|---|---|---|---|---|
"""

MIDDLE = """
## Models with a script

Open Model Zoo's converter runs the script `pre-convert.py` of these models. mixnet-convert does not. Its error has
the line that runs the script, in your own environment and with all your rights. What it makes is then converted.
The report says that nobody knows its digest.

* RepVGG's scripts join the branches of each layer into one. They need PyTorch, and ran for the figures above. The
  models need `--trust_code NAME` as well.
* The scripts for TensorFlow were written for older versions of it, and were not tried.

## Random weights and the limits

The weights are random, with batch-norm scales from 0.9 to 1.1, and from 0.1 to 0.3 for those norms that begin with
zero: the last ones of residual branches, which stay small in training. Wider scales make a network amplify every
rounding. Whether the limit or the weights are to blame then was measured in float64, in units of the variation,
with all scales from 0.5 to 1.5:

| model | PyTorch: float32 from float64 | input moved by one rounding step | weights in float16, the rest exact |
|---|---|---|---|
| levit-128s | 9.8e-4 | 1.4e-3 | 0.86 |
| resnest-50-pytorch | 7.1e-5 | 1.3e-4 | 0.16 |
| regnetx-3.2gf | 1.9e-5 | 2.3e-5 | 0.040 |

LeViT with such weights is one limit of FP32 away from the exact answer in PyTorch itself, and weights in float16
alone move it by three limits of FP16. With the milder weights PyTorch is 1.5e-5 away, and float16 weights move it
by 0.023. So the weights were to blame, and the limits stay. Where FP16 is refused for published weights,
`--no_verify` writes it, and `mixnet-check` says what it costs.

## The MixNet family, whole

The embedded zoo has no descriptors of `tf_mixnet_s.in1k`, `tf_mixnet_m.in1k` and `tf_mixnet_l.in1k`, timm's ports
of the published MixNets: the sizes and digests of their weights are known to the Hugging Face Hub only, and must
not be made up. One command for each writes it, on a machine with a network
([own-model.md](own-model.md#a-classifier-of-timm)):

<!-- not run: needs timm and a network; tests/zoo/test_timm_commands.py types it with a local server -->
```sh
for size in s m l; do mixnet new --timm tf_mixnet_$size.in1k; done
```

With a server that plays the Hub, `mixnet-info --lint` finds no fault in the three, and all are planned. The small and
the large one are converted, with random weights.

## Object detection

Detection is measured nowhere here. What becomes of Open Model Zoo's detection models, apart from those that are
IRs:

| model | framework | planned | reason |
|---|---|---|---|
"""

END = """
What is missing for those that are refused:

* **TensorFlow Object Detection** (`ssd_*`, `faster_rcnn_*`, `rfcn_*`, `mask_rcnn_*`, EfficientDet, RetinaNet). In a
  trial OpenVINO's converter took such graphs without the JSON file, with boxes, classes, scores and their number
  apart. The Model Optimizer gave one output `[1, 1, N, 7]`, which applications and Model API expect. Ten operations
  behind the model would make it. The sizes of pipeline.config would be needed too, and a proof that compares boxes,
  whose order may differ, and not tensors.
* **YOLO** (`yolo_*` files). Anchors, masks and numbers of classes in the JSON file become a `RegionYolo` operation
  behind each output. A trial built it and its answers were exact. The frontend does not do it, and the cut of the
  graph at the entry points that the file names is not read.
* Both need `model_info` for Model API (its type, labels and thresholds), and a metric (mAP) in mixnet-check.
"""


def document(models: Path) -> str:
    """The page for the descriptors below ``models``."""
    entries = [entry.load() for entry in zoo.flat(zoo.find_models([models])) if _is_readable(entry)]
    originals = [one for one in entries if one.framework != "dldt"]
    rows = [_row(one) for one in originals if one.task_type == "classification"]
    detectors = [_cells(one.name, one.framework, *_plan(one)) for one in originals if one.task_type == "detection"]
    return "\n".join((INTRODUCTION + "\n".join(rows), MIDDLE + "\n".join(detectors), END))


def _is_readable(entry: zoo.ZooEntry) -> bool:
    try:
        entry.load()
    except MixnetToolsError:
        return False
    return True


def _plan(model: ModelDescriptor) -> tuple[str, str]:
    """Whether ``model`` is planned, and why not."""
    try:
        plan = make_plan(model, Path("dl"), Path("dl"), ConversionOptions())
    except MixnetToolsError as error:
        if PREPARATION_SCRIPT in str(error):
            return "after its script", ""
        return "no", str(error).splitlines()[0].partition("model.yml: ")[2]
    is_code = plan.module and plan.module.folders and not plan.module.module.startswith("torchvision.")
    return "yes, code" if is_code else "yes", ""


def _row(model: ModelDescriptor) -> str:
    planned, reason = _plan(model)
    checked = "yes"
    try:
        read_config(model, ModelChoice(launcher=("openvino",)))
    except MixnetToolsError as error:
        checked = "no"
        reason = reason or str(error).splitlines()[0].rpartition("accuracy-check.yml: ")[2]
    found = CONVERTED.get(model.name)
    converted = f"{found[0]:.1e}, {found[1]:.1e}" if found else ""
    return _cells(model.name, model.framework, planned, converted, checked, reason)


def _cells(*cells: str) -> str:
    row = " | ".join(cell.replace("|", "\\|") for cell in cells)
    return f"| {row} |".replace("|  |", "| |").replace("|  |", "| |")


if __name__ == "__main__":
    DOCUMENT.write_text(document(Path(sys.argv[1])))
