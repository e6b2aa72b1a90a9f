"""Write docs/zoo.md: what becomes of each classifier of a checkout of Open Model Zoo, read from its descriptors.

    python -m scripts.list_classifiers open_model_zoo/models

Whether a model is planned and its accuracy-check.yml read is found out anew. What conversion gave is measured by
tests/zoo/test_omz_classifiers.py, and stands in :data:`CONVERTED`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from mixnet_tools.api.model_files import ModelChoice, read_config
from mixnet_tools.conversion.options import ConversionOptions, make_plan
from mixnet_tools.conversion.parity import TOLERANCES
from mixnet_tools.descriptors import zoo
from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.errors import MixnetToolsError

DOCUMENT = Path(__file__).parents[1] / "docs/zoo.md"

CONVERTED: dict[str, tuple[float, float]] = {
    "levit-128s": (1.7e-3, 0.58),
    "dla-34": (1.5e-5, 1.7e-2), "efficientnet-b0-pytorch": (1.3e-5, 2.0e-2), "efficientnet-v2-b0": (1.5e-5, 1.5e-2),
    "efficientnet-v2-s": (2.2e-5, 2.0e-2), "googlenet-v3-pytorch": (4.8e-5, 4.1e-2), "hbonet-0.25": (2.4e-5, 4.1e-2),
    "hbonet-1.0": (1.2e-5, 1.8e-2), "mobilenet-v2-pytorch": (3.0e-5, 6.3e-2), "regnetx-3.2gf": (4.2e-5, 4.9e-2),
    "resnest-50-pytorch": (3.5e-4, 0.32), "resnet-18-pytorch": (6.8e-6, 4.4e-3), "resnet-34-pytorch": (1.4e-5, 6.7e-3),
    "resnet-50-pytorch": (2.5e-5, 1.8e-2), "rexnet-v1-x1.0": (1.5e-5, 1.9e-2), "shufflenet-v2-x1.0": (1.8e-5, 3.2e-2),
    "swin-tiny-patch4-window7-224": (2.0e-6, 1.9e-3), "t2t-vit-14": (9.1e-6, 4.2e-3),
}  # fmt: skip
"""The largest difference from PyTorch in FP32 and in FP16, in units of the output's variation, with random weights."""

INTRODUCTION = """# Classifiers of Open Model Zoo

<!-- Written by python -m scripts.list_classifiers. Change the script, not this page. -->

Which of Open Model Zoo's classifiers are converted and measured here, and why others are not. Models of other tasks are
converted where the same arguments do (`mixnet-convert --dry_run` tells); their accuracy is not measured.

* **planned**: mixnet-convert takes the descriptor. "code" means that Python code comes with the model: it needs
  `--trust_code NAME` ([convert.md](convert.md#code-that-comes-with-a-model)).
* **converted**: the largest difference of the IR from PyTorch in FP32 and FP16, in units of the output's variation from
  image to image. The published weights could not be had, so they are random, with fitting batch-norm statistics; the
  Python files were those whose digests the descriptors have. The limits are 0.001 and 0.25
  ([convert.md](convert.md#the-proof)). Empty: no figure.
* **checked**: mixnet-check reads the model's accuracy-check.yml.

| model | framework | planned | converted | checked | reason |
|---|---|---|---|---|---|
"""

END = """
## Where random weights are at the limit

Whether the limit or the weights are to blame was measured in float64, in units of the variation, with batch-norm scales
from 0.5 to 1.5:

| model | PyTorch: float32 from float64 | input moved by one rounding step | weights in float16, the rest exact |
|---|---|---|---|
| levit-128s | 9.8e-4 | 1.4e-3 | 0.86 |
| resnest-50-pytorch | 7.1e-5 | 1.3e-4 | 0.16 |
| regnetx-3.2gf | 1.9e-5 | 2.3e-5 | 0.040 |

LeViT with these weights amplifies every rounding: PyTorch in float32 is itself one limit of FP32 away from the exact
answer, and weights in float16 alone move it by three limits of FP16. ResNeSt moves by 0.16 where only the weights are
rounded, and its IR by 0.32; with scales from 0.9 to 1.1 its IRs are within the limits, in FP16 too. So these weights
are to blame, and the limits stay. Where FP16 is refused for published
weights, `--no_verify` writes it, and `mixnet-check` says what it costs.
"""


def document(models: Path) -> str:
    """The page for the descriptors below ``models``."""
    entries = [entry.load() for entry in zoo.flat(zoo.find_models([models])) if _is_readable(entry)]
    rows = [_row(one) for one in entries if one.task_type == "classification" and one.framework != "dldt"]
    return INTRODUCTION + "\n".join(rows) + "\n" + END


def _is_readable(entry: zoo.ZooEntry) -> bool:
    try:
        entry.load()
    except MixnetToolsError:
        return False
    return True


def _row(model: ModelDescriptor) -> str:
    reason, planned = "", "yes"
    try:
        plan = make_plan(model, Path("dl"), Path("dl"), ConversionOptions())
        if plan.module and plan.module.folders and not plan.module.module.startswith("torchvision."):
            planned = "yes, code"
    except MixnetToolsError as error:
        planned, reason = "no", str(error).splitlines()[0].partition("model.yml: ")[2]
    checked = "yes"
    try:
        read_config(model, ModelChoice(launcher=("openvino",)))
    except MixnetToolsError as error:
        checked = "no"
        reason = reason or str(error).splitlines()[0].rpartition("accuracy-check.yml: ")[2]
    found = CONVERTED.get(model.name)
    converted = f"{found[0]:.1e}, {found[1]:.1e}" if found else ""
    if found and (found[0] > TOLERANCES["FP32"] or found[1] > TOLERANCES["FP16"]):
        reason = reason or "beyond the limit with random weights, see below"
    cells = (model.name, model.framework, planned, converted, checked, reason.replace("|", "\\|"))
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


if __name__ == "__main__":
    DOCUMENT.write_text(document(Path(sys.argv[1])))
