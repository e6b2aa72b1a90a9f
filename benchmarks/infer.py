"""How fast a full-size MixNet-L infers: plain, rewritten and tuned IR, bfloat16, INT8, other runtimes, old OpenVINO.

    python -m benchmarks.infer [--rounds N] [--seconds S] [--variant s|m|l] [--no_int8] [--omz PYTHON] [--plot FILE]

``--omz`` is the Python of an environment with openvino-dev 2024.6, whose Model Optimizer converts the same checkpoint
and whose runtime runs the result (in a process of its own, waiting while others run):

    python3 -m venv omz && omz/bin/pip install 'openvino-dev==2024.6.0' 'tensorflow<2.18'

Batch 1, random weights, float32 where the name says nothing else. bfloat16 is measured where the processor has it, INT8
with and without depthwise layers in float, of the plain and of the rewritten graph. Each is run in turn with the plain
IR, and with the Model Optimizer's. Both are started anew several times. The tables give the medians of the ratios, pair
by pair, and their quartiles. TensorFlow and ONNX Runtime get one image at a time, and all cores for it.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks import results
from benchmarks.onnx_export import to_onnx
from mixnet_tools.conversion.comparison_inputs import natural_images
from mixnet_tools.conversion.convert import convert
from mixnet_tools.conversion.options import ConversionOptions
from mixnet_tools.inference.onnx import OnnxModel
from mixnet_tools.inference.openvino import FLOAT32_ONLY
from mixnet_tools.inference.tensorflow import TensorFlowGraph
from mixnet_tools.inference.throughput import LoadedModel, Runnable, Speedup, run_in_turn
from mixnet_tools.ir.inspect import count
from mixnet_tools.optimization.optimize import optimize
from mixnet_tools.optimization.tuning import tune
from mixnet_tools.pages.plot import Bars
from mixnet_tools.values import FrozenGraph

PLAIN, OLD = "plain IR", "Model Optimizer's IR on 2024.6"
HINTS = ("THROUGHPUT", "LATENCY")
CALIBRATION_IMAGES = 30
STARTS = 4

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


class Framework:
    """TensorFlow or ONNX Runtime, a call at a time, with all the cores it wants."""

    def __init__(self, model: Any, image: Any) -> None:
        self.model, self.image = model, image

    def rate(self, count: int) -> float:
        """See :class:`mixnet_tools.inference.throughput.Runnable`."""
        started = perf_counter()
        for _ in range(count):
            self.model.run(self.image)
        return count / (perf_counter() - started)


class Process:
    """An IR on another environment's OpenVINO."""

    def __init__(self, python: Path, xml: Path, hint: str) -> None:
        command = [str(python), "-c", WORKER, str(xml), hint]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def rate(self, count: int) -> float:
        """See :class:`mixnet_tools.inference.throughput.Runnable`."""
        assert self.child.stdin
        assert self.child.stdout
        print(count, file=self.child.stdin, flush=True)
        return float(self.child.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self.child.communicate()


def machine_limit() -> float:
    """What OpenVINO reaches here at a large float32 matrix product, in multiply-adds a second."""
    import openvino
    from openvino import opset13 as ops

    size = 2048
    image = ops.parameter([size, size], np.float32)
    weights = np.random.default_rng(0).normal(size=(size, size)).astype(np.float32)
    product = openvino.Model([ops.result(ops.matmul(image, ops.constant(weights), False, False))], [image])
    load = LoadedModel(product)
    return size**3 * max(load.rate(8) for _ in range(20))


def quantized(model: Any, *, depthwise: bool = True) -> Any:
    """``model`` in INT8, ``depthwise`` layers as well or not; calibrated on generated images: right for speed only."""
    import nncf

    images = natural_images(CALIBRATION_IMAGES, *model.input(0).shape[1:3])
    data = nncf.Dataset([image[None] for image in images])
    scope = None if depthwise else nncf.IgnoredScope(types=["GroupConvolution"])
    return nncf.quantize(model.clone(), data, subset_size=CALIBRATION_IMAGES, ignored_scope=scope)


def in_bfloat16() -> bool:
    """Whether this processor computes in bfloat16."""
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


Start = Callable[[], Runnable]


def compare(runners: dict[str, Start], base: str, rounds: int, seconds: float) -> dict[str, Speedup]:
    """Each of ``runners`` beside ``base``, pair after pair: ratios of runs that follow each other.

    Both are started anew :data:`STARTS` times, since one and the same model is up to a tenth faster or slower each time
    it is compiled, depending on where its memory lies.
    """
    found = {}
    for name, start in runners.items():
        if name == base:
            continue
        rates: tuple[list[float], list[float]] = ([], [])
        for _ in range(STARTS):
            pair = [runners[base](), start()]
            for index, measured in enumerate(run_in_turn(pair, rounds // STARTS, seconds)):
                rates[index].extend(measured)
            for one in pair:
                if isinstance(one, Process):
                    one.close()
        found[name] = Speedup(tuple(rates[0]), tuple(rates[1]))
    return found


def rows(
    runners: dict[str, Start], limit: float, plain: dict[str, Speedup], old: dict[str, Speedup]
) -> Iterator[tuple[str, ...]]:
    """A row of the table for each: its ratios with their quartiles, and its best run as a share of the limit.

    ``plain`` and ``old`` are the comparisons with the plain IR, and with the Model Optimizer's.
    """
    for name in runners:
        rates = plain[name].other if name in plain else next(iter(plain.values())).base
        share = max(rates) / limit
        yield name, _ratio(plain.get(name)), *([_ratio(old.get(name))] if old else []), f"{share:.2f}"


def _ratio(paired: Speedup | None) -> str:
    if paired is None:
        return "1"
    low, high = paired.quartiles
    return f"{paired.ratio:.2f} ({low:.2f} to {high:.2f})"


def largest_differences(models: dict[str, Any], frozen: FrozenGraph) -> str:
    """How far each model's logits are from TensorFlow's, and over which range."""
    import openvino

    rgb = natural_images(4, 224, 224)
    expected = TensorFlowGraph(frozen).run(rgb)
    lines = [f"TensorFlow's logits: {expected.min():.1f} to {expected.max():.1f}; largest difference from them:"]
    for name, model in models.items():
        request = openvino.Core().compile_model(model, "CPU", FLOAT32_ONLY).create_infer_request()
        found = np.concatenate([request.infer([image[None, ..., ::-1].copy()])[0].copy() for image in rgb])
        lines.append(f"  {name}: {np.abs(found - expected).max():.1e}")
    return "\n".join(lines)


def main() -> None:
    """Build, convert, measure, print."""
    from tests.support import graphs

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60, help="pairs of runs (default: 60)")
    parser.add_argument("--seconds", type=float, default=0.1, help="of one run (default: 0.1)")
    parser.add_argument("--variant", choices=("s", "m", "l"), default="l", help="which MixNet (default: l)")
    parser.add_argument("--no_int8", action="store_true", help="without INT8, which takes a minute to make")
    parser.add_argument("--omz", type=Path, metavar="PYTHON", help="Python of an environment with openvino-dev 2024.6")
    results.add_plot(parser)
    args = parser.parse_args()
    import openvino

    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        folder = graphs.mixnet(root, args.variant)
        options = ConversionOptions(precisions=("FP32",), verify=False, keep_frozen=True)
        done = convert(folder.descriptor, root, root, options)
        assert done.frozen
        frozen = FrozenGraph(
            folder.name,
            done.frozen.read_bytes(),
            (f"{done.plan.inputs[0].cut.placeholder}:0",),
            (done.plan.outputs[0].tensor,),
            (1, 224, 224, 3),
        )
        plain = openvino.Core().read_model(done.irs[0].ir.xml)
        rewritten = optimize(plain)
        tuned = tune(rewritten.model)
        print("\n".join((*rewritten.notes, tuned.note)))
        models = {PLAIN: plain, "--optimize": rewritten.model, "--optimize --tune": tuned.model}
        print(largest_differences(models, frozen), end="\n\n")
        if not args.no_int8:
            models["INT8"] = quantized(plain)
            models["INT8 of --optimize"] = quantized(rewritten.model)
            models["INT8, depthwise in float"] = quantized(plain, depthwise=False)
            models["INT8 of --optimize, depthwise in float"] = quantized(rewritten.model, depthwise=False)
        old = model_optimizer(args.omz, root, folder.name) if args.omz else None
        to_onnx(plain, root / "model.onnx")
        image = natural_images(1, 224, 224)
        onnx = Framework(OnnxModel(root / "model.onnx"), image)
        tensorflow = Framework(TensorFlowGraph(frozen), image)
        others: dict[str, Start] = {"ONNX Runtime": lambda: onnx, "TensorFlow": lambda: tensorflow}
        counted = count(done.irs[0].ir.xml)
        assert counted is not None, "its shapes are fixed"
        limit = machine_limit() / counted.multiply_adds
        groups: list[Bars] = []
        for hint in HINTS:
            config = {"PERFORMANCE_HINT": hint, **FLOAT32_ONLY}
            runners: dict[str, Start] = {name: partial(LoadedModel, model, config) for name, model in models.items()}
            if in_bfloat16():
                reduced = {"PERFORMANCE_HINT": hint, "INFERENCE_PRECISION_HINT": "bf16"}
                for name in (PLAIN, "--optimize"):
                    runners[f"{name} in bf16"] = partial(LoadedModel, models[name], reduced)
            if old:
                runners[OLD] = partial(Process, args.omz, old, hint)
            everything = runners | others
            compared = compare(everything, PLAIN, args.rounds, args.seconds)
            with_old = compare(everything, OLD, args.rounds, args.seconds) if old else {}
            table = list(rows(everything, limit, compared, with_old))
            measured = tuple(results.quartiles(name, one.ratios) for name, one in compared.items())
            groups.append(Bars(f"{hint.lower()} hint", "times the plain IR", measured, least=1.0))
            headers = (hint.lower(), "x plain IR", *(["x 2024.6"] if old else []), "of the limit")
            print(results.table(headers, table), end="\n\n")
        cpu = openvino.Core().get_property("CPU", "FULL_DEVICE_NAME")
        print(f"limit: multiply-adds as fast as in a large matrix product; {cpu}; OpenVINO {openvino.__version__}")
        if args.plot:
            results.write(args.plot, f"MixNet-{args.variant.upper()}, speed of inference", groups)


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
