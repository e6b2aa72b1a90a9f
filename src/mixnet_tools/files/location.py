"""A path or a URL, shown without its secrets."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from mixnet_tools.errors import UsageError
from mixnet_tools.files.shown import without_password

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_CHAIN = re.compile(r"::(?=[a-z][a-z0-9+.-]+://)", re.IGNORECASE)
_WEB = ("http", "https")


@dataclass(frozen=True, repr=False)
class Location:
    """A file or folder: a path on this machine, or a URL that fsspec knows (``http://``, ``s3://``, ...).

    ``str()``, ``repr()`` and f-strings give a text without user name, password and query. That text names the data and
    stays the same where a signature is renewed, so reports and records hold it. The full URL is :attr:`url`, for what
    opens it. A pickled location keeps its secrets.

    >>> there = Location.parse("https://me:secret@host/val?sig=abc") / "odd #1.jpg"
    >>> str(there), there.name, Location.parse("file:///a/b%20c").path
    ('https://host/val/odd%20%231.jpg', 'odd #1.jpg', PosixPath('/a/b c'))
    """

    _place: Path | str

    @classmethod
    def parse(cls, text: str | os.PathLike[str]) -> Location:
        """The place that ``text`` names: a path, or a URL. A ``Path`` is always a path.

        Raises :class:`UsageError` where ``text`` is a malformed URL.
        """
        match = None if isinstance(text, Path) else _SCHEME.match(os.fspath(text))
        if match is None:
            return cls(Path(text))
        scheme, rest = match[1].lower(), match.string[match.end() :]
        try:
            parts = urlsplit(match.string)
        except ValueError as error:
            raise UsageError(
                f"a malformed URL: {error}", hint="give a path, or a URL such as https://host/file"
            ) from error
        if scheme in ("file", "local"):
            from urllib.request import url2pathname  # takes longer to load than all of this module

            return cls(Path(url2pathname(parts.path)))
        if scheme in _WEB:
            return cls(urlunsplit((scheme, parts.netloc, parts.path or "/", parts.query, "")))
        return cls(f"{scheme}://{rest}" if "/" in rest else f"{scheme}://{rest}/")

    @classmethod
    def parse_optional(cls, text: str | os.PathLike[str] | None) -> Location | None:
        """:meth:`parse` for an option or parameter that need not be given."""
        return cls.parse(text) if text else None

    @property
    def is_remote(self) -> bool:
        """Whether this is a URL."""
        return isinstance(self._place, str)

    @property
    def path(self) -> Path:
        """The path of a place on this machine. Raises ValueError for a URL."""
        if isinstance(self._place, str):
            raise ValueError(f"{self} is no path on this machine")
        return self._place

    @property
    def url(self) -> str:
        """The URL with its secrets: only for what opens it. Raises ValueError for a path."""
        if not isinstance(self._place, str):
            raise ValueError(f"{self} is no URL")
        return self._place

    @property
    def scheme(self) -> str:
        """``http``, ``s3``, ... in lower case; ``file`` for a path."""
        return self._place.partition("://")[0] if isinstance(self._place, str) else "file"

    @property
    def has_query(self) -> bool:
        """Whether this is an HTTP URL with a query (``?...``). Elsewhere a question mark is part of a name."""
        return self.scheme in _WEB and bool(urlsplit(self.url).query)

    @property
    def name(self) -> str:
        """The last part of the path, as the file is called: percent-encoding of HTTP is undone."""
        if isinstance(self._place, Path):
            return self._place.name
        if self.scheme in _WEB:
            return unquote(urlsplit(self._place).path.rpartition("/")[2])
        return _CHAIN.split(self._place)[0].rpartition("/")[2]

    @property
    def stem(self) -> str:
        """:attr:`name` without its suffix."""
        return PurePosixPath(self.name).stem

    @property
    def parent(self) -> Location | None:
        """The folder that this lies in. None where there is none, and for a URL with a query, which is for one file.

        >>> Location.parse("https://host/set/a.tar").parent, Location.parse("s3://bucket/").parent
        (Location('https://host/set'), None)
        """
        if isinstance(self._place, Path):
            return None if self._place.parent == self._place else Location(self._place.parent)
        if self.has_query:
            return None
        whole, *others = _CHAIN.split(self._place)
        root = re.match(r"[^:]+://[^/]*/", whole)
        above = whole.rstrip("/").rpartition("/")[0]
        if root is None or len(whole) <= len(root[0]):
            return None
        return Location("::".join([above if len(above) >= len(root[0]) else root[0], *others]))

    def absolute(self) -> Location:
        """The same place for a process with another current folder."""
        return self if self.is_remote else Location(self.path.absolute())

    def resolve(self) -> Location:
        """The same place by the one path that has no links in it; a URL as it is."""
        return self if self.is_remote else Location(self.path.resolve())

    def __truediv__(self, name: str) -> Location:
        """The file ``name`` (relative, with ``/`` between folders, not percent-encoded) in this folder."""
        if isinstance(self._place, Path):
            return Location(self._place / name)
        if self.scheme in _WEB:
            parts = urlsplit(self._place)
            path = f"{parts.path.rstrip('/')}/{quote(name)}"
            return Location(urlunsplit((parts.scheme, parts.netloc, path, parts.query, "")))
        folder, *others = _CHAIN.split(self._place)
        return Location("::".join([f"{folder.rstrip('/')}/{name}", *others]))

    def __str__(self) -> str:
        if isinstance(self._place, Path):
            return str(self._place)
        return "::".join(map(_without_secrets, _CHAIN.split(self._place)))

    def __repr__(self) -> str:
        return f"Location({str(self)!r})"


def _without_secrets(url: str) -> str:
    # Elsewhere than in HTTP, ? and # are letters of a name.
    if not url.startswith(("http://", "https://")):
        return without_password(url)
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
