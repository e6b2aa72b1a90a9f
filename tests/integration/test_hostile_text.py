"""One hostile text at every sink: terminal, progress, traceback, JSON, JUnit, Markdown, HTML.

It clears the screen, renames the window, turns the direction of writing, and holds secrets of a URL and markup.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import socket
import threading
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mixnet_tools.accuracy.gate.verdict import Verdict
from mixnet_tools.accuracy.reports.junit import junit
from mixnet_tools.accuracy.reports.markdown import markdown
from mixnet_tools.bars import BarProgress
from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.files import strict_json
from mixnet_tools.progress import JsonProgress, LineProgress
from tests.support.commands import run, run_ok
from tests.support.reports import report, result
from tests.support.zoo_builder import descriptor_data, write_model

STEERING = "\x1b[2J\x1b]0;title\x07\u202e\x9b1m"
URL = "https://me:s3cret@host.example/a?X-Amz-Signature=t0ken&id=7"
HOSTILE = f"evil{STEERING} {URL} <script>x</script> ![p](http://e/p) |cell| `code`"


def expect_safe(text: str) -> None:
    assert "evil" in text or "host.example" in text, "the text did not get here"
    assert [one for one in text if one not in "\n\t" and unicodedata.category(one) in {"Cc", "Cf", "Cs"}] == []
    assert "s3cret" not in text
    assert "t0ken" not in text


def verdict(*notes: str) -> Verdict:
    return Verdict("mixnet-l", 0.2, "full set", (), notes)


def hostile_reports() -> tuple[str, str]:
    one = report(result(7, 9, 10), images=10, total=10, reference_images=10)
    return junit([one], [verdict(HOSTILE)]), markdown([one], [verdict(HOSTILE)])


def test_junit() -> None:
    text, _ = hostile_reports()
    expect_safe(text)
    ElementTree.fromstring(text)
    assert "<script" not in text


def test_markdown() -> None:
    _, text = hostile_reports()
    expect_safe(text)
    line = next(line for line in text.splitlines() if "evil" in line)
    assert "<script" not in line
    assert r"!\[p\](http://e/p) \|cell\| \`code\`" in line


def test_json() -> None:
    text = strict_json.dumps({"note": HOSTILE, HOSTILE: [HOSTILE]})
    expect_safe(text)
    assert text.isascii()
    assert json.loads(text)["note"].startswith(f"evil{STEERING} https://***@host.example/a?X-Amz-Signature=***&id=7")


def test_progress_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    for progress in (LineProgress(stream), JsonProgress(stream)):
        progress.note(f"{HOSTILE}\nforged line")
    text = stream.getvalue() + capsys.readouterr().err
    expect_safe(text)
    assert "\nforged" not in text


def test_the_label_of_a_bar_and_what_is_written_above_it() -> None:
    stream = io.StringIO()
    bar = BarProgress(stream)
    bar.note(HOSTILE)
    bar.file_begin("net", HOSTILE, 100)
    bar.file_end("net", HOSTILE, True)
    with bar.counting(HOSTILE, 3, "image") as counter:
        counter.advance()
    text = stream.getvalue()
    assert text.count("evil") >= 3
    expect_safe(text.replace("\r", "").replace("\x1b[A", ""))  # tqdm's own: start of the line, one line up


@pytest.fixture
def rude_server() -> Iterator[str]:
    """The URL of a server whose reason phrase steers the terminal."""
    answer = f"HTTP/1.1 404 evil{STEERING}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode(
        "latin-1", "replace"
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://me:s3cret@127.0.0.1:{listener.getsockname()[1]}/evil?token=t0ken"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_terminal_a_reason_phrase_with_its_traceback(rude_server: str, tmp_path: Path) -> None:
    data = descriptor_data()
    data["files"][0]["source"] = rude_server
    write_model(tmp_path / "zoo", "net", data)
    outcome = run("download", "--all", "--models_dir", tmp_path / "zoo", "-o", tmp_path / "out", "--debug")
    assert outcome.code == 1
    assert "404 evil\\x1b[2J" in outcome.err
    expect_safe(outcome.out + outcome.err)


def test_terminal_keys_and_values_of_yaml_names_and_arguments(tmp_path: Path) -> None:
    hostile = json.dumps(HOSTILE)  # YAML reads JSON's escapes
    write_model(tmp_path / "zoo", "net", f"{hostile}: 1\ntask_type: {hostile}\nfiles: {hostile}\n")
    for arguments in (
        ("info", "--all", "--models_dir", tmp_path / "zoo", "--debug"),
        ("info", "--name", HOSTILE),
        ("info", "--all", "--models_dir", tmp_path / f"evil{STEERING}"),
        ("check", "--all", "-s", f"{HOSTILE}"),
        ("check", "--name", "mixnet-nano", "--shard", HOSTILE),
    ):
        outcome = run(*map(str, arguments))
        assert outcome.code in (1, 2)
        expect_safe(outcome.out + outcome.err)


def test_terminal_and_json_secrets_that_stand_in_a_descriptor(tmp_path: Path) -> None:
    data = descriptor_data(description=f"evil {STEERING}", license=URL)
    data["files"][0] |= {"source": URL, "original_source": URL}
    write_model(tmp_path / "zoo", "net", data)
    for form in ("--json", "--table"):
        shown = run_ok("info", "--all", "--models_dir", tmp_path / "zoo", form)
        expect_safe(shown.out)
        assert "https://***@host.example/a?X-Amz-Signature=***&id=7" in shown.out


def test_every_report_of_a_check_whose_images_have_hostile_names(
    nano: ModelDescriptor, nano_dir: Path, tmp_path: Path
) -> None:
    name, broken = f"evil{STEERING}<script>.jpg", f"evil broken{STEERING}.jpg"
    images = tmp_path / "images"
    images.mkdir()
    validation = nano.directory / "validation"
    labels = [line.split() for line in (validation / "val.txt").read_text().splitlines()[:20]]
    for file, _ in labels:
        shutil.copy(validation / file, images / file)
    shutil.copy(validation / labels[0][0], images / name)
    (images / broken).write_text("no image")
    wrong = (int(labels[0][1]) + 1) % 30
    lines = [*map(" ".join, labels), f"{name} {wrong}", f"{broken} 0"]
    (images / "val.txt").write_text("\n".join(lines), encoding="utf-8")
    files = {form: tmp_path / f"report.{form}" for form in ("junit", "markdown", "html")}
    written = [argument for form, path in files.items() for argument in (f"--{form}", path)]
    outcome = run(
        *("check", "--name", "mixnet-nano", "-d", nano_dir, "--launcher", "openvino", "--precisions", "FP32"),
        *("-s", images, "--max_bad", "1", *written),
    )
    assert outcome.code in (0, 3), outcome.err
    expect_safe(outcome.out + outcome.err)
    texts = {form: path.read_text(encoding="utf-8") for form, path in files.items()}
    for text in texts.values():
        expect_safe(text)
        assert "<script" not in text
    assert re.search(r"evil.{1,80}&lt;script&gt;", texts["html"])
