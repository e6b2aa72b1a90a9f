"""Pages of the documentation site that are made when it is built: hooks of MkDocs, which mkdocs.yml names.

* The reference of commands is made from their parsers, that of the Python API from ``mixnet_tools.__all__``.
* Documents outside docs/ (cards of models, CHANGELOG.md, ...) become pages. Links between documents are those of the
  repository, and are rewritten; what is no page of the site becomes plain text.
"""

from __future__ import annotations

import argparse
import html
import logging
import posixpath
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]  # MkDocs runs this file by its path

from mixnet_tools import _HOMES as PUBLIC_NAMES  # noqa: E402
from mixnet_tools.cli.common.parser import Parser  # noqa: E402
from mixnet_tools.cli.main import COMMANDS, MANUALS, PROGRAMS, SUBCOMMANDS, command_parser  # noqa: E402
from scripts import site_json  # noqa: E402

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

OUTSIDE = {
    "CHANGELOG.md": "reference/changelog.md",
    "CONTRIBUTING.md": "reference/contributing.md",
    "SECURITY.md": "reference/security-policy.md",
    "README.md": "index.md",
    **{
        f"models/public/{card.parent.name}/README.md": f"reference/models/{card.parent.name}.md"
        for card in sorted((ROOT / "models/public").glob("*/README.md"))
    },
}
"""Documents of the repository outside docs/, and their pages."""

FOR_DEVELOPERS = ("CHANGELOG.md", "CONTRIBUTING.md")
SOUGHT_LESS = "---\nsearch:\n  boost: 0.2\n---\n"
"""The search shows pages that begin so after the others."""

COMMAND_INDEX = "reference/commands/index.md"
PYTHON_PAGE = "reference/python.md"
LINK = re.compile(r"(?P<text>!?\[[^][]*\])\((?P<target>[^()\s]+)\)")
log = logging.getLogger("mkdocs.hooks.site_pages")


