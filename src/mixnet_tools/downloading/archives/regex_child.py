"""The child process that carries out a regex_replace: it may use a bounded time and memory, and no file.

:mod:`mixnet_tools.downloading.archives.regex_replace` runs this file by its path, isolated and without packages. A line
of JSON on stdin has the pattern, the replacement, the count and the limits; the text follows. The answer is a line of
JSON with the number of replacements, or what went wrong; the new text follows.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys


def main() -> None:
    """Answer the request on stdin."""
    job = json.loads(sys.stdin.buffer.readline())
    _limit(job["seconds"], job["memory"])
    text = sys.stdin.buffer.read().decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    try:
        new, count = re.subn(job["pattern"], job["replacement"], text, count=job["count"])
        if len(new) > job["most"]:
            raise MemoryError
        _answer({"count": count}, new)
    except MemoryError:
        _answer({"wrong": f"the text grows beyond {job['most']:,} characters"})
    except (re.error, IndexError, RecursionError, OverflowError) as error:
        _answer({"wrong": f"replacement {job['replacement'][:80]!r}: {error}"})


def _limit(seconds: int, memory: int) -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def _answer(head: dict[str, object], text: str = "") -> None:
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + text.encode("utf-8"))


if __name__ == "__main__":
    main()
