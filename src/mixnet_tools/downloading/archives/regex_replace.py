"""Replaces a pattern in the text of a file, as Open Model Zoo's ``regex_replace`` does.

This is a pure function from bytes to bytes. :mod:`mixnet_tools.downloading.postprocessing` makes sure that a file is
patched only once: it always starts from the file that was delivered.

The pattern is the descriptor's, and may take hours to compile or to match. So a child process does the work.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from mixnet_tools.descriptors.file_entries import RegexReplace
from mixnet_tools.descriptors.strict_yaml import shorten
from mixnet_tools.errors import DownloadError

MAX_TEXT = 16 << 20
"""Bytes of the largest text that is patched, and characters that it may have then. Sources of models have 0.1 MB."""

MAX_SECONDS = 10
"""Processor time that a replacement may take, compiling the pattern included."""

_MEMORY = 1 << 30
_PATIENCE = 30 * MAX_SECONDS
"""Seconds of the clock: a busy machine gives the child less than a processor."""


def replace_text(step: RegexReplace, contents: bytes, where: str) -> bytes:
    """Make the replacements of ``step`` in ``contents`` (UTF-8; line ends become ``\\n``).

    Raises :class:`DownloadError` if the pattern does not match as often as the descriptor says: then the file is not
    the one that the step was written for. So it does where the text or the time goes beyond its limit. ``where`` names
    the file in the message.
    """
    if len(contents) > MAX_TEXT:
        raise DownloadError(f"{where}: regex_replace: the file has more than {MAX_TEXT:,} bytes")
    try:
        contents.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DownloadError(f"{where}: regex_replace needs a text file in UTF-8 ({error.reason})") from error
    count, text = _replaced(step, contents, where)
    if count == 0 or (step.count and count != step.count):
        expected = f"{step.count} places" if step.count else "at least one place"
        raise DownloadError(
            f"{where}: regex_replace expected {expected} that match {shorten(step.pattern)}, found {count}",
            hint="the descriptor's postprocessing does not fit this file",
        )
    return text


def _replaced(step: RegexReplace, contents: bytes, where: str) -> tuple[int, bytes]:
    """The number of replacements, and the new text."""
    job = {
        "pattern": step.pattern,
        "replacement": step.replacement,
        "count": step.count,
        "most": MAX_TEXT,
        "seconds": MAX_SECONDS,
        "memory": _MEMORY,
    }
    child = Path(__file__).with_name("regex_child.py")
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(child)],
            input=json.dumps(job).encode() + b"\n" + contents,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _too_slow(step, where) from None
    if done.returncode < 0:  # the limit of processor time ends it by a signal
        raise _too_slow(step, where)
    head, _, text = done.stdout.partition(b"\n")
    if done.returncode or not head:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise DownloadError(f"{where}: regex_replace: {last or 'the process that does it ended'}")
    answer = json.loads(head)
    if "wrong" in answer:
        raise DownloadError(f"{where}: regex_replace: {answer['wrong'][:200]}")
    return answer["count"], text


def _too_slow(step: RegexReplace, where: str) -> DownloadError:
    return DownloadError(
        f"{where}: regex_replace: {shorten(step.pattern)} takes more than {MAX_SECONDS} s to compile and match",
        hint="write the pattern so that a text matches it in one way only, or report the descriptor to who wrote it",
    )