def on_config(config: MkDocsConfig) -> None:
    """Fill the places of mkdocs.yml's ``nav`` whose pages are made here."""
    made = {
        COMMAND_INDEX: [COMMAND_INDEX, *({prog: command_page(prog)} for _, prog in commands())],
        "reference/models/": [{Path(page).stem: page} for page in OUTSIDE.values() if "/models/" in page],
    }
    for section in config.nav or []:
        for entries in section.values():
            if isinstance(entries, list):
                entries[:] = [
                    {name: made.get(page, page) if isinstance(page, str) else page for name, page in entry.items()}
                    for entry in entries
                ]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made here."""
    from mkdocs.structure.files import File

    for page, text in made_pages().items():
        files.append(File.generated(config, page, content=text))
    return files


def made_pages() -> dict[str, str]:
    """The text of each page that is made here."""
    pages = {COMMAND_INDEX: command_index(), PYTHON_PAGE: python_page()}
    pages |= {command_page(prog): command_reference(command, prog) for command, prog in commands()}
    return pages | {
        page: (SOUGHT_LESS if document in FOR_DEVELOPERS else "") + (ROOT / document).read_text(encoding="utf-8")
        for document, page in OUTSIDE.items()
        if document != "README.md"
    }


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite links between documents of the repository to links between pages."""
    uri = page.file.src_uri
    if uri == site_json.PAGE:
        markdown = site_json.with_values(markdown)
    document = next((name for name, made in OUTSIDE.items() if made == uri and made != "index.md"), f"docs/{uri}")
    if document.startswith("docs/") and not (ROOT / document).exists():
        return markdown  # it was made here, with links between pages
    return LINK.sub(lambda link: _rewritten(link, document, uri), markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Keep short code on one line, and show the roles of docstrings (``:class:`Path```) as plain names."""
    html = re.sub(r"<code>([^<\n]{1,24})</code>", r'<code class="short">\1</code>', html)
    html = re.sub(r"<code[^>]*>[^<\n]*\\\|[^<\n]*</code>", lambda code: code[0].replace("\\|", "|"), html)  # in tables
    if page.file.src_uri != PYTHON_PAGE:
        return html
    html = re.sub(r":(?:class|func|meth|mod|data|attr|exc):<code[^>]*>[~.]*([^<]+)</code>", r"<code>\1</code>", html)
    return html.replace("::</p>", ":</p>")


def _rewritten(link: re.Match[str], document: str, uri: str) -> str:
    target, hash_sign, anchor = link["target"].partition("#")
    if not target or ":" in target:
        return link[0]
    meant = posixpath.normpath(posixpath.join(posixpath.dirname(document), target))
    page = OUTSIDE.get(meant) or (meant.removeprefix("docs/") if meant.startswith("docs/") else None)
    if page:
        text = link["text"]
        if text[1:-1].endswith(".md"):  # a reader of the site knows no files: the title of the page stands for it
            text = f"[{_title(ROOT / meant)}]"
        return f"{text}({posixpath.relpath(page, posixpath.dirname(uri) or '.')}{hash_sign}{anchor})"
    if not (ROOT / meant).exists():
        log.warning("%s: links to %s, which does not exist", document, meant)
    return link["text"][1:-1]


def _title(document: Path) -> str:
    lines = document.read_text(encoding="utf-8").splitlines()
    return next((line[2:] for line in lines if line.startswith("# ")), document.stem)


def commands() -> Iterator[tuple[str, str]]:
    """Every command, as its module is called, and what people type for it."""
    for command in COMMANDS:
        prog = f"mixnet-{command}" if command in PROGRAMS else f"mixnet {command}"
        yield command, prog
        for (outer, inner), module in SUBCOMMANDS.items():
            if outer == command:
                yield module, f"{prog} {inner}"


def command_page(prog: str) -> str:
    """The page of a command."""
    return f"reference/commands/{prog.replace(' ', '-')}.md"


def command_index() -> str:
    """The list of commands."""
    rows = [
        f"| [`{prog}`]({posixpath.basename(command_page(prog))}) | {first_line(command, prog)} |"
        for command, prog in commands()
    ]
    return "\n".join(
        [
            "# Commands",
            "",
            "These pages are made from the commands' own parsers: they say what `--help` says. "
            "`mixnet download` is the same command as `mixnet-download`, and so on. "
            "Options may be written with dashes: `--output-dir` is `--output_dir`.",
            "",
            "| command | does |",
            "|---|---|",
            *rows,
            "",
            "## Exit codes",
            "",
            "| code | meaning |",
            "|---|---|",
            "| 0 | done |",
            "| 1 | a known failure |",
            "| 2 | wrong usage |",
            "| 3 | accuracy below its reference, or worse than the baseline |",
            "| 130, 143 | interrupted, terminated |",
            "",
        ]
    )


def first_line(command: str, prog: str) -> str:
    """What the command does, in one sentence."""
    description = command_parser(command, prog).description or ""
    return _inline(" ".join(description.partition("\n\n")[0].split()))


def command_reference(command: str, prog: str) -> str:
    """The page of a command: what its parser says."""
    parser = command_parser(command, prog)
    explained = Path(MANUALS[command.partition(".")[0]])
    formatter = parser._get_formatter()
    formatter._width = 78  # whatever the terminal is at which the site is built
    formatter.add_usage(parser.usage, parser._actions, parser._mutually_exclusive_groups)
    usage = formatter.format_help().removeprefix("usage: ").rstrip().replace("\n" + " " * len("usage: "), "\n")
    lines = [f"# {prog}", "", *_paragraphs(parser.description or "")]
    lines += [f"The manual: [{_title(ROOT / explained)}](../../{explained.name}).", ""]
    lines += ["## Usage", "", "```text", usage, "```", ""]
    groups = sorted(parser._action_groups, key=lambda group: group is parser._optionals)  # help and version: last
    for group in groups:
        actions = [action for action in group._group_actions if action.help != argparse.SUPPRESS]
        if actions:
            title = (group.title or "").capitalize()
            lines += [f"## {title}", "", *([_inline(group.description), ""] if group.description else [])]
            lines += ["| argument | meaning |" if group is parser._positionals else "| option | meaning |", "|---|---|"]
            lines += [f"| {_spelling(action)} | {_meaning(parser, action)} |" for action in actions]
            lines.append("")
    return "\n".join(lines)


def _spelling(action: argparse.Action) -> str:
    values = action.metavar or action.dest.upper()
    if action.choices is not None and action.metavar is None:
        values = "{" + ",".join(map(str, action.choices)) + "}"
    if isinstance(values, tuple):
        values = " ".join(values)
    if not action.option_strings:
        return f"`{values}`"
    names = ", ".join(f"`{name}`" for name in action.option_strings)
    return names if action.nargs == 0 else f"{names} `{values}`".replace("|", "\\|")


def _meaning(parser: Parser, action: argparse.Action) -> str:
    return _inline(parser._get_formatter()._expand_help(action)) if action.help else ""


def _paragraphs(text: str) -> list[str]:
    """A help text as Markdown: indented lines are what one types, the others are sentences."""
    lines: list[str] = []
    for paragraph in text.strip().split("\n\n"):
        rows = paragraph.splitlines()
        if rows[0] == "examples:":
            lines += ["```sh", *(row.strip() for row in rows[1:]), "```", ""]
        elif all(row.startswith(" ") for row in rows):
            lines += ["```text", *(row.strip() for row in rows), "```", ""]
        elif any(row.startswith(" ") for row in rows):
            lines += ["```text", *rows, "```", ""]
        else:
            lines += [_inline(" ".join(rows)), ""]
    return lines


def _inline(text: str) -> str:
    """Words of a help text as Markdown: options as code, and no character that Markdown would take for its own."""
    escaped = re.sub(r"([\\`*_|\[\]])", r"\\\1", html.escape(text, quote=False))
    return re.sub(
        r"(?<![\w`/-])(--?[a-z](?:[\w-]|\\_)*|[a-z]+\\_[a-z_\\]+)",
        lambda found: "`" + found[1].replace("\\_", "_") + "`",
        escaped,
    )


def python_page() -> str:
    """The reference of the Python API: every public name, from its docstring."""
    homes = {name: module for module, names in PUBLIC_NAMES.items() for name in names}
    kinds = {
        "Functions": [name for name in homes if name[0].islower()],
        "Options": [name for name in homes if name.endswith(("Options", "Settings", "Preprocessing"))],
        "Results": [],
        "Progress": [name for name in homes if name.endswith("Progress")],
        "Errors": [name for name, module in homes.items() if module == "mixnet_tools.errors"],
    }
    kinds["Results"] = [name for name in homes if not any(name in names for names in kinds.values())]
    lines = [
        "# Python API",
        "",
        "Everything here is imported from `mixnet_tools`. [From Python](../python.md) has scripts to start from.",
        "",
    ]
    for kind, names in kinds.items():
        lines += [f"## {kind}", ""]
        for name in sorted(names):
            lines += [f"::: {homes[name]}.{name}", "    options:", f"      heading: {name}", ""]
    return "\n".join(lines)
