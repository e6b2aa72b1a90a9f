"""mixnet-check on a local Dask cluster beside the same without one, on the same processors, in the same run.

    python -m benchmarks.cluster [--images N] [--runs N] [--plot FILE]

A MixNet-L with random weights, FP32, on N JPEGs of ImageNet's usual size. In turn, several times: on one processor
without and with a cluster of one worker, on two processors without and with one of two. Client and scheduler run on the
same processors as the workers. Each is run on N/4 and on N images: the difference gives the speed without the start.

Then what a shard costs beside its images (shards of one image, of a small model, against large ones), and what of that
client and scheduler pay, which are there once for all workers, with what they pay for each image's answers and for each
worker that may have a shard; and, from these figures, a simulation of more workers than one machine has.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import pickle
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import results
from benchmarks.check import prepare, tool
from mixnet_tools.accuracy.cluster import DEFAULT_SHARD_SIZE
from mixnet_tools.accuracy.cluster.connection import connected
from mixnet_tools.accuracy.cluster.evaluate import ClusterTask, evaluate_on_cluster
from mixnet_tools.accuracy.cluster.tasks import PER_WORKER
from mixnet_tools.accuracy.cluster.transfer import pack_ir
from mixnet_tools.accuracy.datasets.dataset import bundled_source, open_dataset
from mixnet_tools.accuracy.evaluation.collector import Collector
from mixnet_tools.accuracy.evaluation.loop import MeasuredBatch, SeenImage
from mixnet_tools.accuracy.evaluation.plan import EvaluationPlan, plan_evaluation
from mixnet_tools.accuracy.metrics.topk import top_classes
from mixnet_tools.accuracy.predictions.jsonl_writer import PredictionsWriter
from mixnet_tools.accuracy.predictions.values import Answers
from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import load_accuracy_config
from mixnet_tools.api.models import find_model
from mixnet_tools.ir.locate import ir_model
from mixnet_tools.pages.plot import Bars
from mixnet_tools.progress import Progress

AT_LEAST = 0.9
"""Of the speed without a cluster, on the same processors."""

DIFFERENT = 400
"""Images that are made; more are further names of these."""


@dataclass(frozen=True)
class Costs:
    """In seconds. Of a worker: ``image`` and ``shard``, for each of these, and ``start`` until it measures.

    Of client and scheduler together: ``serial`` for a shard, ``answer`` for an image's answers, ``allowed`` for each
    worker that may have a shard.
    """

    image: float
    shard: float
    start: float
    serial: float
    answer: float
    allowed: float


def main() -> int:
    """Measure, simulate, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1200, metavar="N")
    parser.add_argument("--runs", type=int, default=3, metavar="N")
    results.add_plot(parser)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mixnet-bench-") as scratch:
        place = Path(scratch)
        prepare(place, DIFFERENT)
        enlarge(place / "images", args.images)
        cores = sorted(os.sched_getaffinity(0))[:2]
        found: dict[str, list[tuple[float, float]]] = {}
        for _ in range(args.runs):
            for count in range(1, len(cores) + 1):
                for kind in ("local", "cluster"):
                    where = ["--cluster", f"local:{count}"] if kind == "cluster" else []
                    measured = speed(place, args.images, cores[:count], where)
                    found.setdefault(f"{kind} {count}", []).append(measured)
        rows = {
            name: (statistics.median(rate for rate, _ in runs), statistics.median(start for _, start in runs))
            for name, runs in found.items()
        }
        wall, own, answer = overhead(place)
    rate, start = rows["cluster 1"]
    show(rows, Costs(1 / rate, max(wall - own, 0.0), start, own, answer, allowed()))
    if args.plot:
        speeds = {name: [one for one, _ in runs] for name, runs in found.items()}
        bars = tuple(results.ratios(name, values, speeds["local 1"]) for name, values in speeds.items())
        group = Bars("images/s with N processors, in one process and on a cluster", "times local 1", bars, least=1.0)
        results.write(args.plot, "MixNet-L, FP32: mixnet-check on a cluster", [group])
    return 0


