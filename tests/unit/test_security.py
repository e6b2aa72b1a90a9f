"""What docs/security.md promises: that the tests it names exist, and that nothing is unpickled or made into code."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import mixnet_tools
from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs/security.md"
PACKAGE = Path(mixnet_tools.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "models" not in path.relative_to(PACKAGE).parts)

DASKS = {"accuracy/cluster/tasks.py", "accuracy/cluster/worker.py", "accuracy/cluster/workers.py"}
"""Modules that send and take what Dask's own protocol pickles anyway."""

UNPICKLING = {
    "pickle",
    "_pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "joblib",
    "shelve",
    "marshal",
    "torch",
    "pandas",
    "keras",
}
"""Modules that make objects, and so run code, of what a file says."""

TORCH = "reference/pytorch/"
"""The folder of the modules that run PyTorch, in the child process only."""

TORCH_LOADERS = {
    ("jit", "load"),
    ("package", "PackageImporter"),
    ("hub", "load"),
    ("export", "load"),
    ("models", "load"),
}

CODE = {"eval", "exec", "compile", "__import__"}
LOADERS = {
    ("yaml", "load"),
    ("yaml", "load_all"),
    ("yaml", "full_load"),
    ("yaml", "unsafe_load"),
    ("os", "system"),
    ("os", "popen"),
}


@cache
def names_in(path: Path) -> frozenset[str]:
    """The names of the test functions in a file."""
    return frozenset(node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef))


def named_in_document() -> list[tuple[str, str]]:
    return re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", DOCUMENT.read_text())


def test_every_test_that_the_threat_model_names_exists() -> None:
    named = named_in_document()
    assert len(named) > 30
    missing = [
        f"{file}::{name}" for file, name in named if not (ROOT / file).is_file() or name not in names_in(ROOT / file)
    ]
    assert missing == []


def test_every_promise_names_a_test() -> None:
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| ")]
    promises = [row for row in rows if row.count("|") == 4 and not row.startswith(("| ---", "| who", "| target"))]
    assert len(promises) > 20
    assert [row for row in promises if "tests/" not in row] == []


def test_the_table_of_fuzzing_has_every_target() -> None:
    section = DOCUMENT.read_text().partition("## Fuzzing")[2]
    listed = re.findall(r"^\| ([^|]+?) +\| +[\d,]+ ", section, re.MULTILINE)
    assert listed == [target.name for target in TARGETS]


def loads_weights_only(call: ast.Call) -> bool:
    """Whether this call of ``torch.load`` says that it makes no objects but tensors."""
    said = {keyword.arg: keyword.value for keyword in call.keywords}.get("weights_only")
    return isinstance(said, ast.Constant) and said.value is True


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_is_unpickled_or_run_as_code(path: Path) -> None:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.partition(".")[0] in UNPICKLING]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            module = node.module or ""
            found += [module] if module.partition(".")[0] in UNPICKLING else []
        elif isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name) and function.id in CODE:
                found.append(function.id)
            elif isinstance(function, ast.Attribute):
                owner = function.value.id if isinstance(function.value, ast.Name) else ""
                found += [f"{owner}.{function.attr}"] if (owner, function.attr) in LOADERS else []
                if owner == "torch" and function.attr == "load" and not loads_weights_only(node):
                    found.append("torch.load()")
                if isinstance(function.value, ast.Attribute) and (function.value.attr, function.attr) in TORCH_LOADERS:
                    found.append(f"{function.value.attr}.{function.attr}()")
                # Connection.recv() unpickles; recv_bytes() does not.
                found += ["recv()"] if function.attr == "recv" and not node.args else []
            found += [
                f"{keyword.arg}=True"
                for keyword in node.keywords
                if keyword.arg in ("allow_pickle", "shell")
                and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
            ]
    own = path.relative_to(PACKAGE).as_posix()
    harmless = {"pickle"} if own in DASKS else {"torch"} if own.startswith(TORCH) else set()
    assert [one for one in found if one not in harmless] == []


def test_yaml_is_read_by_a_loader_that_makes_plain_values_only() -> None:
    import yaml

    from mixnet_tools.descriptors import strict_yaml

    assert issubclass(strict_yaml._Loader, yaml.SafeLoader | yaml.CSafeLoader)
