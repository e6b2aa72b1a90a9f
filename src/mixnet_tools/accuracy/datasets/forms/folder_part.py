"""The part of a folder of images that is one data set: a split, where there are several. The rest is accounted for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from mixnet_tools.accuracy.datasets.account import NO_LABEL, OTHER_SPLIT, FileAccount, settle
from mixnet_tools.accuracy.datasets.folder import Folder
from mixnet_tools.accuracy.datasets.forms.base import Wanted
from mixnet_tools.accuracy.datasets.image import is_image
from mixnet_tools.accuracy.datasets.splits import Chosen, choose, plain_split, split_folders
from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location


@dataclass(frozen=True)
class Part:
    """The part of the folder ``whole`` that is one data set: what lies in its folder ``name`` (``""``: all of it).

    ``inside`` are folders of ``name`` to which it is restricted (none: it is not), ``others`` are those of other
    splits. All are relative to ``whole``.
    """

    whole: Folder
    name: str
    inside: tuple[str, ...]
    others: tuple[str, ...]
    chosen: Chosen

    @property
    def folder(self) -> Folder:
        """The folder that the names of images are relative to."""
        return self.whole.below(self.name)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What people should know of the choice."""
        return (self.chosen.remark,) if self.chosen.remark else ()

    def images(self) -> list[str]:
        """The names of its images, relative to :attr:`folder`."""
        prefix = f"{self.name}/" if self.name else ""
        inside = tuple(f"{one}/" for one in self.inside)
        return [
            name
            for name in self.folder.tree.files()
            if is_image(name) and (not inside or (prefix + name).startswith(inside))
        ]

    def account(
        self, used: Collection[str], labels: Location | None, wanted: Wanted, *, given: bool = False
    ) -> FileAccount:
        """The account of all files of ``whole``, where ``used`` are the images, relative to :attr:`folder`.

        ``labels`` is the file that the labels came from. Where the caller has ``given`` it, images that it does not
        name are left out. Raises what :func:`settle` does.
        """
        tree = self.whole.listed
        if tree is None:
            return FileAccount("files", len(used) + (labels is not None), len(used), int(labels is not None))
        prefix = f"{self.name}/" if self.name else ""
        every = {prefix + name for name in used} if prefix else frozenset(used)
        splits = {plain_split(folder) for folder in {name.rpartition("/")[0] for name in every}}
        others = tuple(f"{one}/" for one in self.others)

        def rule(name: str) -> str | None:
            split = plain_split(name.rpartition("/")[0])
            if name.startswith(others) or (split is not None and split not in splits):
                return OTHER_SPLIT
            return NO_LABEL if given and is_image(name) else None

        hint = f"list them too; or measure the listed ones only: `annotations={labels}`" if labels and not given else ""
        files = list(tree.files())
        unlisted = sorted(every.difference(files))  # hidden ones that a list names
        return settle(
            "files",
            str(self.whole.location),
            [*files, *unlisted],
            used=every,
            labels=names_of(self.whole.location, labels),
            rule=rule,
            known=tree.left,
            exclusions=wanted.exclusions,
            hint=hint,
        )


def part_of(folder: Folder, wanted: Wanted) -> Part:
    """Find the part of ``folder`` that is meant: the split that ``wanted`` asks for, or the validation split.

    Raises :class:`DatasetError` where it is not clear.
    """
    name, splits = split_folders(folder.tree, wanted.is_class, folder.location)
    if not splits:
        chosen = choose((), wanted.split, folder.location)
        return Part(folder, name, (), (), chosen)
    chosen = choose(splits, wanted.split, folder.location)
    others = tuple(one for one in splits if one not in chosen.names)
    beside = [one for one in chosen.names if one.rpartition("/")[0] == name]
    if not beside:
        return Part(folder, name, chosen.names, others, chosen)
    if len(beside) > 1:  # val/ and val_blurred/: the first is called nothing else
        plain = [
            one for one in beside if one.rpartition("/")[2].lower() in (wanted.split, chosen.split, "val", "valid")
        ]
        if len(plain) != 1:
            raise DatasetError(
                f"{folder.location}: several folders of the split {chosen.split}: {', '.join(beside)}",
                hint="give one of them as `source`",
            )
        others, beside = (*others, *(one for one in beside if one not in plain)), plain
    return Part(folder, beside[0], (), others, chosen)


def names_of(folder: Location, file: Location | None) -> tuple[str, ...]:
    """The name of ``file`` in ``folder``, in a tuple; nothing where it lies elsewhere."""
    if file is None:
        return ()
    # A file may be a link to elsewhere, as in the hub's cache.
    for place, inside in ((folder.absolute(), file.absolute()), (folder.resolve(), file.resolve())):
        start, name = f"{str(place).rstrip('/')}/", str(inside)
        if name.startswith(start):
            return (name.removeprefix(start),)
    return ()
