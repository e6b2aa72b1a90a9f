"""The command line that was typed, as reports may show it: without the secrets of its URLs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from mixnet_tools.files.shown import redact, shown, without_password

_WEB = re.compile(r"https?://", re.IGNORECASE)
_CHAIN = re.compile(r"::(?=[a-z][a-z0-9+.-]*://)", re.IGNORECASE)
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def command_line(prog: str, arguments: Sequence[str]) -> str:
    """The command ``prog`` with its ``arguments`` on one line, which a shell reads.

    >>> command_line("mixnet-check", ["--name", "net", "--source=https://me:secret@host/a b"])
    "mixnet-check --name net '--source=https://***@host/a b'"
    """
    return shlex.join([*prog.split(), *map(_word, arguments)])


def _word(word: str) -> str:
    option, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
    return shown(option + equals + "::".join(map(_part, _CHAIN.split(value))), lines=False)


def _part(value: str) -> str:
    if _WEB.match(value):
        return redact(value)  # as a whole: a quote or a space in a password does not end the URL
    return without_password(value) if _URL.match(value) else value
