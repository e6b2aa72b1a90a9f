"""Joins URLs, and turns one into a command that reproduces a download."""

from __future__ import annotations

import shlex
from urllib.parse import quote, urlsplit, urlunsplit

from mixnet_tools.files.location import redact


def join(base: str, relative: str) -> str:
    """Append ``relative`` (a POSIX path, not yet escaped) to the path of ``base``. The query of ``base`` stays.

    >>> join("https://host/zoo", "public/a b.bin")
    'https://host/zoo/public/a%20b.bin'
    """
    parts = urlsplit(base)
    path = f"{parts.path.rstrip('/')}/{quote(relative)}"
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def curl_line(url: str, name: str, algorithm: str) -> str:
    """A shell command, for a person, that fetches ``url`` as ``name`` and prints its digest.

    >>> curl_line("https://host/x.bin", "x.bin", "sha384")
    'curl -L -o x.bin https://host/x.bin && sha384sum x.bin'
    """
    target = shlex.quote(name.rpartition("/")[2])
    return f"curl -L -o {target} {shlex.quote(redact(url))} && {algorithm}sum {target}"
