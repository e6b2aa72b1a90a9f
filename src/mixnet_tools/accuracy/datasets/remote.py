"""Bytes and lists of files from behind a URL (``http://``, ``s3://``, ``gs://``, ...), by fsspec."""

from __future__ import annotations

import base64
import contextlib
import tarfile
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, TypeVar, cast
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from mixnet_tools.accuracy.datasets.image import Span
from mixnet_tools.errors import DatasetError, MissingDependency, UsageError, first_line
from mixnet_tools.files import bounded
from mixnet_tools.files.location import Location
from mixnet_tools.files.shown import redact_within
from mixnet_tools.network.failure import Kind, SourceFailure
from mixnet_tools.network.retry import RetryPolicy, retrying

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

TRIES = 3
"""How often bytes are asked for where the failure may pass."""

BLOCK = 1 << 16
"""Bytes that are read at once from a remote file of which most is skipped."""

SILENCE = 30
"""Seconds without a byte after which a read over HTTP fails."""

LONGEST = 300
"""Seconds after which a read over HTTP fails, even if bytes still come."""

POLICY = RetryPolicy(attempts=TRIES, max_wait=LONGEST)
"""How bytes are asked for again."""

_NOT_FOUND = 404
_REFUSED = (401, 403, 410)
"""What servers answer to whoever asks for a file that is not for everybody."""

LIST_BYTES = 256 << 20
"""The largest list of labels that is read. The training images of ImageNet have 50 MB."""

_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}

T = TypeVar("T")


class _NotThere(DatasetError):
    """The server answers, and has no such file."""


class _Refused(DatasetError):
    """The server answers, and does not give the file to us."""


def has_file(location: Location) -> bool:
    """Whether there is a (small) file at the URL. Raises :class:`DatasetError` where the server does not answer.

    The file is read: fsspec's ``isfile`` takes a server that is down for one that has no such file.
    """
    try:
        read_within(location, LIST_BYTES)
    except _NotThere:
        return False
    return True


def size_of(location: Location) -> int | None:
    """The size of the file at the URL in bytes, None where the server does not say it.

    Raises :class:`DatasetError` where it is not there.
    """
    found = _ask(location, lambda system, place: system.info(place))
    return None if found.get("size") is None else int(found["size"])


def read(location: Location, span: Span | None = None) -> bytes:
    """The bytes of the file at the URL, or a part of them. Raises :class:`DatasetError` where they cannot be had."""
    if span is None:
        return _ask(location, lambda system, place: cast(bytes, system.cat_file(place)))
    first, last = span.offset, span.offset + span.size
    data = _ask(location, lambda system, place: cast(bytes, system.cat_file(place, start=first, end=last)))
    if len(data) != span.size:
        raise DatasetError(
            f"{location}: asked for {span.size} bytes at {first}, got {len(data)}",
            hint="does the server answer range requests, and is the file what it was?",
        )
    return data


def read_within(location: Location, most: int) -> bytes:
    """The bytes of a file on this machine or at a URL, which is to be read whole.

    Raises OSError where a file on this machine cannot be read or has more than ``most`` bytes, and
    :class:`DatasetError` where so does one at a URL.
    """
    if not location.is_remote:
        return bounded.read_bytes(location.path, most)
    # Without blocks, fsspec reads from HTTP as bytes come: an endless answer is seen in time. With a size, it does not
    # ask for one.
    options = {"block_size": 0, "size": most} if location.scheme in ("http", "https") else {}

    def ask(system: AbstractFileSystem, place: str) -> bytes:
        with system.open(place, "rb", **options) as stream:
            parts, left = [], most + 1
            while left and (part := stream.read(min(left, BLOCK))):
                parts.append(part)
                left -= len(part)
        return b"".join(parts)

    data = _ask(location, ask)
    if len(data) > most:
        raise DatasetError(f"{location}: is larger than {most:,} bytes, which no such file is")
    return data


def read_optional(location: Location, most: int) -> bytes | None:
    """:func:`read_within` of a URL. None where the server has no such file, or keeps it to itself."""
    try:
        return read_within(location, most)
    except (_NotThere, _Refused):
        return None


def open_stream(location: Location, block: int | None = None) -> IO[bytes]:
    """The file at the URL, to seek and read in; ``block`` bytes are asked for at once (None: as fsspec does).

    Opening it and reading from it raise errors of the kind of server: see :func:`reason`.
    """
    system, place = _system(location)
    return cast("IO[bytes]", system.open(place, "rb", **({} if block is None else {"block_size": block})))


