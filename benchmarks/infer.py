"""How fast a full-size MixNet-L infers: plain, rewritten and tuned IR, INT8, ONNX Runtime, TensorFlow, old OpenVINO.

    python -m benchmarks.infer [--rounds N] [--seconds S] [--variant s|m|l] [--no_int8] [--omz PYTHON]

``--omz`` is the Python of an environment with openvino-dev 2024.6, whose Model Optimizer converts the same checkpoint
and whose runtime runs the result (in a process of its own, waiting while others run):

    python3 -m venv omz && omz/bin/pip install 'openvino-dev==2024.6.0' 'tensorflow<2.18'

All run in turn, batch 1, float32 (but for INT8), random weights; the tables give medians over the rounds, and medians
of the ratios round by round.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numpy as np
from tabulate import tabulate

from benchmarks.onnx_export import to_onnx
from mixnet_tools.conversion.convert import ConversionOptions, convert
from mixnet_tools.conversion.parity import natural_images
from mixnet_tools.inference import FLOAT32_ONLY, OnnxModel, TensorFlowGraph
from mixnet_tools.ir_description import count
from mixnet_tools.optimization.optimize import optimize
from mixnet_tools.optimization.tuning import tune
from mixnet_tools.throughput import Load
from mixnet_tools.values import FrozenGraph

PLAIN, OLD = "plain IR", "Model Optimizer's IR on 2024.6"
HINTS = ("THROUGHPUT", "LATENCY")
CALIBRATION_IMAGES = 30

WORKER = """
import sys, time, numpy, openvino
core = openvino.Core()
compiled = core.compile_model(sys.argv[1], "CPU", {"PERFORMANCE_HINT": sys.argv[2], "INFERENCE_PRECISION_HINT": "f32"})
queue = openvino.AsyncInferQueue(compiled)
for request in queue:
    request.set_input_tensor(openvino.Tensor(numpy.random.uniform(0, 255, tuple(compiled.input(0).shape)).astype("f4")))
for line in sys.stdin:
    count, started = int(line), time.perf_counter()
    for _ in range(count):
        queue.start_async()
    queue.wait_all()
    print(count / (time.perf_counter() - started), flush=True)
