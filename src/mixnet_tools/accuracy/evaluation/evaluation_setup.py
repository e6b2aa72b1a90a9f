"""Describes an evaluation before its first image, as reports and predictions files do: models, images, versions."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib import metadata
from platform import python_version
from typing import Literal

import numpy as np

from mixnet_tools import __version__
from mixnet_tools.accuracy.datasets.dataset import ImageDataset, fingerprint_of
from mixnet_tools.accuracy.evaluation.model_under_test import ModelUnderTest
from mixnet_tools.accuracy.launchers.base import RunnerInfo
from mixnet_tools.accuracy.predictions.values import DatasetSummary, ModelSetup, Run, Setup, Versions
from mixnet_tools.inference.machine import this_machine


def make_setup(
    name: str, profile: str, models: Sequence[ModelUnderTest], dataset: ImageDataset, reference_images: int | None
) -> Setup:
    """Describe the evaluation of ``models`` on ``dataset``.

    ``reference_images`` is the size of the set on which the references were measured (None: what the data set's name
    in accuracy-check.yml stands for). ReaL labels leave no references.
    """
    measurement = models[0].measurement
    chosen = dataset.images if dataset.whole is None else dataset.whole
    summary = DatasetSummary(
        name=measurement.dataset_name,
        source=str(dataset.source),
        form=dataset.form,
        annotations=str(dataset.annotations) if dataset.annotations else None,
        total=dataset.total,
        evaluated=len(dataset.images),
        label_offset=measurement.label_offset,
        reference_images=measurement.reference_images if reference_images is None else reference_images,
        excluded=dataset.excluded,
        labels=dataset.labels,
        fingerprint=dataset.fingerprint,
        chosen=len(chosen),
        chosen_fingerprint=fingerprint_of(chosen),
        split=dataset.split,
        accounts=dataset.accounts,
        remarks=dataset.remarks,
    )
    own = dataset.labels == "own"
    setups = tuple(
        ModelSetup(
            launcher=model.info.launcher,
            precision=model.info.precision,
            device=model.info.device,
            preprocessing=model.plan.description,
            reference_top1=model.measurement.reference_top1 if own else None,
            reference_top5=model.measurement.reference_top5 if own else None,
            digests=model.info.digests,
            among_devices=model.info.among_devices,
            integrity=model.info.integrity,
            inference_precision=model.info.inference_precision,
        )
        for model in models
    )
    opencv = any("(OpenCV" in step for model in setups for step in model.preprocessing)
    infos = [model.info for model in models]
    return Setup(name, profile, infos[0].classes, summary, setups, _versions(infos, opencv), dataset.shard)


def this_run(command: str | None = None, work: Literal["measured", "merged"] = "measured") -> Run:
    """Describe the run that begins now, on this machine. ``command`` is its command line without secrets, if any."""
    return Run(work, datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"), command, this_machine())


def _versions(infos: Sequence[RunnerInfo], scaled_by_opencv: bool) -> Versions:
    used = dict(package for info in infos for package in info.packages)
    return Versions(
        mixnet_tools=__version__,
        openvino=_version("openvino"),
        tensorflow=used.get("tensorflow"),
        pillow=metadata.version("pillow"),
        numpy=np.__version__,
        python=python_version(),
        onnxruntime=used.get("onnxruntime"),
        opencv=_version("cv2") if scaled_by_opencv else None,
    )


def _version(package: str) -> str | None:
    """The version of ``package`` where it is imported, and so had a part in the figures; else None."""
    module = sys.modules.get(package)
    return None if module is None else str(getattr(module, "__version__", "unknown"))