def speed(place: Path, images: int, cores: Sequence[int], options: list[str]) -> tuple[float, float]:
    """(images/s once it runs, seconds until then) of mixnet-check on ``cores``."""
    few, many = (seconds(place, count, cores, options) for count in (images // 4, images))
    rate = (images - images // 4) / (many - few)
    return rate, max(0.0, many - images / rate)


def seconds(place: Path, images: int, cores: Sequence[int], options: list[str]) -> float:
    """From the first image to the last, as mixnet-check counts it; with a cluster, from when it is reached."""
    call = [sys.executable, "-m", "mixnet_tools.cli.main", "check", "--name", "mixnet-l"]
    call += ["--models_dir", str(place / "zoo"), "-d", str(place / "out"), "-s", str(place / "images")]
    call += ["--num_images", str(images), "--launcher", "openvino", "--no_references", "--json", "-q", *options]
    done = subprocess.run(
        call, capture_output=True, text=True, check=False, preexec_fn=lambda: os.sched_setaffinity(0, cores)
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(call)}: exit code {done.returncode}\n{done.stderr}")
    return float(json.loads(done.stdout)["reports"][0]["timing"]["seconds"])


def enlarge(folder: Path, images: int) -> None:
    """Further names for the images in ``folder``, until there are ``images``."""
    for number in range(DIFFERENT, images):
        os.link(folder / f"{number % DIFFERENT:05}.jpg", folder / f"{number:05}.jpg")
    (folder / "val.txt").write_text("".join(f"{number:05}.jpg {number % 1000}\n" for number in range(images)))


def overhead(place: Path) -> tuple[float, float, float]:
    """(seconds that a shard costs beside its images, those of client and scheduler of that, theirs for an image)."""
    tool("download", "--name", "mixnet-nano", "-o", str(place / "nano"), "-q")
    tool("convert", "--name", "mixnet-nano", "-d", str(place / "nano"), "--precisions", "FP32", "-q")
    descriptor = find_model("mixnet-nano")
    source = bundled_source(descriptor.directory)
    assert source is not None
    model = pack_ir(ir_model(place / "nano", str(descriptor.subdirectory), descriptor.name, "FP32"), "CPU")
    config = load_accuracy_config(descriptor.accuracy_path)
    plan = plan_evaluation(descriptor.name, config, open_dataset(source), [model.info])
    task = ClusterTask(plan, (model,))
    images = len(plan.dataset.images)

    def measured(shard_size: int) -> tuple[float, float]:
        begun = time.process_time()  # of this process: client and scheduler
        predictions = place / f"{time.time()}.jsonl"
        (found,) = evaluate_on_cluster([task], "local:1", shard_size=shard_size, predictions=predictions)
        return found.report.seconds, time.process_time() - begun

    cases = [(measured(1), measured(images)) for _ in range(3)]
    wall = statistics.median(many[0] - one[0] for many, one in cases)
    own = statistics.median(many[1] - one[1] for many, one in cases)
    return wall / (images - 1), own / (images - 1), answering(plan, place / "answers.jsonl")


def answering(plan: EvaluationPlan, path: Path) -> float:
    """Seconds for which the client is busy with an image's answers of one model: pickled, counted, written."""
    images = plan.dataset.images
    logits = np.random.default_rng(1).normal(size=(len(images), plan.setup.classes)).astype(np.float32)
    seen = tuple(SeenImage(one, (), None) for one in images)
    batch = pickle.dumps(MeasuredBatch(seen, (Answers(*top_classes(logits)),)))
    writer = PredictionsWriter(path, plan.setup)
    collector = Collector(plan, 0, writer)
    begun = time.perf_counter()
    pickle.dumps(images)
    collector.take(pickle.loads(batch))
    spent = time.perf_counter() - begun
    writer.close()
    return spent / len(images)


def allowed() -> float:
    """Seconds of client and scheduler that a task costs more for each further worker that may have it."""
    others = [f"tcp://10.0.{number // 250}.{number % 250}:4000" for number in range(511)]
    with connected("local:1", Progress()) as client:
        real = list(client.nthreads())

        def spent(workers: list[str]) -> float:
            begun = time.process_time()
            for number in range(100):
                key = f"{len(workers)}-{number}"
                client.submit(len, key, key=key, workers=workers, allow_other_workers=False).result()
            return time.process_time() - begun

        spent(real)
        return max(0.0, spent([*real, *others]) - spent(real)) / 100 / len(others)


def show(rows: dict[str, tuple[float, float]], costs: Costs) -> None:
    """The tables."""
    rates = {name: rate for name, (rate, _) in rows.items()}
    table = [
        (
            name,
            f"{rate / rates['local 1']:.2f}",
            "" if name.startswith("local") else f"{rate / rates[name.replace('cluster', 'local')]:.2f}",
            f"{start:.1f}",
        )
        for name, (rate, start) in rows.items()
    ]
    headers = ["processors", "speed (local 1 = 1)", f"of local (at least {AT_LEAST})", "seconds until it runs"]
    print(results.table(headers, table), end="\n\n")
    print(f"an image: {1000 * costs.image:.1f} ms of a processor")
    print(f"a shard: {1000 * costs.shard:.1f} ms of a worker, {1000 * costs.serial:.1f} ms of client and scheduler,")
    print(f"  and of these {1e6 * costs.answer:.0f} us for an image, {1e6 * costs.allowed:.1f} us for a worker allowed")
    lost = costs.shard / (DEFAULT_SHARD_SIZE * costs.image)
    print(f"so a worker loses {100 * lost:.2f} % of its time with shards of {DEFAULT_SHARD_SIZE} images")
    if "cluster 2" in rates:
        reached = rates["cluster 2"] / rates["cluster 1"] / 2
        print(f"2 workers here do {reached:.2f} of twice what 1 does (without a cluster, 2 processors: ", end="")
        print(f"{rates['local 2'] / rates['local 1'] / 2:.2f} of twice 1)")
    sizes = (5_000, 50_000, 1_000_000)
    others = (32, 512)
    simulated = [
        (
            str(workers),
            *(f"{simulate(costs, workers, images, DEFAULT_SHARD_SIZE):.2f}" for images in sizes),
            *(f"{simulate(costs, workers, sizes[-1], size):.2f}" for size in others),
        )
        for workers in (1, 2, 8, 64, 512)
    ]
    headers = ["workers", *(f"{images:,} images" for images in sizes), *(f"in shards of {size}" for size in others)]
    print("\nsimulated: share of the time of all workers that goes into images, start included")
    print(results.table(headers, simulated))


def simulate(costs: Costs, workers: int, images: int, shard_size: int) -> float:
    """Efficiency of ``workers`` processors on so many images: the time that one would need, over theirs together.

    Client and scheduler are one queue, through which each shard goes once out and back; a worker has one shard at work
    and the next at hand; images take 10 % more or less by chance. The workers begin at ``costs.start``.
    """
    rng = random.Random(1)
    sizes = [min(shard_size, images - first) for first in range(0, images, shard_size)]
    served = costs.start  # when the client is free
    free = [costs.start] * workers  # when each worker is free
    arrivals: list[tuple[float, int]] = []  # when an answer reaches the client, and from whom
    place = 0

    def give(worker: int) -> None:
        nonlocal place
        spent = sizes[place] * costs.image * max(0.5, rng.gauss(1, 0.1)) + costs.shard
        place += 1
        free[worker] = max(free[worker], served) + spent
        heapq.heappush(arrivals, (free[worker], worker))

    each = costs.serial + costs.allowed * workers
    for turn in range(min(PER_WORKER * workers, len(sizes))):
        served += each / 2  # the other half is for the answer
        give(turn % workers)
    while arrivals:
        arrived, worker = heapq.heappop(arrivals)
        served = max(served, arrived) + each + costs.answer * shard_size
        if place < len(sizes):
            give(worker)
    return images * costs.image / (workers * served)


if __name__ == "__main__":
    sys.exit(main())
