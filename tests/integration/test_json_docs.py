"""docs/json.md: the keys that it lists are those that are written."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from scripts.site_json import values
from tests.support.commands import run, run_ok

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/json.md").read_text(encoding="utf-8")


def table_keys(text: str) -> list[str]:
    """The keys in the first column of the tables in ``text``."""
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return [key for row in rows for key in re.findall(r"`(\w+)`", row)]


def keys(document: Any) -> set[str]:
    """Every key of a document, at any depth, but those under names that come from data."""
    if isinstance(document, list):
        return set().union(*map(keys, document)) if document else set()
    if not isinstance(document, dict):
        return set()
    return set(document).union(*map(keys, document.values()))


def test_the_keys_of_conversion_json(nano_dir: Path) -> None:
    document = json.loads((nano_dir / "public/mixnet-nano/FP16/conversion.json").read_text())
    section = PAGE.partition("\n## conversion.json\n")[2].partition("\n## ")[0]
    assert table_keys(section) == list(document)
    assert set(document["inputs"][0]) - {"cut"} <= set(re.findall(r"`(\w+)`", section))


def test_the_keys_of_an_accuracy_report(nano_dir: Path) -> None:
    arguments = ("--name", "mixnet-nano", "-d", nano_dir, "--num_images", "20", "--json", "-q")
    document = json.loads(run_ok("check", *arguments).out)
    assert set(document) == {"schema", "passed", "reports"}
    named = set(table_keys(values())) | {"verdict", "fraction", "interval95"}
    (report,) = document["reports"]
    report["versions"] = {}  # its keys are names of packages
    assert keys(report) - named == set()


def test_the_keys_of_a_classification(nano_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    picture = ROOT / "models/public/mixnet-nano/validation/val_0048.jpg"
    arguments = ("--name", "mixnet-nano", "-d", nano_dir, "--json", picture, tmp_path / "broken.jpg")
    document = json.loads(run("classify", *arguments).out)
    section = PAGE.partition("\n## A classification\n")[2].partition("\n## ")[0]
    assert set(table_keys(section)) == set(document) | set().union(*document["images"])
    assert keys(document) == set(re.findall(r"`(\w+)`", section))
