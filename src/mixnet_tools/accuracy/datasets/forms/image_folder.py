"""Folders of image files, with labels from a list, from ImageNet's devkit, from Kaggle's solution, or by subfolder."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mixnet_tools.accuracy.datasets.folder import Folder, parent_folder
from mixnet_tools.accuracy.datasets.forms.base import ClassNames, FoundImages, Wanted
from mixnet_tools.accuracy.datasets.forms.folder_part import Part, part_of
from mixnet_tools.accuracy.datasets.image import LabelledImage, is_image, looks_like_image, validation_number
from mixnet_tools.accuracy.datasets.labels.annotations import (
    ANNOTATION_FILE,
    BESIDE_BOXED,
    BOXED_FILE,
    annotation_lines,
    label_numbers,
    listed_labels,
)
from mixnet_tools.accuracy.datasets.labels.imagenet_devkit import find_devkit, is_devkit, labels_by_number
from mixnet_tools.accuracy.datasets.labels.kaggle import find_solution, is_solution, solution_labels
from mixnet_tools.accuracy.datasets.splits import Chosen, is_of_split, plain_split, split_of
from mixnet_tools.accuracy.datasets.tree import Tree
from mixnet_tools.descriptors.imagenet import WORDNET_ID
from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location

EXPECTED = (
    f"expected a folder of images with {ANNOTATION_FILE} in it or beside it ('relative/name.jpg label' lines), "
    "a folder with one subfolder of images per class, ImageNet's ILSVRC2012_img_val.tar, or files in the form of "
    "WebDataset (.tar), TFRecord or Parquet"
)
"""What is expected of a source, for messages."""


def listed_beside(folder: Folder, wanted: Wanted) -> Location | None:
    """The list of labels in ``folder``, or beside it where it names images of ``folder``; None where there is none."""
    name = list_name(wanted)
    if folder.has_file(name):
        return folder.location / name
    parent = parent_folder(folder.location)
    if parent is None or not parent.has_file(name):
        return None
    # A val.txt beside class folders may belong to something else.
    beside = parent.location / name
    first = next(annotation_lines(beside), None)
    return beside if first is not None and folder.has_file(first[1]) else None


def _boxed_beside(part: Part, wanted: Wanted) -> Location | None:
    """The list of labels with boxes in the folder of ``part`` or above its images, where it names images of it."""
    name = BOXED_FILE.format(list_name(wanted).removesuffix(".txt"))
    folders = [part.folder]
    if part.folder.location.name == BESIDE_BOXED and (parent := parent_folder(part.folder.location)):
        folders.append(parent)
    for folder in folders:
        if name in folder.tree.folders.get("", ()):
            first = next(annotation_lines(folder.location / name), None)
            if first is not None and _holding(part, first[1]) is not None:
                return folder.location / name
    return None


def _holding(part: Part, image: str) -> Part | None:
    """``part``, or the folder of images in it, whichever has the file ``image``; None where neither has it."""
    folder, inner = part.folder, f"{BESIDE_BOXED}/{image}"
    tree = folder.listed if folder.location.is_remote else None
    if folder.may_have(image) if tree is None else image in tree:
        return part
    if inner in tree if tree is not None else folder.may_have(inner):
        return Part(part.whole, f"{part.name}/{BESIDE_BOXED}".lstrip("/"), (), part.others, part.chosen)
    return None


def list_name(wanted: Wanted) -> str:
    """What the list of labels is called: val.txt, or as the split that is asked for."""
    return ANNOTATION_FILE if wanted.split is None or split_of(wanted.split) == "validation" else f"{wanted.split}.txt"


def has_listed_labels(folder: Folder, wanted: Wanted) -> bool:
    """Whether a file lists the labels of images in ``folder``. Then other files in it do not count."""
    given = wanted.annotations
    if given is not None:
        return not is_devkit(given) and not is_solution(given)
    return folder.has_file(list_name(wanted))


def find_labels(part: Part, wanted: Wanted) -> Location | None:
    """The file with the labels of the images of ``part``: given, beside them, Kaggle's or ImageNet's own. None where
    folders are their labels, or where there are none.
    """
    if wanted.annotations is not None:
        return wanted.annotations
    folder = part.folder
    if (listed := listed_beside(folder, wanted)) is not None:
        return listed
    if folder.location.is_remote and not part.whole.listed:
        return None
    if (boxed := _boxed_beside(part, wanted)) is not None:
        return boxed
    direct = [name for name in folder.tree.folders.get("", ()) if is_image(name)]
    if not direct or folder.tree.image_folders != ("",):
        return None
    solution = find_solution(folder)
    if solution is not None and _stem(direct[0]) in solution_labels(solution):
        return solution
    if validation_number(direct[0]) is None:
        return None
    parent = parent_folder(folder.location)
    return find_devkit(folder) or find_devkit(part.whole) or (find_devkit(parent) if parent else None)


def read_folder(folder: Folder, wanted: Wanted) -> FoundImages:
    """The images of ``folder``.

    Raises :class:`DatasetError` that names each wrong line of annotations, images that would not be used, and where
    there are no images or no labels.
    """
    if has_listed_labels(folder, wanted):
        annotations = wanted.annotations or folder.location / list_name(wanted)
        return _listed(_part_that_lists(folder, annotations, wanted), annotations, wanted)
    part = part_of(folder, wanted)
    labels = find_labels(part, wanted)
    if labels is None:
        return _class_folders(part, wanted)
    if is_solution(labels):
        return _solved(part, labels, wanted)
    if not is_devkit(labels):
        first = next(annotation_lines(labels), None)
        return _listed((first and _holding(part, first[1])) or part, labels, wanted)
    label_of = labels_by_number(labels)
    found = {name: label_of(name) for name in sorted(part.images())}
    return _found(part, found, labels, wanted)


def _part_that_lists(folder: Folder, annotations: Location, wanted: Wanted) -> Part:
    """All of ``folder``; the folder of its split where the names in ``annotations`` start from there."""
    whole = Part(folder, "", (), (), Chosen())
    first = None if folder.location.is_remote and folder.listed is None else next(annotation_lines(annotations), None)
    if first is None:
        return whole
    found = _holding(whole, first[1])
    return found or (None if folder.location.is_remote else _holding(part_of(folder, wanted), first[1])) or whole


def _listed(part: Part, annotations: Location, wanted: Wanted) -> FoundImages:
    found = listed_labels(part.folder.location, annotations, wanted.first_label or 0, part.folder.may_have)
    numbers, names = label_numbers(_of_split(found, part, wanted))
    return _found(part, numbers, annotations, wanted, ClassNames(names, "labels") if names else None)


def _of_split(labels: dict[str, int | str], part: Part, wanted: Wanted) -> dict[str, int | str]:
    """Those of the listed ``labels`` whose folders are of the split that is asked for; all of a list of that split."""
    if wanted.split is None or part.chosen.asked:
        return labels
    folders = {name.rpartition("/")[0] for name in labels}
    of_split = {folder for folder in folders if is_of_split(folder, wanted.split)}
    if of_split:
        return {name: label for name, label in labels.items() if name.rpartition("/")[0] in of_split}
    if wanted.annotations is None:  # it was found by the split's name
        return labels
    raise DatasetError(
        f"{wanted.annotations}: names no image in a folder of the split {wanted.split!r}",
        hint="leave out `split`: the list says which images are meant",
    )


def _solved(part: Part, solution: Location, wanted: Wanted) -> FoundImages:
    """The images of ``part`` with the classes that Kaggle's ``solution`` gives them."""
    classes = solution_labels(solution)
    images = {_stem(name): name for name in part.images()}
    missing = [name for name in classes if name not in images]
    if missing:
        raise DatasetError(
            f"{solution}: {len(missing)} of {len(classes)} images are not in {part.folder.location}: "
            f"{', '.join(missing[:3])}",
            hint="list those that are there in a file of 'relative/name.jpg label' lines: `annotations`",
        )
    numbers, names = label_numbers({name: classes[stem] for stem, name in images.items() if stem in classes})
    return _found(part, numbers, solution, wanted, ClassNames(names, "labels"))


