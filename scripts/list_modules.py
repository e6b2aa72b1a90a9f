"""Write the list of modules in docs/architecture.md from the first line of each module's docstring.

``make docs`` runs this file. It needs Python and nothing else.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src/mixnet_tools"
DOCUMENT = ROOT / "docs/architecture.md"
BEGIN, END = "<!-- begin: written by `make docs` -->", "<!-- end: written by `make docs` -->"


def modules() -> list[Path]:
    """Every module of the package, relative to it, sorted so that a folder's files stand together."""
    paths = [path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py")]
    return sorted(paths, key=lambda path: (path.parent.parts, path.name))


def first_line(module: Path) -> str:
    """The first line of the module's docstring, as Markdown; "" where there is none."""
    docstring = ast.get_docstring(ast.parse((PACKAGE / module).read_text(encoding="utf-8"))) or ""
    line = docstring.partition("\n")[0]
    line = re.sub(r":[a-z]+:`[~.]*([^`]+)`", r"`\1`", line)  # a reference of Sphinx
    return line.replace("``", "`").replace("|", "\\|")


def list_of_modules() -> str:
    """A heading and a table for each folder of the package, in Markdown."""
    lines: list[str] = []
    head: list[str] = []
    folder = None
    for module in modules():
        if module.parent != folder:
            folder = module.parent
            package = f"{folder.as_posix()}/" if folder.parts else "mixnet_tools/"
            lines += ["", f"### `{package}`", "", first_line(folder / "__init__.py")]
            head = ["", "| module | what it does |", "|---|---|"]
        if module.name != "__init__.py":
            lines += [*head, f"| `{module.name}` | {first_line(module)} |"]
            head = []
    return "\n".join(lines[1:])


def document() -> str:
    """docs/architecture.md with the list of modules as it has to be."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{list_of_modules()}\n\n{END}{after}"


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
