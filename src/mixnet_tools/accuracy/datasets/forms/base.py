"""What every form of a data set takes and gives, and the protocol of forms whose files hold many images each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from mixnet_tools.accuracy.datasets.account import Accounts
from mixnet_tools.accuracy.datasets.exclusions import Exclusions
from mixnet_tools.accuracy.datasets.image import LabelledImage
from mixnet_tools.accuracy.datasets.labels.class_names import ModelClasses
from mixnet_tools.accuracy.predictions.values import DatasetForm
from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location


@dataclass(frozen=True)
class Wanted:
    """What the caller says about images and labels.

    ``annotations`` is a file of labels, ImageNet's devkit or Kaggle's LOC_val_solution.csv (None: it is looked for,
    where the form needs one). ``first_label`` is the number of the first class, 0 or 1 (None: the form's own).
    ``split`` is the split to take (None: the validation split). ``classes`` are the model's, where they are known.
    ``exclusions`` name images to leave out.
    """

    annotations: Location | None = None
    first_label: int | None = None
    split: str | None = None
    classes: ModelClasses | None = None
    exclusions: Exclusions | None = None

    def refuse_annotations(self, source: Location) -> None:
        """Raise :class:`DatasetError` where annotations are given for a ``source`` that has labels of its own."""
        if self.annotations is not None:
            raise DatasetError(f"{self.annotations}: {source} has labels of its own", hint="leave out `annotations`")

    def is_class(self, name: str) -> bool:
        """Whether ``name`` is that of a class of the model."""
        return self.classes is not None and self.classes.knows(name)


@dataclass(frozen=True)
class ClassNames:
    """The names of a data set's classes, by its own labels.

    ``kind`` says what they are: names of ``folders``, whose order gives the labels where the model knows none of them;
    a ``list`` of names (in ``file``, or in the data themselves) for labels that are numbers; or the ``labels``
    themselves, which are no numbers.
    """

    names: tuple[str, ...]
    kind: Literal["folders", "list", "labels"]
    file: Location | None = None


@dataclass(frozen=True)
class FoundImages:
    """The labelled images of a data set, in order.

    ``annotations`` is the file that the labels came from, None where they lie beside or in the images' files.
    ``accounts`` tells of every file. ``split`` is the split that was taken, None where names say none. ``remarks`` are
    for people.
    """

    form: DatasetForm
    images: tuple[LabelledImage, ...]
    annotations: Location | None = None
    class_names: ClassNames | None = None
    accounts: Accounts = ()
    split: str | None = None
    remarks: tuple[str, ...] = ()


class PackedForm(Protocol):
    """A form of files that hold many images each. A new form is a class like this in a file of its own, and a line in
    :data:`mixnet_tools.accuracy.datasets.forms.packed_files.FORMS`.
    """

    def matches(self, name: str) -> bool:
        """Whether a file of this name is of this form."""

    def read(self, source: Location, files: Sequence[Location], wanted: Wanted) -> FoundImages:
        """The images in ``files``, which are ``source`` or lie in it. Raises :class:`DatasetError`."""
