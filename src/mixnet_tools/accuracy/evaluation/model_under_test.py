"""A model that is evaluated: what is known of it, and how images are prepared for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mixnet_tools.accuracy.launchers.base import RunnerInfo
from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import AccuracyConfig, Measurement
from mixnet_tools.accuracy.preprocessing.plan import Plan, make_plan


@dataclass(frozen=True)
class ModelUnderTest:
    """A model (``info``), what accuracy-check.yml says of it (``measurement``), and its preprocessing (``plan``)."""

    info: RunnerInfo
    measurement: Measurement
    plan: Plan


def model_under_test(info: RunnerInfo, config: AccuracyConfig, profile: str) -> ModelUnderTest:
    """Give the model ``info`` the preprocessing that ``config`` and ``profile`` ask for.

    Raises what :meth:`AccuracyConfig.measurement` and
    :func:`mixnet_tools.accuracy.preprocessing.plan.make_plan` raise.
    """
    measurement = config.measurement(info.launcher, profile)
    return ModelUnderTest(info, measurement, make_plan(measurement, info.channels))


def named_apart(infos: Sequence[RunnerInfo]) -> tuple[RunnerInfo, ...]:
    """``infos`` with labels that say the device where IRs run on several devices."""
    devices = {info.device for info in infos if info.precision}
    return tuple(replace(info, among_devices=len(devices) > 1 and bool(info.precision)) for info in infos)


def in_another_precision(models: Sequence[ModelUnderTest]) -> list[str]:
    """A remark where applications compute IRs in another precision than all of ``models`` do; else nothing."""
    measured = {model.info.inference_precision for model in models if model.info.precision is not None}
    chosen = {model.info.would_choose for model in models} - {None} - measured
    return [
        f"OpenVINO computes in {name} on this processor, unless an application says otherwise; these figures are of "
        f"{', '.join(sorted(measured))}: `inference_precision=f32,{name}` measures both"
        for name in sorted(filter(None, chosen))
    ]


def changed_irs(models: Sequence[ModelUnderTest]) -> list[str]:
    """A warning for each IR that is not the one that the report beside it tells of."""
    return [f"warning: {model.info.label}: {model.info.warning}" for model in models if model.info.warning]
