"""Several models at once, and what a run reports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mixnet_tools.descriptors import zoo as zoos
from mixnet_tools.downloading.download import locate_downloaded
from mixnet_tools.errors import DownloadError, NextStep
from tests.support import omz_checkout
from tests.support.archived_model import FINISHED, SCRIPT
from tests.support.downloads import (
    add_model,
    delivered,
    download,
    download_ok,
    file_entry,
    noise,
    run_command,
)
from tests.support.http_server import Answer, FaultyServer

EXTRA = noise(1000, "extra")


def test_a_failed_model_stops_no_other_and_the_end_lists_it(zoo: Path, tmp_path: Path, server: FaultyServer) -> None:
    add_model(zoo, "a-bad", [file_entry("x.bin", EXTRA, server.put("/x.bin", EXTRA, Answer(status=404)))])
    add_model(zoo, "z-bad", [file_entry("y.bin", EXTRA, server.put("/y.bin", EXTRA, Answer(body=b"no")))])
    for jobs in ("1", "3"):
        outcome = download(zoo, tmp_path / jobs, "-j", jobs)
        assert outcome.code == 1
        assert delivered(tmp_path / jobs) == FINISHED
        assert "net: downloaded to" in outcome.out
        assert "2 of 3 models could not be downloaded" in outcome.err
        assert "a-bad: " in outcome.err
        assert "HTTP 404" in outcome.err
        assert "z-bad: " in outcome.err
        assert outcome.err.count("error:") == 1


def test_files_and_models_come_side_by_side_with_jobs(tmp_path: Path, server: FaultyServer) -> None:
    expected = {}
    for model in range(3):
        entries = []
        for number in range(4):
            body, name = noise(5000, f"{model} {number}"), f"f{number}.bin"
            entries.append(file_entry(name, body, server.put(f"/{model}/{name}", body, Answer(wait=0.3))))
            expected[f"public/m{model}/{name}"] = body
        add_model(tmp_path / "zoo", f"m{model}", entries)
    download_ok(tmp_path / "zoo", tmp_path / "out", "-j", "6")
    assert delivered(tmp_path / "out") == expected


def test_many_files_are_one_line_in_the_result(tmp_path: Path, server: FaultyServer) -> None:
    entries = [file_entry(f"f{n}", EXTRA, server.put(f"/many/f{n}", EXTRA)) for n in range(30)]
    add_model(tmp_path / "zoo", "net", entries)
    assert download_ok(tmp_path / "zoo", tmp_path / "out").out.splitlines()[1:] == [
        f"  30 files from {server.url}/many"
    ]


def test_precisions_leave_out_files_of_others(tmp_path: Path, server: FaultyServer) -> None:
    names = ["FP16/net.xml", "FP32/net.xml", "FP16-INT8/net.xml", "readme.txt"]
    entries = [file_entry(name, EXTRA, server.put(f"/{name}", EXTRA)) for name in names]
    path = add_model(tmp_path / "zoo", "net", entries)
    text = path.read_text().replace("framework: tf", "framework: dldt")
    path.write_text(text[: text.index("model_optimizer_args")] + text[text.index("framework:") :])
    download_ok(tmp_path / "zoo", tmp_path / "out", "--precisions", "FP16")
    assert delivered(tmp_path / "out").keys() == {"public/net/FP16/net.xml", "public/net/readme.txt"}
    asked = len(server.requests)
    download_ok(tmp_path / "zoo", tmp_path / "out")
    assert len(delivered(tmp_path / "out")) == 4
    assert len(server.requests) - asked == 2


def test_json_events_are_those_of_omz(zoo: Path, tmp_path: Path) -> None:
    outcome = download_ok(zoo, tmp_path / "out", "--progress_format", "json")
    events = [json.loads(line) for line in outcome.out.splitlines()]
    kinds = [event["$type"] for event in events]
    assert kinds[0] == "model_download_begin"
    assert kinds[-3:] == ["model_download_end", "model_postprocessing_begin", "model_postprocessing_end"]
    assert events[0] == {"$type": "model_download_begin", "model": "net", "num_files": 2}
    ends = [event for event in events if event["$type"] == "model_file_download_end"]
    assert [(event["model_file"], event["successful"]) for event in ends] == [
        ("net.tar.gz", True),
        ("code/run.py", True),
    ]
    progress = [event for event in events if event["$type"] == "model_file_download_progress"]
    assert progress[-1]["size"] == len(SCRIPT)
    assert "net: downloaded" in outcome.err


@omz_checkout.needed
def test_json_events_come_as_from_omz_downloader_itself(zoo: Path, tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom omz_tools import _common\n"
        "_common.MODEL_ROOT = Path(sys.argv.pop(1))\nfrom omz_tools.omz_downloader import main\nmain()\n"
    )
    options = ("--all", "--progress_format", "json", "-o")
    theirs = omz_checkout.run_python(program, zoo, *options, tmp_path / "theirs")
    ours = run_command("download", "--models_dir", zoo, *options, tmp_path / "ours").out

    def told(lines: str) -> list[dict[str, object]]:
        events = [json.loads(line) for line in lines.splitlines()]
        return [event for event in events if not event["$type"].endswith("progress")]

    assert told(ours) == told(theirs)


def test_with_one_job_events_come_model_by_model_and_file_by_file(tmp_path: Path, server: FaultyServer) -> None:
    for model in ("a", "b"):
        entries = [file_entry(f"{n}.bin", EXTRA, server.put(f"/{model}/{n}", EXTRA)) for n in range(2)]
        add_model(tmp_path / "zoo", model, entries)
    server.put("/a/1", EXTRA, Answer(status=404))
    outcome = download(tmp_path / "zoo", tmp_path / "out", "--progress_format", "json")
    events = [json.loads(line) for line in outcome.out.splitlines()]
    told = [
        (event["$type"].removeprefix("model_"), event["model"], event.get("model_file"), event.get("successful"))
        for event in events
        if not event["$type"].endswith("progress")
    ]
    expected: list[tuple[object, ...]] = []
    for model in ("a", "b"):
        expected.append(("download_begin", model, None, None))
        for name in ("0.bin", "1.bin"):
            expected.append(("file_download_begin", model, name, None))
            expected.append(("file_download_end", model, name, (model, name) != ("a", "1.bin")))
        expected.append(("download_end", model, None, model == "b"))
    assert told == expected


def test_a_failure_is_an_event_too(zoo: Path, tmp_path: Path, server: FaultyServer) -> None:
    server.put("/run.py", SCRIPT, Answer(status=404))
    outcome = download(zoo, tmp_path / "out", "--progress_format", "json")
    events = [json.loads(line) for line in outcome.out.splitlines()]
    assert events[-1] == {"$type": "model_download_end", "model": "net", "successful": False}
    assert {
        "$type": "model_file_download_end",
        "model": "net",
        "model_file": "code/run.py",
        "successful": False,
    } in events


def test_quiet_prints_the_result_alone(zoo: Path, tmp_path: Path) -> None:
    outcome = download_ok(zoo, tmp_path / "out", "--quiet")
    assert outcome.err == ""
    assert outcome.out.startswith("net: downloaded to")


def test_locate_downloaded_finds_what_is_finished_and_names_what_is_not(zoo: Path, out: Path, tmp_path: Path) -> None:
    (entry,) = zoos.find_models([zoo])
    model = entry.load()
    found = locate_downloaded(model, out)
    assert found.directory == out / "public/net"
    assert [file.path for file in found.files] == [out / "public/net/net.tar.gz", out / "public/net/code/run.py"]

    with pytest.raises(DownloadError, match="is not there") as caught:
        locate_downloaded(model, tmp_path / "nowhere")
    assert caught.value.hint == NextStep("download", "net", {"output_dir": tmp_path / "nowhere"})
    (out / "public/net/net/model.ckpt").write_bytes(b"short")
    with pytest.raises(DownloadError, match=r"net/model\.ckpt is missing or incomplete"):
        locate_downloaded(model, out)
