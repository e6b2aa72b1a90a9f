"""``mixnet-check --cluster`` while workers and schedulers die, come late or hang: the same figures, nothing twice."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import mixnet_tools
from mixnet_tools.errors import EvaluationError, UsageError
from tests.support.cluster import MEASURE, OPEN_IMAGE, Check, Cluster, after, assert_same, fault, lines_in, slow
from tests.support.commands import run, run_failing, run_ok
from tests.support.images import pattern, save
from tests.support.notes import Notes
from tests.support.waiting import wait_for

SLOWLY = slow(0.25)
AT_WORK = after("../worker-0/failed")
"""The second worker measures nothing before the first one has failed."""

OTHER_VERSION = fault(
    "distributed.versions.get_package_info", 'return {**plain_get_package_info(*arguments), "mixnet_tools": "9.9.9"}'
)
SILENT = fault("mixnet_tools.accuracy.cluster.worker.prepare", "time.sleep(1000)")
DEADLY = fault(
    "mixnet_tools.accuracy.preprocessing.decode.decode", 'if options["name"].endswith("13.png"):\n    os._exit(11)'
)
UNREADABLE = """
if {condition}:
    note("failed")
    raise DatasetError(f"{{first.where}}: cannot be read: {reason}")
"""
UNMOUNTED = fault(OPEN_IMAGE, UNREADABLE.format(condition="count > 30", reason="Stale file handle"))
ONE_UNREADABLE = fault(OPEN_IMAGE, UNREADABLE.format(condition="count == 3", reason="Connection reset by peer"))
NOT_YET = fault(
    "mixnet_tools.accuracy.cluster.worker.sample_size",
    'if count < 3:\n    raise DatasetError(f"{first}: no such file")',
)
"""Its images are there when it is asked for the third time."""

UNABLE = 'note("failed")\nraise EvaluationError("out of memory")'
LOAD = "mixnet_tools.accuracy.cluster.worker.load"
EXHAUSTED = fault(
    "mixnet_tools.accuracy.cluster.worker.measured", 'note("failed")\nraise MemoryError("std::bad_alloc")'
)


def stuck(after: int) -> str:
    """The worker hangs after so many shards."""
    return fault(MEASURE, f'if count > {after}:\n    note("failed")\n    time.sleep(1000)')


@pytest.fixture(scope="module")
def common(nano_dir: Path) -> list[str | Path]:
    return ["--name", "mixnet-nano", "-d", nano_dir, "--launcher", "openvino", "--precisions", "FP32"]


@pytest.fixture(scope="module")
def local(common: list[str | Path], tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The predictions of a run on this machine."""
    path = tmp_path_factory.mktemp("local") / "predictions.jsonl"
    run_ok("check", *common, "--predictions", path)
    return path.read_bytes()


def numbered_images(folder: Path, count: int) -> Path:
    """00.png, 01.png, ..., with a label each."""
    for number in range(count):
        save(folder / f"{number:02}.png", pattern(70, 80, number))
    (folder / "val.txt").write_text("".join(f"{number:02}.png {number % 30}\n" for number in range(count)))
    return folder


def test_a_worker_is_killed_midway_and_another_joins_late(
    common: list[str | Path], local: bytes, tmp_path: Path
) -> None:
    path, enough = tmp_path / "predictions.jsonl", tmp_path / "enough"
    with Cluster(tmp_path / "cluster") as cluster:
        killed = cluster.add_worker(SLOWLY)
        cluster.add_worker(slow(2.0, until=enough))  # leaves most of it to the others until both had their share
        cluster.wait_for_workers()
        check = Check(*common, "--predictions", path, "--cluster", cluster.address, "--shard_size", "20")
        # Four shards are with two workers at most: of five that a worker has begun, the answers to one were taken.
        check.wait_for(lambda: cluster.begun(killed) > 4, "the worker to measure")
        cluster.kill_worker(killed)
        late = cluster.add_worker(slow(0.0))
        check.wait_for(lambda: cluster.begun(late) > 4, "the late worker to measure")
        enough.touch()
        done = check.ok()
    assert_same(path, local)
    assert "measured by 3 workers" in done.err


