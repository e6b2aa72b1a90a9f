"""Where a file may be had, in the order to try: mirrors, the descriptor's source, its original_source.

A candidate is a place, not yet an open body; which of them serve without a network is known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mixnet_tools.descriptors.model_yml import FileSource, GoogleDriveSource, ModelDescriptor, ModelFile
from mixnet_tools.downloading.transport import urls
from mixnet_tools.errors import UsageError
from mixnet_tools.files.location import redact


@dataclass(frozen=True)
class WebPlace:
    """An http(s) URL. ``group`` is the same for places on one server that are tried as one."""

    url: str
    group: str

    def __str__(self) -> str:
        return redact(self.url)


@dataclass(frozen=True)
class DrivePlace:
    """A file on Google Drive, by its id."""

    id: str
    group: str

    def __str__(self) -> str:
        return f"google_drive:{self.id}"


@dataclass(frozen=True)
class LocalPlace:
    """A file on this machine."""

    path: Path
    group: str

    def __str__(self) -> str:
        return str(self.path)


Place = WebPlace | DrivePlace | LocalPlace


def places(model: ModelDescriptor, file: ModelFile, mirrors: Sequence[str]) -> tuple[Place, ...]:
    """Every place that may have ``file``. Raises :class:`UsageError` for a mirror with a scheme that is not served."""
    found: list[Place] = []
    for mirror in mirrors:
        found.extend(_mirror_places(model, file, mirror))
    for number, source in enumerate(file.sources):
        group = f"source {number}"
        if isinstance(source, GoogleDriveSource):
            found.append(DrivePlace(source.id, group))
        elif isinstance(source, FileSource):
            found.append(LocalPlace(model.directory / source.path, group))
        else:
            found.append(_url_place(source.url, group))
    return tuple(dict.fromkeys(found))


def _mirror_places(model: ModelDescriptor, file: ModelFile, mirror: str) -> Iterator[Place]:
    # A mirror is a download folder of ours, or is laid out as Open Model Zoo's storage is, or holds just the files.
    layouts = (f"{model.subdirectory}/{file.name}", f"{model.name}/{file.name}", file.name)
    if "://" in mirror:
        if urlsplit(mirror).scheme not in ("http", "https", "file"):
            raise UsageError(f"--mirror {redact(mirror)}: expected an http://, https:// or file:// URL, or a folder")
        for layout in layouts:
            yield _url_place(urls.join(mirror, layout), mirror)
        return
    folder = Path(mirror).expanduser()
    for layout in layouts:
        yield LocalPlace(folder / layout, mirror)


def _url_place(url: str, group: str) -> Place:
    parts = urlsplit(url)
    return LocalPlace(Path(unquote(parts.path)), group) if parts.scheme == "file" else WebPlace(url, group)
