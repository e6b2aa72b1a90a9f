"""Lists where a file may be had, in the order to try: mirrors, the descriptor's source, its original_source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from mixnet_tools.descriptors.file_entries import FileSource, GoogleDriveSource, ModelFile
from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.errors import UsageError
from mixnet_tools.files.location import Location
from mixnet_tools.files.shown import redact


@dataclass(frozen=True)
class WebSource:
    """An http(s) URL. Sources with the same ``group`` are on one server: where one fails, the others are left out."""

    url: str
    group: str

    @cached_property
    def server(self) -> str:
        """The part of the URL that says on which server it is, without credentials."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}"

    def __str__(self) -> str:
        return redact(self.url)


@dataclass(frozen=True)
class DriveSource:
    """A file on Google Drive, by its id."""

    id: str
    group: str

    def __str__(self) -> str:
        return f"google_drive:{self.id}"


@dataclass(frozen=True)
class LocalSource:
    """A file on this machine."""

    path: Path
    group: str

    def __str__(self) -> str:
        return str(self.path)


Source = WebSource | DriveSource | LocalSource


def parse_mirrors(mirrors: Sequence[str]) -> tuple[Location, ...]:
    """Each of ``mirrors``. Raises :class:`UsageError` for a URL that cannot be downloaded from."""
    locations = tuple(Location.parse(mirror) for mirror in mirrors)
    for location in locations:
        if location.is_remote and location.scheme not in ("http", "https"):
            raise UsageError(f"`mirrors`: {location}: expected an http://, https:// or file:// URL, or a folder")
    return locations


def sources_of(model: ModelDescriptor, file: ModelFile, mirrors: Sequence[Location]) -> tuple[Source, ...]:
    """Every source that may have ``file``."""
    found: list[Source] = []
    for number, mirror in enumerate(mirrors):
        # A mirror is a download folder of ours, or has the layout of Open Model Zoo's storage, or holds just the files.
        for path in (f"{model.subdirectory}/{file.name}", f"{model.name}/{file.name}", file.name):
            found.append(_at(mirror / path, f"mirror {number}"))
    for number, source in enumerate(file.sources):
        group = f"source {number}"
        if isinstance(source, GoogleDriveSource):
            found.append(DriveSource(source.id, group))
        elif isinstance(source, FileSource):
            found.append(LocalSource(model.directory / source.path, group))
        else:
            found.append(_at(Location.parse(source.url), group))
    return tuple(dict.fromkeys(found))


def _at(location: Location, group: str) -> Source:
    return WebSource(location.url, group) if location.is_remote else LocalSource(location.path.expanduser(), group)
