"""mixnet-convert on the small model: what it prints and writes, and each way in which it can fail."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mixnet_tools.conversion import convert as stage
from mixnet_tools.conversion.options import ConversionOptions, make_plan
from mixnet_tools.conversion.plan import ConversionPlan, parse_cut
from mixnet_tools.conversion.preprocessing import finish
from mixnet_tools.conversion.sources.meta_graph import MetaGraphSource
from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.errors import OutputError, ParityError, UsageError
from mixnet_tools.progress import Progress
from tests.support.commands import run, run_failing, run_ok

STAGE = "mixnet_tools.conversion.convert"
PREFIX = "public/mixnet-nano/mixnet-nano/model.ckpt"


@pytest.fixture
def download(nano_dir: Path, tmp_path: Path) -> Path:
    """A fresh copy of the downloaded model, to be damaged."""
    folder = tmp_path / "download"
    shutil.copytree(nano_dir / "public/mixnet-nano", folder / "public/mixnet-nano")
    for precision in ("FP32", "FP16"):
        shutil.rmtree(folder / "public/mixnet-nano" / precision)
    return folder


def written(folder: Path) -> set[str]:
    """All that lies in a model's folder apart from the download itself."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix in (".xml", ".bin")}


def zoo_with(root: Path, nano: ModelDescriptor, **changes: object) -> Path:
    """A zoo in which mixnet-nano's descriptor has other values."""
    contents = {**yaml.safe_load(nano.path.read_text()), **changes}
    path = root / "models/public/mixnet-nano/model.yml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(contents, sort_keys=False))
    return root / "models"


def test_both_precisions_are_written_and_proved(download: Path, tmp_path: Path) -> None:
    outcome = run_ok("convert", "--name", "mixnet-nano", "-d", download, "-o", tmp_path / "ir", "--json")
    (model,) = json.loads(outcome.out)["models"]
    assert [ir["precision"] for ir in model["irs"]] == ["FP32", "FP16"]
    for ir in model["irs"]:
        assert Path(ir["xml"]).is_file()
        assert Path(ir["bin"]).is_file()
        (parity,) = ir["parity"]
        assert parity["max_difference"] <= parity["limit"]
        report = json.loads(Path(ir["xml"]).with_name("conversion.json").read_text())
        assert report["parity"] == [parity]
        assert report["weights"]["moving_averages"]["averaged"] > 0
    assert model["irs"][0]["parity"][0]["top1_agreement"] == 1.0
    files = {str(path.relative_to(tmp_path / "ir")) for path in (tmp_path / "ir").rglob("*") if path.is_file()}
    assert files == {f"public/mixnet-nano/{p}/mixnet-nano.{s}" for p in ("FP32", "FP16") for s in ("xml", "bin")} | {
        f"public/mixnet-nano/{p}/conversion.json" for p in ("FP32", "FP16")
    }


def test_the_table_names_difference_and_agreement(download: Path) -> None:
    outcome = run_ok("convert", "--name", "mixnet-nano", "-d", download, "--precisions", "FP32")
    assert "max |diff|" in outcome.out
    assert "mixnet-nano" in outcome.out
    assert "100%" in outcome.out
    assert written(download) == {"public/mixnet-nano/FP32/mixnet-nano.xml", "public/mixnet-nano/FP32/mixnet-nano.bin"}


