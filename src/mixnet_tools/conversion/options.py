"""What users choose of a conversion, and the plan that follows from their choices and the descriptor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from mixnet_tools.conversion.arguments import plan_conversion
from mixnet_tools.conversion.plan import ConversionPlan, Freezer, Weights
from mixnet_tools.conversion.sources.kinds import KINDS
from mixnet_tools.descriptors.model_yml import PRECISIONS, ModelDescriptor
from mixnet_tools.errors import UnsupportedOption, UsageError


@dataclass(frozen=True)
class ConversionOptions:
    """What the user chooses, as opposed to the descriptor.

    ``freezer`` is who reads the variables: OpenVINO itself, or TensorFlow by way of a frozen graph; both give the same
    IR. ``weights`` are the checkpoint's raw values (``raw``) or their moving averages (``ema``); by default those that
    the meta graph's own saver restores. ``verify`` compares each IR with the
    original. ``keep_frozen`` leaves the frozen graph beside the IRs. ``serving`` is an OpenVINO Model Server
    repository that gets the last of the precisions as well. ``optimize`` rewrites the graph into a faster one, and
    ``tune`` chooses kernels for the CPU at hand; each is kept only where it is faster here. ``mo_args`` are further
    arguments of the Model Optimizer, beside the descriptor's (``--scale=2``). ``signature`` and ``tags`` choose a
    SavedModel's signature and graph, instead of the descriptor. ``trust_code`` are the models whose own Python code may
    run, in the restricted process of the original.
    """

    precisions: tuple[str, ...] = PRECISIONS
    freezer: Freezer = "openvino"
    weights: Weights | None = None
    verify: bool = True
    keep_frozen: bool = False
    serving: Path | None = None
    optimize: bool = False
    tune: bool = False
    mo_args: tuple[str, ...] = ()
    signature: str | None = None
    tags: tuple[str, ...] | None = None
    trust_code: tuple[str, ...] = ()


def make_plan(
    descriptor: ModelDescriptor, download_dir: Path, output_dir: Path, options: ConversionOptions
) -> ConversionPlan:
    """The plan with the user's choices. Raises :class:`UnsupportedOption` where the source has no such choice."""
    _check_options(options)
    plan = plan_conversion(descriptor, download_dir, output_dir, options.mo_args)
    kind = KINDS[plan.source.kind]
    wrong = []
    if options.weights not in kind.weights:
        wrong.append(
            f"`weights={options.weights}`: only a TensorFlow checkpoint has moving averages beside its weights, and "
            f"the model is of the kind {kind.kind}"
        )
    if options.freezer not in kind.freezers or (options.keep_frozen and "tensorflow" not in kind.freezers):
        wrong.append("`freezer=tensorflow` and `keep_frozen` are for TensorFlow models")
    chosen = {
        "signature": options.signature or plan.signature,
        "tags": plan.tags if options.tags is None else options.tags,
    }
    if kind.kind != "saved_model":
        wrong += [f"`{name}`: a {kind.kind} has none" for name, value in chosen.items() if value is not None]
    if wrong:
        raise UnsupportedOption("\n".join(f"{descriptor.name}: {problem}" for problem in wrong))
    only: Weights | None = "raw" if "ema" not in kind.weights else None
    return replace(
        plan,
        weights=options.weights or only,
        freezer=options.freezer,
        signature=options.signature or plan.signature,
        tags=plan.tags if options.tags is None else options.tags,
    )


def _check_options(options: ConversionOptions) -> None:
    """What the command line cannot get wrong, but a program can."""
    checks: tuple[tuple[str, Sequence[str], Sequence[str]], ...] = (
        ("precisions", options.precisions, PRECISIONS),
        ("freezer", (options.freezer,), get_args(Freezer)),
        ("weights", (options.weights or "raw",), ("raw", "ema")),
    )
    for name, given, known in checks:
        wrong = [value for value in given if value not in known]
        if wrong or not given:
            raise UsageError(f"`{name}`: expected {' or '.join(known)}, got {wrong[0] if wrong else 'none'!r}")
