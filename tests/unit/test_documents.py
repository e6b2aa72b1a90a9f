"""Documents: what they tell people to type is run by a test, or says why not; options exist, and links lead on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mixnet_tools.cli.main import COMMANDS, SUBCOMMANDS, command_parser
from mixnet_tools.cli.omz_aliases import PROGRAMS
from scripts.captures import CAPTURE
from scripts.site_pages import made_pages
from tests.support.documents import (
    CARDS,
    COMMAND_LANGUAGES,
    DOCUMENTS,
    PAGES,
    ROOT,
    Block,
    anchors,
    blocks,
    links,
    prose,
)

TESTED_LANGUAGES = (*COMMAND_LANGUAGES, "python")
LANGUAGES = {*TESTED_LANGUAGES, "text", "yaml", "json", "groovy", "dockerfile", "html", "toml"}
HOME = ROOT / "docs/index.md"
"""The first page of the site, which may link to pages that are made when the site is built."""
BLOCKS = [block for page in (*PAGES, *CARDS) for block in blocks(page)]


def of_command(words: list[str]) -> tuple[str, list[str]] | None:
    """The module of the command that ``words`` run, and its arguments. None where it is a program of somebody else."""
    program, *rest = words
    if program in PROGRAMS:
        command, first = PROGRAMS[program]
        return command, [*first, *rest]
    if program == "mixnet" and rest:
        command, *rest = rest
    elif program.startswith("mixnet-"):
        command = program.removeprefix("mixnet-")
    else:
        return None
    if rest and (command, rest[0]) in SUBCOMMANDS:
        return SUBCOMMANDS[command, rest[0]], rest[1:]
    return command, rest


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_code_stands_in_fences_that_name_a_language(page: Path) -> None:
    lines = prose(page)
    indented = [
        number
        for number, (before, line) in enumerate(zip(["", *lines], lines, strict=False), 1)
        if line.startswith("    ") and not before.strip() and line.strip()
    ]
    assert not indented, f"{page.name}: indented blocks of code in the lines {indented}"
    unnamed = [str(block) for block in blocks(page) if block.language not in LANGUAGES]
    assert not unnamed


def is_accounted_for(block: Block) -> bool:
    if block.kind == "run by":
        test = ROOT / block.reason
        text = test.read_text(encoding="utf-8") if test.is_file() else ""
        if block.page.name in text or block.language == "python":
            return block.page.name in text
        return bool(text) and all(words[0] in text for words in block.commands())
    if block.kind == "not run":
        return len(block.reason.split()) > 1
    if block.kind == "capture":
        return any(f"```console\n{block.text}```" in one[0] for one in CAPTURE.finditer(block.page.read_text("utf-8")))
    return block.kind == "run"


@pytest.mark.parametrize("block", [one for one in BLOCKS if one.language in TESTED_LANGUAGES], ids=str)
def test_commands_are_run_or_say_why_not(block: Block) -> None:
    assert is_accounted_for(block), (
        f"{block}: put a comment right above the block: <!-- capture: COMMAND -->, <!-- run -->, "
        "<!-- run by: FILE OF A TEST --> or <!-- not run: REASON -->"
    )


@pytest.mark.parametrize("block", [one for one in BLOCKS if one.language in COMMAND_LANGUAGES], ids=str)
def test_commands_are_accepted(block: Block) -> None:
    for words in block.commands():
        found = of_command(words)
        if found:
            command, arguments = found
            assert command in COMMANDS or command in SUBCOMMANDS.values(), f"{block}: no such command: {words[:2]}"
            prog = words[0] if words[0] in PROGRAMS else command
            if not {"--help", "--version"} & set(arguments):
                command_parser(command, prog).parse_args(arguments)  # exits where an option is unknown


def test_what_one_may_type_is_marked_as_a_command() -> None:
    hidden = [
        str(block)
        for block in BLOCKS
        if block.language == "text" and re.match(r"(\$ |mixnet[- ]|pip |make )", block.text) and "[" not in block.text
    ]
    assert not hidden, "commands in blocks of text; only a synopsis, with [brackets], may be one"


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_a_file_and_a_heading(page: Path) -> None:
    made = {ROOT / "docs" / name for name in made_pages()} if page == HOME else set()
    for path, anchor in links(page):
        if path in made:
            continue
        assert path.exists(), f"{page.name}: {path}"
        if anchor and path.suffix == ".md":
            assert anchor in anchors(path), f"{page.name}: {path.name}#{anchor}"
