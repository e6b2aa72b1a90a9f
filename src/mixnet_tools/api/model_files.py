"""Finds the files of a model that can be run: its IRs and its original. Loads them into launchers.

Evaluation and classification both begin here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mixnet_tools.accuracy import PROFILES
from mixnet_tools.accuracy.launchers.base import Runner
from mixnet_tools.accuracy.launchers.onnx import OnnxRunner
from mixnet_tools.accuracy.launchers.openvino import OpenVinoRunner
from mixnet_tools.accuracy.launchers.tensorflow import TensorFlowRunner
from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import AccuracyConfig, load_accuracy_config
from mixnet_tools.accuracy.preprocessing.plan import make_plan
from mixnet_tools.conversion.arguments import plan_conversion
from mixnet_tools.conversion.plan import ConversionPlan
from mixnet_tools.conversion.source_check import checking
from mixnet_tools.conversion.sources.kinds import open_source
from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.downloading.download import known_files, locate_downloaded
from mixnet_tools.errors import UsageError
from mixnet_tools.inference import InferencePrecision
from mixnet_tools.ir.image_input import ImageInput
from mixnet_tools.ir.locate import require_irs
from mixnet_tools.optimization.tuning import tune
from mixnet_tools.values import FrozenGraph, IRModel, KnownFiles


@dataclass(frozen=True)
class ModelChoice:
    """What to run of a model of a zoo.

    ``launcher`` names what runs it: ``openvino`` for its IRs below ``ir_dir``, ``tf`` or ``onnx`` for the original
    below ``download_dir`` (None: both). ``precisions`` are the IRs to run (None: those that exist). ``profile`` says
    how images are prepared.
    """

    ir_dir: Path = Path()
    download_dir: Path = Path()
    launcher: tuple[str, ...] | None = None
    precisions: tuple[str, ...] | None = None
    profile: str = PROFILES[0]


@dataclass(frozen=True)
class Original:
    """The model as it was published. ``launcher``, ``tf`` or ``onnx``, is what runs it.

    ``known`` is what its files have to be.
    """

    plan: ConversionPlan
    launcher: str
    known: KnownFiles

    @property
    def image(self) -> ImageInput | None:
        """What the descriptor says of the images of its one input; None where it does not say all of it."""
        if len(self.plan.inputs) != 1:
            return None
        layout, shape = self.plan.inputs[0].layout, self.plan.first_shape
        if layout not in ("NHWC", "NCHW") or len(shape) != len(layout):
            return None
        batch, *_ = shape
        height, width, channels = (shape[layout.index(axis)] for axis in "HWC")
        return ImageInput("NHWC" if layout == "NHWC" else "NCHW", batch, height, width, channels)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs that the descriptor names; empty where it names none."""
        return tuple(cut.text for cut in self.plan.outputs)

    def read(self) -> FrozenGraph | Path:
        """Freeze the TensorFlow graph, which takes seconds, or return the path of the ONNX file.

        Raises :class:`FreezeError`, and :class:`IntegrityError` where a file is not the one that was verified.
        """
        source = open_source(self.plan)
        with checking(source.files(), self.known, self.known.folder, source.fetch_again, self.plan.made) as check:
            original = self.plan.source.path if self.launcher == "onnx" else source.freeze()
            check.require_unchanged()
        return original


@dataclass(frozen=True)
class ModelFiles:
    """The forms of one model that can be run, and how images are prepared for each (``config``).

    ``original`` is None where only IRs are run.
    """

    config: AccuracyConfig
    irs: tuple[IRModel, ...]
    original: Original | None = None

    @property
    def names(self) -> str:
        """The forms, for messages."""
        return ", ".join([*(["the original"] if self.original else []), *(ir.precision or ir.name for ir in self.irs)])


def native_launcher(descriptor: ModelDescriptor) -> str:
    """The launcher that runs the original of ``descriptor``: ``tf`` or ``onnx``."""
    return "onnx" if descriptor.framework == "onnx" else "tf"


