"""docs/json.md: the keys that it lists are those that are written."""

from __future__ import annotations

import json
import re
from pathlib import Path

from mixnet_tools.cli.main import COMMANDS, SUBCOMMANDS, command_parser
from scripts.site_json import values
from tests.support.commands import run, run_ok
from tests.support.documents import ROOT, keys, table_keys

PAGE = (ROOT / "docs/json.md").read_text(encoding="utf-8")


def test_every_command_that_prints_json_is_listed() -> None:
    commands = {command: command for command in COMMANDS} | {
        module: f"{outer} {inner}" for (outer, inner), module in SUBCOMMANDS.items()
    }
    for module, command in commands.items():
        if "--json" in command_parser(module, command)._option_string_actions:
            assert re.search(rf"^\| `mixnet[- ]{command} --json`", PAGE, re.MULTILINE), command


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
