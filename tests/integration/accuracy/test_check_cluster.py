"""``mixnet-check --cluster`` with a real scheduler and workers on loopback: the figures of one machine, to the byte."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import Cluster, lines_in
from tests.support.commands import run, run_failing, run_ok
from tests.support.images import pattern, save
from tests.support.waiting import wait_for

COUNTING = """
from mixnet_tools.accuracy import decoding, feed
from mixnet_tools.accuracy.cluster import worker
plain_decode, plain_measure = decoding.decode, worker._measure
def note(ending, text):
    with open({path!r} + ending, "a") as stream:
        stream.write(f"{{text}}\\n")
def counted(source, *, orient=True, name=None):
    note("", name)
    return plain_decode(source, orient=orient, name=name)
def measuring(*arguments):
    note("-begun", "a shard")
    try:
        return plain_measure(*arguments)
    finally:
        note("-ended", "a shard")
feed.decoding.decode = counted
worker._measure = measuring
"""

SENT = """
from pathlib import Path
from mixnet_tools.accuracy.cluster import parcels
parcels.found_at_client_path = lambda parcel: None
plain_unpack = parcels.unpack
def recorded(parcel, data, folder):
    with Path({path!r}).open("a") as stream:
        stream.write(f"{{parcel.info.label}}\\n")
    return plain_unpack(parcel, data, folder)
parcels.unpack = recorded
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two workers; the second counts what it decodes, sees no files of models, and has two threads."""
    place = tmp_path_factory.mktemp("cluster")
    with Cluster(place) as found:
        found.add_worker(COUNTING.format(path=str(place / "decoded-0")))
        found.add_worker(
            COUNTING.format(path=str(place / "decoded-1")) + SENT.format(path=str(place / "unpacked")), threads=2
        )
        found.wait_for_workers()
        yield found


def decoded(cluster: Cluster) -> set[str]:
    """The images that the workers have decoded since this was asked for last: no worker one of them twice.

    Two workers may decode the same: what takes long is given to an idle one as well, and the one that comes second goes
    on with it for a while.
    """
    paths = [cluster.folder / f"decoded-{number}" for number in range(len(cluster.workers))]

    def idle() -> bool:
        return all(lines_in(Path(f"{path}-begun")) == lines_in(Path(f"{path}-ended")) for path in paths)

    wait_for(idle, "the workers to finish")
    found: set[str] = set()
    for path in filter(Path.exists, paths):
        names = path.read_text().splitlines()
        assert len(names) == len(set(names)), f"{path.name} has images twice"
        found |= set(names)
        path.unlink()
    return found


@pytest.fixture(scope="module")
def local(nano_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, dict[str, Any]]:
    """The predictions and the report of a run on this machine, all models."""
    path = tmp_path_factory.mktemp("local") / "predictions.jsonl"
    done = run_ok("check", "--name", "mixnet-nano", "-d", nano_dir, "--json", "--predictions", path)
    return path.read_bytes(), comparable(done.out)


def comparable(out: str) -> dict[str, Any]:
    """The document on stdout without what says how long it took, and where."""
    document: dict[str, Any] = json.loads(out)
    for report in document["reports"]:
        del report["timing"], report["seconds"]
        report["notes"] = [note for note in report["notes"] if "measured by" not in note]
    return document


@pytest.mark.parametrize("shard_size", [7, 600])
def test_predictions_and_report_are_those_of_one_machine(
    cluster: Cluster, nano_dir: Path, local: tuple[bytes, dict[str, Any]], tmp_path: Path, shard_size: int
) -> None:
    path = tmp_path / "predictions.jsonl"
    common: list[str | Path] = ["--name", "mixnet-nano", "-d", nano_dir, "--json", "--predictions", path]
    done = run_ok("check", *common, "--cluster", cluster.address, "--shard_size", str(shard_size))
    assert path.read_bytes() == local[0]
    assert comparable(done.out) == local[1]
    assert f"of {cluster.address}" in done.err
    assert "dashboard: http://127.0.0.1:" in done.err
    assert len(decoded(cluster)) == 600
    # The models' bytes come through the cluster where a worker does not see the files, and only once.
    unpacked = (cluster.folder / "unpacked").read_text().splitlines()
    assert sorted(unpacked) == ["openvino FP16", "openvino FP32", "tf"]


@pytest.mark.parametrize("processes", ["local", "local:3"])
def test_processes_of_this_machine(nano_dir: Path, tmp_path: Path, processes: str) -> None:
    here, there = tmp_path / "here.jsonl", tmp_path / "there.jsonl"
    common: list[str | Path] = ["--name", "mixnet-nano", "-d", nano_dir, "--launcher", "openvino", "--json"]
    alone = run_ok("check", *common, "--predictions", here)
    done = run_ok("check", *common, "--predictions", there, "--cluster", processes, "--shard_size", "32", "-q")
    assert there.read_bytes() == here.read_bytes()
    assert comparable(done.out) == comparable(alone.out)
    assert re.fullmatch(rf"mixnet-nano: note: measured by \d+ workers? of {processes}\n", done.err)


def test_several_devices_and_models_share_one_decoding(cluster: Cluster, nano_dir: Path, tmp_path: Path) -> None:
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
    assert len(decoded(cluster)) == 90
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
    assert list(json.loads(path.read_text().splitlines()[1])["answers"]) == [
        "openvino FP32 on CPU",
        "openvino FP32 on AUTO",
    ]
    assert "0 of 20 images lost" in run_ok("check", *common, "--devices", "CPU,AUTO", "--baseline", baseline).out
    single = tmp_path / "single.jsonl"
    run_ok("check", *common, "--device", "AUTO", "--predictions", single)
    assert list(json.loads(single.read_text().splitlines()[1])["answers"]) == ["openvino FP32"]
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
    cluster: Cluster, nano_dir: Path, local: tuple[bytes, dict[str, Any]], tmp_path: Path
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
