"""``mixnet-check --cluster`` with a real scheduler and workers on loopback: the figures of one machine, to the byte."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mixnet_tools.descriptors.model_yml import ModelDescriptor
from tests.support.cluster import MEASURE, Cluster, assert_same, fault, lines_in, without_runs
from tests.support.commands import run, run_failing, run_ok
from tests.support.images import pattern, save
from tests.support.waiting import wait_for

COUNTING = (
    fault(
        "mixnet_tools.accuracy.preprocessing.decode.decode",
        """
        with open("decoded", "a") as stream:
            stream.write(options["name"] + "\\n")
        """,
    )
    + fault("mixnet_tools.accuracy.cluster.worker.load", 'note("loaded")')
    + fault(MEASURE, 'note("begun")', 'note("ended")')
)
"""The worker notes which images it decodes, the models that it loads, and the tasks that it begins and ends."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two workers that count; the second has two threads."""
    with Cluster(tmp_path_factory.mktemp("cluster")) as found:
        for threads in (1, 2):
            found.add_worker(COUNTING, threads=threads)
        found.wait_for_workers()
        yield found


def decoded(cluster: Cluster, *, models: int = 1) -> set[str]:
    """The images that the workers have decoded since this was asked for last: no worker one of them twice for a model.

    Two workers may decode the same: what takes long is given to an idle one as well, and the one that comes second goes
    on with it for a while.
    """
    places = [cluster.folder / f"worker-{number}" for number in range(len(cluster.workers))]

    def idle() -> bool:
        return all(lines_in(place / "begun") == lines_in(place / "ended") for place in places)

    wait_for(idle, "the workers to finish")
    found: set[str] = set()
    for path in [place / "decoded" for place in places if (place / "decoded").exists()]:
        names = path.read_text().splitlines()
        assert max(Counter(names).values()) <= models, f"{path} has images too often"
        found |= set(names)
        path.unlink()
    return found


def comparable(out: str) -> dict[str, Any]:
    """The document on stdout without what says how long it took, and where."""
    document: dict[str, Any] = json.loads(out)
    for report in document["reports"]:
        del report["timing"], report["seconds"], report["runs"]
        report["notes"] = [note for note in report["notes"] if "measured by" not in note]
    return document


def images_in(predictions: Path) -> list[bytes]:
    """The lines of a predictions file that hold an image each."""
    return without_runs(predictions.read_bytes()).splitlines()[1:]


