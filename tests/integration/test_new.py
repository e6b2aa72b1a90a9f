"""``mixnet new``: what it writes for a file is taken by the other commands as it stands."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from jsonschema import Draft202012Validator

import mixnet_tools
from mixnet_tools.api.authoring.presets import IMAGENET_MEAN, IMAGENET_STD
from mixnet_tools.descriptors.model_yml import ModelDescriptor
from tests.support.colour_model import CLASSES, SIDE, weights
from tests.support.commands import Outcome, run, run_failing, run_ok
from tests.support.documents import ROOT, blocks, table_keys
from tests.support.http_server import Answer, FaultyServer
from tests.support.images import write_flat_set
from tests.support.own_models import write_frozen_graph, write_graph_of_channels_first, write_onnx, write_saved_model
from tests.support.waiting import wait_for

PAGE = ROOT / "docs/own-model.md"
LABELS = "red\ngreen\nblue\nyellow\ncyan\nmagenta\n"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of each colour. A model that takes them in another channel order is wrong for some."""
    return write_flat_set(tmp_path_factory.mktemp("images"), range(CLASSES))


def describe(place: Path, *arguments: str | Path) -> Outcome:
    """``mixnet new own ...`` in the folder ``place``."""
    return run_ok("new", "own", *arguments, cwd=place)


def follow(outcome: Outcome, images: Path, place: Path) -> list[float]:
    """Type the commands that ``mixnet new`` names; returns the top-1 of each model that was measured, in percent."""
    commands = outcome.err.partition("next:\n")[2].splitlines()
    assert commands
    answer = ""
    for command in commands:
        program, *words = shlex.split(command)
        assert program == "mixnet"
        words = [str(images) if word == "IMAGES" else word for word in words]
        measuring = words[0] == "check"
        answer = run_ok(*words, *(("--json", "--no_speed") if measuring else ()), cwd=place).out
    (report,) = json.loads(answer)["reports"]
    return [100 * result["top1"]["fraction"] for result in report["results"]]


def descriptor(place: Path) -> dict[str, object]:
    data: dict[str, object] = yaml.safe_load((place / "my_zoo/public/own/model.yml").read_text())
    return data


def schema_of(path: Path) -> Path:
    """The JSON Schema that the first line of a file of a zoo names."""
    return path.parent / path.read_text().splitlines()[0].removeprefix("# yaml-language-server: $schema=")


