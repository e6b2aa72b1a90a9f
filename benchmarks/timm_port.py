"""How fast MixNet-L infers: timm's port by openvino.convert_model beside our IRs of the checkpoint.

    python -m benchmarks.timm_port [--rounds N] [--seconds S] [--plot FILE]

Needs ``mixnet-tools[zoo]`` with PyTorch. Batch 1, random weights, float32. Each IR is run in turn with timm's, and both
are started anew several times. The table gives the medians of the ratios, pair by pair, and their quartiles.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import results
from benchmarks.infer import HINTS, Start, compare
from mixnet_tools.conversion.convert import convert
from mixnet_tools.conversion.options import ConversionOptions
from mixnet_tools.inference.machine import this_machine
from mixnet_tools.inference.openvino import FLOAT32_ONLY
from mixnet_tools.inference.throughput import LoadedModel
from mixnet_tools.optimization.optimize import optimize
from mixnet_tools.pages.plot import Bars

if TYPE_CHECKING:
    import openvino

PORT = "tf_mixnet_l of timm, by convert_model"
PLAIN, REWRITTEN = "mixnet-l, plain", "mixnet-l, --optimize"


def ported() -> openvino.Model:
    """timm's MixNet-L as a user would convert it."""
    import openvino
    import timm
    import torch

    port = timm.create_model("tf_mixnet_l").eval()
    with torch.inference_mode():
        return openvino.convert_model(port, example_input=torch.zeros(1, 3, 224, 224), input=[1, 3, 224, 224])


def ours(root: Path) -> dict[str, openvino.Model]:
    """The IRs of a checkpoint of the same form as the published one."""
    import openvino

    from tests.support import graphs

    folder = graphs.mixnet(root, "l")
    done = convert(folder.descriptor, root, root, ConversionOptions(precisions=("FP32",), verify=False))
    plain = openvino.Core().read_model(done.irs[0].ir.xml)
    return {PLAIN: plain, REWRITTEN: optimize(plain).model}


def main() -> None:
    """Convert, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=120, help="pairs of runs (default: 120)")
    parser.add_argument("--seconds", type=float, default=0.1, help="of one run (default: 0.1)")
    results.add_plot(parser)
    args = parser.parse_args()
    port = ported()  # PyTorch first: it cannot be imported after TensorFlow
    with tempfile.TemporaryDirectory() as place:
        models = {PORT: port, **ours(Path(place))}
        groups: list[Bars] = []
        for hint in HINTS:
            config = {"PERFORMANCE_HINT": hint, **FLOAT32_ONLY}
            runners: dict[str, Start] = {name: partial(LoadedModel, model, config) for name, model in models.items()}
            compared = compare(runners, PORT, args.rounds, args.seconds)
            measured = tuple(results.quartiles(name, one.ratios) for name, one in compared.items())
            groups.append(Bars(f"{hint.lower()} hint", "times timm's port", measured, least=1.0))
            rows = [(one.label, f"{one.value:.2f}", f"{one.low:.2f} to {one.high:.2f}") for one in measured]
            print(results.table((hint.lower(), "x timm's port", "quartiles"), rows), end="\n\n")
        print(this_machine().describe())
        if args.plot:
            results.write(args.plot, "MixNet-L, speed of inference beside timm's port", groups)


if __name__ == "__main__":
    main()
