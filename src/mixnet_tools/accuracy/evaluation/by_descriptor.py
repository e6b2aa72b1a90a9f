"""One call from a descriptor to its :class:`AccuracyReport`: what the command does, for programs.

The original model is not found here, since that is the conversion's subject: a caller that has it frozen may pass it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mixnet_tools.accuracy.cluster.evaluate import ClusterTask, evaluate_on_cluster
from mixnet_tools.accuracy.cluster.transfer import pack_graph, pack_ir
from mixnet_tools.accuracy.datasets.dataset import bundled_source, is_bundled, open_dataset
from mixnet_tools.accuracy.evaluation.evaluate import evaluate
from mixnet_tools.accuracy.evaluation.plan import plan_evaluation
from mixnet_tools.accuracy.launchers.base import Runner, TensorFlowRunner
from mixnet_tools.accuracy.launchers.openvino import OpenVinoRunner
from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import load_accuracy_config
from mixnet_tools.accuracy.reports.accuracy_report import AccuracyReport
from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.errors import EvaluationError, UsageError
from mixnet_tools.files.location import Location
from mixnet_tools.progress import Progress
from mixnet_tools.values import IR_PRECISIONS, FrozenGraph, ir_model


def evaluate_model(
    descriptor: ModelDescriptor,
    ir_dir: Path,
    *,
    source: Location | None = None,
    annotations: Location | None = None,
    num_images: int | None = None,
    profile: str = "omz",
    precisions: Sequence[str] | None = None,
    device: str = "CPU",
    original: FrozenGraph | None = None,
    max_bad: int = 0,
    predictions: Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    cluster: str | None = None,
) -> AccuracyReport:
    """Measure the IRs of ``descriptor`` below ``ir_dir`` (mixnet-convert's output folder).

    ``source`` are labelled images in any form that :func:`mixnet_tools.accuracy.datasets.dataset.open_dataset` knows
    (default: those that come with the model). ``precisions`` are folders such as FP32 (default: those that exist).
    ``original`` is measured beside them on the same images. For ``max_bad``, ``predictions`` and ``resume`` see
    :func:`mixnet_tools.accuracy.evaluation.evaluate.evaluate`. ``cluster`` is the address of a Dask scheduler, or
    ``local[:N]``.

    Raises :class:`UsageError` where no images are given or known, and what opening data sets, loading models and
    evaluating raise.
    """
    bundled = bundled_source(descriptor.directory)
    images = source or bundled
    if images is None:
        raise UsageError(f"{descriptor.name} brings no images of its own", hint="give some: source=Path(...)")
    dataset = open_dataset(images, annotations)
    irs = [
        ir_model(ir_dir, str(descriptor.subdirectory), descriptor.name, precision)
        for precision in precisions or IR_PRECISIONS
    ]
    present = [ir for ir in irs if precisions or ir.xml.is_file()]
    missing = next((ir.xml for ir in present if not ir.xml.is_file()), None if present else irs[0].xml)
    if missing is not None:
        raise EvaluationError(
            f"{missing}: {descriptor.name} has no such IR", hint=f"convert it: mixnet-convert --name {descriptor.name}"
        )
    config = load_accuracy_config(descriptor.accuracy_path)
    chosen = dataset.subset(num_images) if num_images else dataset
    reference_images = dataset.total if is_bundled(images, annotations, bundled) else None
    if cluster is not None:
        models = [*([pack_graph(original)] if original else []), *(pack_ir(ir, device) for ir in present)]
        plan = plan_evaluation(
            descriptor.name,
            config,
            chosen,
            [model.info for model in models],
            profile=profile,
            reference_images=reference_images,
            predictions=predictions,
            resume=resume,
        )
        (done,) = evaluate_on_cluster(
            [ClusterTask(plan, tuple(models))], cluster, progress=progress, max_bad=max_bad, predictions=predictions
        )
        return done.report
    runners: list[Runner] = [TensorFlowRunner(original)] if original else []
    runners += [OpenVinoRunner(ir, device) for ir in present]
    return evaluate(
        descriptor.name,
        config,
        chosen,
        runners,
        profile=profile,
        reference_images=reference_images,
        progress=progress,
        max_bad=max_bad,
        predictions=predictions,
        resume=resume,
    ).report
