"""What the page is told, as values of JSON: the models once, and their answers to each picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from mixnet_tools.accuracy import PROFILES
from mixnet_tools.accuracy.classification.classifier import Classifier
from mixnet_tools.accuracy.classification.values import ClassifiedImage, ModelAnswer
from mixnet_tools.api.classification import OpenedClassifier
from mixnet_tools.descriptors.labels import short_label
from mixnet_tools.errors import MixnetToolsError
from mixnet_tools.files.shown import shown
from mixnet_tools.web.limits import Limits
from mixnet_tools.web.pictures import Sample

Json: TypeAlias = "dict[str, object]"
"""An object of JSON: texts, numbers, lists and further objects."""


def about(opened: OpenedClassifier, samples: Sequence[Sample], limits: Limits) -> Json:
    """The models that are loaded, how pictures are prepared for them, and what the page may send."""
    from mixnet_tools import __version__

    classifier = opened.classifier
    return {
        "version": __version__,
        "name": shown(opened.name),
        "classes": classifier.classes,
        "models": [
            {
                "label": model.info.label,
                "original": model.info.precision is None,
                "title": model.info.precision or f"original ({model.info.label})",
                "computes": model.info.inference_precision,
                "device": model.info.device,
                "size": [model.info.width, model.info.height],
            }
            for model in classifier.models
        ],
        "profile": opened.profile,
        "profiles": [{"name": one, "steps": _steps(classifier, one, opened.profile)} for one in PROFILES],
        "notes": [shown(note) for note in opened.notes]
        + [shown(f"{model.info.label}: {model.info.warning}") for model in classifier.models if model.info.warning],
        "samples": [
            {"name": shown(one.name), "picture": f"/samples/{number}", "thumbnail": f"/samples/{number}/thumbnail"}
            for number, one in enumerate(samples)
        ],
        "limits": {"bytes": limits.bytes, "files": limits.files, "atOnce": max(1, limits.at_once // 4)},
    }


def classified(classifier: Classifier, image: ClassifiedImage, profile: str, *, needs_preview: bool) -> Json:
    """What the models say of ``image``. Where it has a problem, that alone.

    ``profile`` is the one in use; what each of the others would keep of the picture is said as well.
    """
    if image.problem is not None or image.kept is None:
        return {"name": shown(image.name), "problem": shown(image.problem or "No answer.")}
    return {
        "name": shown(image.name),
        "notes": [shown(note) for note in image.notes],
        "preview": needs_preview,
        "kept": {one: _kept(classifier, image, None if one == profile else one) for one in PROFILES},
        "agreed": image.agreed,
        "answers": [_answer(answer) for answer in image.answers],
    }


def _steps(classifier: Classifier, profile: str, used: str) -> list[str] | None:
    """The steps of ``profile``; None where this model cannot have it."""
    try:
        return list(classifier.plan(None if profile == used else profile).description)
    except MixnetToolsError:
        return None


def _kept(classifier: Classifier, image: ClassifiedImage, profile: str | None) -> Json | None:
    """The region that ``profile`` keeps, with the size of the picture that it is a part of; None: there is none."""
    width, height = image.width, image.height
    try:
        kept = classifier.kept(width, height, profile)
        if image.kept is not None and kept.turned != image.kept.turned and image.orientation >= 5:
            width, height = height, width
            kept = classifier.kept(width, height, profile)
    except MixnetToolsError:
        return None
    return {
        "width": width,
        "height": height,
        "left": kept.left,
        "top": kept.top,
        "right": kept.right,
        "bottom": kept.bottom,
        "turned": kept.turned,
    }


def _answer(answer: ModelAnswer) -> Json:
    return {
        "model": answer.model,
        "milliseconds": answer.milliseconds,
        "classes": [
            {"index": one.index, "text": shown(one.text), "short": short_label(shown(one.text)), "score": one.score}
            for one in answer.classes
        ],
    }