"""


class Runner(Protocol):
    """Something that infers."""

    def rate(self, count: int) -> float:
        """Inferences a second over ``count`` of them."""


class Framework:
    """TensorFlow or ONNX Runtime, a call at a time, with all the cores it wants."""

    def __init__(self, model: Any, image: Any) -> None:
        self.model, self.image = model, image

    def rate(self, count: int) -> float:
        """See :class:`Runner`."""
        started = perf_counter()
        for _ in range(count):
            self.model.run_all([self.image])
        return count / (perf_counter() - started)


class Process:
    """An IR on another environment's OpenVINO."""

    def __init__(self, python: Path, xml: Path, hint: str) -> None:
        command = [str(python), "-c", WORKER, str(xml), hint]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def rate(self, count: int) -> float:
        """See :class:`Runner`."""
        assert self.child.stdin
        assert self.child.stdout
        print(count, file=self.child.stdin, flush=True)
        return float(self.child.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self.child.communicate()


def machine_limit() -> float:
    """What this machine reaches at a large float32 matrix product, in multiply-adds a second."""
    a = np.random.default_rng(0).normal(size=(2000, 2000)).astype(np.float32)
    times = []
    for _ in range(7):
        started = perf_counter()
        a @ a
        times.append(perf_counter() - started)
    return 2000**3 / min(times)


def quantized(model: Any) -> Any:
    """``model`` in INT8, calibrated on generated images: right for speed only."""
    import nncf

    images = natural_images(CALIBRATION_IMAGES, *model.input(0).shape[1:3])
    data = nncf.Dataset([image[None] for image in images])
    return nncf.quantize(model, data, subset_size=CALIBRATION_IMAGES)


def in_turn(runners: dict[str, Runner], rounds: int, seconds: float) -> dict[str, list[float]]:
    """The rates of all, round by round, in an order that turns round each time."""
    counts = {name: max(4, int(runner.rate(8) * seconds)) for name, runner in runners.items()}
    rates: dict[str, list[float]] = {name: [] for name in runners}
    for turn in range(rounds):
        for name in list(runners) if turn % 2 else reversed(list(runners)):
            rates[name].append(runners[name].rate(counts[name]))
    return rates


def ratio(rates: dict[str, list[float]], name: str, base: str) -> str:
    """Median of the pairs."""
    if base not in rates:
        return "-"
    return f"{statistics.median(a / b for a, b in zip(rates[name], rates[base], strict=True)):.3f}"


def main() -> None:
    """Build, convert, measure, print."""
    from tests.support import graphs

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="rounds (default: 15)")
    parser.add_argument("--seconds", type=float, default=0.5, help="of one run (default: 0.5)")
    parser.add_argument("--variant", choices=("s", "m", "l"), default="l", help="which MixNet (default: l)")
    parser.add_argument("--no_int8", action="store_true", help="without INT8, which takes a minute to make")
    parser.add_argument("--omz", type=Path, metavar="PYTHON", help="Python of an environment with openvino-dev 2024.6")
    args = parser.parse_args()
    import openvino

    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        folder = graphs.mixnet(root, args.variant)
        options = ConversionOptions(precisions=("FP32",), verify=False, keep_frozen=True)
        done = convert(folder.descriptor, root, root, options)
        assert done.frozen
        plain = openvino.Core().read_model(done.irs[0].ir.xml)
        rewritten = optimize(plain)
        tuned = tune(rewritten.model)
        print("\n".join((*rewritten.notes, tuned.note)), end="\n\n")
        models = {PLAIN: plain, "--optimize": rewritten.model, "--optimize --tune": tuned.model}
        if not args.no_int8:
            models["INT8 (nncf)"] = quantized(plain)
        old = model_optimizer(args.omz, root, folder.name) if args.omz else None
        image = natural_images(1, 224, 224)
        frozen = FrozenGraph(
            folder.name,
            done.frozen.read_bytes(),
            (f"{done.plan.inputs[0].cut.placeholder}:0",),
            (done.plan.outputs[0].tensor,),
            (1, 224, 224, 3),
        )
        to_onnx(plain, root / "model.onnx")
        others = {
            "ONNX Runtime": Framework(OnnxModel(root / "model.onnx"), image),
            "TensorFlow": Framework(TensorFlowGraph(frozen), image),
        }
        limit = machine_limit() / count(done.irs[0].ir.xml).multiply_adds
        for hint in HINTS:
            config = {"PERFORMANCE_HINT": hint, **FLOAT32_ONLY}
            runners: dict[str, Runner] = {name: Load(model, config) for name, model in models.items()}
            process = Process(args.omz, old, hint) if old else None
            runners |= {OLD: process} if process else {}
            rates = in_turn(runners | others, args.rounds, args.seconds)
            if process:
                process.close()
            rows = [
                (
                    name,
                    f"{(middle := statistics.median(values)):.1f}",
                    ratio(rates, name, PLAIN),
                    ratio(rates, name, OLD),
                    f"{middle / limit:.2f}",
                )
                for name, values in rates.items()
            ]
            headers = (f"{hint.lower()}", "images/s", "x plain IR", "x 2024.6", "of the limit")
            print(tabulate(rows, headers=headers, disable_numparse=True), end="\n\n")
        cpu = openvino.Core().get_property("CPU", "FULL_DEVICE_NAME")
        print(
            f"limit: {limit:.0f} images/s, as fast as numpy multiplies matrices; {cpu}; OpenVINO {openvino.__version__}"
        )


def model_optimizer(python: Path, root: Path, name: str) -> Path:
    """The .xml that omz_converter makes of the checkpoint."""
    command = [
        python.with_name("omz_converter"), "--mo", python.with_name("mo"), "--name", name, "-d", root,
        "-o", root / "mo", "--precisions", "FP32",
    ]  # fmt: skip
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return next((root / "mo").rglob(f"{name}.xml"))


if __name__ == "__main__":
    main()
