"""The documents of the repository as their tests need them: blocks of code with their markers, links, headings."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CARDS = sorted((ROOT / "models/public").glob("*/README.md"))
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md")))
DOCUMENTS = (*PAGES, ROOT / "CHANGELOG.md", *CARDS)

COMMAND_LANGUAGES = ("sh", "console")
OPERATORS = {"|", "||", "&&", "&", ";", ">", ">>", "2>", "<"}

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>.*)$")
_MARKER = re.compile(r"<!-- (?P<kind>capture|run by|not run|run)(?:: (?P<text>.*))? -->")
_LINK = re.compile(r"!?\[[^][]*\]\(([^()\s]+)\)")
_CODE = re.compile(r"`[^`]*`")


@dataclass(frozen=True)
class Block:
    """A fenced block. ``kind`` and ``reason`` are those of the marker above it, "" where there is none."""

    page: Path
    line: int
    language: str
    text: str
    kind: str
    reason: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"

    def commands(self) -> list[list[str]]:
        """The words of every command: in a console what stands behind ``$``, in a script every line."""
        lines = self.text.replace("\\\n", " ").splitlines()
        if self.language == "console":
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        found: list[list[str]] = []
        for line in lines:
            lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            words: list[str] = []
            for word in lexer:
                if word in OPERATORS:
                    found.append(words)
                    words = []
                else:
                    words.append(word)
            found.append(words)
        return [words for words in (_without_settings(words) for words in found) if words]


def _without_settings(words: list[str]) -> list[str]:
    while words and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    return words


def blocks(page: Path) -> Iterator[Block]:
    """Every fenced block of ``page``."""
    lines = page.read_text(encoding="utf-8").splitlines()
    start = None
    for number, line in enumerate(lines):
        fence = _FENCE.match(line)
        if not fence:
            continue
        if start is None:
            start, language, indent = number, fence["language"], len(fence["indent"])
            continue
        marker = _MARKER.search(lines[start - 1]) if start else None
        text = "\n".join(one[indent:] for one in lines[start + 1 : number]) + "\n"
        kind, reason = (marker["kind"], marker["text"] or "") if marker else ("", "")
        yield Block(page, start + 1, language, text, kind, reason)
        start = None
    assert start is None, f"{page}: the block of line {start} has no end"


def prose(page: Path) -> list[str]:
    """The lines of ``page``; those of fenced blocks are empty."""
    inside, found = False, []
    for line in page.read_text(encoding="utf-8").splitlines():
        fence = bool(_FENCE.match(line))
        found.append("" if fence or inside else line)
        inside ^= fence
    return found


def anchors(page: Path) -> set[str]:
    """The anchors of the headings of ``page``, as GitHub makes them."""
    found: dict[str, int] = {}
    for line in prose(page):
        if re.match(r"#+ ", line):
            title = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", line.lstrip("#").strip())
            slug = re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-")
            found[slug] = found.get(slug, -1) + 1
            if found[slug]:
                found[f"{slug}-{found[slug]}"] = 0
    return set(found)


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """The file and the anchor of each link of ``page`` to a file of the repository."""
    for line in prose(page):
        for target in _LINK.findall(_CODE.sub("", line)):
            path, _, anchor = target.partition("#")
            if ":" not in path:
                yield ((page.parent / path).resolve() if path else page), anchor


def table_keys(text: str) -> list[str]:
    """The keys in the first column of the tables in ``text``."""
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return [key for row in rows for key in re.findall(r"`(\w+)`", row)]


def keys(document: Any) -> set[str]:
    """Every key of a JSON document, at any depth."""
    if isinstance(document, list):
        return set().union(*map(keys, document)) if document else set()
    if not isinstance(document, dict):
        return set()
    return set(document).union(*map(keys, document.values()))