def _found(
    part: Part, labels: dict[str, int], file: Location | None, wanted: Wanted, class_names: ClassNames | None = None
) -> FoundImages:
    source = part.folder.location
    images = tuple(LabelledImage(name, source / name, label) for name, label in labels.items())
    if not images:
        raise DatasetError(f"{source}: no images here: {EXPECTED}", hint="give the folder of the images as `source`")
    account = part.account(labels, file, wanted, given=wanted.annotations is not None)
    splits = {plain_split(name.rpartition("/")[0]) for name in labels}
    split = part.chosen.split or (splits.pop() if len(splits) == 1 else None)
    return FoundImages("annotations", images, file, class_names, (account,), split, part.remarks)


def _class_folders(part: Part, wanted: Wanted) -> FoundImages:
    source = part.folder.location
    tree = part.folder.tree
    if wanted.first_label:
        raise DatasetError(f"{source}: class folders have no numbers that could count from {wanted.first_label}")
    loose = [name for name in tree.folders[""] if looks_like_image(name)]
    loose = [name for name in loose if wanted.exclusions is None or not wanted.exclusions.names(name)]
    if loose and tree.image_folders == ("",) and (named := ids_in(loose)) and wanted.classes is not None:
        numbers, ids = label_numbers(named)
        return _found(part, numbers, None, wanted, ClassNames(ids, "labels"))
    if loose:
        more = f" and {len(loose) - 1} more" if len(loose) > 1 else ""
        raise DatasetError(
            f"{source}: images ({loose[0]!r}{more}), but no labels",
            hint=f"put {ANNOTATION_FILE} beside them, or give the file of labels as `annotations`"
            + ("; a test split often has no labels" if part.chosen.split == "test" else ""),
        )
    if only_images(tree, wanted):
        raise DatasetError(
            f"{source}: all images lie in the folder {BESIDE_BOXED}/, and have no labels",
            hint="give the file of labels as `annotations`"
            + ("; a test split often has no labels" if part.chosen.split == "test" else ""),
        )
    classes = _in_label_order(source, tree.subfolders())
    place = {name: label for label, name in enumerate(classes)}
    images = tuple(
        LabelledImage(name, source / name, place[name.partition("/")[0]]) for name in part.images() if "/" in name
    )
    if not images:
        raise DatasetError(f"{source}: no images here: {EXPECTED}", hint="give the folder of the images as `source`")
    images = tuple(sorted(images, key=lambda image: image.label))
    account = part.account({image.name for image in images}, None, wanted)
    names = ClassNames(classes, "folders")
    return FoundImages("class_folders", images, None, names, (account,), part.chosen.split, part.remarks)


