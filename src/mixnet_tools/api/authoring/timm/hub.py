"""Asks the Hugging Face Hub what it has of a file: revision, size and digest, without fetching the file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from mixnet_tools.api.authoring.timm.endpoint import endpoint
from mixnet_tools.downloading.transport.unknown_file import fetch_headers
from mixnet_tools.errors import DownloadError, HttpStatusError
from mixnet_tools.files.location import Location

ENDPOINT = "https://huggingface.co"
ENVIRONMENT_VARIABLE = "HF_ENDPOINT"
"""Names another server with the Hub's interface: a mirror. It is the variable of huggingface_hub."""

_REVISION = re.compile("[0-9a-f]{40}")
_SHA256 = re.compile("[0-9a-f]{64}")
_NOT_FOUND, _NOT_FOR_EVERYONE = 404, (401, 403)


@dataclass(frozen=True)
class HubFile:
    """A file on the Hub: its ``url`` names the ``revision`` (a commit), so what is behind it does not change."""

    url: str
    revision: str
    size: int
    sha256: str


def hub_file(repository: str, name: str) -> HubFile:
    """The file ``name`` of ``repository`` as the Hub has it now. Nothing but headers is fetched.

    Raises :class:`DownloadError` where the Hub has no such file, cannot be reached, or does not tell size and digest.
    """
    base = endpoint(ENVIRONMENT_VARIABLE, ENDPOINT)
    location = Location.parse(f"{base}/{quote(repository)}/resolve/main/{quote(name)}")
    try:
        headers = {key.lower(): value for key, value in fetch_headers(location, "X-Repo-Commit").items()}
    except HttpStatusError as error:
        hint = _hint(error.status, repository, name)
        raise HttpStatusError(str(error), status=error.status, hint=hint or error.hint) from None
    revision = headers["x-repo-commit"].strip()
    size = headers.get("x-linked-size", "").strip()
    digest = headers.get("x-linked-etag", "").strip().removeprefix("W/").strip('"').lower()
    told = {"X-Repo-Commit": (_REVISION, revision), "X-Linked-Size": (re.compile("[0-9]{1,15}"), size)}
    for header, (pattern, value) in (told | {"X-Linked-Etag": (_SHA256, digest)}).items():
        if not pattern.fullmatch(value):
            raise DownloadError(
                f"{location}: the server does not tell what the file is: expected {pattern.pattern} in the header "
                f"{header}, got {value!r}"
            )
    return HubFile(f"{base}/{quote(repository)}/resolve/{revision}/{quote(name)}", revision, int(size), digest)


def _hint(status: int, repository: str, name: str) -> str | None:
    if status == _NOT_FOUND:
        return f"the Hub has no {name} of {repository}: other weights may be there"
    if status in _NOT_FOR_EVERYONE:
        return f"{repository} is not for everyone: gated, private, or not there. No token is sent to the Hub"
    return None
