"""The structure that docs/architecture.md promises, read from the imports."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import mixnet_tools

PACKAGE = Path(mixnet_tools.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "models" not in path.relative_to(PACKAGE).parts)
STAGES = ("downloading", "conversion", "accuracy", "quantization")
HEAVY = {"tensorflow", "openvino", "nncf", "matplotlib", "google", "distributed", "dask", "fsspec", "upath"}
MOST_LINES = 320


def imports(path: Path, *, at_top_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text())
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
    if (path.parent == PACKAGE and path.name == "__init__.py") or own == "api":
        return  # the public API gathers the stages
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
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & {"print", "exit", "quit"}
    assert "argparse" not in imports(path)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_is_short_and_says_what_it_knows(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= MOST_LINES
    assert ast.get_docstring(ast.parse(text))
