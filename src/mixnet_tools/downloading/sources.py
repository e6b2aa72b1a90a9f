"""Lists where a file may be had, in the order to try: mirrors, the descriptor's source, its original_source."""

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
class WebSource:
    """An http(s) URL. Sources with the same ``group`` are on one server: where one fails, the others are left out."""

    url: str
    group: str

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


def sources_of(model: ModelDescriptor, file: ModelFile, mirrors: Sequence[str]) -> tuple[Source, ...]:
    """Every source that may have ``file``."""
    found: list[Source] = []
    for mirror in mirrors:
        found.extend(_on_mirror(model, file, mirror))
    for number, source in enumerate(file.sources):
        group = f"source {number}"
        if isinstance(source, GoogleDriveSource):
            found.append(DriveSource(source.id, group))
        elif isinstance(source, FileSource):
            found.append(LocalSource(model.directory / source.path, group))
        else:
            found.append(_behind_url(source.url, group))
    return tuple(dict.fromkeys(found))


def check_mirrors(mirrors: Sequence[str]) -> None:
    """Raise :class:`UsageError` for a mirror whose URL has a scheme that cannot be downloaded from."""
    for mirror in mirrors:
        if "://" in mirror and urlsplit(mirror).scheme not in ("http", "https", "file"):
            raise UsageError(f"`mirrors`: {redact(mirror)}: expected an http://, https:// or file:// URL, or a folder")


def _on_mirror(model: ModelDescriptor, file: ModelFile, mirror: str) -> Iterator[Source]:
    # A mirror is a download folder of ours, or is laid out as Open Model Zoo's storage is, or holds just the files.
    for path in (f"{model.subdirectory}/{file.name}", f"{model.name}/{file.name}", file.name):
        if "://" in mirror:
            yield _behind_url(urls.join(mirror, path), mirror)
        else:
            yield LocalSource(Path(mirror).expanduser() / path, mirror)


def _behind_url(url: str, group: str) -> Source:
    parts = urlsplit(url)
    return LocalSource(Path(unquote(parts.path)), group) if parts.scheme == "file" else WebSource(url, group)