def test_the_commands_of_own_model_md_do_what_it_says(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_onnx(tmp_path / "net.onnx", ["batch", 3, "height", "width"])
    (tmp_path / "labels.txt").write_text(LABELS)
    (tmp_path / "images").symlink_to(images)
    monkeypatch.chdir(tmp_path)
    codes = []
    for block in blocks(PAGE):
        for words in block.commands() if block.language == "sh" and block.kind == "run by" else ():
            command = words[1:] if words[0] == "mixnet" else [words[0].removeprefix("mixnet-"), *words[1:]]
            codes.append(run(*command, cwd=tmp_path).code)
        if block.language == "python":
            exec(compile(block.text, str(block), "exec"), {})
    assert codes == [0, 0, 0, 0, 1]  # the licence was not named
    assert sorted(path.name for path in (tmp_path / "my_zoo/public/my-net").iterdir()) == [
        "accuracy-check.yml", "labels.txt", "model.yml",
    ]  # fmt: skip
    assert mixnet_tools.find_model("another-net", "my_zoo").license == "MIT"


@pytest.mark.parametrize(
    ("write", "name"),
    [(write_frozen_graph, "net.pb"), (write_saved_model, "exported")],
    ids=["frozen graph", "saved model"],
)
def test_a_file_becomes_a_model_that_is_downloaded_converted_and_measured_without_an_edit(
    write: Callable[[Path], Path], name: str, images: Path, tmp_path: Path
) -> None:
    (tmp_path / "labels").write_text(LABELS)
    outcome = describe(tmp_path, write(tmp_path / name), "--labels", tmp_path / "labels", "--license", "MIT")
    assert follow(outcome, images, tmp_path) == [100.0, 100.0, 100.0]  # the original, FP32, FP16
    assert run_ok("info", "--lint", "my_zoo", cwd=tmp_path).out == "1 model, no problem\n"


def test_an_original_that_cannot_be_measured_is_left_out(images: Path, tmp_path: Path) -> None:
    outcome = describe(tmp_path, write_graph_of_channels_first(tmp_path / "net.pb"))
    assert "check --name own --launcher openvino --models_dir my_zoo --source IMAGES\n" in outcome.err
    assert follow(outcome, images, tmp_path) == [100.0, 100.0]


def test_an_archive_with_a_checkpoint_is_described_as_the_zoo_does(nano: ModelDescriptor, tmp_path: Path) -> None:
    archive = nano.directory / "mixnet-nano.tar.gz"
    outcome = describe(tmp_path, archive, "--preset", "tf", "--labels", nano.directory / "labels.txt")
    found = mixnet_tools.find_model("own", tmp_path / "my_zoo")
    for key in ("input_info", "model_optimizer_args", "postprocessing", "framework", "task_type"):
        assert getattr(found, key) == getattr(nano, key)
    assert [file.checksum for file in found.files] == [file.checksum for file in nano.files]
    original, *converted = follow(outcome, nano.directory / "validation", tmp_path)
    assert original == pytest.approx(91.83, abs=0.005)
    assert converted == [original, original]


def test_an_ir_needs_no_conversion(nano_dir: Path, nano: ModelDescriptor, tmp_path: Path) -> None:
    xml = nano_dir / "public/mixnet-nano/FP16/mixnet-nano.xml"
    outcome = describe(tmp_path, xml, "--preset", "tf", "--copy")
    assert "mixnet convert" not in outcome.err
    assert (tmp_path / "my_zoo/public/own/FP16/own.bin").read_bytes() == xml.with_suffix(".bin").read_bytes()
    (top1,) = follow(outcome, nano.directory / "validation", tmp_path)
    assert top1 == pytest.approx(91.83, abs=0.005)


def test_what_the_caller_knows_is_in_both_files(images: Path, tmp_path: Path) -> None:
    net = write_onnx(tmp_path / "net.onnx", ["batch", 3, "height", "width"])
    outcome = describe(
        tmp_path, net, "--size", "24x16", "--mean", "0,0,0", "--std", "1", "--channels", "BGR", "--copy",
        "--description", "Tells colours.", "--license", "MIT",
    )  # fmt: skip
    data = descriptor(tmp_path)
    assert data["input_info"] == [{"name": "data", "shape": [1, 3, 24, 16], "layout": "NCHW"}]
    assert data["model_optimizer_args"] == ["--input_model=$dl_dir/net.onnx", "--output=prob"]
    assert (data["description"], data["license"]) == ("Tells colours.", "MIT")
    # Red is taken for blue and yellow for cyan, and the reverse, by the original as by the converted model.
    assert follow(outcome, images, tmp_path) == [pytest.approx(100 / 3, abs=0.01)] * 3


def test_mean_and_scale_are_subtracted_once_by_each_model(images: Path, tmp_path: Path) -> None:
    import onnx
    from onnx import numpy_helper

    net = write_onnx(tmp_path / "net.onnx")
    model = onnx.load(net)
    mean, std = np.array([IMAGENET_MEAN, IMAGENET_STD], np.float32)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(weights() * std[:, None], "kernel"))
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array((127.5 - mean) / std, "grey"))
    onnx.save(model, net)
    outcome = describe(tmp_path, net, "--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225")
    assert follow(outcome, images, tmp_path) == [100.0, 100.0, 100.0]
    assert "--mean_values=[123.675,116.28,103.53]" in str(descriptor(tmp_path))


def test_an_address_is_fetched_hashed_and_named_as_the_source(images: Path, tmp_path: Path) -> None:
    # Of four images at a time, with a second output: the original is measured so, too.
    net = write_onnx(tmp_path / "net.onnx", [4, "channels", SIDE, SIDE], outputs=2).read_bytes()
    (tmp_path / "net.onnx").unlink()
    with FaultyServer() as server:
        address = server.put("/models/net.onnx", net)
        outcome = describe(tmp_path, "--source", address)
        assert server.paths() == ["/models/net.onnx"]
        (file,) = mixnet_tools.find_model("own", tmp_path / "my_zoo").files
        assert (file.name, str(file.source), file.size) == ("net.onnx", address, len(net))
        assert follow(outcome, images, tmp_path) == [100.0, 100.0, 100.0]


def test_what_is_assumed_is_said_in_the_file_and_on_the_terminal(tmp_path: Path) -> None:
    net = write_onnx(tmp_path / "net.onnx", ["n", "channels", "height", "width"], outputs=2)
    outcome = describe(tmp_path, net)
    text = (tmp_path / "my_zoo/public/own/model.yml").read_text()
    assert "# DECIDE: NCHW and three channels are assumed" in text
    assert "# DECIDE: the model leaves the size of its images open; 224 x 224 is assumed" in text
    assert "the others are sum" in text
    assert "- --output=prob\n" in text
    assert "decide: NCHW and three channels are assumed" in outcome.err
    assert "license: not named" in text


