"""A judged evaluation as one self-contained HTML page: no script, no network, figures and thumbnails inside.

Jinja2 fills ``html_page.html.j2``, :mod:`.charts` draws with matplotlib; both come with the extra ``report``.
"""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mixnet_tools.accuracy.datasets.dataset import ImageDataset
from mixnet_tools.accuracy.datasets.image import LabelledImage
from mixnet_tools.accuracy.datasets.image_bytes import open_image
from mixnet_tools.accuracy.evaluation.evaluate import Evaluation
from mixnet_tools.accuracy.gate.verdict import Verdict
from mixnet_tools.accuracy.preprocessing.decode import decode
from mixnet_tools.accuracy.reports.accuracy_report import ModelResult
from mixnet_tools.descriptors.labels import read_labels, short_label
from mixnet_tools.errors import DatasetError, MissingDependency

TEMPLATE = "html_page.html.j2"
MISTAKES = 24
"""How many of the surest mistakes are shown as pictures."""

WORST_CLASSES = 25
THUMBNAIL = 112


@dataclass(frozen=True)
class Section:
    """One model of the page. ``dataset`` gives the pictures (None: none are shown), ``labels`` the classes' names."""

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
            f"--html needs Jinja2 and matplotlib ({error})", hint="pip install 'mixnet-tools[report]'"
        ) from error


def render(sections: Sequence[Section]) -> str:
    """The page. Raises :class:`MissingDependency`."""
    require()
    import jinja2

    from mixnet_tools import __version__

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(Path(__file__).with_name(TEMPLATE).read_text(encoding="utf-8"))
    return template.render(sections=[_context(section) for section in sections], version=__version__)


def _context(section: Section) -> dict[str, Any]:
    from mixnet_tools.accuracy.reports import charts

    report, names = section.evaluation.report, _names(section)
    shown = report.results[-1] if len(report.results) == 1 else report.results[_converted(report.results)]
    index = report.results.index(shown)
    return {
        "report": report,
        "verdict": section.verdict,
        "shown": shown,
        "results": [{"result": one, "top1": _interval(one, 1), "top5": _interval(one, 5)} for one in report.results],
        "intervals": charts.intervals(report.results),
        "classes_chart": charts.classes([one.correct / one.total for one in shown.per_class]),
        "reliability": charts.reliability(shown.calibration) if shown.calibration else None,
        "speed": charts.speed(report.timing) if report.timing and report.timing.seconds else None,
        "worst": _worst(shown, names),
        "confusions": [(names(one.label), names(one.predicted), one.count) for one in shown.confusions],
        "mistakes": _mistakes(section, index, names),
        "flips": [
            (one, [(flip.name, names(flip.right), names(flip.baseline), names(flip.now)) for flip in one.lost[:20]])
            for one in section.verdict.baseline
        ],
    }


def _converted(results: Sequence[ModelResult]) -> int:
    """The model whose details are shown: the first converted one, which is what people deploy."""
    return next((index for index, one in enumerate(results) if one.launcher == "openvino"), 0)


def _names(section: Section) -> Callable[[int], str]:
    """A function from a class to its name; classes before the first label (a background class) have none."""
    labels = read_labels(section.labels) if section.labels else ()
    offset = section.evaluation.setup.dataset.label_offset

    def name(label: int) -> str:
        place = label - offset
        return short_label(labels[place]) if 0 <= place < len(labels) else f"class {label}"

    return name


def _interval(result: ModelResult, k: int) -> str:
    value = result.top1 if k == 1 else result.top5
    low, high = value.interval95
    return f"{100 * low:.2f} to {100 * high:.2f}"


def _worst(result: ModelResult, names: Any) -> list[tuple[str, int, int, float]]:
    ordered = sorted(result.per_class, key=lambda one: (one.correct / one.total, one.label))
    return [
        (names(one.label), one.correct, one.total, 100 * one.correct / one.total) for one in ordered[:WORST_CLASSES]
    ]


def _mistakes(section: Section, tested: int, names: Any) -> list[dict[str, Any]]:
    """The wrong answers with the highest scores, with pictures where the images are at hand."""
    found = section.evaluation.predictions
    wrong = np.flatnonzero(found.ranks(tested) != 0)
    scores = found.answers[tested].scores[:, 0]
    surest = wrong[np.argsort(-scores[wrong], kind="stable")][:MISTAKES]
    images = {image.name: image for image in section.dataset.images} if section.dataset else {}
    return [
        {
            "name": found.names[row],
            "right": names(found.accepted[row][0]),
            "said": names(int(found.answers[tested].first[row])),
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
