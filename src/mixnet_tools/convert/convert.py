"""The conversion stage: a downloaded model becomes one IR per precision, each proved against the original."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mixnet_tools.convert.arguments import ConversionPlan, plan_conversion
from mixnet_tools.convert.freeze import freeze
from mixnet_tools.convert.ir import build_model, publish, staged
from mixnet_tools.convert.parity import ParityResult, Reference, require
from mixnet_tools.descriptor import PRECISIONS, ModelDescriptor
from mixnet_tools.progress import Progress
from mixnet_tools.values import IRModel, ir_model


@dataclass(frozen=True)
class ConvertedModel:
    """What conversion made: the IRs, in the order asked for, and the comparison of each with the original."""

    plan: ConversionPlan
    irs: tuple[IRModel, ...]
    parity: tuple[ParityResult, ...]
    seconds: float


def target_irs(descriptor: ModelDescriptor, output_dir: Path, precisions: Sequence[str]) -> tuple[IRModel, ...]:
    """Where converting ``descriptor`` would write, without writing."""
    return tuple(ir_model(output_dir, str(descriptor.subdirectory), descriptor.name, p) for p in precisions)


def convert(
    descriptor: ModelDescriptor,
    download_dir: Path,
    output_dir: Path,
    precisions: Sequence[str] = PRECISIONS,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> ConvertedModel:
    """Convert the files of ``descriptor`` below ``download_dir`` to IRs below ``output_dir``.

    Each precision is written to a staging folder, compared with the original on the same images, and only then moved
    into place. ``stop``, set by another thread, ends the work with KeyboardInterrupt at the next step.

    Raises :class:`UnsupportedOption`, :class:`FreezeError`, :class:`ConversionError` or :class:`ParityError`; then no
    IR was written, and one that stood there before is untouched.
    """
    say = (progress or Progress()).note
    started = time.perf_counter()
    plan = plan_conversion(descriptor, download_dir)
    say(f"{plan.model}: freezing {plan.meta_graph}, cut at {plan.cut.text}")
    frozen = freeze(plan)
    _check(stop)
    say(f"{plan.model}: computing the original's logits")
    reference = Reference(frozen, plan)
    _check(stop)
    say(f"{plan.model}: converting to {', '.join(precisions)}")
    model = build_model(frozen, plan)
    results = []
    with contextlib.ExitStack() as stack:
        candidates = []
        for target in target_irs(descriptor, output_dir, precisions):
            candidate = stack.enter_context(staged(model, target))
            results.append(reference.compare(candidate))
            require(results[-1], plan.model)
            _check(stop)
            candidates.append((candidate, target))
        # Only when every precision is proved does any of them appear.
        irs = [publish(candidate, target) for candidate, target in candidates]
    return ConvertedModel(plan, tuple(irs), tuple(results), time.perf_counter() - started)


def _check(stop: threading.Event | None) -> None:
    if stop is not None and stop.is_set():
        raise KeyboardInterrupt
