"""How many images a second mixnet-check measures, beside what benchmark_app gets for inference alone on the same IR.

    python -m benchmarks.check [--images N] [--runs N] [--plot FILE] [--accuracy_check COMMAND]

A MixNet-L with random weights (the published form) is converted to FP32; N JPEGs of ImageNet's usual size (500x375) are
made. In turn, several times: `mixnet-check` on these images (its own count, from the first image to the last), and
`benchmark_app -hint throughput` on the IR. Decoding takes processor time that inference then lacks: the table gives the
share of benchmark_app's figure that is left when decoding and resizing are paid for, and what was reached.

Open Model Zoo's accuracy_check cannot be installed beside OpenVINO 2026. Where COMMAND runs it in an environment of its
own, with OpenVINO 2024 for example, it measures the same IR on the same images, asynchronously, in turn with the
others: its own count of images/s, and the time of the whole run from start to exit.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from benchmarks import results
from mixnet_tools.descriptors import zoo
from mixnet_tools.pages.plot import Bars
from tests.support.standin import build_mixnet_archive

AT_LEAST = 0.95
"""Of what benchmark_app gets, less the measured cost of decoding."""

AT_MOST = 0.6
"""Of accuracy_check's time for a whole run of 300 images."""


def main() -> int:
    """Run both in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=400, metavar="N")
    parser.add_argument("--runs", type=int, default=3, metavar="N")
    parser.add_argument("--accuracy_check", metavar="COMMAND", help="what runs Open Model Zoo's accuracy_check")
    results.add_plot(parser)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mixnet-bench-") as scratch:
        place = Path(scratch)
        ir = prepare(place, args.images)
        rows, peers = [], []
        for _ in range(args.runs):
            rows.append(measure(place, ir, args.images))
            if args.accuracy_check:
                peers.append(measure_peer(args.accuracy_check, place, ir))
    medians = [statistics.median(column) for column in zip(*rows, strict=True)]
    checked, alone, left, share, first, wait, whole = medians
    print(
        results.table(
            ("median of runs in turn", "measured", "wanted"),
            [
                ["mixnet-check, images/s", f"{checked:.1f}", ""],
                ["benchmark_app -hint throughput, images/s", f"{alone:.1f}", ""],
                ["the same, less decoding and resizing, images/s", f"{left:.1f}", ""],
                ["mixnet-check / that", f"{share:.2f}", f"at least {AT_LEAST}"],
                ["seconds to the first answers", f"{first:.2f}", "at most 2"],
                ["share of the time waiting for images", f"{wait:.2f}", ""],
                ["seconds of the whole run", f"{whole:.1f}", ""],
                *(peer_rows(peers, checked, whole) if peers else []),
            ],
        )
    )
    if args.plot:
        of_app = [[run[index] for run in rows] for index in range(3)]
        names = ("mixnet-check", "benchmark_app", "benchmark_app, less decoding and resizing")
        bars = tuple(results.ratios(name, values, of_app[1]) for name, values in zip(names, of_app, strict=True))
        group = Bars("images/s, with decoding and without", "times benchmark_app -hint throughput", bars, least=1.0)
        results.write(args.plot, f"MixNet-L, FP32: {args.images} images", [group])
    return 0


def peer_rows(peers: list[tuple[float, float]], checked: float, whole: float) -> list[list[str]]:
    """The rows of the table on accuracy_check: (images/s, seconds of the whole run) of each of its runs."""
    theirs, their_whole = (statistics.median(column) for column in zip(*peers, strict=True))
    return [
        ["accuracy_check, asynchronous, images/s", f"{theirs:.1f}", ""],
        ["mixnet-check / accuracy_check, images/s", f"{checked / theirs:.2f}", ""],
        ["accuracy_check, seconds of the whole run", f"{their_whole:.1f}", ""],
        ["mixnet-check / accuracy_check, whole run", f"{whole / their_whole:.2f}", f"at most {AT_MOST}"],
    ]


def prepare(place: Path, images: int) -> Path:
    """Images, model and IR; returns the IR."""
    folder = place / "images"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for number in range(images):
        small = rng.integers(0, 256, (12, 16, 3)).astype(np.uint8)
        Image.fromarray(small).resize((500, 375), Image.Resampling.BICUBIC).save(
            folder / f"{number:05}.jpg", quality=90
        )
    (folder / "val.txt").write_text("".join(f"{number:05}.jpg {number % 1000}\n" for number in range(images)))
    model = place / "zoo/public/mixnet-l"
    shutil.copytree(zoo.embedded_root() / "public/mixnet-l", model)
    archive = build_mixnet_archive(model / "mixnet-l.tar.gz", "l")
    descriptor = yaml.safe_load((model / "model.yml").read_text())
    (entry,) = descriptor["files"]
    entry.update(size=archive.size, checksum=archive.sha384, source={"$type": "file", "path": archive.path.name})
    entry.pop("original_source", None)
    (model / "model.yml").write_text(yaml.safe_dump(descriptor, sort_keys=False))
    common = ["--name", "mixnet-l", "--models_dir", str(place / "zoo")]
    tool("download", *common, "-o", str(place / "out"), "-q")
    tool("convert", *common, "-d", str(place / "out"), "--precisions", "FP32", "-q")
    return place / "out/public/mixnet-l/FP32/mixnet-l.xml"


def measure(place: Path, ir: Path, images: int) -> tuple[float, ...]:
    """One run of each: see the table of :func:`main`."""
    common = ["--name", "mixnet-l", "--models_dir", str(place / "zoo"), "-d", str(place / "out")]
    # Random weights miss every reference: exit code 3 is as it should be.
    given = [*common, "-s", str(place / "images"), "--launcher", "openvino", "--json", "-q"]
    started = time.perf_counter()
    timing = json.loads(tool("check", *given, accept=(0, 3)))["reports"][0]["timing"]
    whole = time.perf_counter() - started
    app = Path(sys.executable).with_name("benchmark_app")
    out = subprocess.run(
        [app, "-m", ir, "-hint", "throughput", "-t", "10", "-infer_precision", "f32"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = re.search(r"Throughput:\s+([\d.]+) FPS", out)
    assert found, out
    alone = float(found[1])
    checked = timing["images"] / timing["seconds"]
    cores = len(os.sched_getaffinity(0))
    # An image costs inference 1 / alone of all processors, and preparing it takes one of them for a while.
    preparing = (timing["decode"] + timing["resize"]) / images / cores
    left = 1 / (1 / alone + preparing)
    return checked, alone, left, checked / left, timing["first_image"], timing["wait"] / timing["seconds"], whole


def measure_peer(command: str, place: Path, ir: Path) -> tuple[float, float]:
    """(images/s by its own count, seconds of the whole run) of accuracy_check on the same IR and images."""
    launcher = {"framework": "openvino", "model": str(ir), "weights": str(ir.with_suffix(".bin")), "device": "CPU"}
    labels = {"converter": "imagenet", "annotation_file": str(place / "images/val.txt")}
    steps = [
        {"type": "crop", "central_fraction": 0.875, "use_pillow": True},
        {"type": "resize", "size": 224, "use_pillow": True, "interpolation": "BICUBIC"},
    ]
    dataset = {
        "name": "images",
        "data_source": str(place / "images"),
        "annotation_conversion": labels,
        "preprocessing": steps,
        "metrics": [{"name": f"top{k}", "type": "accuracy", "top_k": k} for k in (1, 5)],
    }
    model = {"name": "mixnet-l", "launchers": [{**launcher, "adapter": "classification"}], "datasets": [dataset]}
    config = place / "accuracy_check.yml"
    config.write_text(yaml.safe_dump({"models": [model]}))
    started = time.perf_counter()
    call = [*shlex.split(command), "-c", str(config), "--async_mode", "True"]
    done = subprocess.run(call, cwd=place, capture_output=True, text=True, check=False)
    whole = time.perf_counter() - started
    found = re.search(r"(\d+) objects processed in ([\d.]+) seconds", done.stdout + done.stderr)
    if done.returncode or not found:
        raise SystemExit(f"{' '.join(call)}: exit code {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return int(found[1]) / float(found[2]), whole


def tool(command: str, *arguments: str, accept: tuple[int, ...] = (0,)) -> str:
    """``mixnet <command>`` in a process of its own; returns its stdout."""
    call = [sys.executable, "-m", "mixnet_tools.cli.main", command, *arguments]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode not in accept:
        raise SystemExit(f"{' '.join(call)}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
