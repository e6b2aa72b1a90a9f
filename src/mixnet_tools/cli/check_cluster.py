"""mixnet-check --cluster: its options, and the way from what was found to an evaluation on a Dask cluster."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mixnet_tools.accuracy.cluster import DEFAULT_SHARD_SIZE, DEFAULT_WAIT
from mixnet_tools.cli.check_inputs import Task
from mixnet_tools.cli.check_results import Finished
from mixnet_tools.cli.common.options import Parser, positive_int
from mixnet_tools.errors import UsageError

if TYPE_CHECKING:
    from mixnet_tools.accuracy.cluster.evaluate import ClusterTask
    from mixnet_tools.accuracy.cluster.transfer import ModelTransfer
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
    require_dask()


def measure_on_cluster(
    args: argparse.Namespace, tasks: Sequence[Task], devices: Sequence[str], progress: Progress
) -> list[Finished]:
    """Measure ``tasks``; converted models on each of ``devices``."""
    from mixnet_tools.accuracy.cluster.evaluate import evaluate_on_cluster

    progress.note(f"{', '.join(task.descriptor.name for task in tasks)}: reading models")
    evaluations = evaluate_on_cluster(
        [_packed(args, task, devices) for task in tasks],
        args.cluster,
        shard_size=args.shard_size or DEFAULT_SHARD_SIZE,
        wait=args.cluster_wait,
        progress=progress,
        max_bad=args.max_bad,
        predictions=args.predictions,
    )
    return [Finished(one, task.dataset, task.labels) for one, task in zip(evaluations, tasks, strict=True)]


def _packed(args: argparse.Namespace, task: Task, devices: Sequence[str]) -> ClusterTask:
    """``task`` with its models, the original first, as they travel."""
    from mixnet_tools.accuracy.cluster.evaluate import ClusterTask
    from mixnet_tools.accuracy.cluster.transfer import pack_graph, pack_ir, pack_onnx
    from mixnet_tools.accuracy.evaluation.plan import plan_evaluation

    models: list[ModelTransfer] = []
    if task.original is not None and task.original_launcher == "onnx":
        models.append(pack_onnx(task.original.source.path))
    elif task.original is not None:
        from mixnet_tools.conversion.reference.freeze import freeze

        models.append(pack_graph(freeze(task.original)))
    models.extend(pack_ir(ir, device) for device in devices for ir in task.irs)
    plan = plan_evaluation(
        task.descriptor.name,
        task.config,
        task.dataset,
        [model.info for model in models],
        profile=args.profile,
        reference_images=task.reference_images,
        predictions=args.predictions,
        resume=args.resume,
    )
    return ClusterTask(plan, tuple(models))
