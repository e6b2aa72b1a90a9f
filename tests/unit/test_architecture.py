"""The structure that docs/architecture.md promises, read from the source files."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

import mixnet_tools
from scripts import list_modules

PACKAGE = Path(mixnet_tools.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "models" not in path.relative_to(PACKAGE).parts)
STAGES = ("downloading", "conversion", "accuracy", "quantization")
HEAVY = {"tensorflow", "torch", "openvino", "nncf", "matplotlib", "google", "distributed", "dask", "fsspec"}
NAMED = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
MOST_LINES = 320
MOST_MODULES = 13
MOST_ANY = 40
COMMAND_LINE = re.compile(
    r"(?<![\w.-])(--[a-z][a-z_]+|-[a-z] |mixnet[- ](download|convert|check|quantize|optimize|info|cache)\b)"
)
MODEL_OPTIMIZERS = (
    "api/authoring/model_text.py",
    "api/authoring/timm/texts.py",
    "conversion/arguments.py",
    "conversion/graphs/inference_graph.py",
    "conversion/sources/formats.py",
    "conversion/sources/pytorch_arguments.py",
)
"""Modules that name options of the Model Optimizer, which are keys of a descriptor."""
NO_ADVICE = {
    ("accuracy/reports/junit.py", "mixnet-check"),  # the name of the program in a file
    ("accuracy/reports/junit.py", "mixnet-check."),
    ("downloading/messages.py", "curl -L -o "),  # another program
    (
        "reference/process.py",  # pip's
        "pip install torch torchvision --index-url https://download.pytorch.org/whl/cpu, "
        "then pip install 'mixnet-tools[pytorch]'",
    ),
    ("quantization/float_layers.py", "--ignore"),  # a value in quantization.json
}
"""(module, text) of texts that look like an option or a command of mixnet_tools, and are none."""


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(path: Path, *, at_top_only: bool = False) -> set[str]:
    tree = parsed(path)
    nodes = tree.body if at_top_only else list(ast.walk(tree))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def layer(module: str) -> str:
    parts = module.split(".")
    return parts[1] if parts[0] == "mixnet_tools" and len(parts) > 1 else ""


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_arrows_point_one_way(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0]
    used = {layer(module) for module in imports(path)}
    if own == "cli":
        return
    assert "cli" not in used, "only the command line knows the command line"
    assert own == "web" or "web" not in used, "only the command line knows the page"
    if (path.parent == PACKAGE and path.name == "__init__.py") or own in ("api", "web"):
        return  # the public API gathers the stages, and the page stands on it
    forbidden = set(STAGES) - {own}
    assert not used & forbidden, f"a stage or a shared module imports the stage {used & forbidden}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_heavy_is_imported_at_the_top(path: Path) -> None:
    assert not {module.split(".")[0] for module in imports(path, at_top_only=True)} & HEAVY


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_below_the_command_line_nothing_prints_exits_or_parses_arguments(path: Path) -> None:
    if path.relative_to(PACKAGE).parts[0] == "cli" or path.name == "progress.py":
        return
    calls = {
        node.func.id
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & {"print", "exit", "quit"}
    assert "argparse" not in imports(path)


def test_below_the_command_line_no_text_names_an_option_or_a_command() -> None:
    found = set()
    for path in MODULES:
        module = path.relative_to(PACKAGE).as_posix()
        if module.startswith("cli/") or module in MODEL_OPTIMIZERS:
            continue
        nodes = list(ast.walk(parsed(path)))
        docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        found |= {
            (module, node.value)
            for node in nodes
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
            if COMMAND_LINE.search(node.value)
        }
    assert found == NO_ADVICE, "name the parameter in backquotes, or give a NextStep as the hint (errors.py)"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_is_short_and_says_what_it_knows(path: Path) -> None:
    assert path.read_text().count("\n") <= MOST_LINES
    line = list_modules.first_line(path.relative_to(PACKAGE))
    assert line.endswith((".", "?")), "the first line of the docstring is not a whole sentence"


def test_a_folder_has_few_modules() -> None:
    folders = Counter(path.parent for path in MODULES if path.name != "__init__.py")
    assert {str(folder): count for folder, count in folders.items() if count > MOST_MODULES} == {}


def test_few_annotations_are_any() -> None:
    found = [line for path in MODULES for line in path.read_text().splitlines() if re.search(r":\s*Any\b", line)]
    assert len(found) <= MOST_ANY, "\n".join(found)


def test_the_document_lists_every_module() -> None:
    assert list_modules.DOCUMENT.read_text() == list_modules.document(), "write the list anew: make docs"


def test_the_list_has_a_row_for_each_module_and_no_other() -> None:
    section = list_modules.DOCUMENT.read_text().partition(list_modules.BEGIN)[2].partition(list_modules.END)[0]
    listed, folder = set(), ""
    for line in section.splitlines():
        if heading := re.fullmatch(r"### `(.+)/`", line):
            folder = "" if heading[1] == "mixnet_tools" else f"{heading[1]}/"
        elif row := re.fullmatch(r"\| `([a-z_0-9]+\.py)` \| \S.* \|", line):
            listed.add(f"{folder}{row[1]}")
    assert listed == {path.relative_to(PACKAGE).as_posix() for path in MODULES if path.name != "__init__.py"}


def test_the_functions_that_the_document_names_exist() -> None:
    named = re.findall(r"`([a-z_/]+\.py):([A-Za-z_.]+)`", list_modules.DOCUMENT.read_text())
    assert named
    for file, name in named:
        scope: list[ast.stmt] = parsed(PACKAGE / file).body
        for part in name.split("."):
            found = [node for node in scope if isinstance(node, NAMED) and node.name == part]
            assert found, f"{file} has no {name}"
            scope = found[0].body
