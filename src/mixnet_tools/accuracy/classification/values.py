"""What models say of an image, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ClassScore:
    """A class by its ``index`` in the model's answer (from 0), with its ``name`` where the classes have names.

    ``score`` is its probability, 0 to 1.
    """

    index: int
    name: str | None
    score: float

    @property
    def text(self) -> str:
        """The name, or ``class 7`` where there is none."""
        return self.name if self.name is not None else f"class {self.index}"


@dataclass(frozen=True)
class ModelAnswer:
    """The best classes of one model for one image, the best first.

    ``model`` is the model's label (``openvino FP16``, ``tf``). ``milliseconds`` is the time of the inference, without
    reading and preprocessing: the median of up to three runs. None where images were run together.
    """

    model: str
    classes: tuple[ClassScore, ...]
    milliseconds: float | None = None


@dataclass(frozen=True)
class KeptRegion:
    """The part of an image that preprocessing keeps, in pixels of the image, as fractions of a pixel where it scales.

    ``turned`` says whether the image was turned as its EXIF data asks before.
    """

    left: float
    top: float
    right: float
    bottom: float
    turned: bool


@dataclass(frozen=True)
class ClassifiedImage:
    """An image and the ``answers`` of all models to it, in their order; or the ``problem`` with it, and no answers.

    ``width`` and ``height`` are its size in pixels. ``kept`` is what preprocessing kept of it, for the first model.
    ``notes`` say what is unusual about it. ``orientation`` is what its EXIF data says, 1 to 8, whether it was turned
    so or not: from 5 on, the other way has width and height swapped.
    """

    name: str
    width: int = 0
    height: int = 0
    kept: KeptRegion | None = None
    notes: tuple[str, ...] = ()
    answers: tuple[ModelAnswer, ...] = ()
    problem: str | None = None
    orientation: int = 1

    @property
    def agreed(self) -> bool:
        """Whether all models give the same first answer."""
        return len({answer.classes[0].index for answer in self.answers}) == 1


@dataclass(frozen=True)
class Classification:
    """The ``images`` with their answers, and how they came about.

    ``model`` is the model's name, ``models`` are the labels of its forms, with the precision that each computes in.
    ``preprocessing`` describes the steps of ``profile``, for the first of the models. ``notes`` are remarks on all.
    """

    model: str
    models: tuple[tuple[str, str], ...]
    profile: str
    preprocessing: tuple[str, ...]
    images: tuple[ClassifiedImage, ...]
    notes: tuple[str, ...] = ()
