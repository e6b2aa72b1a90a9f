"""Data sets behind a URL (http://, s3://, gs://, ...), by fsspec: where they are, what lies there, bytes from them.

A place behind a URL is a ``upath.UPath``, which has the methods of a ``pathlib.Path`` that are used here, travels
between processes, and so stands where a Path is asked for. A local place stays a Path.
"""

from __future__ import annotations

import base64
import contextlib
import re
import tarfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from mixnet_tools.accuracy.datasets.image import Span
from mixnet_tools.errors import DatasetError, MissingDependency, UsageError, first_line
from mixnet_tools.files.location import redact_within, shown

TRIES = 3
"""How often bytes are asked for, where the failure is one that may pass."""

PAUSE = 0.5
"""Seconds before the second try; each further one waits twice as long."""

BLOCK = 1 << 16
"""Bytes of a remote file that are read at once where most of it is skipped."""

SILENCE = 30
"""Seconds without a byte after which a read over HTTP has failed."""

LONGEST = 300
"""Seconds after which a read over HTTP has failed in any case."""

_URL = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}


class _NotThere(DatasetError):
    """The server answers, and has no such file."""


def location(text: str | Path) -> Path:
    """The place that ``text`` names, a path or a URL.

    Raises :class:`MissingDependency` where a package for this kind of URL is missing, :class:`UsageError` where no
    package knows it.
    """
    if isinstance(text, Path):
        return text
    match = _URL.match(text)
    if match is None:
        return Path(text)
    if match[1].lower() in ("file", "local"):
        return Path(unquote(urlsplit(str(text)).path))
    try:
        from upath import UPath
    except ImportError as error:
        raise MissingDependency(
            f"{shown(text)}: URLs are read with universal_pathlib, which is not installed ({error.name})",
            hint="pip install 'mixnet-tools[cluster]'",
        ) from error
    try:
        place = sealed(cast(Path, UPath(text)))
        _known(place).fs  # noqa: B018 - imports what reads such URLs
    except ImportError as error:
        package = _PACKAGES.get(match[1].lower())
        hint = f"pip install {package}" if package else None
        raise MissingDependency(f"{shown(text)}: {error}", hint=hint) from error
    except ValueError as error:
        raise UsageError(f"{shown(text)}: {error}", hint="give a folder or file, or a URL that fsspec knows") from error
    return place


def sealed(path: Path) -> Path:
    """``path``, where user name, password and query of a URL of HTTP stay out of its name and its text: they are with
    what its file system sends. Reads from there have a time limit.
    """
    if not is_remote(path) or _known(path).protocol not in ("http", "https"):
        return path
    from aiohttp import ClientTimeout

    options = {**_known(path).storage_options}
    limit = ClientTimeout(total=LONGEST, sock_connect=SILENCE, sock_read=SILENCE)
    options["client_kwargs"] = {"timeout": limit, **options.get("client_kwargs", {})}
    parts = urlsplit(str(path))
    userinfo, at, host = parts.netloc.rpartition("@")
    if at:
        name, _, password = userinfo.partition(":")
        encoded = base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode()
        options["headers"] = {**options.get("headers", {}), "Authorization": f"Basic {encoded}"}
    if parts.query:
        options["params"] = tuple(parse_qsl(parts.query, keep_blank_values=True))
    return type(path)(urlunsplit((parts.scheme, host, parts.path, "", "")), **options)


def has_query(path: Path) -> bool:
    """Whether a place that is :func:`sealed` was given with a query."""
    return is_remote(path) and bool(_known(path).storage_options.get("params"))


def is_remote(path: Path) -> bool:
    """Whether ``path`` is behind a URL."""
    return not isinstance(path, Path)


def child(folder: Path, name: str) -> Path:
    """The file ``name`` (POSIX, relative) in ``folder``."""
    encoded = is_remote(folder) and str(folder).startswith("http")
    return folder / (quote(name) if encoded else name)


def has_file(path: Path) -> bool:
    """Whether there is a remote (small) file ``path``. Raises :class:`DatasetError` where the server does not answer.

    It is read: fsspec's ``isfile`` takes a server that is down for one that has no such file.
    """
    try:
        read(path)
    except _NotThere:
        return False
    return True