@contextlib.contextmanager
def open_in_blocks(location: Location) -> Iterator[IO[bytes]]:
    """A file for a walk that skips most of it. Of one at a URL, :data:`BLOCK` bytes are asked for at once.

    Raises OSError where a file on this machine cannot be opened, :class:`DatasetError` where reading from a URL fails.
    """
    if not location.is_remote:
        with location.path.open("rb") as local:
            yield local
        return
    size_of(location)
    try:
        with open_stream(location, BLOCK) as stream:
            yield stream
    except (EOFError, tarfile.TarError):  # the walk's own
        raise
    except Exception as error:  # each kind of server has its own
        raise DatasetError(
            f"{location}: cannot be read: {reason(error)}",
            hint="parts of a file need a server that knows range requests",
        ) from error


def names_below(folder: Location) -> list[str]:
    """The name of every file below ``folder``, relative to it and sorted; [] where there is none, or where the server
    has no lists. Raises :class:`DatasetError` where it does not answer.
    """
    system, place = _system(folder)
    root = place.rstrip("/") + "/"
    try:
        found = system.find(root)
    except FileNotFoundError:
        return []
    except Exception as error:  # each kind of server has its own
        raise DatasetError(f"{folder}: cannot be listed: {reason(error)}") from error
    names = [one.removeprefix(root) for one in found if one.startswith(root)]
    return sorted(unquote(name) if folder.scheme in ("http", "https") else name for name in names)


def _system(location: Location) -> tuple[AbstractFileSystem, str]:
    """The file system of fsspec for ``location``, and the place in it.

    Raises :class:`MissingDependency` where a package for this kind of URL is missing, :class:`UsageError` where no
    package knows it.
    """
    try:
        import fsspec

        if location.scheme in ("http", "https"):
            url, options = _web_request(location.url)
            return fsspec.filesystem(location.scheme, **options), url
        system, place = fsspec.core.url_to_fs(location.url)
        return system, place
    except ImportError as error:
        package = _PACKAGES.get(location.scheme, "'mixnet-tools[cluster]'")
        raise MissingDependency(f"{location}: {first_line(error)}", hint=f"pip install {package}") from error
    except ValueError as error:
        raise UsageError(
            f"{location}: {reason(error)}", hint="give a folder or file, or a URL that fsspec knows"
        ) from error


def _web_request(url: str) -> tuple[str, dict[str, object]]:
    """``url`` without user name, password and query, and the options of fsspec that send these. Reads have a limit."""
    from aiohttp import ClientTimeout

    limit = ClientTimeout(total=LONGEST, sock_connect=SILENCE, sock_read=SILENCE)
    options: dict[str, object] = {"client_kwargs": {"timeout": limit}}
    parts = urlsplit(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    if at:
        name, _, password = userinfo.partition(":")
        encoded = base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode()
        options["headers"] = {"Authorization": f"Basic {encoded}"}
    if parts.query:
        options["params"] = tuple(parse_qsl(parts.query, keep_blank_values=True))
    return urlunsplit((parts.scheme, host, parts.path, "", "")), options


def _ask(location: Location, ask: Callable[[AbstractFileSystem, str], T]) -> T:
    system, place = _system(location)

    def attempt() -> T:
        try:
            return ask(system, place)
        except Exception as error:  # each kind of server has its own
            # Asked for a file's size, fsspec says of whatever went wrong that the file is not there.
            failure = (error.__cause__ or error) if isinstance(error, FileNotFoundError) else error
            status = getattr(failure, "status", None)
            if isinstance(error, FileNotFoundError) and status in (None, _NOT_FOUND) and not _is_down(error):
                raise _NotThere(f"{location}: no such file") from error
            if isinstance(failure, PermissionError) or status in _REFUSED:
                raise _Refused(f"{location}: cannot be read: {reason(failure)}") from error
            raise SourceFailure(reason(failure), Kind.TRANSIENT) from error

    try:
        return retrying(attempt, POLICY)
    except SourceFailure as failure:
        raise DatasetError(f"{location}: cannot be read: {failure}") from failure.__cause__


def _is_down(error: FileNotFoundError) -> bool:
    """Whether no server answered that the file is not there."""
    return isinstance(error.__cause__, OSError)


def reason(error: BaseException) -> str:
    """The first line of what ``error`` says, without the secrets of a URL in it."""
    if isinstance(error, TimeoutError) and not str(error):
        return "the server does not answer"
    return redact_within(first_line(error))
