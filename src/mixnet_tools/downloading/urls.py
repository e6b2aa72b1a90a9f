"""URLs as text: joined, shown without their secrets, and turned into a command that reproduces a download."""

from __future__ import annotations

import re
import shlex
from urllib.parse import quote, urlsplit, urlunsplit

_HARMLESS_PARAMETERS = frozenset({"id", "export", "download", "alt", "raw", "version", "v"})
_PARAMETER = re.compile(r"([^&;=]*)=([^&;]*)")


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


def join(base: str, relative: str) -> str:
    """``relative`` (a POSIX path, not yet escaped) below the folder that ``base`` names; a query of ``base`` stays.

    >>> join("https://host/zoo", "public/a b.bin")
    'https://host/zoo/public/a%20b.bin'
    """
    parts = urlsplit(base)
    path = f"{parts.path.rstrip('/')}/{quote(relative)}"
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def curl_line(url: str, name: str, algorithm: str) -> str:
    """A shell command that fetches ``url`` as ``name`` and prints its digest, to be run by a person.

    >>> curl_line("https://host/x.bin", "x.bin", "sha384")
    'curl -L -o x.bin https://host/x.bin && sha384sum x.bin'
    """
    target = shlex.quote(name.rpartition("/")[2])
    return f"curl -L -o {target} {shlex.quote(redact(url))} && {algorithm}sum {target}"
