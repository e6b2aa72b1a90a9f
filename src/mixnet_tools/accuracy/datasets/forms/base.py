"""What every form of a data set takes and gives, and the protocol of forms whose files hold many images each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mixnet_tools.accuracy.datasets.image import LabelledImage
from mixnet_tools.accuracy.predictions.values import DatasetForm
from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location


@dataclass(frozen=True)
class GivenLabels:
    """What the caller says about the labels.

    ``annotations`` is a file of labels or ImageNet's devkit (None: it is looked for, where the form needs one).
    ``first_label`` is the number of the first class, 0 or 1 (None: the form's own).
    """

    annotations: Location | None = None
    first_label: int | None = None

    def refuse_annotations(self, source: Location) -> None:
        """Raise :class:`DatasetError` where annotations are given for a ``source`` that has labels of its own."""
        if self.annotations is not None:
            raise DatasetError(f"{self.annotations}: {source} has labels of its own", hint="leave out `annotations`")


@dataclass(frozen=True)
class FoundImages:
    """The labelled images of a data set, in order.

    ``annotations`` is the file that the labels came from, None where they lie beside or in the images' files.
    ``class_names`` are the names of the class folders by label, None in other forms.
    """

    form: DatasetForm
    images: tuple[LabelledImage, ...]
    annotations: Location | None = None
    class_names: tuple[str, ...] | None = None


class PackedForm(Protocol):
    """A form of files that hold many images each. A new form is a class like this in a file of its own, and a line in
    :data:`mixnet_tools.accuracy.datasets.forms.packed_files.FORMS`.
    """

    def matches(self, name: str) -> bool:
        """Whether a file of this name is of this form."""

    def read(self, source: Location, files: Sequence[Location], labels: GivenLabels) -> FoundImages:
        """The images in ``files``, which are ``source`` or lie in it. Raises :class:`DatasetError`."""