def test_a_dry_run_prints_the_plan_and_touches_nothing(tmp_path: Path) -> None:
    outcome = run_ok("convert", "--name", "mixnet-*", "-d", tmp_path / "nowhere", "--dry-run", "--json")
    plans = {plan["model"]: plan for plan in json.loads(outcome.out)["models"]}
    assert plans["mixnet-l"]["input_names"] == ["IteratorGetNext/placeholder_out_port_0", "IteratorGetNext:0"]
    assert plans["mixnet-nano"]["files"][0].endswith("public/mixnet-nano/FP32/mixnet-nano.xml")
    assert plans["mixnet-l"]["inputs"] == ["IteratorGetNext:0 [1, 224, 224, 3] NHWC: BGR to RGB"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda prefix: prefix.with_suffix(".ckpt.meta").unlink(), "model.ckpt.meta"),
        (lambda prefix: prefix.with_suffix(".ckpt.index").unlink(), "model.ckpt.index"),
        (lambda prefix: prefix.with_suffix(".ckpt.meta").write_bytes(b"not a graph"), "model.ckpt.meta"),
        (lambda prefix: prefix.with_suffix(".ckpt.index").write_bytes(b"x" * 100), "model.ckpt"),
        (lambda prefix: _truncate(prefix.with_suffix(".ckpt.meta"), 0.5), "model.ckpt.meta"),
        (lambda prefix: _truncate(prefix.with_suffix(".ckpt.data-00000-of-00001"), 0.5), "model.ckpt"),
        (lambda prefix: prefix.with_suffix(".ckpt.data-00000-of-00001").unlink(), "model.ckpt"),
    ],
)
def test_damaged_files_are_one_clear_error_and_leave_nothing(download: Path, damage, words: str) -> None:  # type: ignore[no-untyped-def]
    damage(download / PREFIX)
    error = run_failing("convert", "--name", "mixnet-nano", "-d", download)
    assert words in error
    assert re.search("mixnet[- ]download ", error)
    assert written(download) == set()
    assert not list(download.rglob("*staging*"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"input_info": [{"name": "IteratorGetNex:0", "shape": [1, 64, 64, 3], "layout": "NHWC"}]}, "IteratorGetNext"),
        ({"input_info": [{"name": "IteratorGetNext:0", "shape": [1, 3, 64, 64], "layout": "NHWC"}]}, "3 channels"),
        ({"input_info": [{"name": "IteratorGetNext:1", "shape": [1, 64, 64, 3], "layout": "NHWC"}]}, "nothing in the"),
        ({"model_optimizer_args": ["--input_meta_graph=$dl_dir/x.meta", "--output=logits"]}, "x.meta: no such file"),
    ],
)
def test_a_descriptor_that_does_not_fit_is_one_clear_error(
    download: Path, tmp_path: Path, nano: ModelDescriptor, changes: dict[str, object], words: str
) -> None:
    models = zoo_with(tmp_path, nano, **changes)
    assert words in run_failing("convert", "--name", "mixnet-nano", "--models_dir", models, "-d", download)
    assert written(download) == set()


@pytest.mark.parametrize("mutation", ["reversal lost", "wrong cut", "other weights"])
def test_a_wrong_conversion_fails_the_proof_and_leaves_the_earlier_ir(
    download: Path, tmp_path: Path, nano: ModelDescriptor, monkeypatch: pytest.MonkeyPatch, mutation: str
) -> None:
    converted = stage.convert(nano, download, tmp_path / "ir", ConversionOptions(precisions=("FP32",)))
    ir = converted.irs[0].ir
    before = {path: path.read_bytes() for path in (ir.xml, ir.bin, ir.xml.with_name("conversion.json"))}
    _mutate(monkeypatch, mutation)
    with pytest.raises(ParityError):
        stage.convert(nano, download, tmp_path / "ir")
    assert {path: path.read_bytes() for path in before} == before
    assert not (tmp_path / "ir/public/mixnet-nano/FP16").exists()
    assert not list(tmp_path.rglob("*staging*"))


def _mutate(monkeypatch: pytest.MonkeyPatch, mutation: str) -> None:
    if mutation == "reversal lost":

        def forgetful(model: Any, plan: ConversionPlan, *rest: Any) -> Any:
            inputs = tuple(dataclasses.replace(entry, reverse=False) for entry in plan.inputs)
            return finish(model, dataclasses.replace(plan, inputs=inputs), *rest)

        monkeypatch.setattr(f"{STAGE}.finish", forgetful)
        return
    right = MetaGraphSource.model

    def mutated(source: MetaGraphSource) -> Any:
        if mutation == "other weights":
            return right(MetaGraphSource(dataclasses.replace(source.plan, weights="ema")))
        (entry,) = source.plan.inputs
        wrong = dataclasses.replace(entry, cut=parse_cut("sub:0"))
        model = right(MetaGraphSource(dataclasses.replace(source.plan, inputs=(wrong,))))
        # The IR's input keeps the name that the plan gives it, as a real mistake inside would.
        model.input(0).get_tensor().set_names({entry.cut.placeholder})
        return model

    monkeypatch.setattr(MetaGraphSource, "model", mutated)


def test_not_downloaded_says_how_to(tmp_path: Path) -> None:
    error = run_failing("convert", "--name", "mixnet-nano", "-d", tmp_path)
    assert "mixnet download --name mixnet-nano" in error


