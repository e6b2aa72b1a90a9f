"""What the commands do with a whole zoo: composite models, unknown keys, and descriptors that cannot be read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from mixnet_tools.api.schemas import FILES, json_schema, schema_name
from tests.support import omz_checkout
from tests.support.commands import Outcome
from tests.support.downloads import add_model, file_entry, noise, run_command
from tests.support.zoo_builder import descriptor_data, write_composite, write_model

BODY = noise(100, "body")


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, one of them with a misspelt key; a composite model; two that cannot be read."""
    root = tmp_path_factory.mktemp("zoo")
    (root / "body").write_bytes(BODY)
    entry = file_entry("net.bin", BODY, (root / "body").as_uri())
    add_model(root, "net-a", [entry])
    add_model(root, "net-b", [{**entry, "oroginal_source": "https://host.invalid/net.bin"}])
    write_composite(root, "reader", ["reader-encoder", "reader-decoder"])
    write_model(root, "reader/reader-decoder", descriptor_data(framework="onnx", input_info=[{"name": "0"}]))
    write_model(root, "broken-1", "framework: [")
    write_model(root, "broken-2", descriptor_data(framework="caffe"))
    return root


def of_zoo(zoo: Path, command: str, *arguments: str | Path) -> Outcome:
    return run_command(command, *arguments, "--models_dir", zoo)


def assert_broken_are_named_at_the_end(outcome: Outcome) -> None:
    assert outcome.code == 1
    last = outcome.err[outcome.err.rindex("error:") :]
    assert "broken-1/model.yml: not valid YAML" in last
    assert "broken-2/model.yml: framework (line" in last
    assert "net-" not in last


def test_info_shows_what_can_be_read_and_names_the_others_at_the_end(zoo: Path) -> None:
    outcome = of_zoo(zoo, "info", "--all", "--json")
    assert_broken_are_named_at_the_end(outcome)
    assert [info["name"] for info in json.loads(outcome.out)] == ["net-a", "net-b", "reader"]
    warning = "net-b/model.yml: files[0].oroginal_source (line 8): unknown key (did you mean 'original_source'?)"
    assert f"warning: {zoo}/public/{warning}; it is ignored\n" in outcome.err
    table = of_zoo(zoo, "info", "--all", "--table")
    assert_broken_are_named_at_the_end(table)
    assert {"net-a", "reader", "reader-encoder"} <= {line.strip() for line in table.out.splitlines()}


def test_what_an_author_published_keeps_its_anchors_and_loses_its_secrets(tmp_path: Path) -> None:
    description = "See <https://host.example/net#usage-2> and https://me:secret@host.example/?sig=abc#x."
    write_model(tmp_path, "net", descriptor_data(description=description, license="https://host.example/#license"))
    (info,) = json.loads(run_command("info", "--all", "--models_dir", tmp_path).out)
    assert info["description"] == "See <https://host.example/net#usage-2> and https://***@host.example/?sig=***#x."
    assert info["license_url"] == "https://host.example/#license"


def test_print_all_names_composite_models_as_open_model_zoo_does(zoo: Path) -> None:
    outcome = of_zoo(zoo, "download", "--print_all")
    assert outcome.out.split() == ["broken-1", "broken-2", "net-a", "net-b", "reader"]
    assert_broken_are_named_at_the_end(outcome)


def test_a_composite_model_is_shown_as_omz_info_dumper_shows_it(zoo: Path) -> None:
    outcome = of_zoo(zoo, "info", "--name", "reader")
    assert outcome.code == 0, outcome.err
    (reader,) = json.loads(outcome.out)
    folder = zoo / "public/reader"
    fields = (
        "name", "composite_model_name", "description", "framework", "license_url", "accuracy_config", "model_config",
        "precisions", "subdirectory", "task_type", "input_info",
    )  # fmt: skip
    assert [reader[field] for field in fields] == [
        "reader", "reader", "Both.", "tf", "https://license.invalid", None, None,
        ["FP16", "FP32"], "public/reader", "classification", [],
    ]  # fmt: skip
    encoder, decoder = reader["model_stages"]  # in the order of the file, which is not that of the names
    assert [encoder[field] for field in ("name", "composite_model_name", "model_config", "model_stages")] == [
        "reader-encoder", "reader", str(folder / "reader-encoder/model.yml"), [],
    ]  # fmt: skip
    assert decoder["framework"] == "onnx"
    assert decoder["input_info"] == [{"name": "0", "shape": [], "layout": ""}]
    (alone,) = json.loads(of_zoo(zoo, "info", "--name", "reader-decoder").out)
    assert alone == decoder


