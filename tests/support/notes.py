"""Progress that remembers what was said."""

from __future__ import annotations

from mixnet_tools.progress import Progress


class Notes(Progress):
    """``lines`` are the notes, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)
