"""The conversion stage: a downloaded model becomes one IR per precision, each proved against the original."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.conversion.comparison_inputs import ports_of
from mixnet_tools.conversion.exactness import FLOAT32, Exactness, exactness_of
from mixnet_tools.conversion.failed_proof import require
from mixnet_tools.conversion.graphs.checkpoint import AverageReport
from mixnet_tools.conversion.metadata import classes_of, conversion_report, rt_info
from mixnet_tools.conversion.model_server import write_serving_repository
from mixnet_tools.conversion.options import ConversionOptions, make_plan
from mixnet_tools.conversion.parity import ParityCheck, ParityResult
from mixnet_tools.conversion.plan import ConversionPlan
from mixnet_tools.conversion.preprocessing import finish
from mixnet_tools.conversion.reference.base import Reference
from mixnet_tools.conversion.source_check import VERIFIED, SourceCheck, SourceFiles, checking
from mixnet_tools.conversion.sources.kinds import open_source
from mixnet_tools.conversion.sources.model_code import require_consent
from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.errors import ParityError
from mixnet_tools.files import atomic
from mixnet_tools.inference.openvino import OpenVinoModel
from mixnet_tools.ir.digests import CONVERSION_REPORT, described
from mixnet_tools.ir.locate import irs_of
from mixnet_tools.ir.save import Publication, publish, require_place, staged
from mixnet_tools.progress import Progress
from mixnet_tools.reference.process import ReferenceProcess
from mixnet_tools.values import IRModel, KnownFiles

if TYPE_CHECKING:
    import openvino

    from mixnet_tools.optimization.optimize import Optimized

FROZEN_FILE = "{name}.frozen.pb"


@dataclass(frozen=True)
class ConvertedIR:
    """An IR in place, and its comparison with the original, output by output (empty without verification)."""

    ir: IRModel
    parity: tuple[ParityResult, ...]


@dataclass(frozen=True)
class ConvertedModel:
    """What conversion made of one model.

    ``files`` are the source's, as they were read. ``refused`` are the precisions that were asked for and not written,
    with the reason. ``averages`` is None where the checkpoint was not examined; ``seconds`` are by stage, in their
    order. ``optimized`` is what optimization did, None where it was not asked for.
    """

    plan: ConversionPlan
    files: SourceFiles
    irs: tuple[ConvertedIR, ...]
    refused: tuple[tuple[str, ParityError], ...]
    averages: AverageReport | None
    frozen: Path | None
    serving: Path | None
    seconds: dict[str, float]
    optimized: Optimized | None = None


def convert(
    descriptor: ModelDescriptor,
    download_dir: Path,
    output_dir: Path,
    options: ConversionOptions | None = None,
    progress: Progress | None = None,
    known: KnownFiles | None = None,
) -> ConvertedModel:
    """Plan and carry out the conversion of ``descriptor``'s files below ``download_dir`` to IRs below ``output_dir``.

    ``known`` is what these files have to be (None: nobody knows). Raises what :func:`make_plan` and
    :func:`convert_planned` raise.
    """
    options = options or ConversionOptions()
    plan = make_plan(descriptor, download_dir, output_dir, options)
    return convert_planned(descriptor, plan, output_dir, options, progress, known=known)


def convert_planned(
    descriptor: ModelDescriptor,
    plan: ConversionPlan,
    output_dir: Path,
    options: ConversionOptions,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
    known: KnownFiles | None = None,
) -> ConvertedModel:
    """Carry out ``plan``, which :func:`make_plan` made for ``descriptor`` with ``options``.

    The source's files are held against ``known`` while they are converted (None: nobody knows what they have to be).
    Each precision is written to a staging folder, compared with the original on the same inputs, and only then moved
    into place. FP16 that does not compute what the original computes is named in the result, and FP32 written.
    ``stop``, set by another thread, ends the work with KeyboardInterrupt at the next step.

    Raises :class:`FreezeError`, :class:`ConversionError`, :class:`OutputError`, :class:`ParityError` where no precision
    is right, or FP32 is wrong, :class:`UnsafeModelError` where code of others would run that ``options`` do not trust,
    and :class:`IntegrityError` where a file is not the one that was verified; then no IR
    was written, and one that stood there before is untouched.
    """
    conversion = _Conversion(descriptor, plan, options, progress or Progress(), stop or threading.Event())
    folder = plan.download_dir / descriptor.subdirectory
    source = conversion.source
    with checking(source.files(), known, folder, source.fetch_again, plan.made) as check:
        return conversion.run(output_dir, check)


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
        self.source = open_source(plan)
        self.seconds: dict[str, float] = {}
        self.versions: dict[str, str] = {}
        self.reference: dict[str, object] | None = None
        self.optimized: Optimized | None = None
        self.exactness: Exactness = FLOAT32

    def run(self, output_dir: Path, files: SourceCheck) -> ConvertedModel:
        options = self.options
        targets = irs_of(self.descriptor, output_dir, options.precisions)
        for target in targets:
            require_place(target, CONVERSION_REPORT)
        with contextlib.ExitStack() as stack:
            # It loads its framework and the original while the model is converted here.
            needed = options.verify or self.source.converted_by_original
            child = stack.enter_context(self.child()) if needed else None
            with self.stage("read", f"reading {self.plan.source.path}"):
                self.plan = self.source.read()
                self.note(*self.source.notes())
                self.require_consent(files)
                original = self.source.reference(child) if child else None
            with self.stage("import", "loading OpenVINO"):
                import openvino  # noqa: F401
            with self.stage("convert", "converting"):
                model, found = self.model(files)
            if options.optimize or options.tune:
                with self.stage("optimize", "measuring whether it can be made faster"):
                    if original:
                        original.versions  # noqa: B018 - it is loaded: nothing else computes while speeds are measured
                    model = self.faster(model)
            with self.stage("averages", "comparing weights with their averages"):
                averages = self.source.averages()
            check = self.check(model, original) if original and options.verify else None
            if child:
                child.close()  # it has answered: its memory is for the comparison
            candidates, refused = [], []
            for target in targets:
                with self.stage("save", f"writing {target.precision}"):
                    candidate = stack.enter_context(staged(model, target))
                try:
                    parity = self.proved(candidate, target, model, check) if check else ()
                except ParityError as error:
                    refused.append((target.precision, error))
                    continue
                report = self.report(found, candidate, parity, averages)
                candidates.append((Publication(candidate, target, report, CONVERSION_REPORT), parity))
            if any(precision == "FP32" for precision, _ in refused) or not candidates:
                # FP16's limit is wide for the rounding of its weights. A graph that is wrong is wrong in both.
                raise _together([error for _, error in refused])
            graph = self.source.freeze().graph_def if options.keep_frozen else None
            files.require_unchanged()
            publish([publication for publication, _ in candidates])
            irs = [ConvertedIR(publication.target, parity) for publication, parity in candidates]
        frozen = self.keep_frozen(output_dir, graph) if graph is not None else None
        serving = write_serving_repository(irs[-1].ir, options.serving) if options.serving else None
        return ConvertedModel(
            self.plan, found, tuple(irs), tuple(refused), averages, frozen, serving, self.seconds, self.optimized
        )

    def note(self, *lines: str) -> None:
        for line in lines:
            self.progress.note(f"{self.plan.model}: {line}")

    @contextlib.contextmanager
    def stage(self, name: str, doing: str) -> Iterator[None]:
        """Time a stage, show what is being done, and stop before it where another thread says so."""
        self.check_stop()
        started = time.perf_counter()
        with self.progress.stage(f"{self.plan.model}: {doing}"):
            yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started

    def require_consent(self, files: SourceCheck) -> None:
        """Show code of others that is going to run, its digests checked. Raises :class:`UnsafeModelError`."""
        if code := self.source.foreign_code():
            self.note(*require_consent(self.plan.model, code, files.result(), self.options.trust_code))

    def model(self, files: SourceCheck) -> tuple[openvino.Model, SourceFiles]:
        """The finished model, and the files that it was made from."""
        raw = self.source.model()
        self.exactness = exactness_of(raw)
        found = files.result()
        if found.verification != VERIFIED:
            self.note(f"warning: {found.verification}")
        metadata = rt_info(self.descriptor, self.plan, found.digest, classes_of(raw))
        model = finish(raw, self.plan, self.source.node_names(), metadata)
        for port in model.outputs:
            if port.get_partial_shape().is_dynamic:
                self.note(f"the shape of the output {port.get_any_name()} stays open: {port.get_partial_shape()}")
        return model, found

    def faster(self, model: openvino.Model) -> openvino.Model:
        """``model`` rewritten and tuned, as far as that is faster here."""
        from mixnet_tools.optimization.optimize import optimize

        self.optimized = optimize(model, rewriting=self.options.optimize, tuning=self.options.tune)
        self.note(*self.optimized.notes)
        return self.optimized.model

    def child(self) -> ReferenceProcess:
        """The process that is going to run the original."""
        return ReferenceProcess(self.source.runs_in, check_stop=self.check_stop)

    def check_stop(self) -> None:
        """End the work where another thread says so."""
        if self.stop.is_set():
            raise KeyboardInterrupt

    def check(self, model: openvino.Model, original: Reference) -> ParityCheck:
        """The original's answers, to compare with."""
        with self.stage("original", "running the original"):
            self.versions.update(original.versions)
            self.reference = {
                "software": original.software,
                "restrictions": list(original.restrictions),
                "exactness": self.exactness.found,
            }
            return ParityCheck(original, ports_of(model, original, self.plan), exactness=self.exactness)

    def proved(
        self, candidate: IRModel, target: IRModel, model: openvino.Model, check: ParityCheck
    ) -> tuple[ParityResult, ...]:
        """The comparison of ``candidate`` with the original. Raises :class:`ParityError` where it is not the same."""
        with self.stage("verify", f"comparing {target.precision} with the original"):
            parity = check.compare(OpenVinoModel(candidate.xml), target.precision)
            require(parity, model, check, self.plan.model, self.source.constants)
        for result in parity:
            if not result.conclusive:
                self.note(
                    f"warning: the original gives all test inputs nearly the same {result.output}, so that the "
                    "comparison proves little"
                )
        return parity

    def report(
        self, files: SourceFiles, ir: IRModel, parity: tuple[ParityResult, ...], averages: AverageReport | None
    ) -> dict[str, object]:
        import openvino

        from mixnet_tools import __version__

        versions = {"mixnet_tools": __version__, "openvino": openvino.get_version(), **self.versions}
        optimization = self.optimized.describe() if self.optimized else None
        weights = {
            "used": self.plan.weights,
            "reason": self.source.weights_reason(),
            "moving_averages": asdict(averages) if averages else None,
        }
        dropped, ir_files = self.source.dropped, described(ir)
        return conversion_report(
            self.plan, files, ir_files, dropped, parity, weights, versions, optimization, self.reference
        )

    def keep_frozen(self, output_dir: Path, graph: bytes) -> Path:
        """Leave the frozen graph in the model's folder."""
        folder = output_dir / self.descriptor.subdirectory
        path = folder / FROZEN_FILE.format(name=self.plan.model)
        with atomic.writing(path):
            atomic.write_bytes(path, graph)
        return path


def _together(errors: Sequence[ParityError]) -> ParityError:
    """One error of all precisions."""
    hints = dict.fromkeys(error.hint for error in errors if error.hint)
    return ParityError("\n".join(map(str, errors)), hint="; or: ".join(hints) or None)
