"""URLs as text: joined, and turned into a command that reproduces a download."""

from __future__ import annotations

import shlex
from urllib.parse import quote, urlsplit, urlunsplit

from mixnet_tools.files.location import redact


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
