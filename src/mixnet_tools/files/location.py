"""URLs as they may be printed: without their secrets."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

_HARMLESS_PARAMETERS = frozenset({"id", "export", "download", "alt", "raw", "version", "v"})
_PARAMETER = re.compile(r"([^&;=]*)=([^&;]*)")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s'\"<>]+", re.IGNORECASE)
_PASSWORD = re.compile(r"^([a-z0-9+.-]+://)[^/@]*:[^/]*@", re.IGNORECASE)


def redact(url: str) -> str:
    """``url`` as it may be printed: without user name, password, fragment and the values of query parameters.

    A signed URL carries its credentials in the query, and which parameter that is differs from service to service;
    so only parameters that are known to be harmless keep their values.

    >>> redact("https://me:secret@host.example:8443/a/b.bin?id=3&sig=abc#x")
    'https://***@host.example:8443/a/b.bin?id=3&sig=***'
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(a malformed URL)"
    userinfo, at, host = parts.netloc.rpartition("@")
    netloc = f"***@{host}" if at and userinfo else host
    query = _PARAMETER.sub(_redact_parameter, parts.query) if "=" in parts.query else "***" if parts.query else ""
    return urlunsplit((parts.scheme, netloc, parts.path, query, ""))


def _redact_parameter(match: re.Match[str]) -> str:
    name, value = match.groups()
    return match.group() if name in _HARMLESS_PARAMETERS or not value else f"{name}=***"


def redact_within(text: str) -> str:
    """``text`` with every URL in it as :func:`redact` shows it.

    >>> redact_within("403, url='https://host.example/a?sig=abc'")
    "403, url='https://host.example/a?sig=***'"
    """
    return _URL.sub(lambda match: redact(match[0]), text)


def shown(place: object) -> str:
    """A place as it may be printed: a ``Path`` as it is, one behind a URL without its secrets.

    >>> shown(Path("a/b")), shown("http://me:secret@host/a"), shown("s3://bucket/odd?#1.jpg")
    ('a/b', 'http://***@host/a', 's3://bucket/odd?#1.jpg')
    """
    text = str(place)
    if isinstance(place, Path):
        return text
    # Elsewhere than in HTTP, ? and # are letters of a name.
    return redact(text) if text.startswith(("http://", "https://")) else _PASSWORD.sub(r"\1***@", text)
