"""The conversion stage: a downloaded model becomes one IR per precision, each proved against the original."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from mixnet_tools.conversion.arguments import plan_conversion
from mixnet_tools.conversion.graphs import surgery, variables
from mixnet_tools.conversion.graphs.graph_file import InferenceGraph, inference_graph
from mixnet_tools.conversion.metadata import conversion_report, rt_info, source_digest
from mixnet_tools.conversion.model_server import REPORT_FILE, write_serving_repository
from mixnet_tools.conversion.parity import ParityResult, Port, Reference, require
from mixnet_tools.conversion.plan import ConversionPlan, Weights, parse_cut
from mixnet_tools.conversion.preprocessing import finish
from mixnet_tools.conversion.reference.freeze import AverageReport, Checkpoint, freeze
from mixnet_tools.conversion.sources.read_model import node_names, read_model
from mixnet_tools.descriptors.model_yml import PRECISIONS, ModelDescriptor
from mixnet_tools.errors import UnsupportedOption, UsageError
from mixnet_tools.files import atomic
from mixnet_tools.inference.models import Model, OnnxModel, OpenVinoModel, TensorFlowGraph
from mixnet_tools.ir.locate import irs_of
from mixnet_tools.ir.save import Publication, publish, require_place, staged
from mixnet_tools.optimization.optimize import Optimized, optimize
from mixnet_tools.progress import Progress
from mixnet_tools.values import FrozenGraph, IRModel

Freezer = Literal["openvino", "tensorflow"]
FROZEN_FILE = "{name}.frozen.pb"


@dataclass(frozen=True)
class ConversionOptions:
    """What the user chooses, as opposed to the descriptor.

    ``freezer`` is who reads the variables: OpenVINO itself, or TensorFlow by way of a frozen graph; both give the same
    IR. ``weights`` are the checkpoint's raw values or their moving averages. ``verify`` compares each IR with the
    original. ``keep_frozen`` leaves the frozen graph beside the IRs. ``serving`` is an OpenVINO Model Server
    repository that gets the last of the precisions as well. ``optimize`` rewrites the graph into a faster one, and
    ``tune`` chooses kernels for the CPU at hand; each is kept only where it is faster here.
    """

    precisions: tuple[str, ...] = PRECISIONS
    freezer: Freezer = "openvino"
    weights: Weights = "raw"
    verify: bool = True
    keep_frozen: bool = False
    serving: Path | None = None
    optimize: bool = False
    tune: bool = False


@dataclass(frozen=True)
class ConvertedIR:
    """An IR in place, and its comparison with the original, output by output (empty without verification)."""

    ir: IRModel
    parity: tuple[ParityResult, ...]


@dataclass(frozen=True)
class ConvertedModel:
    """What conversion made of one model.

    ``averages`` is None where the checkpoint was not examined; ``seconds`` are by stage, in their order.
    ``optimized`` is what optimization did, None where it was not asked for.
    """

    plan: ConversionPlan
    irs: tuple[ConvertedIR, ...]
    averages: AverageReport | None
    frozen: Path | None
    serving: Path | None
    seconds: dict[str, float]
    optimized: Optimized | None = None


def make_plan(
    descriptor: ModelDescriptor, download_dir: Path, output_dir: Path, options: ConversionOptions
) -> ConversionPlan:
    """The plan with the user's choices. Raises :class:`UnsupportedOption` where the source has no such choice."""
    _check_options(options)
    plan = replace(plan_conversion(descriptor, download_dir, output_dir), weights=options.weights)
    wrong = []
    if options.weights == "ema" and plan.source.kind != "meta_graph":
        wrong.append(f"--weights ema: a {plan.source.kind} has no moving averages beside its weights")
    if plan.source.kind == "onnx" and (options.freezer == "tensorflow" or options.keep_frozen):
        wrong.append("--freezer tensorflow and --keep_frozen are for TensorFlow models")
    if wrong:
        raise UnsupportedOption("\n".join(f"{descriptor.name}: {problem}" for problem in wrong))
    return plan


