"""Several models, and any number of threads for their files."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import pytest

from mixnet_tools.descriptors.file_entries import ModelFile
from mixnet_tools.downloading.context import Stopped
from mixnet_tools.downloading.fetch import FileRequest
from mixnet_tools.downloading.job import Outcome, Steps
from mixnet_tools.downloading.manifest import FileRecord
from mixnet_tools.downloading.parallel import FileQueue, threads_that_fit
from mixnet_tools.errors import DownloadError
from mixnet_tools.threads import run_each
from mixnet_tools.values import DownloadedModel
from tests.support.downloads import file_entry
from tests.support.systems import posix

Fetch = Callable[[FileRequest], FileRecord]


class Log(list[str]):
    """What happened, in order. ``model`` makes a model that is noted here, and ``fetch`` notes a file."""

    def model(self, name: str, count: int, begin: Callable[[], object] = lambda: None) -> Steps:
        """A model of ``count`` files; ``begin`` is called when it begins."""
        self.append(f"begin {name}")
        outcomes: Sequence[Outcome] = ()
        try:
            begin()
            if count:
                outcomes = yield [request(name, number) for number in range(count)]
            for outcome in outcomes:
                if isinstance(outcome, Exception):
                    raise outcome
            return DownloadedModel(name, Path(name), (), up_to_date=not count)
        finally:
            self.append(f"end {name}")

    def fetch(self, request: FileRequest) -> FileRecord:
        self.append(f"{request.model}{request.file.name}")
        return record()


def request(model: str, number: int) -> FileRequest:
    file = ModelFile.model_validate(file_entry(str(number), b"x", "http://host.example/x"))
    return FileRequest(model, file, (), Path("x.part"), Path("x"), Path("x"), anew=False)


def record() -> FileRecord:
    return FileRecord(size=1, checksum="sha256:0", mtime_ns=0)


def download(models: Sequence[Steps], fetch: Fetch, threads: int) -> list[DownloadedModel | Exception]:
    stop = threading.Event()
    queue = FileQueue(models, fetch)
    run_each(queue.work, [stop] * threads, threads, stop)
    return queue.results()


def test_one_thread_takes_model_after_model_and_file_after_file() -> None:
    log = Log()
    models = [log.model("a", 2), log.model("b", 0), log.model("c", 1)]
    results = download(models, log.fetch, 1)
    assert log == ["begin a", "a0", "a1", "end a", "begin b", "end b", "begin c", "c0", "end c"]
    assert [result.name for result in results if isinstance(result, DownloadedModel)] == ["a", "b", "c"]


@pytest.mark.parametrize("threads", [1, 3])
def test_a_failure_is_its_models_alone(threads: int) -> None:
    log = Log()

    def fetch(request: FileRequest) -> FileRecord:
        if (request.model, request.file.name) == ("b", "1"):
            raise DownloadError("b1 is gone")
        return log.fetch(request)

    def broken() -> None:
        raise OSError("read-only")

    models = [log.model("a", 2), log.model("b", 3), log.model("c", 1, broken), log.model("d", 2)]
    a, b, c, d = download(models, fetch, threads)
    assert isinstance(a, DownloadedModel)
    assert isinstance(b, DownloadError)
    assert isinstance(c, OSError)
    assert isinstance(d, DownloadedModel)
    assert {"b0", "b2"} < set(log)  # what can be had of a model that fails is kept for the next run


def test_files_come_side_by_side_also_where_others_wait_for_a_model_to_begin() -> None:
    log, together = Log(), threading.Barrier(3, timeout=20)

    def fetch(request: FileRequest) -> FileRecord:
        together.wait()
        return log.fetch(request)

    download([log.model("a", 1), log.model("b", 2)], fetch, 3)
    assert sorted(log) == ["a0", "b0", "b1", "begin a", "begin b", "end a", "end b"]


def test_no_model_begins_while_a_file_of_another_waits() -> None:
    log, together = Log(), threading.Barrier(2, timeout=20)

    def fetch(request: FileRequest) -> FileRecord:
        together.wait()
        return log.fetch(request)

    download([log.model("a", 6), log.model("b", 2)], fetch, 2)
    assert set(log[: log.index("begin b")]) >= {"begin a", "a0", "a1", "a2", "a3"}


@pytest.mark.parametrize("threads", [1, 2])
def test_a_stop_lets_go_of_models_that_have_begun(threads: int) -> None:
    log, stop = Log(), threading.Event()

    def fetch(request: FileRequest) -> FileRecord:
        stop.set()
        raise Stopped

    queue = FileQueue([log.model("a", 5), log.model("b", 5)], fetch)
    with pytest.raises(Stopped):
        run_each(queue.work, [stop] * threads, threads, stop)
    assert log == ["begin a"]
    queue.close()
    assert log == ["begin a", "end a"]


def test_a_model_that_a_thread_is_still_at_work_on_is_left_alone() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def busy() -> Generator[Sequence[FileRequest], Sequence[Outcome], DownloadedModel]:
        begun.set()
        assert go_on.wait(60)
        yield from ()
        return DownloadedModel("a", Path("a"), (), up_to_date=True)

    stop = threading.Event()
    queue = FileQueue([busy()], Log().fetch)
    thread = threading.Thread(target=queue.work, args=[stop])
    thread.start()
    assert begun.wait(20)
    queue.close()
    go_on.set()
    thread.join(20)
    assert [isinstance(result, DownloadedModel) for result in queue.results()] == [True]


@posix
def test_no_more_threads_are_at_work_than_files_may_be_open(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    opened = len(os.listdir("/dev/fd"))
    for spare, expected in ((1000, 8), (30, 6), (3, 1)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, spare=spare: (opened + spare, opened + spare))
        assert threads_that_fit(8) == expected
