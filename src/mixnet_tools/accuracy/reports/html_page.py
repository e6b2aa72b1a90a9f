"""Evaluations as one HTML page with all figures and pictures in it: no scripts, nothing from the network.

Jinja2 fills ``html_page.html.j2``, and matplotlib draws the charts. Both come with the extra ``report``.
"""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mixnet_tools.accuracy.datasets.dataset import ImageDataset
from mixnet_tools.accuracy.datasets.image import LabelledImage
from mixnet_tools.accuracy.datasets.image_bytes import open_image
from mixnet_tools.accuracy.evaluation.evaluate import Evaluation
from mixnet_tools.accuracy.gate.verdict import Verdict
from mixnet_tools.accuracy.preprocessing.decode import decode
from mixnet_tools.accuracy.reports.accuracy_report import ModelResult
from mixnet_tools.accuracy.reports.table import interval
from mixnet_tools.descriptors.labels import read_labels, short_label
from mixnet_tools.errors import DatasetError, MissingDependency
from mixnet_tools.files.shown import shown

TEMPLATE = "html_page.html.j2"
MISTAKES = 24
"""How many mistakes are shown as pictures: those with the highest scores."""

WORST_CLASSES = 25
THUMBNAIL = 112
"""The longer side of a picture, in pixels."""

Names = Callable[[int], str]
"""Gives the name of a class by its number in the model."""


@dataclass(frozen=True)
class Section:
    """One model of the page.

    ``dataset`` has the images for pictures; with None, there are no pictures. ``labels`` is the file with the names of
    the classes, one a line.
    """

    evaluation: Evaluation
    verdict: Verdict
    dataset: ImageDataset | None
    labels: Path | None


def require() -> None:
    """Raise :class:`MissingDependency` where Jinja2 or matplotlib is not installed."""
    try:
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingDependency(
            f"an HTML report needs Jinja2 and matplotlib ({error})", hint="pip install 'mixnet-tools[report]'"
        ) from error


def render(sections: Sequence[Section]) -> str:
    """Write the page. Raises :class:`MissingDependency` where Jinja2 or matplotlib is not installed."""
    require()
    import jinja2

    from mixnet_tools import __version__

    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: shown(value) if type(value) is str else value,  # charts are markup, a kind of str
    )
    template = environment.from_string(Path(__file__).with_name(TEMPLATE).read_text(encoding="utf-8"))
    return template.render(sections=[_context(section) for section in sections], version=__version__)


def _context(section: Section) -> dict[str, object]:
    from mixnet_tools.accuracy.reports import charts

    report, names = section.evaluation.report, _names(section)
    index = _first_ir(report.results)
    detailed = report.results[index]
    return {
        "report": report,
        "verdict": section.verdict,
        "shown": detailed,
        "results": [{"result": one, "top1": interval(one.top1), "top5": interval(one.top5)} for one in report.results],
        "intervals": charts.intervals(report.results),
        "classes_chart": charts.classes([one.correct / one.total for one in detailed.per_class]),
        "reliability": charts.reliability(detailed.calibration) if detailed.calibration else None,
        "speed": charts.speed(report.timing) if report.timing and report.timing.seconds else None,
        "worst": _worst(detailed, names),
        "confusions": [(names(one.label), names(one.predicted), one.count) for one in detailed.confusions],
        "mistakes": _mistakes(section, index, names),
        "flips": [
            (one, [(flip.name, names(flip.right), names(flip.baseline), names(flip.now)) for flip in one.lost[:20]])
            for one in section.verdict.baseline
        ],
    }


def _first_ir(results: Sequence[ModelResult]) -> int:
    """The index of the model whose details are shown: the first IR, because IRs are deployed."""
    return next((index for index, one in enumerate(results) if one.launcher == "openvino"), 0)


def _names(section: Section) -> Callable[[int], str]:
    """A function from a class to its name; classes before the first label (a background class) have none."""
    labels = read_labels(section.labels) if section.labels else ()
    offset = section.evaluation.setup.dataset.label_offset

    def name(label: int) -> str:
        place = label - offset
        return short_label(labels[place]) if 0 <= place < len(labels) else f"class {label}"

    return name


def _worst(result: ModelResult, names: Names) -> list[tuple[str, int, int, float]]:
    ordered = sorted(result.per_class, key=lambda one: (one.correct / one.total, one.label))
    return [
        (names(one.label), one.correct, one.total, 100 * one.correct / one.total) for one in ordered[:WORST_CLASSES]
    ]


def _mistakes(section: Section, index: int, names: Names) -> list[dict[str, object]]:
    """The wrong answers with the highest scores, with pictures where the images are there."""
    found = section.evaluation.predictions
    wrong = np.flatnonzero(found.ranks(index) != 0)
    scores = found.answers[index].scores[:, 0]
    surest = wrong[np.argsort(-scores[wrong], kind="stable")][:MISTAKES]
    images = {image.name: image for image in section.dataset.images} if section.dataset else {}
    return [
        {
            "name": found.names[row],
            "right": names(found.accepted[row][0]),
            "said": names(int(found.answers[index].first[row])),
            "score": f"{100 * scores[row]:.1f}\u00a0%",
            "picture": _thumbnail(images.get(found.names[row])),
        }
        for row in surest
    ]


def _thumbnail(image: LabelledImage | None) -> str | None:
    """A small JPEG as a data URI."""
    if image is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture = decode(open_image(image), name=image.where).image
    except DatasetError:
        return None
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