def test_a_failing_model_does_not_stop_the_others(nano_dir: Path, tmp_path: Path) -> None:
    outcome = run("convert", "--name", "mixnet-*", "-d", nano_dir, "-o", tmp_path, "--precisions", "FP32", "-j", "2")
    assert outcome.code == 1
    assert "mixnet-l: failed" in outcome.err
    assert "1 of 2 models failed: mixnet-l" in outcome.err
    assert written(tmp_path) == {"public/mixnet-nano/FP32/mixnet-nano.xml", "public/mixnet-nano/FP32/mixnet-nano.bin"}


@pytest.mark.parametrize("precisions", ["FP64", "FP32,", "fp32"])
def test_unknown_precisions_are_wrong_usage(precisions: str) -> None:
    assert "expected FP32 or FP16" in run_failing("convert", "--name", "x", "--precisions", precisions, code=2)


def _truncate(path: Path, share: float) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def test_when_the_last_step_fails_the_earlier_irs_are_put_back(
    download: Path, tmp_path: Path, nano: ModelDescriptor, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.convert(nano, download, tmp_path, ConversionOptions(verify=False))
    before = {
        path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and download not in path.parents
    }
    assert len(before) == 6
    renamed = []
    rename = Path.rename

    def failing(path: Path, target: Path) -> Path:
        renamed.append(path)
        if len(renamed) == 11:  # in the middle of the second precision
            raise OSError(28, "No space left on device", str(target))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OutputError, match="No space left"):
        stage.convert(nano, download, tmp_path, ConversionOptions(verify=False, weights="ema"))
    monkeypatch.undo()
    assert {path: path.read_bytes() for path in before} == before
    assert not list(tmp_path.rglob("*staging*"))


def test_what_a_killed_conversion_left_is_swept(download: Path, tmp_path: Path, nano: ModelDescriptor) -> None:
    folder = tmp_path / "public/mixnet-nano/FP32"
    old, fresh = folder / ".mixnet_tools-staging-old", folder / ".mixnet_tools-staging-fresh"
    for place in (old, fresh):
        place.mkdir(parents=True)
        (place / "mixnet-nano.bin").write_bytes(b"x")
    os.utime(old, (0, 0))
    stage.convert(nano, download, tmp_path, ConversionOptions(precisions=("FP32",), verify=False))
    assert not old.exists()
    assert fresh.exists()


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_folder_that_cannot_be_written_does_not_stop_the_others(
    nano: ModelDescriptor, nano_dir: Path, tmp_path: Path, jobs: str
) -> None:
    models, files = tmp_path / "models", tmp_path / "files"
    for name in ("first", "second"):
        shutil.copytree(nano.directory, models / "public" / name)
        run_ok("download", "--name", name, "--models_dir", models, "-o", files)
    (tmp_path / "ir/public").mkdir(parents=True)
    (tmp_path / "ir/public/first").write_text("a file where a folder should be")
    outcome = run(
        "convert", "--all", "--models_dir", models, "-d", files, "-o", tmp_path / "ir", "--no_verify", "--json",
        "-j", jobs,
    )  # fmt: skip
    assert outcome.code == 1
    document = json.loads(outcome.out)
    assert [model["name"] for model in document["models"]] == ["second"]
    assert [model["name"] for model in document["failed"]] == ["first"]
    assert "public/first" in document["failed"][0]["error"]


def test_a_full_disk_is_one_clear_error(nano_dir: Path, tmp_path: Path) -> None:
    program = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "from mixnet_tools.cli.main import run\n"
        "sys.exit(run('convert', sys.argv[1:], 'mixnet-convert'))"
    )
    arguments = ["--name", "mixnet-nano", "-d", str(nano_dir), "-o", str(tmp_path), "--no_verify", "-q"]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "fault of mixnet_tools" not in done.stderr
    assert str(tmp_path) in done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "options",
    [
        ConversionOptions(precisions=("fp16",)),
        ConversionOptions(precisions=("../x",), verify=False),
        ConversionOptions(precisions=()),
        ConversionOptions(freezer="torch"),  # type: ignore[arg-type]
        ConversionOptions(weights="best"),  # type: ignore[arg-type]
    ],
)
def test_options_that_only_a_program_can_get_wrong(nano: ModelDescriptor, tmp_path: Path, options: Any) -> None:
    with pytest.raises(UsageError, match="expected"):
        stage.convert(nano, tmp_path, tmp_path, options)
    assert list(tmp_path.iterdir()) == []