@pytest.fixture(scope="module")
def local(nano_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The predictions and the report of a run on this machine: the original, and the IRs."""
    path = tmp_path_factory.mktemp("local") / "predictions.jsonl"
    done = run_ok("check", "--name", "mixnet-nano", "-d", nano_dir, "--json", "--predictions", path)
    return path, comparable(done.out)


@pytest.mark.parametrize("shard_size", [7, 600])
def test_predictions_and_report_are_those_of_one_machine(
    cluster: Cluster, nano_dir: Path, tmp_path: Path, shard_size: int
) -> None:
    here, there = tmp_path / "here.jsonl", tmp_path / "there.jsonl"
    common: list[str | Path] = ["--name", "mixnet-nano", "-d", nano_dir, "--launcher", "openvino", "--json"]
    alone = run_ok("check", *common, "--predictions", here)
    remote: list[str | Path] = ["--cluster", cluster.address, "--shard_size", str(shard_size)]
    done = run_ok("check", *common, "--predictions", there, *remote)
    assert_same(there, here.read_bytes())
    assert comparable(done.out) == comparable(alone.out)
    assert f"of {cluster.address}" in done.err
    assert "dashboard: http://127.0.0.1:" in done.err
    assert len(decoded(cluster)) == 600


def test_files_are_accounted_for_as_on_one_machine(
    cluster: Cluster, nano: ModelDescriptor, nano_dir: Path, tmp_path: Path
) -> None:
    lines = (nano.directory / "validation/val.txt").read_text().splitlines()[:16]
    for split, chosen in (("train", lines[:3]), ("val", lines[3:])):
        (tmp_path / split).mkdir()
        for line in chosen:
            shutil.copy(nano.directory / "validation" / line.split()[0], tmp_path / split)
    bad = lines[3].split()[0]
    (tmp_path / "val" / bad).write_bytes(b"no image")
    (tmp_path / "val/val.txt").write_text("\n".join(lines[3:]))
    (tmp_path / "README.md").touch()
    (tmp_path / "val/.hidden.jpg").touch()
    common: list[str | Path] = ["--name", "mixnet-nano", "-d", nano_dir, "--launcher", "openvino", "-s", tmp_path]
    common += ["--precisions", "FP16", "--no_references", "--max_bad", "1", "--json"]
    alone = comparable(run_ok("check", *common).out)["reports"][0]
    done = run_ok("check", *common, "--cluster", cluster.address, "--shard_size", "5")
    report = comparable(done.out)["reports"][0]
    assert report["dataset"] == alone["dataset"]
    (account,) = report["dataset"]["accounts"]
    assert (account["seen"], account["used"], account["labels"]) == (19, 12, 1)
    assert {one["reason"]: (one["count"], one["names"][0]) for one in account["left_out"]} == {
        "other split": (3, f"train/{lines[0].split()[0]}"),
        "not an image": (1, "README.md"),
        "hidden": (1, "val/.hidden.jpg"),
        "cannot be decoded": (1, bad),
    }
    decoded(cluster)  # tests after this one count anew


def test_the_original_is_measured_too(
    cluster: Cluster, nano_dir: Path, local: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """TensorFlow's last digit may depend on the number of threads, and on the other images of a batch."""
    path = tmp_path / "predictions.jsonl"
    loaded = [lines_in(cluster.folder / f"worker-{number}" / "loaded") for number in range(2)]
    common: list[str | Path] = ["--name", "mixnet-nano", "-d", nano_dir, "--json", "--predictions", path]
    done = run_ok("check", *common, "--cluster", cluster.address, "--shard_size", "40")
    assert comparable(done.out)["reports"][0]["results"] == local[1]["reports"][0]["results"]
    for line, expected in zip(images_in(path), images_in(local[0]), strict=True):
        found, alone = json.loads(line), json.loads(expected)
        original, here = (one["answers"].pop("tf") for one in (found, alone))
        del found["digest"], alone["digest"]
        assert found == alone
        assert [label for label, _ in original] == [label for label, _ in here]
        assert [score for _, score in original] == pytest.approx([score for _, score in here], abs=2e-6)
    # The workers get the bytes of the original and of two IRs, and load each once.
    assert [lines_in(cluster.folder / f"worker-{number}" / "loaded") for number in range(2)] == [
        before + 3 for before in loaded
    ]


@pytest.mark.parametrize("processes", ["local", "local:3"])
def test_processes_of_this_machine(nano_dir: Path, tmp_path: Path, processes: str) -> None:
    here, there = tmp_path / "here.jsonl", tmp_path / "there.jsonl"
    common: list[str | Path] = ["--name", "mixnet-nano", "-d", nano_dir, "--launcher", "openvino", "--json"]
    alone = run_ok("check", *common, "--predictions", here)
    done = run_ok("check", *common, "--predictions", there, "--cluster", processes, "--shard_size", "32", "-q")
    assert_same(there, here.read_bytes())
    assert comparable(done.out) == comparable(alone.out)
    (note,) = json.loads(done.out)["reports"][0]["notes"]
    assert re.fullmatch(rf"measured by \d+ workers? of {processes} \(.+\)", note)
    assert done.err == ""  # -q


def test_several_devices_and_models(cluster: Cluster, nano_dir: Path, tmp_path: Path) -> None:
    """One call for two models (the second is a copy with another name) on two devices; and the same without cluster."""
    zoo, models = tmp_path / "zoo", tmp_path / "out"
    bundled = Path(__file__).parents[3] / "models/public/mixnet-nano"
    for name in ("nano-a", "nano-b"):
        folder = zoo / "public" / name
        folder.mkdir(parents=True)
        for file in ("model.yml", "accuracy-check.yml", "labels.txt"):
            (folder / file).write_bytes((bundled / file).read_bytes())
        for precision in ("FP32", "FP16"):
            place = models / "public" / name / precision
            place.mkdir(parents=True)
            for suffix in ("xml", "bin"):
                source = nano_dir / f"public/mixnet-nano/{precision}/mixnet-nano.{suffix}"
                (place / f"{name}.{suffix}").write_bytes(source.read_bytes())
    common: list[str | Path] = [
        "--name",
        "nano-*",
        "--models_dir",
        zoo,
        "-d",
        models,
        "--launcher",
        "openvino",
        "--json",
    ]
    common += ["--precisions", "FP32,FP16", "--devices", "CPU,AUTO", "-s", bundled / "validation", "--num_images", "90"]
    alone = run_ok("check", *common)
    decoded(cluster)
    done = run_ok("check", *common, "--cluster", cluster.address, "--shard_size", "20")
    assert len(decoded(cluster, models=2)) == 90
    assert comparable(done.out) == comparable(alone.out)
    reports = json.loads(done.out)["reports"]
    assert [report["model"] for report in reports] == ["nano-a", "nano-b"]
    assert [(one["precision"], one["device"]) for one in reports[0]["results"]] == [
        ("FP32", "CPU"),
        ("FP16", "CPU"),
        ("FP32", "AUTO"),
        ("FP16", "AUTO"),
    ]


def test_labels_say_the_device_where_there_are_several(nano_dir: Path, tmp_path: Path) -> None:
    common: list[str | Path] = ["--name", "mixnet-nano", "-d", nano_dir, "--launcher", "openvino", "--num_images", "20"]
    common += ["--precisions", "FP32"]
    baseline, path = tmp_path / "baseline.json", tmp_path / "predictions.jsonl"
    options: list[str | Path] = ["--devices", "CPU,AUTO", "--predictions", path, "--baseline", baseline]
    done = run_ok("check", *common, *options, "--update_baseline")
    assert "openvino on AUTO" in done.out
    assert list(json.loads(images_in(path)[0])["answers"]) == [
        "openvino FP32 on CPU",
        "openvino FP32 on AUTO",
    ]
    assert "0 of 20 images lost" in run_ok("check", *common, "--devices", "CPU,AUTO", "--baseline", baseline).out
    single = tmp_path / "single.jsonl"
    run_ok("check", *common, "--device", "AUTO", "--predictions", single)
    assert list(json.loads(images_in(single)[0])["answers"]) == ["openvino FP32"]
    assert "only one of --device and --devices" in run_failing(
        "check", *common, "--device", "CPU", "--devices", "AUTO", code=2
    )


def test_a_corrupt_image_is_reported_once_and_by_the_name_it_was_given(
    cluster: Cluster, nano_dir: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "set"
    for number in range(50):
        save(folder / f"{number:02}.png", pattern(70, 80, number))
    (folder / "17.png").write_bytes(b"\x89PNG no more")
    (folder / "val.txt").write_text("".join(f"{number:02}.png {number % 30}\n" for number in range(50)))
    common: list[str | Path] = ["--name", "mixnet-nano", "-d", nano_dir, "--launcher", "openvino", "--no_references"]
    remote: list[str | Path] = ["--cluster", cluster.address, "--shard_size", "8"]

    def without_place(*arguments: str | Path) -> str:
        done = run("check", *common, "-s", "set", *arguments, cwd=tmp_path)
        assert done.code == 1
        assert done.err.count("17.png") == 1
        return next(line for line in done.err.splitlines() if "error:" in line)

    assert without_place(*remote) == without_place()
    assert "error: set/17.png: cannot be decoded as an image" in without_place(*remote)
    allowed: list[str | Path] = ["-s", folder, "--max_bad", "1", "--json"]
    done, alone = run("check", *common, *allowed, *remote), run("check", *common, *allowed)
    assert comparable(done.out) == comparable(alone.out)
    assert [one["name"] for one in json.loads(done.out)["reports"][0]["bad_images"]] == ["17.png"]


def test_it_works_together_with_shard_and_merge(
    cluster: Cluster, nano_dir: Path, local: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for number, path in enumerate(paths, 1):
        where = ["--cluster", cluster.address, "--shard_size", "16"] if number == 1 else []
        run_ok(
            "check", "--name", "mixnet-nano", "-d", nano_dir, "--shard", f"{number}/2", "--predictions", path, *where
        )
    merged = comparable(run_ok("check", "merge", *paths, "--json").out)
    assert merged["reports"][0]["results"] == local[1]["reports"][0]["results"]


def test_wrong_usage(nano_dir: Path) -> None:
    common: list[str | Path] = ["--name", "mixnet-nano", "-d", nano_dir, "--launcher", "openvino"]
    for wrong, message in (
        (["--cluster", "local:0"], "a cluster needs a process"),
        (["--cluster", "localhost"], "expected the address of a scheduler"),
        (["--cluster", "tcp://host"], "expected the address of a scheduler"),
        (["--cluster", "http://host:8786"], "expected the address of a scheduler"),
        (["--cluster", ""], "expected the address of a scheduler"),
        (["--shard_size", "8"], "--shard_size without --cluster"),
        (["--cluster_wait", "8"], "--cluster_wait without --cluster"),
        (["--cluster", "local:2", "--shard_size", "0"], "at least 1"),
        (["--devices", "CPU,"], "names of devices"),
    ):
        assert message in run_failing("check", *common, *wrong, code=2)


def test_a_scheduler_that_is_not_there(nano_dir: Path, tmp_path: Path) -> None:
    common: list[str | Path] = ["--name", "mixnet-nano", "-d", nano_dir, "--launcher", "openvino"]
    path = tmp_path / "predictions.jsonl"
    message = run_failing("check", *common, "--cluster", "tcp://127.0.0.1:1", "--predictions", path)
    assert "tcp://127.0.0.1:1: cannot be reached: Connection refused" in message
    assert "dask scheduler" in message
    assert not path.exists()