def size_of(path: Path) -> int | None:
    """How many bytes a remote file has, None where the server does not say.

    Raises :class:`DatasetError` where it is not there.
    """
    found = _asked(path, lambda system, place: system.info(place))
    return None if found.get("size") is None else int(found["size"])


def read(path: Path, span: Span | None = None) -> bytes:
    """The bytes of a remote file, or a part of them. Raises :class:`DatasetError` where they cannot be had."""
    if span is None:
        return cast(bytes, _asked(path, lambda system, place: system.cat_file(place)))
    first, last = span.offset, span.offset + span.size
    data = cast(bytes, _asked(path, lambda system, place: system.cat_file(place, start=first, end=last)))
    if len(data) != span.size:
        raise DatasetError(
            f"{shown(path)}: asked for {span.size} bytes at {first}, got {len(data)}",
            hint="does the server answer range requests, and is the file what it was?",
        )
    return data


@contextlib.contextmanager
def open_in_blocks(path: Path) -> Iterator[IO[bytes]]:
    """``path`` for a walk that skips most of it; a remote file is asked for blocks of :data:`BLOCK`.

    Raises OSError where a local one cannot be opened, :class:`DatasetError` where reading a remote one fails.
    """
    if not is_remote(path):
        with path.open("rb") as stream:
            yield stream
        return
    size_of(path)
    try:
        with _known(path).open("rb", block_size=BLOCK) as stream:
            yield stream
    except (EOFError, tarfile.TarError):
        raise
    except Exception as error:  # each kind of server has its own
        raise DatasetError(
            f"{shown(path)}: cannot be read: {reason(error)}",
            hint="parts of a file need a server that knows range requests",
        ) from error


def names_below(folder: Path) -> list[str]:
    """Every file below ``folder`` by its name relative to it, sorted; [] where there is none, or the server has no
    lists. Raises :class:`DatasetError` where it does not answer.
    """
    try:
        root = str(_known(folder).path).rstrip("/") + "/"
        found = _known(folder).fs.find(root)
    except FileNotFoundError:
        return []
    except Exception as error:  # each kind of server has its own
        raise DatasetError(f"{shown(folder)}: cannot be listed: {reason(error)}") from error
    encoded = str(folder).startswith("http")
    names = [one.removeprefix(root) for one in found if one.startswith(root)]
    return sorted(unquote(name) if encoded else name for name in names)


def refuse_tfrecords(paths: Sequence[Path]) -> None:
    """Raises :class:`DatasetError` where ``paths`` are remote: TFRecords are mapped into memory."""
    if any(map(is_remote, paths)):
        raise DatasetError(
            f"{shown(paths[0])}: TFRecords are read from files only, not through URLs",
            hint="copy them to a folder that all workers see, or take another form: tar, Parquet, images",
        )


def _known(path: Path) -> Any:
    """``path`` as the ``UPath`` that it is, with the file system ``fs`` and the place ``path`` in it."""
    return path


def _asked(path: Path, ask: Any) -> Any:
    pause = PAUSE
    for left in reversed(range(TRIES)):
        try:
            return ask(_known(path).fs, _known(path).path)
        except FileNotFoundError as error:
            # Asked for a file's size, fsspec says so for whatever went wrong.
            cause = error.__cause__
            if cause is None or (getattr(cause, "status", 404) == 404 and not isinstance(cause, OSError)):
                raise _NotThere(f"{shown(path)}: no such file") from error
            if not left:
                raise DatasetError(f"{shown(path)}: cannot be read: {reason(cause)}") from error
        except PermissionError as error:
            raise DatasetError(f"{shown(path)}: cannot be read: {reason(error)}") from error
        except Exception as error:  # each kind of server has its own
            if not left:
                raise DatasetError(f"{shown(path)}: cannot be read: {reason(error)}") from error
        time.sleep(pause)
        pause *= 2
    raise AssertionError("unreachable")


def reason(error: BaseException) -> str:
    """The first line of what ``error`` says, without the secrets of a URL in it."""
    if isinstance(error, TimeoutError) and not str(error):
        return "the server does not answer"
    return redact_within(first_line(error))