def only_images(tree: Tree, wanted: Wanted) -> bool:
    """Whether all images lie in a folder that is called so, and is no class."""
    return tree.subfolders() == (BESIDE_BOXED,) and not wanted.is_class(BESIDE_BOXED)


def ids_in(names: Sequence[str]) -> dict[str, int | str]:
    """The WordNet id in each of ``names`` (``ILSVRC2012_val_00000001_n01751748.JPEG``); nothing where one has none."""
    found = {name: re.search(rf"(?:^|_)({WORDNET_ID.pattern})", _stem(name)) for name in names}
    return {name: match[1] for name, match in found.items() if match} if all(found.values()) else {}


def _stem(name: str) -> str:
    return name.rpartition("/")[2].rpartition(".")[0]


def _in_label_order(source: Location, folders: Sequence[str]) -> tuple[str, ...]:
    """``folders`` by label: sorted by name, or by number (0, 1, ..., 9, 10) where every name is one."""
    if not folders or not all(name.isascii() and name.isdigit() for name in folders):
        return tuple(folders)
    numbered = sorted(folders, key=int)
    if [int(name) for name in numbered] != list(range(len(numbered))):
        raise DatasetError(
            f"{source}: class folders named by numbers must be 0 to {len(numbered) - 1} for {len(numbered)} "
            f"classes, got {numbered[0]} to {numbered[-1]}",
            hint="name the labels instead: a file of 'relative/name.jpg label' lines as `annotations`, labels from 0",
        )
    return tuple(numbered)