def _check_options(options: ConversionOptions) -> None:
    """What the command line cannot get wrong, but a program can."""
    checks: tuple[tuple[str, Sequence[str], Sequence[str]], ...] = (
        ("precisions", options.precisions, PRECISIONS),
        ("freezer", (options.freezer,), get_args(Freezer)),
        ("weights", (options.weights,), get_args(Weights)),
    )
    for name, given, known in checks:
        wrong = [value for value in given if value not in known]
        if wrong or not given:
            raise UsageError(f"{name}: expected {' or '.join(known)}, got {wrong[0] if wrong else 'none'!r}")


def convert(
    descriptor: ModelDescriptor,
    download_dir: Path,
    output_dir: Path,
    options: ConversionOptions | None = None,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> ConvertedModel:
    """Convert the files of ``descriptor`` below ``download_dir`` to IRs below ``output_dir``.

    Each precision is written to a staging folder, compared with the original on the same inputs, and only then moved
    into place. ``stop``, set by another thread, ends the work with KeyboardInterrupt at the next step.

    Raises :class:`UnsupportedOption`, :class:`FreezeError`, :class:`ConversionError` or :class:`ParityError`; then no
    IR was written, and one that stood there before is untouched.
    """
    options = options or ConversionOptions()
    plan = make_plan(descriptor, download_dir, output_dir, options)
    return _Conversion(descriptor, plan, options, progress or Progress(), stop or threading.Event()).run(output_dir)


class _Conversion:
    """One run: a method per stage, timed."""

    def __init__(
        self,
        descriptor: ModelDescriptor,
        plan: ConversionPlan,
        options: ConversionOptions,
        progress: Progress,
        stop: threading.Event,
    ) -> None:
        self.descriptor, self.plan, self.options = descriptor, plan, options
        self.progress, self.stop = progress, stop
        self.seconds: dict[str, float] = {}
        self.prepared: InferenceGraph | None = None
        self.frozen: FrozenGraph | None = None
        self.optimized: Optimized | None = None

    def run(self, output_dir: Path) -> ConvertedModel:
        options = self.options
        targets = irs_of(self.descriptor, output_dir, options.precisions)
        for target in targets:
            require_place(target, REPORT_FILE)
        with self.stage("import"):
            import openvino  # noqa: F401
        with self.stage("read"):
            self.read()
        with self.stage("convert"):
            model, digest = self.model()
        if options.optimize or options.tune:
            with self.stage("optimize"):
                model = self.faster(model)
        with self.stage("original"):
            reference = self.reference(model) if options.verify else None
            averages = self.averages()
        with contextlib.ExitStack() as stack:
            candidates = []
            for target in targets:
                with self.stage("save"):
                    candidate = stack.enter_context(staged(model, target))
                with self.stage("verify"):
                    parity = reference.compare(OpenVinoModel(candidate.xml), target.precision) if reference else ()
                require(parity, self.plan.model)
                self.warn_inconclusive(parity)
                candidates.append((candidate, target, parity))
            # Only when every precision is proved does any of them appear.
            publish(
                [
                    Publication(one, target, self.report(digest, parity, averages), REPORT_FILE)
                    for one, target, parity in candidates
                ]
            )
            irs = [ConvertedIR(target, parity) for _, target, parity in candidates]
        frozen = self.keep_frozen(output_dir) if options.keep_frozen else None
        serving = write_serving_repository(irs[-1].ir, options.serving) if options.serving else None
        return ConvertedModel(self.plan, tuple(irs), averages, frozen, serving, self.seconds, self.optimized)

    @contextlib.contextmanager
    def stage(self, name: str):  # type: ignore[no-untyped-def]
        """Time a stage, and stop before it where another thread says so."""
        if self.stop.is_set():
            raise KeyboardInterrupt
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started

    def read(self) -> None:
        source = self.plan.source
        self.progress.note(f"{self.plan.model}: reading {source.path}")
        if source.kind in ("meta_graph", "frozen_graph"):
            self.prepared = inference_graph(self.plan)
            if not self.plan.outputs:  # the graph's own: from here on they are as good as named
                outputs = tuple(parse_cut(name) for name in self.prepared.outputs)
                self.plan = replace(self.plan, outputs=outputs)
            if self.prepared.dropped_inputs:
                cuts = ", ".join(entry.cut.text for entry in self.plan.inputs)
                operations = surgery.listed(self.prepared.dropped_inputs)
                self.progress.note(
                    f"{self.plan.model}: cut inside the graph at {cuts} ({operations}): "
                    f"{self.prepared.dropped} nodes that the output does not need fall away"
                )
        if self.options.freezer == "tensorflow" or self.needs_tensorflow():
            self.frozen = freeze(self.plan, self.prepared)

    def needs_tensorflow(self) -> bool:
        """A V1 checkpoint is one file without an index, which OpenVINO's frontend does not read."""
        source = self.plan.source
        return source.kind == "meta_graph" and source.checkpoint.is_file()

    def model(self) -> tuple[Any, str]:
        """The finished ``openvino.Model``, and the digest of what it was made from."""
        self.progress.note(f"{self.plan.model}: converting to {', '.join(self.options.precisions)}")
        raw = read_model(self.plan, self.prepared, self.frozen)
        digest = source_digest(self.plan)
        metadata = rt_info(self.descriptor, self.plan, digest, _classes(raw))
        return finish(raw, self.plan, node_names(self.plan, self.prepared), metadata), digest

    def faster(self, model: Any) -> Any:
        """``model`` rewritten and tuned, as far as that is faster here."""
        self.progress.note(f"{self.plan.model}: measuring whether it can be made faster")
        self.optimized = optimize(model, rewriting=self.options.optimize, tuning=self.options.tune)
        for note in self.optimized.notes:
            self.progress.note(f"{self.plan.model}: {note}")
        return self.optimized.model

    def reference(self, model: Any) -> Reference:
        self.progress.note(f"{self.plan.model}: computing the original's outputs")
        planned = {entry.cut.placeholder: entry for entry in self.plan.inputs}
        ports = []
        for port in model.inputs:
            name = next((name for name in sorted(port.get_names()) if name in planned), None)
            ports.append(Port(tuple(port.get_shape()), port.get_element_type().to_dtype(), planned.get(name or "")))
        return Reference(self.original(), ports, self.plan)

    def warn_inconclusive(self, parity: tuple[ParityResult, ...]) -> None:
        for result in parity:
            if not result.conclusive:
                self.progress.note(
                    f"{self.plan.model}: warning: the original gives all test inputs nearly the same {result.output}, "
                    "so that the comparison proves little"
                )

    def original(self) -> Model:
        if not self.plan.source.is_tensorflow:
            return OnnxModel(self.plan.source.path, tuple(cut.text for cut in self.plan.outputs))
        self.frozen = self.frozen or freeze(self.plan, self.prepared)
        return TensorFlowGraph(self.frozen)

    def averages(self) -> AverageReport | None:
        """What the checkpoint's moving averages are; examined where TensorFlow is at work anyway, or they are used."""
        examined = self.frozen is not None or self.options.weights == "ema"
        if self.plan.source.kind != "meta_graph" or self.prepared is None or not examined:
            return None
        used = variables.variable_names(self.prepared.graph)
        raw = {name.removesuffix(variables.AVERAGE_SUFFIX) for name in used}
        return Checkpoint.open(self.plan).averages(raw)

    def report(self, digest: str, parity: tuple[ParityResult, ...], averages: AverageReport | None) -> dict[str, Any]:
        import sys

        import openvino

        from mixnet_tools import __version__

        versions = {"mixnet_tools": __version__, "openvino": openvino.get_version()}
        if parity and "tensorflow" in sys.modules:
            versions["tensorflow"] = sys.modules["tensorflow"].__version__
        dropped = self.prepared.dropped if self.prepared else 0
        optimization = self.optimized.describe() if self.optimized else None
        return conversion_report(self.plan, digest, dropped, parity, averages, versions, optimization)

    def keep_frozen(self, output_dir: Path) -> Path:
        """Leave the frozen graph in the model's folder."""
        self.frozen = self.frozen or freeze(self.plan, self.prepared)
        folder = output_dir / self.descriptor.subdirectory
        path = folder / FROZEN_FILE.format(name=self.plan.model)
        atomic.write_bytes(path, self.frozen.graph_def)
        return path


def _classes(model: Any) -> int | None:
    """The length of the one output, where it is [batch, classes]."""
    if len(model.outputs) != 1:
        return None
    shape = model.outputs[0].get_partial_shape()
    return int(shape[1].get_length()) if shape.rank.is_static and len(shape) == 2 and shape[1].is_static else None
