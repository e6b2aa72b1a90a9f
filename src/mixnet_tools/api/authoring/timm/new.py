"""Describes a pretrained classifier of timm, so that it can be downloaded, converted and measured."""

from __future__ import annotations

import datetime
from pathlib import Path

from mixnet_tools.api.authoring.accuracy_text import DATA_SETS
from mixnet_tools.api.authoring.new import DEFAULT_ZOO
from mixnet_tools.api.authoring.place import place_of, refuse_existing
from mixnet_tools.api.authoring.timm.catalog import Evaluation, TimmModel, find, version
from mixnet_tools.api.authoring.timm.hub import hub_file
from mixnet_tools.api.authoring.timm.results import Published, fetch_results
from mixnet_tools.api.authoring.timm.texts import TimmText, accuracy_text, model_text
from mixnet_tools.api.authoring.values import NewModel
from mixnet_tools.api.authoring.write import check_texts, decisions, imagenet_labels, write_description
from mixnet_tools.api.models import PathLike
from mixnet_tools.descriptors.labels import LABELS_FILE
from mixnet_tools.descriptors.model_yml import ACCURACY_FILE, MODEL_FILE
from mixnet_tools.errors import DownloadError, UsageError
from mixnet_tools.progress import Progress

WEIGHTS = "model.safetensors"
"""What timm calls the file of weights in its repositories on the Hub."""


def new_timm_model(
    timm_name: str,
    name: str | None = None,
    *,
    models_dir: PathLike = DEFAULT_ZOO,
    size: int | None = None,
    license: str | None = None,
    description: str | None = None,
    force: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> NewModel:
    """Write ``<models_dir>/public/<name>/model.yml`` and its neighbours for ``timm_name``, a model of the timm here.

    ``name`` is ``timm_name`` with the tag of its weights, where it is not given. Size and SHA-256 of the weights come
    from the Hugging Face Hub, at the revision that it has now; nothing is downloaded. Images are prepared as timm does.
    The references are timm's published figures, where it has some for the ``size`` in pixels, which is the one that the
    model was trained for, or the larger one that timm tests it with. ``force`` replaces what is there, ``dry_run``
    writes nothing.

    Raises :class:`MissingDependency` without timm, :class:`UsageError` for a name or size that it does not have,
    :class:`DownloadError` where the Hub does not have the weights, and :class:`OutputError` where something is there
    already or cannot be written. Then nothing was written.
    """
    progress = progress or Progress()
    with progress.stage("asking timm"):
        model = find(timm_name)
    name = name or model.name
    folder = place_of(name, Path(models_dir))
    refuse_existing({folder / MODEL_FILE: None}, force=force)
    evaluation = _evaluation(model, size)
    if model.repository is None:
        raise UsageError(f"{model.name}: timm knows no repository of it on the Hugging Face Hub")
    file = model.file or WEIGHTS
    with progress.stage(f"asking the Hub for {model.repository}"):
        told = hub_file(model.repository, file)
    published, no_results = _published(model, evaluation, progress)
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    text = TimmText(name, model, evaluation, version(), file, told, today, published, no_results, license, description)
    texts = model_text(text), accuracy_text(text)
    contents: dict[Path, bytes | Path] = {
        folder / MODEL_FILE: texts[0].encode(),
        folder / ACCURACY_FILE: texts[1].encode(),
    }
    if model.classes in DATA_SETS:
        contents[folder / LABELS_FILE] = imagenet_labels(model.classes)
    check_texts(name, contents, folder, converts=True)
    written = write_description(contents, folder, force=force, dry_run=dry_run)
    return NewModel(
        name, "pytorch", folder, written, *texts, model.classes, False, decisions("".join(texts)), not dry_run
    )


def _evaluation(model: TimmModel, size: int | None) -> Evaluation:
    known = [one for one in (model.trained, model.tested) if one is not None]
    for one in known:
        if size in (None, one.side):
            return one
    sides = " or ".join(str(one.side) for one in known)
    raise UsageError(f"`size`: timm evaluates {model.name} at {sides} pixels, got {size}")


def _published(model: TimmModel, evaluation: Evaluation, progress: Progress) -> tuple[Published | None, str | None]:
    """The published figures, or why their file could not be had: a description is useful without them."""
    try:
        with progress.stage("asking GitHub for timm's figures"):
            return fetch_results().of(model, evaluation), None
    except DownloadError as error:
        return None, f"timm's figures could not be fetched: {error}"
