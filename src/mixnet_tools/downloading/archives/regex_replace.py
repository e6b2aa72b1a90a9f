"""Replaces a pattern in the text of a file, as Open Model Zoo's ``regex_replace`` does.

This is a pure function from bytes to bytes. :mod:`mixnet_tools.downloading.postprocessing` makes sure that a file is
patched only once: it always starts from the file that was delivered.
"""

from __future__ import annotations

import re

from mixnet_tools.descriptors.model_yml import RegexReplace
from mixnet_tools.errors import DownloadError


def replace_text(step: RegexReplace, contents: bytes, where: str) -> bytes:
    """Make the replacements of ``step`` in ``contents`` (UTF-8; line ends become ``\\n``).

    Raises :class:`DownloadError` if the pattern does not match as often as the descriptor says: then the file is not
    the one that the step was written for. ``where`` names the file in the message.
    """
    try:
        text = contents.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DownloadError(f"{where}: regex_replace needs a text file in UTF-8 ({error.reason})") from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        text, count = re.subn(step.pattern, step.replacement, text, count=step.count)
    except (re.error, IndexError) as error:
        raise DownloadError(f"{where}: regex_replace: replacement {step.replacement!r}: {error}") from error
    if count == 0 or (step.count and count != step.count):
        expected = f"{step.count} places" if step.count else "at least one place"
        raise DownloadError(
            f"{where}: regex_replace expected {expected} that match {step.pattern!r}, found {count}",
            hint="the descriptor's postprocessing does not fit this file",
        )
    return text.encode("utf-8")
