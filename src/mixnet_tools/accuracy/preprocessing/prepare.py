"""Prepare one image for several models: decode it once, and preprocess it in each distinct way."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mixnet_tools.accuracy.preprocessing import decode as decoding
from mixnet_tools.accuracy.preprocessing.pipeline import Pixels, apply
from mixnet_tools.accuracy.preprocessing.plan import Operations
from mixnet_tools.errors import DatasetError, EvaluationError


class TakesImages(Protocol):
    """A model that takes images of ``height`` x ``width`` pixels."""

    @property
    def label(self) -> str:
        """The model's name for messages."""

    @property
    def height(self) -> int:
        """In pixels."""

    @property
    def width(self) -> int:
        """In pixels."""


@dataclass(frozen=True)
class Prepared:
    """An image, preprocessed in each distinct way, or the ``problem`` with it.

    ``arrays`` are [height, width, channels], RGB or grey. ``size`` is the (width, height) in pixels of the decoded
    image, as the first of the ways turns it; None where it cannot be decoded. ``image_notes`` say what is unusual about
    it (grey is not, where models take grey), and ``orientation`` is that of its EXIF data (see
    :class:`~.decode.Decoded`).
    """

    arrays: Mapping[Operations, Pixels]
    size: tuple[int, int] | None
    image_notes: tuple[str, ...]
    problem: DatasetError | EvaluationError | None
    decode_seconds: float
    resize_seconds: float
    orientation: int = 1


def prepare(
    open_source: Callable[[], Path | io.BytesIO], name: str, models: Mapping[Operations, TakesImages]
) -> Prepared:
    """Decode what ``open_source`` gives (more than once, where some ways decode it otherwise), and preprocess it.

    ``name`` is the image in messages. ``models`` name for each distinct preprocessing a model that takes its result.
    Raises :class:`EvaluationError` where the result has not the size that the model takes.
    """
    arrays: dict[Operations, Pixels] = {}
    image_notes: tuple[str, ...] = ()
    decode_seconds = resize_seconds = 0.0
    decoded: dict[tuple[object, ...], decoding.Decoded] = {}
    size: tuple[int, int] | None = None
    orientation = 1
    takes_grey = all(operations.grey for operations in models)
    try:
        for operations in models:
            started = time.perf_counter()
            way = operations.orient, operations.fast_dct, operations.grey_reader, operations.colours
            if way not in decoded:
                found = decoding.decode(
                    open_source(),
                    orient=operations.orient,
                    name=name,
                    fast_dct=operations.fast_dct,
                    grey_reader=operations.grey_reader,
                    colours=operations.colours,
                )
                decoded[way], image_notes = found, found.image_notes
                size, orientation = size or found.image.size, found.orientation
            middle = time.perf_counter()
            arrays[operations] = apply(decoded[way].image, operations)
            decode_seconds += middle - started
            resize_seconds += time.perf_counter() - middle
        if takes_grey:
            image_notes = tuple(note for note in image_notes if note != decoding.GREY)
    except DatasetError as error:
        return Prepared({}, None, image_notes, error, decode_seconds, resize_seconds)
    except EvaluationError as error:
        named = EvaluationError(f"{name}: {error}", hint=error.hint)
        return Prepared({}, size, image_notes, named, decode_seconds, resize_seconds)
    for operations, model in models.items():
        height, width, _ = arrays[operations].shape
        if (height, width) != (model.height, model.width):
            raise EvaluationError(
                f"{name}: {width}x{height} pixels after preprocessing, but {model.label} takes "
                f"{model.width}x{model.height}",
                hint="the sizes in accuracy-check.yml must be those of the model",
            )
    return Prepared(arrays, size, image_notes, None, decode_seconds, resize_seconds, orientation)
