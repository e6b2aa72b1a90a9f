"""The speed of MixNet-L's IRs in turn: timm's port by openvino.convert_model, ours plain, and ours with --optimize.

Run with PyTorch and timm: ``python -m benchmarks.timm_port PLAIN.xml OPTIMIZED.xml``, the IRs of mixnet-convert.
Weights do not matter. Each round runs every model once, forwards and backwards in turn, with a throughput hint in
float32. What counts is images per second of CPU time, which other processes on the machine change little; and the
ratio within a round.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import openvino
import timm
import torch

from benchmarks import results
from mixnet_tools.inference.machine import this_machine
from mixnet_tools.inference.throughput import THROUGHPUT
from mixnet_tools.pages.plot import Bars

IMAGES = 48
"""Inferences of one model in one round."""


def main() -> None:
    """Print a line for each IR: its images per CPU second, and the quartiles of its ratios to timm's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("irs", nargs="+", type=Path, metavar="IR.xml")
    parser.add_argument("--rounds", type=int, default=16, help="rounds that count")
    results.add_plot(parser)
    args = parser.parse_args()
    port = timm.create_model("tf_mixnet_l").eval()
    with torch.inference_mode():
        theirs = openvino.convert_model(port, example_input=torch.zeros(1, 3, 224, 224), input=[1, 3, 224, 224])
    core = openvino.Core()
    names = ["tf_mixnet_l of timm, by convert_model", *map(str, args.irs)]
    compiled = [core.compile_model(one, "CPU", dict(THROUGHPUT)) for one in (theirs, *map(core.read_model, args.irs))]
    queues = [openvino.AsyncInferQueue(model) for model in compiled]
    pictures = [np.random.default_rng(1).uniform(0, 1, model.input(0).shape).astype(np.float32) for model in compiled]
    rates: list[list[float]] = [[] for _ in compiled]
    for round_number in range(args.rounds + 1):
        order = range(len(compiled)) if round_number % 2 else reversed(range(len(compiled)))
        for index in order:
            before = time.process_time()
            for _ in range(IMAGES):
                queues[index].start_async([pictures[index]])
            queues[index].wait_all()
            if round_number:  # the first one warms up
                rates[index].append(IMAGES / (time.process_time() - before))
    ratios = [results.ratios(name, found, rates[0]) for name, found in zip(names, rates, strict=True)]
    speeds = [results.quartiles(name, found) for name, found in zip(names, rates, strict=True)]
    print(this_machine().describe())
    print(results.table(("", "images per CPU second", "of timm's", "quartiles"), [
        (ratio.label, f"{speed.value:.1f}", f"{ratio.value:.2f}", f"{ratio.low:.2f} to {ratio.high:.2f}")
        for ratio, speed in zip(ratios, speeds, strict=True)
    ]))  # fmt: skip
    if args.plot:
        results.write(
            args.plot, "MixNet-L: throughput of IRs", [Bars("images per CPU second", "times timm's", tuple(ratios))]
        )


if __name__ == "__main__":
    main()
