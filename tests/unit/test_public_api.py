"""The names that mixnet_tools exports, and that importing it costs nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import mixnet_tools

FUNCTIONS = {
    "classify",
    "compare_baseline",
    "convert",
    "download",
    "evaluate",
    "evaluate_ir",
    "find_model",
    "lint_zoo",
    "list_models",
    "new_model",
    "new_timm_model",
    "optimize_ir",
    "quantize",
    "update_baseline",
}
VALUES = {
    "AccuracyReport",
    "ClassScore",
    "Classification",
    "ClassifiedImage",
    "ConversionOptions",
    "DownloadOptions",
    "DownloadedFile",
    "DownloadedModel",
    "Evaluation",
    "IRModel",
    "ModelAnswer",
    "ModelDescriptor",
    "NewModel",
    "NewModelOptions",
    "OptimizedIR",
    "Preprocessing",
    "QuantizationOptions",
    "QuantizationReport",
    "QuantizationSettings",
    "Verdict",
    "ZooCheck",
    "ZooProblem",
}
PROGRESS = {"BarProgress", "JsonProgress", "LineProgress", "Progress"}


def test_the_exported_names() -> None:
    errors = {name for name in mixnet_tools.__all__ if isinstance(getattr(mixnet_tools, name), type)}
    errors = {name for name in errors if issubclass(getattr(mixnet_tools, name), mixnet_tools.MixnetToolsError)}
    assert set(mixnet_tools.__all__) == FUNCTIONS | VALUES | PROGRESS | errors | {"__version__"}
    assert len(errors) == 21
    assert set(mixnet_tools.__all__) <= set(dir(mixnet_tools))
    assert all(callable(getattr(mixnet_tools, name)) for name in FUNCTIONS)


def test_every_error_of_the_tree_is_exported() -> None:
    def below(error: type[Exception]) -> set[str]:
        return {error.__name__}.union(*(below(child) for child in error.__subclasses__()))

    own = {name for name in below(mixnet_tools.MixnetToolsError) if not name.startswith("_")}
    assert own <= set(mixnet_tools.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'downlod'"):
        mixnet_tools.downlod  # noqa: B018


def test_importing_the_package_imports_nothing_else() -> None:
    program = "import sys, mixnet_tools; print(sorted(m for m in sys.modules if m.startswith(('mixnet', 'pydantic'))))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['mixnet_tools']"


@pytest.mark.parametrize(
    "first",
    [
        "mixnet_tools.find_model",
        "mixnet_tools.ConversionOptions",
        "mixnet_tools.DownloadOptions",
        "import mixnet_tools.conversion.convert",
        "import mixnet_tools.downloading.download",
    ],
)
def test_functions_stay_functions_whatever_is_imported_before(first: str) -> None:
    program = f"import mixnet_tools\n{first}\nprint(*(type(getattr(mixnet_tools, n)).__name__ for n in {FUNCTIONS!r}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"function"}


def test_the_examples_of_readme_and_docstring_run(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    assert not re.findall(r"\b[A-Z]+_TOP\d", readme), "a placeholder was left in the README"
    for text in (readme, mixnet_tools.__doc__ or ""):
        lines = [line.strip() for line in text.splitlines()]
        example = [line for line in lines if re.match(r"import mixnet_tools$|(\w+ = )?mixnet_tools\.\w+\(", line)]
        assert len(example) == 4
        program = "\n".join([*example, "print(evaluation.report.results[0].top1.percent, ir.xml.is_file())"])
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.stdout == "91.83333333333333 True\n", done.stderr