def test_grey_images_and_other_inputs_are_described_too(images: Path, tmp_path: Path) -> None:
    outcome = describe(tmp_path, write_onnx(tmp_path / "grey.onnx", [1, 1, 28, 28]), "--preset", "torch")
    data = descriptor(tmp_path)
    assert "--reverse_input_channels" not in str(data)
    assert data["task_type"] == "classification"
    original, *converted = follow(outcome, images, tmp_path)
    assert converted == [original, original]
    outcome = describe(tmp_path, write_onnx(tmp_path / "text.onnx", ["n", 3, "words"]), "--force")
    data = descriptor(tmp_path)
    assert data["input_info"] == [{"name": "data", "shape": [1, 3, 1]}]
    assert data["task_type"] == "feature_extraction"
    assert "mixnet check" not in outcome.err
    run_ok("download", "--name", "own", "--models_dir", "my_zoo", cwd=tmp_path)
    run_ok("convert", "--name", "own", "--models_dir", "my_zoo", "--precisions", "FP32", cwd=tmp_path)


def test_print_only_and_json_write_what_would_be_written(tmp_path: Path) -> None:
    net = write_onnx(tmp_path / "net.onnx")
    printed = describe(tmp_path, net, "--print_only").out
    document = json.loads(describe(tmp_path, net, "--print_only", "--json").out)
    assert not (tmp_path / "my_zoo").exists()
    assert printed == f"{document['model_yml']}---\n{document['accuracy_check_yml']}"
    assert (document["kind"], document["classes"], document["written"]) == ("onnx", CLASSES, False)
    section = (ROOT / "docs/json.md").read_text().partition("\n## A new model\n")[2].partition("\n## ")[0]
    assert set(table_keys(section)) == set(document)
    written = json.loads(describe(tmp_path, net, "--json").out)
    assert [Path(file).name for file in written["files"]][:2] == ["model.yml", "accuracy-check.yml"]
    assert all((tmp_path / file).is_file() for file in written["files"])
    assert (tmp_path / written["files"][0]).read_text() == document["model_yml"]


def test_what_is_written_names_its_schema_and_the_zoo_has_it(tmp_path: Path) -> None:
    describe(tmp_path, write_onnx(tmp_path / "net.onnx"))
    folder = tmp_path / "my_zoo/public/own"
    for name in ("model.yml", "accuracy-check.yml"):
        path, schema = folder / name, schema_of(folder / name)
        assert (
            list(Draft202012Validator(json.loads(schema.read_text())).iter_errors(yaml.safe_load(path.read_text())))
            == []
        )
        assert json.loads(schema.read_text())["title"] == name
    schema.write_text("{}")  # as of an earlier version
    written = run_ok("new", "another", "net.onnx", cwd=tmp_path).out.splitlines()
    assert [Path(path).name for path in written] == ["model.yml", "accuracy-check.yml", schema.name]
    assert json.loads(schema.read_text())["title"] == "accuracy-check.yml"


def test_nothing_is_overwritten_unless_it_is_asked_for(tmp_path: Path) -> None:
    net = write_onnx(tmp_path / "net.onnx")
    describe(tmp_path, net)
    path = tmp_path / "my_zoo/public/own/model.yml"
    before = path.read_text()
    error = run_failing("new", "own", net, "--license", "MIT", cwd=tmp_path)
    assert "is there already" in error
    assert "--force" in error
    assert path.read_text() == before
    describe(tmp_path, net, "--license", "MIT", "--force")
    assert "license: MIT\n" in path.read_text()


def test_a_bad_name_is_refused(tmp_path: Path) -> None:
    write_onnx(tmp_path / "net.onnx")
    for name, hint in (("../a", "for example a\n"), ("Mein schönes Netz", "for example Mein-schones-Netz\n")):
        error = run_failing("new", name, "--models_dir", "zoo", "net.onnx", code=2, cwd=tmp_path)
        assert "the model's name: expected" in error
        assert hint in error
    for words in (("net.onnx",), ("net.onnx", "own")):
        error = run_failing("new", *words, code=2, cwd=tmp_path)
        assert "the new name comes first, then the file: mixnet new NAME net.onnx" in error
    assert not (tmp_path / "zoo").exists()


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        (b"something else", "no format of model files that is known"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 50, "a Keras model in HDF5 (.h5), which cannot be converted as it is"),
        (b"\x08\x08\x12\x07pytorch\x1a\x03", "cannot be read as ONNX"),
        (b"\x0a\x10\x0a\x05image\x12\x07Identity", "not a TensorFlow frozen graph, or truncated"),
    ],
)
def test_what_cannot_be_converted_is_one_error_and_leaves_nothing(contents: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "net.pb").write_bytes(contents)
    error = run_failing("new", "own", "net.pb", cwd=tmp_path)
    assert words in error
    assert "mixnet download" not in error
    assert [path.name for path in tmp_path.iterdir()] == ["net.pb"]


