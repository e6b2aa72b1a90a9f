"""mixnet-check --cluster: its options, and the way from what was found to an evaluation on a Dask cluster."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mixnet_tools.accuracy.cluster import DEFAULT_SHARD_SIZE, DEFAULT_WAIT
from mixnet_tools.cli.common.options import positive_int
from mixnet_tools.cli.common.parser import Parser
from mixnet_tools.errors import UsageError

if TYPE_CHECKING:
    from mixnet_tools.accuracy.evaluation.evaluate import Evaluation
    from mixnet_tools.api.evaluation_task import EvaluationTask
    from mixnet_tools.progress import Progress


def add_cluster(parser: Parser) -> None:
    """Where to measure."""
    group = parser.add_argument_group("on a cluster")
    group.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="measure on the workers of a Dask scheduler (tcp://HOST:8786), or on N processes here (local[:N])",
    )
    group.add_argument(
        "--shard_size", type=positive_int, metavar="N", help=f"images in a task (default: {DEFAULT_SHARD_SIZE})"
    )
    group.add_argument(
        "--cluster_wait",
        type=positive_int,
        metavar="SECONDS",
        help=f"how long to wait for a worker where there is none (default: {DEFAULT_WAIT:.0f})",
    )


def check_cluster_usage(args: argparse.Namespace) -> None:
    """What argparse cannot know. Raises :class:`UsageError`, and :class:`MissingDependency` without Dask."""
    if args.cluster is None:
        for option in ("shard_size", "cluster_wait"):
            if getattr(args, option) is not None:
                raise UsageError(f"--{option} without --cluster", hint="--cluster local, or the address of a scheduler")
        return
    from mixnet_tools.accuracy.cluster.connection import parse_address, require_dask

    parse_address(args.cluster)
    if args.tune:
        raise UsageError("--tune with --cluster: workers' processors may differ, and so would their kernels")
    if "default" in args.inference_precision:
        raise UsageError(
            "--inference_precision default with --cluster: it is not the same on all workers",
            hint="name one: f32, bf16",
        )
    require_dask()


def measure_on_cluster(
    args: argparse.Namespace, tasks: Sequence[EvaluationTask], devices: Sequence[str], progress: Progress
) -> list[Evaluation]:
    """Measure ``tasks``; converted models on each of ``devices``."""
    from mixnet_tools.accuracy.cluster.evaluate import evaluate_on_cluster
    from mixnet_tools.api.evaluation_task import pack_models

    progress.note(f"{', '.join(task.model for task in tasks)}: reading models")
    return evaluate_on_cluster(
        [
            pack_models(
                task,
                devices,
                predictions=args.predictions,
                resume=args.resume,
                command=args.command_line,
                inference_precisions=args.inference_precision,
            )
            for task in tasks
        ],
        args.cluster,
        shard_size=args.shard_size or DEFAULT_SHARD_SIZE,
        wait=args.cluster_wait,
        progress=progress,
        max_bad=args.max_bad,
        predictions=args.predictions,
    )