def test_a_composite_model_that_cannot_be_read_hides_none_of_its_stages(zoo: Path, tmp_path: Path) -> None:
    write_composite(tmp_path, "reader", ["reader-a", "reader-b"], stages_order=["reader-a"])
    outcome = run_command("info", "--all", "--models_dir", tmp_path)
    assert [info["name"] for info in json.loads(outcome.out)] == ["reader-a", "reader-b"]
    assert outcome.code == 1
    assert "stages_order (line 4): does not name the stage 'reader-b'" in outcome.err
    write_composite(tmp_path, "reader", ["reader-a", "reader-b"])
    write_model(tmp_path, "reader/reader-b", "[]")
    outcome = run_command("info", "--all", "--models_dir", tmp_path)
    ((stage,),) = [info["model_stages"] for info in json.loads(outcome.out)]
    assert stage["name"] == "reader-a"
    assert "reader-b/model.yml: expected a mapping" in outcome.err


def test_download_and_convert_go_on_without_what_cannot_be_read(zoo: Path, tmp_path: Path) -> None:
    outcome = of_zoo(zoo, "download", "--name", "net-*,broken-*", "-o", tmp_path)
    assert outcome.code == 1
    assert [(tmp_path / f"public/net-{x}/net.bin").read_bytes() for x in "ab"] == [BODY, BODY]
    assert "broken-1: " in outcome.err
    planned = json.loads(of_zoo(zoo, "convert", "--all", "--dry_run", "--json").out)
    assert {model["model"] for model in planned["models"]} >= {"net-a", "net-b", "reader-encoder"}
    assert len([text for text in planned["refused"] if "broken-" in text]) == 2


def test_download_says_of_which_precision_a_model_has_none(zoo: Path, tmp_path: Path) -> None:
    outcome = of_zoo(zoo, "download", "--name", "net-*", "--precisions", "FP16-INT8", "-o", tmp_path)
    assert outcome.code == 0
    assert outcome.out.splitlines() == [
        f"{name}: skipped: it has no FP16-INT8 (it has FP16, FP32)" for name in ("net-a", "net-b")
    ]
    assert not list(tmp_path.iterdir())
    outcome = of_zoo(zoo, "download", "--name", "net-a", "--precisions", "FP32,FP16-INT8", "-o", tmp_path)
    assert outcome.out.startswith("net-a: downloaded")


@pytest.mark.parametrize("command", ["check", "quantize"])
def test_models_that_can_be_read_are_looked_at_all_the_same(zoo: Path, tmp_path: Path, command: str) -> None:
    outcome = of_zoo(zoo, command, "--name", "net-a,broken-1", "--ir_dir", tmp_path)
    assert outcome.code == 1
    assert "net-a" in outcome.err
    assert "broken-1/model.yml: not valid YAML" in outcome.err


@omz_checkout.needed
def test_every_model_of_open_model_zoo_is_shown_as_its_own_tool_shows_it() -> None:
    program = "from omz_tools.omz_info_dumper import main; main()"
    theirs = json.loads(omz_checkout.run_python(program, "--all"))
    outcome = run_command("info", "--all", "--models_dir", omz_checkout.models())
    assert outcome.code == 0, outcome.err
    ours = json.loads(outcome.out)
    assert len(ours) > 200
    assert [_only(info, theirs[0]) for info in ours] == theirs


def _only(info: dict[str, Any], fields: Iterable[str]) -> dict[str, Any]:
    """``info`` without the fields that are ours alone, in its stages as well."""
    return {
        **{name: info[name] for name in fields},
        "model_stages": [_only(one, fields) for one in info["model_stages"]],
    }


def test_info_writes_schemas_for_editors(tmp_path: Path) -> None:
    written = run_command("info", "--write_schemas", tmp_path / "new/folder").out.splitlines()
    assert [Path(path).name for path in written] == [schema_name(file) for file in FILES]
    for path, file in zip(written, FILES, strict=True):
        assert json.loads(Path(path).read_text()) == json_schema(file)
    (tmp_path / "file").touch()
    refused = run_command("info", "--write_schemas", tmp_path / "file")
    assert (refused.code, refused.err.count("error:")) == (1, 1)
    assert "cannot be written to" in refused.err
    assert run_command("info", "--write_schemas", tmp_path, "--name", "mixnet-nano").code == 2
