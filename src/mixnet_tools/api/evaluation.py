"""Functions of the Python API that measure the accuracy of a model and compare it with an earlier run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from mixnet_tools.accuracy import PROFILES
from mixnet_tools.accuracy.cluster.evaluate import evaluate_on_cluster
from mixnet_tools.accuracy.datasets.dataset import open_dataset
from mixnet_tools.accuracy.datasets.exclusions import Exclusions
from mixnet_tools.accuracy.datasets.filters import exclude as leave_out
from mixnet_tools.accuracy.datasets.forms.base import Wanted
from mixnet_tools.accuracy.datasets.labels.class_names import ModelClasses
from mixnet_tools.accuracy.evaluation.evaluate import Evaluation
from mixnet_tools.accuracy.gate import baseline as baselines
from mixnet_tools.accuracy.gate.verdict import Verdict, judge
from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import AccuracyConfig, load_accuracy_config
from mixnet_tools.accuracy.preprocessing.preprocessing import Preprocessing
from mixnet_tools.api.evaluation_task import (
    EvaluationRequest,
    EvaluationTask,
    ImageChoice,
    evaluate_task,
    find_task,
    pack_models,
)
from mixnet_tools.api.model_files import ModelChoice, ModelFiles
from mixnet_tools.api.models import PathLike, find_model
from mixnet_tools.descriptors.imagenet import imagenet_classes
from mixnet_tools.descriptors.labels import ClassLabel
from mixnet_tools.errors import UsageError
from mixnet_tools.files.location import Location
from mixnet_tools.inference import INFERENCE_PRECISIONS, InferencePrecision
from mixnet_tools.ir.image_input import classes_of, labels_of
from mixnet_tools.ir.locate import ir_at
from mixnet_tools.progress import Progress


def evaluate(
    name: str,
    *,
    ir_dir: PathLike = ".",
    download_dir: PathLike | None = None,
    source: PathLike | None = None,
    annotations: PathLike | None = None,
    num_images: int | None = None,
    profile: str = PROFILES[0],
    precisions: Sequence[str] | None = None,
    device: str = "CPU",
    inference_precision: InferencePrecision | Sequence[InferencePrecision] = "f32",
    max_bad: int = 0,
    predictions: PathLike | None = None,
    resume: bool = False,
    models_dir: PathLike | Iterable[PathLike] | None = None,
    cluster: str | None = None,
    split: str | None = None,
    exclude: PathLike | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure top-1 and top-5 of the IRs of the model ``name`` below ``ir_dir``, the output folder of the conversion.

    With ``download_dir``, the folder of the download, the original is measured as well, on the same images.

    ``source`` are labelled images in any form that mixnet-check takes, a path or a URL (default: those that come with
    the model), and ``annotations`` their labels, where these are not beside them. ``split`` is the split to take, such
    as ``"test"`` (default: the validation split, where names tell splits apart). ``exclude`` is a file with the names
    of images to leave out, one a line. ``num_images`` asks for a fixed subset. ``profile`` says how images are prepared
    (``omz``: as the model's accuracy-check.yml says). ``precisions`` are the IRs to measure, such as ``["FP16"]``
    (default: those that exist), on OpenVINO's ``device``. ``inference_precision`` is what they compute floats in
    (``f32``, ``bf16``, ``f16``, or ``default`` for what OpenVINO chooses); of several, each is measured. Up to
    ``max_bad`` images may be undecodable; the report names them.

    ``predictions`` is a file to which every answer is appended as it comes. With ``resume``, images whose answers it
    holds are not measured again.

    ``cluster`` measures on the workers of a Dask scheduler, ``tcp://HOST:8786``, or on N processes here, ``local[:N]``.
    Then the calling program needs the usual ``if __name__ == "__main__":``, because these processes import its module.

    Raises :class:`UnknownModelError` and :class:`DescriptorError` where the model is not known or is broken,
    :class:`UsageError` where no images are known or the parameters do not fit each other, :class:`DatasetError` where
    images or labels cannot be used, :class:`IRError` where an IR is missing or is no image classifier,
    :class:`EvaluationError` where a model cannot be measured, :class:`DownloadError` and :class:`FreezeError` where the
    original is missing or cannot be read, :class:`OutputError` where ``predictions`` cannot be written,
    :class:`MissingDependency` where a package is not installed.
    """
    if resume and predictions is None:
        raise UsageError("`resume` without `predictions`", hint="say which file to go on with: `predictions`")
    task = find_task(
        find_model(name, models_dir),
        EvaluationRequest(
            ImageChoice(
                Location.parse_optional(source),
                annotations=Location.parse_optional(annotations),
                split=split,
                exclude=None if exclude is None else Path(exclude),
                num_images=num_images,
            ),
            ModelChoice(
                ir_dir=Path(ir_dir),
                download_dir=Path(download_dir or "."),
                launcher=("openvino",) if download_dir is None else None,
                precisions=tuple(precisions) if precisions else None,
                profile=profile,
            ),
        ),
    )
    file = None if predictions is None else Path(predictions)
    computed = (inference_precision,) if isinstance(inference_precision, str) else tuple(inference_precision)
    if not computed or not set(computed) <= set(INFERENCE_PRECISIONS):
        raise UsageError(
            f"`inference_precision`: expected {', '.join(INFERENCE_PRECISIONS)}, got {inference_precision!r}"
        )
    if cluster is None:
        return evaluate_task(
            task,
            (device,),
            progress,
            max_bad=max_bad,
            predictions=file,
            resume=resume,
            inference_precisions=computed,
        )
    (done,) = evaluate_on_cluster(
        [pack_models(task, (device,), predictions=file, resume=resume, inference_precisions=computed)],
        cluster,
        progress=progress,
        max_bad=max_bad,
        predictions=file,
    )
    return done