def test_the_only_worker_is_killed_and_another_joins(common: list[str | Path], local: bytes, tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    with Cluster(tmp_path / "cluster") as cluster:
        cluster.add_worker(SLOWLY)
        check = Check(*common, "--predictions", path, "--cluster", cluster.address, "--shard_size", "20")
        check.wait_for_lines(path, 60)
        cluster.kill_worker(0)
        cluster.add_worker()
        check.ok()
    assert_same(path, local)


def test_a_worker_that_hangs_is_not_waited_for(common: list[str | Path], local: bytes, tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    with Cluster(tmp_path / "cluster") as cluster:
        cluster.add_worker(stuck(2))
        cluster.add_worker(AT_WORK)
        cluster.wait_for_workers()
        check = Check(*common, "--predictions", path, "--cluster", cluster.address, "--shard_size", "40")
        done = check.ok()
    assert_same(path, local)
    assert "measured by 2 workers" in done.err


def test_bad_images_need_no_confirmation_by_a_worker_that_hangs(common: list[str | Path], tmp_path: Path) -> None:
    folder = numbered_images(tmp_path / "set", 30)
    (folder / "13.png").write_bytes(b"no image")
    with Cluster(tmp_path / "cluster") as cluster:
        cluster.add_worker(stuck(0))
        cluster.add_worker(AT_WORK)
        cluster.wait_for_workers()
        options: list[str | Path] = ["-s", folder, "--cluster", cluster.address, "--shard_size", "1", "--max_bad", "1"]
        done = Check(*common, *options, "--no_references", "--json").ok()
    assert [image["name"] for image in json.loads(done.out)["reports"][0]["bad_images"]] == ["13.png"]


def test_one_worker_hangs_another_is_killed_and_a_third_joins(
    common: list[str | Path], local: bytes, tmp_path: Path
) -> None:
    """The shards of the killed one go to the one that hangs, with all that may be out at a time."""
    path = tmp_path / "predictions.jsonl"
    with Cluster(tmp_path / "cluster") as cluster:
        cluster.add_worker(stuck(2))
        killed = cluster.add_worker(slow(0.25))
        cluster.wait_for_workers()
        check = Check(*common, "--predictions", path, "--cluster", cluster.address, "--shard_size", "20")
        hangs = cluster.folder / "worker-0/failed"
        check.wait_for(lambda: hangs.exists() and cluster.begun(killed) > 4, "one to hang, and the other to measure")
        cluster.kill_worker(killed)
        cluster.add_worker()
        check.ok()
    assert_same(path, local)


def test_a_hanging_worker_is_not_waited_for_though_hardly_anything_was_measured(
    nano_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mixnet_tools.accuracy.cluster.failure_policy.FIRST_LATENESS", 1.0)
    with Cluster(tmp_path / "cluster") as cluster:
        for _ in range(2):  # two hang: a copy may come to the second of them
            cluster.add_worker(stuck(0))
        cluster.add_worker()
        cluster.wait_for_workers()
        evaluation = mixnet_tools.evaluate(
            "mixnet-nano", ir_dir=nano_dir, precisions=["FP16"], num_images=200, cluster=cluster.address
        )
    assert evaluation.report.dataset.evaluated == 200


def test_a_worker_that_loses_the_images_does_not_make_them_bad(
    common: list[str | Path], local: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "predictions.jsonl"
    with Cluster(tmp_path / "cluster") as cluster:
        cluster.add_worker(UNMOUNTED)
        cluster.add_worker(AT_WORK)
        cluster.wait_for_workers()
        words: list[str | Path] = ["--cluster", cluster.address, "--shard_size", "20", "--max_bad", "500"]
        done = run_ok("check", *common, "--predictions", path, *words)
    assert_same(path, local)
    assert "takes no part: it cannot measure what another worker can: " in done.err
    assert "Stale file handle" in done.err


def test_a_worker_whose_images_come_late_takes_part_then(
    nano_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mixnet_tools.accuracy.cluster.failure_policy.ASK_AGAIN", 0.5)
    monkeypatch.setattr("mixnet_tools.accuracy.cluster.failure_policy.REFUSED_WAIT", 60.0)
    notes = Notes()
    with Cluster(tmp_path / "cluster") as cluster:
        cluster.add_worker(NOT_YET)
        evaluation = mixnet_tools.evaluate(
            "mixnet-nano",
            ir_dir=nano_dir,
            precisions=["FP16"],
            num_images=20,
            cluster=cluster.address,
            progress=notes,
        )
    assert evaluation.report.dataset.evaluated == 20
    said = [line.partition(" takes ")[2] for line in notes.lines if line.startswith("worker ")]
    assert [line.partition(":")[0] for line in said] == ["no part", "part now"]
    assert said[0].endswith(".jpg: no such file")


def test_an_image_that_one_of_two_workers_can_read_is_not_bad(common: list[str | Path], tmp_path: Path) -> None:
    folder = numbered_images(tmp_path / "set", 30)
    with Cluster(tmp_path / "cluster") as cluster:
        cluster.add_worker(ONE_UNREADABLE)
        cluster.add_worker(AT_WORK)
        cluster.wait_for_workers()
        options: list[str | Path] = ["-s", folder, "--cluster", cluster.address, "--shard_size", "10"]
        done = run_ok("check", *common, *options, "--no_references", "--json")
    assert json.loads(done.out)["reports"][0]["dataset"]["evaluated"] == 30
    assert "takes no part" not in done.err  # it happened once


def test_a_worker_on_which_everything_fails_takes_no_part(
    common: list[str | Path], local: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "predictions.jsonl"
    with Cluster(tmp_path / "cluster") as cluster:
        cluster.add_worker(EXHAUSTED)
        cluster.add_worker(AT_WORK)
        cluster.wait_for_workers()
        words: list[str | Path] = ["--cluster", cluster.address, "--shard_size", "20"]
        done = run_ok("check", *common, "--predictions", path, *words)
    assert_same(path, local)
    assert "takes no part: it cannot measure what another worker can: MemoryError: std::bad_alloc" in done.err
    with Cluster(tmp_path / "all") as cluster:
        cluster.add_worker(EXHAUSTED)
        message = run_failing("check", *common, "--cluster", cluster.address)
        assert ".jpg: the workers cannot measure this image: MemoryError: std::bad_alloc" in message


def test_two_workers_that_fail_alike_do_not_end_what_others_can(
    common: list[str | Path], local: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "predictions.jsonl"
    wait = 'while not os.path.exists("../worker-2/begun"):\n    time.sleep(0.02)\n'
    with Cluster(tmp_path / "cluster") as cluster:
        for _ in range(2):
            cluster.add_worker(fault(LOAD, wait + UNABLE))
        cluster.add_worker(SLOWLY)
        cluster.wait_for_workers()
        words: list[str | Path] = ["--cluster", cluster.address, "--shard_size", "20"]
        done = run_ok("check", *common, "--predictions", path, *words)
    assert_same(path, local)
    assert len(set(re.findall(r"worker (\S+) takes no part: out of memory", done.err))) == 2


def test_a_worker_that_does_not_answer_is_named(common: list[str | Path], tmp_path: Path) -> None:
    with Cluster(tmp_path / "cluster") as cluster:
        cluster.add_worker(SILENT)
        cluster.wait_for_workers()
        message = run_failing("check", *common, "--cluster", cluster.address, "--cluster_wait", "3")
    assert re.search(r"no worker can take part[^\n]*\n *tcp://[0-9.:]*: does not answer", message)


def test_a_worker_that_cannot_load_a_model_takes_no_part(
    common: list[str | Path], local: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "predictions.jsonl"
    with Cluster(tmp_path / "cluster") as cluster:
        cluster.add_worker(fault(LOAD, UNABLE))
        cluster.add_worker(AT_WORK)
        cluster.wait_for_workers()
        words: list[str | Path] = ["--cluster", cluster.address, "--shard_size", "20"]
        done = run_ok("check", *common, "--predictions", path, *words)
    assert_same(path, local)
    assert "takes no part: out of memory" in done.err
    with Cluster(tmp_path / "all") as cluster:
        for _ in range(2):
            cluster.add_worker(fault(LOAD, UNABLE))
        cluster.wait_for_workers()
        assert "out of memory" in run_failing("check", *common, "--cluster", cluster.address)


@contextlib.contextmanager
def listening(answer: bytes) -> Iterator[int]:
    """The port of a server that says ``answer`` to everybody, and no more."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            kept = []
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    kept.append(connection)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


def test_what_listens_but_is_no_scheduler(common: list[str | Path]) -> None:
    with listening(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        message = run_failing("check", *common, "--cluster", f"tcp://127.0.0.1:{port}")
        assert "no Dask scheduler answers there" in message
    for answer in (b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"):
        with listening(answer) as port:
            message = run_failing("check", *common, "--cluster", f"tls://127.0.0.1:{port}")
            assert "distributed.comm.tls" in message


def test_what_listens_and_never_answers(nano_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mixnet_tools.accuracy.cluster.connection.PATIENCE", 1.0)
    with listening(b"") as port, pytest.raises(EvaluationError, match="no Dask scheduler answers there: no answer for"):
        mixnet_tools.evaluate("mixnet-nano", ir_dir=nano_dir, num_images=20, cluster=f"tcp://127.0.0.1:{port}")


def test_a_worker_with_other_software_is_refused(common: list[str | Path], local: bytes, tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    with Cluster(tmp_path / "cluster") as cluster:
        cluster.add_worker(OTHER_VERSION)
        cluster.wait_for_workers()
        arguments: list[str | Path] = [*common, "--predictions", path, "--cluster", cluster.address]
        message = run_failing("check", *arguments, "--cluster_wait", "3")
        assert "no worker can take part" in message
        assert f"expected mixnet_tools {mixnet_tools.__version__}, got mixnet_tools 9.9.9" in message
        cluster.add_worker()
        cluster.wait_for_workers()
        done = run_ok("check", *arguments, "--resume", "--shard_size", "50")
        assert f"takes no part: expected mixnet_tools {mixnet_tools.__version__}, got mixnet_tools 9.9.9" in done.err
        assert "measured by 1 worker of" in done.err
    assert_same(path, local)


def test_a_run_without_workers_ends(common: list[str | Path], tmp_path: Path) -> None:
    with Cluster(tmp_path / "cluster") as cluster:
        message = run_failing("check", *common, "--cluster", cluster.address, "--cluster_wait", "3")
    assert "waiting up to 3 s for workers" in message  # said from the third second on
    waited = re.findall(r"no worker can take part, after (\d+) s of waiting", message)
    assert 3 <= int(waited[0]) < 60  # it looks now and then, and on a busy machine later


def test_an_image_that_kills_workers_is_named(common: list[str | Path], tmp_path: Path) -> None:
    folder = numbered_images(tmp_path / "set", 30)
    with Cluster(tmp_path / "cluster") as cluster:
        cluster.kill_scheduler()
        cluster.start_scheduler(DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0")
        cluster.add_worker(DEADLY, nanny=True)
        cluster.add_worker(DEADLY, nanny=True)
        cluster.wait_for_workers()
        options: list[str | Path] = ["-s", folder, "--cluster", cluster.address, "--shard_size", "10"]
        options += ["--no_references", "--max_bad", "1", "--json"]
        done = run("check", *common, *options)
    assert done.code == 0, done.err
    report = json.loads(done.out)["reports"][0]
    reason = "the worker died while it measured this image"
    assert report["bad_images"] == [{"name": "13.png", "reason": reason}]
    assert report["dataset"]["evaluated"] == 29


def test_a_run_goes_on_after_the_scheduler_was_killed(common: list[str | Path], local: bytes, tmp_path: Path) -> None:
    path, copy = tmp_path / "predictions.jsonl", tmp_path / "copy.jsonl"
    with Cluster(tmp_path / "cluster") as cluster:
        cluster.add_worker(SLOWLY)
        arguments: list[str | Path] = [*common, "--cluster", cluster.address, "--shard_size", "20"]
        check = Check(*arguments, "--predictions", path)
        check.wait_for_lines(path, 100)
        cluster.kill_scheduler()
        stopped = check.outcome()
        assert stopped.code == 1
        assert "Traceback" not in stopped.err
        done = lines_in(path) - 2  # the evaluation, the run
        assert (
            f"the connection to the scheduler was lost; {done} of 600 images were done, and are in {path}"
            in stopped.err
        )
        assert "--resume" in stopped.err
        assert 0 < done < 600
        copy.write_bytes(path.read_bytes())
        cluster.start_scheduler()
        cluster.add_worker()
        resumed = run_ok("check", *arguments, "--predictions", path, "--resume")
        assert f"{done} of the images were measured by an earlier run" in resumed.err
    assert_same(path, local)
    # The same file goes on without a cluster just as well.
    run_ok("check", *common, "--predictions", copy, "--resume")
    assert_same(copy, local)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_keeps_what_is_done(
    common: list[str | Path], local: bytes, tmp_path: Path, number: signal.Signals
) -> None:
    path = tmp_path / "predictions.jsonl"
    check = Check(*common, "--predictions", path, "--cluster", "local:2", "--shard_size", "1")
    check.wait_for_lines(path, 20)
    if number == signal.SIGINT:
        check.signal_group(number)  # as a terminal does it: the workers get it as well
    else:
        check.terminate()
    stopped = check.outcome()
    assert stopped.code == 128 + number
    progress = ("dashboard", " of 600 images", "waiting up to")  # which of these there are is the machine's business
    assert [line for line in stopped.err.splitlines() if not any(words in line for words in progress)] == [
        "mixnet-nano: reading models",
        "starting the cluster's processes",
        "mixnet check: " + ("interrupted" if number == signal.SIGINT else "terminated"),
    ]
    wait_for(lambda: check.leftovers() == [], "the processes of the cluster to end")
    assert 20 <= lines_in(path) < 602
    run_ok("check", *common, "--predictions", path, "--resume")
    assert_same(path, local)


def test_the_python_api_measures_on_a_cluster(nano_dir: Path) -> None:
    alone, on_cluster = (
        mixnet_tools.evaluate(
            "mixnet-nano", ir_dir=nano_dir, precisions=["FP16"], num_images=60, cluster=cluster
        ).report
        for cluster in (None, "local:1")
    )
    assert on_cluster.results == alone.results
    assert on_cluster.notes[:-1] == alone.notes
    assert on_cluster.notes[-1].startswith("measured by 1 worker of local:1 (")
    with pytest.raises(UsageError, match="expected the address of a scheduler"):
        mixnet_tools.evaluate("mixnet-nano", ir_dir=nano_dir, cluster="nowhere")


def test_a_run_begun_on_this_machine_goes_on_on_a_cluster(
    common: list[str | Path], local: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "predictions.jsonl"
    lines = local.splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], *lines[400:450], *lines[7:90]]) + b'{"image": "val_')
    done = run_ok("check", *common, "--predictions", path, "--resume", "--cluster", "local:1")
    assert "133 of the images were measured by an earlier run" in done.err
    assert_same(path, local)
    # Nothing is left to do: the cluster is not even asked.
    whole = path.read_bytes()
    again = run_ok("check", *common, "--predictions", path, "--resume", "--cluster", "tcp://127.0.0.1:1")
    assert "600 of the images were measured by an earlier run" in again.err
    assert path.read_bytes() == whole