def chosen_launchers(descriptor: ModelDescriptor, choice: ModelChoice) -> tuple[str, ...]:
    """The launchers that ``choice`` asks for. A model that is an IR already has no original beside it, and
    one of PyTorch is run as an original while it is converted only.

    Raises :class:`UsageError` where one cannot run the model.
    """
    known = _possible(descriptor)
    launchers = choice.launcher or known
    other = next((name for name in launchers if name not in known), None)
    if other:
        compared = (
            "; it is compared with its IRs while these are converted" if descriptor.framework == "pytorch" else ""
        )
        raise UsageError(
            f"{descriptor.name}: launcher {other} cannot run the original, a model of framework "
            f"{descriptor.framework}{compared}",
            hint=f"`launcher={','.join(known)}`",
        )
    return launchers


def _possible(descriptor: ModelDescriptor) -> tuple[str, ...]:
    alone = descriptor.framework in ("dldt", "pytorch")
    return ("openvino",) if alone else ("openvino", native_launcher(descriptor))


def read_config(descriptor: ModelDescriptor, choice: ModelChoice) -> AccuracyConfig:
    """Read the model's accuracy-check.yml, and check that its steps can be carried out for each chosen launcher.

    Raises :class:`UsageError`, :class:`DescriptorError`, :class:`EvaluationError` or :class:`MissingDependency`.
    """
    config = load_accuracy_config(descriptor.accuracy_path)
    for launcher in chosen_launchers(descriptor, choice):
        if not config.has(launcher):
            raise config.without(launcher, _possible(descriptor))
        make_plan(config.measurement(launcher, choice.profile))
    return config


def find_model_files(descriptor: ModelDescriptor, choice: ModelChoice) -> ModelFiles:
    """Find what ``choice`` asks for. Nothing is loaded.

    Raises :class:`UsageError` where a launcher cannot run the model, :class:`DownloadError` where files of the original
    are missing, :class:`IRError` where an IR is, :class:`DescriptorError`, and what planning the conversion raises.
    """
    launchers, native = chosen_launchers(descriptor, choice), native_launcher(descriptor)
    config = read_config(descriptor, choice)
    original = None
    if native in launchers:
        known = known_files(descriptor, choice.download_dir)
        original = Original(plan_conversion(descriptor, choice.download_dir), native, known)
        locate_downloaded(descriptor, choice.download_dir)
    # Where both are missing, the download is named first: the conversion needs it.
    irs: tuple[IRModel, ...] = ()
    if "openvino" in launchers:
        irs = require_irs(descriptor, choice.ir_dir, choice.precisions, download_dir=choice.download_dir)
    return ModelFiles(config, irs, original)


def load_runners(
    files: ModelFiles,
    devices: Sequence[str] = ("CPU",),
    *,
    tuned: bool = False,
    inference_precisions: Sequence[InferencePrecision] = ("f32",),
    one_by_one: bool = False,
) -> list[Runner]:
    """Load the original, if there is one, and then each IR for each of ``devices`` and ``inference_precisions``.

    ``tuned`` looks for faster kernels for the IRs first, which takes some seconds for each. Two precisions that are the
    same on a device, such as f32 and default, give one model. ``one_by_one`` makes the answer to a single image quick,
    instead of those to many. Raises :class:`EvaluationError` and its kinds where a model cannot be loaded, and
    :class:`FreezeError` where the original cannot be read.
    """
    runners: list[Runner] = []
    if files.original is not None:
        original = files.original.read()
        if isinstance(original, Path):
            runners.append(OnnxRunner(original, known=files.original.image, outputs=files.original.outputs))
        else:
            runners.append(TensorFlowRunner(original))
    for device in devices:
        for ir in files.irs:
            computed: dict[str, Runner] = {}
            for wanted in inference_precisions:
                runner = OpenVinoRunner(
                    ir, device, tune=tune if tuned else None, inference_precision=wanted, one_by_one=one_by_one
                )
                computed.setdefault(runner.info.inference_precision, runner)
            runners.extend(computed.values())
    return runners
