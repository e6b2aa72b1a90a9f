"""Write what commands print into the documents: ``python -m scripts.captures`` (or ``make captures``).

A document says which command it shows, in a comment before a block of text::

    <!-- capture: COLUMNS=60 mixnet-classify --name mixnet-nano -->
    ```console
    ...
    ```

Each command runs in a folder where mixnet-nano was downloaded, converted and quantized, with a picture ``photo.jpg``.
The block becomes the command and its output, on stdout and stderr. ``tests/integration/test_captures.py`` runs them
again, and compares all but the figures.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "models/public/mixnet-nano/validation/val_0048.jpg"
CAPTURE = re.compile(r"(<!-- capture: (?P<command>[^\n]*?) -->\n)```console\n(?P<shown>.*?)```\n", re.DOTALL)
PREPARATION = (
    "download --name mixnet-nano",
    "convert --name mixnet-nano",
    # enable: a result that is the same on processors without VNNI
    "quantize --name mixnet-nano --no_optimize --depthwise int8 --overflow_fix enable --no_verify",
)


def documents() -> Iterator[Path]:
    """Every document that shows what a command prints."""
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        if CAPTURE.search(path.read_text(encoding="utf-8")):
            yield path


def prepare(folder: Path) -> None:
    """Bring mixnet-nano in all its precisions, and a picture, into ``folder``."""
    shutil.copy(PICTURE, folder / "photo.jpg")
    for words in PREPARATION:
        subprocess.run([*_command("mixnet"), *words.split(), "-q"], cwd=folder, check=True, capture_output=True)


def output(command: str, folder: Path) -> str:
    """What ``command`` prints in ``folder``: a shell's line that begins with settings such as ``COLUMNS=60``."""
    words = shlex.split(command)
    settings = {}
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        settings[name] = value
    environment = {**os.environ, "COLUMNS": "80", "PYTHONIOENCODING": "utf-8", **settings}
    done = subprocess.run(
        [*_command(words[0]), *words[1:]],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    return "\n".join(lines) + "\n"


def shown(command: str, text: str) -> str:
    """The block for ``command``, whose output is ``text``. Lines of the repository's own place are made relative."""
    return f"```console\n$ {command}\n{text.replace(str(ROOT) + os.sep, '')}```\n"


def _command(name: str) -> list[str]:
    """``mixnet-classify`` or ``mixnet`` as words of this Python, so that it need not be on the PATH."""
    _, _, command = name.partition("-")
    return [sys.executable, "-m", "mixnet_tools.cli.main", *([command] if command else [])]


def main() -> None:
    """Run every command, and write the documents that change."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        prepare(folder)
        for path in documents():
            text = path.read_text(encoding="utf-8")
            new = CAPTURE.sub(
                lambda match: match[1] + shown(match["command"], output(match["command"], folder)),
                text,
            )
            if new != text:
                path.write_text(new, encoding="utf-8")
                print(f"written: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