def test_one_failing_model_still_has_its_json(tmp_path: Path) -> None:
    outcome = run("convert", "--name", "mixnet-nano", "-d", tmp_path, "--json")
    assert outcome.code == 1
    assert [model["name"] for model in json.loads(outcome.out)["failed"]] == ["mixnet-nano"]
    assert "mixnet download --name mixnet-nano" in outcome.err


def test_the_way_from_the_command_to_the_work_is_short(nano_dir: Path, tmp_path: Path) -> None:
    """Frames of our code below the call that reads the graph, and below OpenVINO's frontend."""
    program = (
        "import json, pathlib, sys\n"
        "import mixnet_tools\n"
        "from openvino.frontend import FrontEnd\n"
        "from mixnet_tools.cli.main import run\n"
        "ours, depths = str(pathlib.Path(mixnet_tools.__file__).parent), {'read': 0, 'convert': 0}\n"
        "def count(work):\n"
        "    frame, depth = sys._getframe(), 0\n"
        "    while frame := frame.f_back:\n"
        "        depth += frame.f_code.co_filename.startswith(ours)\n"
        "    depths[work] = max(depths[work], depth)\n"
        "sys.addaudithook(lambda event, given: event == 'open' and str(given[0]).endswith('.meta') and count('read'))\n"
        "original = FrontEnd.convert\n"
        "FrontEnd.convert = lambda *given: (count('convert'), original(*given))[1]\n"
        "code = run('convert', sys.argv[1:], 'mixnet-convert')\n"
        "print(json.dumps(depths))\n"
        "sys.exit(code)"
    )
    arguments = ["--name", "mixnet-nano", "-d", str(nano_dir), "-o", str(tmp_path), "--no_verify", "-q"]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    depths = json.loads(done.stdout.splitlines()[-1])
    assert 0 < depths["read"] <= 13
    assert 0 < depths["convert"] <= 12


def _reference_processes() -> set[int]:
    """The children of this process that run an original."""
    found = set()
    for children in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
        for pid in children.read_text().split():
            if b"mixnet_tools.reference.child" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.add(int(pid))
    return found


class _Stopping(Progress):
    """Suspends the child that is to run the original, and asks to stop when its answers are waited for."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._of_others = _reference_processes()  # a fixture of other tests may keep one
        self.suspended: set[int] = set()

    @contextlib.contextmanager
    def stage(self, label: str) -> Iterator[None]:
        if "reading" in label:
            for child in _reference_processes() - self._of_others:
                os.kill(child, signal.SIGSTOP)
                self.suspended.add(child)
        elif "running the original" in label:
            self._stop.set()
        yield


def test_a_conversion_that_waits_for_the_original_can_be_stopped(
    nano: ModelDescriptor, nano_dir: Path, tmp_path: Path
) -> None:
    stop, options = threading.Event(), ConversionOptions(precisions=("FP32",))
    plan = make_plan(nano, nano_dir, tmp_path, options)
    progress = _Stopping(stop)
    with pytest.raises(KeyboardInterrupt):
        stage.convert_planned(nano, plan, tmp_path, options, progress, stop)
    assert progress.suspended
    assert list(tmp_path.rglob("*.xml")) == []


@pytest.mark.parametrize("wanted", ["frozen graph", "model server"])
def test_what_cannot_be_written_beside_the_ir_is_one_clear_error(
    nano: ModelDescriptor, nano_dir: Path, tmp_path: Path, wanted: str
) -> None:
    in_the_way = tmp_path / ("public/mixnet-nano/mixnet-nano.frozen.pb" if wanted == "frozen graph" else "served")
    options = ConversionOptions(
        precisions=("FP32",),
        verify=False,
        keep_frozen=wanted == "frozen graph",
        serving=in_the_way if wanted == "model server" else None,
    )
    if wanted == "frozen graph":
        in_the_way.mkdir(parents=True)
    else:
        in_the_way.write_text("a file where a folder should be")
    with pytest.raises(OutputError, match=re.escape(f"{in_the_way}")):
        stage.convert(nano, nano_dir, tmp_path, options)