def evaluate_ir(
    xml: PathLike,
    images: PathLike,
    *,
    preprocessing: PathLike | Preprocessing,
    annotations: PathLike | None = None,
    num_images: int | None = None,
    device: str = "CPU",
    max_bad: int = 0,
    split: str | None = None,
    exclude: PathLike | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure top-1 and top-5 of any classifier: the IR ``xml``, with its .bin beside it. No zoo is needed.

    The IR has one image input of fixed size with 3 channels or 1 (layout NHWC or NCHW) and one output [N, classes].
    ``images`` are labelled images in any form that mixnet-check takes, a path or a URL, and ``annotations`` their
    labels, where these are not beside them. ``preprocessing`` is a :class:`Preprocessing`, or the path of an
    accuracy-check.yml; references in that file give :attr:`Evaluation.verdict` something to judge by. For the other
    parameters see :func:`evaluate`.

    Raises :class:`IRError` where the IR is missing or is no such classifier, :class:`EvaluationError` where it does not
    fit the preprocessing, :class:`DatasetError` where images or labels cannot be used, :class:`DescriptorError` where
    accuracy-check.yml is wrong, and :class:`UsageError` where a :class:`Preprocessing` is.
    """
    config = preprocessing.config() if isinstance(preprocessing, Preprocessing) else _config(preprocessing)
    classes = _classes(Path(xml), config.measurement("openvino").label_offset)
    exclusions = None if exclude is None else Exclusions(Path(exclude))
    wanted = Wanted(Location.parse_optional(annotations), None, split, classes, exclusions)
    dataset = open_dataset(Location.parse(images), wanted)
    if exclusions:
        dataset = leave_out(dataset, exclusions)
    return evaluate_task(
        EvaluationTask(
            Path(xml).stem,
            ModelFiles(config, (ir_at(Path(xml)),)),
            PROFILES[0],
            dataset.subset(num_images) if num_images else dataset,
        ),
        (device,),
        progress,
        max_bad=max_bad,
    )


def compare_baseline(evaluation: Evaluation, path: PathLike) -> Verdict:
    """Compare each answer of ``evaluation`` with the answer in the baseline ``path``, an earlier run's.

    The verdict fails where more images were lost than gained, and so many that chance is no explanation (McNemar's
    exact test, p <= 0.01). Any part of the baseline's images may have been measured. References play no part: these are
    judged by :attr:`Evaluation.verdict`. In a test::

        verdict = mixnet_tools.compare_baseline(evaluation, "baseline.json")
        assert verdict.passed, verdict.summary()

    Raises :class:`EvaluationError` where the file is no baseline, or is of another model, profile, preprocessing or
    labels, or knows less than half of the images.
    """
    report = evaluation.report
    known = baselines.read_baseline(Path(path))
    compared, notes = baselines.compare(known, evaluation.setup, evaluation.predictions, report.runs)
    return judge(report, baseline=compared, remarks=notes, references=False)


def update_baseline(evaluation: Evaluation, path: PathLike) -> None:
    """Make the answers of ``evaluation`` the baseline ``path``, for :func:`compare_baseline` and mixnet-check.

    The file is JSON with a line for each image, without paths, made to be committed. Raises :class:`OutputError` where
    it cannot be written.
    """
    baselines.write_baseline(Path(path), evaluation.setup, evaluation.predictions, evaluation.report.runs)


def _config(path: PathLike) -> AccuracyConfig:
    return load_accuracy_config(Path(path))


def _classes(xml: Path, background: int) -> ModelClasses | None:
    """The names of the classes of an IR without the first ``background`` ones: its own, or ImageNet's where it has as
    many classes.
    """
    labels, count = labels_of(xml), classes_of(xml)
    if labels:
        return ModelClasses.of([ClassLabel(label) for label in labels], xml.name, background)
    imagenet = [ClassLabel(", ".join(one.words), one.wordnet_id) for one in imagenet_classes()]
    if count not in (len(imagenet), len(imagenet) + 1):
        return None
    first = [ClassLabel("background")] if count > len(imagenet) else []
    return ModelClasses.of([*first, *imagenet], "ImageNet's list", background)