@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        ((), "say where the model is", 2),
        (("net.onnx", "--source", "https://host.invalid/x"), "say where the model is", 2),
        (("missing.onnx",), "missing.onnx: no such file or folder", 1),
        (("net.onnx", "--size", f"{SIDE + 1}"), f"takes images of {SIDE}x{SIDE}", 2),
        (("net.onnx", "--mean", "0.5"), "on the scale 0 to 1, and --std/--scale is not given", 2),
        (("net.onnx", "--labels", "labels"), f"2 labels, but the model has {CLASSES} classes", 1),
        (("net.onnx", "--output", "nowhere"), "nowhere", 1),
        (("--source", "https://me:secret@host.invalid/net.onnx"), "an address with a password", 2),
    ],
)
def test_a_wrong_option_is_one_error_and_leaves_nothing(
    arguments: tuple[str, ...], words: str, code: int, tmp_path: Path
) -> None:
    write_onnx(tmp_path / "net.onnx")
    (tmp_path / "labels").write_text("one\ntwo\n")
    error = run_failing("new", "own", *arguments, code=code, cwd=tmp_path)
    assert words in error
    assert "secret" not in error
    assert not (tmp_path / "my_zoo").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_leaves_nothing(number: signal.Signals, code: int, tmp_path: Path) -> None:
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    with FaultyServer() as server:
        address = server.put("/net.onnx", b"x" * 50_000, Answer(stall_at=30_000))
        arguments = [sys.executable, "-m", "mixnet_tools.cli.main", "new", "own", "--source", address]
        environment = {**os.environ, "TMPDIR": str(scratch)}
        process = subprocess.Popen(arguments, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
        wait_for(lambda: any(path.stat().st_size for path in scratch.rglob("net.onnx")), "the first bytes")
        process.send_signal(number)
        _, error = process.communicate(timeout=60)
    assert (process.returncode, error.count("\n")) == (code, 1)
    assert [path for path in tmp_path.rglob("*") if path != scratch] == []


def test_errors_name_what_was_unpacked_or_fetched_by_where_it_came_from(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.zip", "w") as archive:
        archive.writestr("a/net.onnx", b"\x08\x08\x12\x07pytorch\x1a\x03")
    error = run_failing("new", "own", "net.zip", cwd=tmp_path)
    assert "error: net.zip/a/net.onnx: cannot be read as ONNX" in error.replace("\\", "/")
    with FaultyServer() as server:
        address = server.put("/net.onnx", b"\x08\x08\x12\x07pytorch\x1a\x03")
        assert f"error: {address}: cannot be read as ONNX" in run_failing("new", "own", address, cwd=tmp_path)


def test_a_model_that_would_do_more_than_compute_is_refused(tmp_path: Path) -> None:
    import onnx

    path = write_onnx(tmp_path / "net.onnx")
    model = onnx.load(path)
    model.graph.node[0].domain = "somebody"
    onnx.save(model, path)
    assert "of the domain 'somebody'" in run_failing("new", "own", path, cwd=tmp_path)
    assert not (tmp_path / "my_zoo").exists()


def test_names_of_others_reach_no_line_of_their_own(tmp_path: Path) -> None:
    outcome = describe(tmp_path, write_onnx(tmp_path / "net.onnx", name="x\nframework: dldt # \x1b[2J"))
    assert descriptor(tmp_path)["framework"] == "onnx"
    assert "\x1b" not in outcome.out + outcome.err
    found = mixnet_tools.find_model("own", tmp_path / "my_zoo")
    assert [entry.name for entry in found.input_info] == ["x\nframework: dldt # \x1b[2J"]


def test_lint_finds_what_is_wrong_with_a_zoo(nano: ModelDescriptor, tmp_path: Path) -> None:
    net = write_onnx(tmp_path / "net.onnx")
    describe(tmp_path, net)
    folder = tmp_path / "my_zoo/public/own"
    text = (folder / "model.yml").read_text()
    (folder / "model.yml").write_text(text.replace("task_type:", "quantizabel: true\ntask_type:"))
    (folder / "label.txt").write_text(LABELS)
    outcome = run("info", "--lint", "my_zoo", cwd=tmp_path)
    assert outcome.code == 1
    assert "unknown key (did you mean 'quantizable'?)" in outcome.out
    assert "did you mean 'labels.txt'?" in outcome.out
    assert "names no licence" in outcome.out
    assert outcome.out.endswith("1 model, 3 problems\n")
    document = json.loads(run("info", "--lint", "my_zoo", "--json", cwd=tmp_path).out)
    assert (document.pop("schema"), document["models"], len(document["problems"])) == (1, ["own"], 3)
    assert set(document) == {"models", "problems"}
    assert run_ok("info", "--lint", nano.directory.parents[1]).out == "2 models, no problem\n"
    assert "--lint stands alone" in run_failing("info", "--lint", "my_zoo", "--all", code=2, cwd=tmp_path)
    error = run_failing("info", "--lint", "nowhere", cwd=tmp_path)
    assert "nowhere: no such folder" in error
    assert "--models_dir" not in error
