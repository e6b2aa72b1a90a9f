"""What an encoding lacks is escaped on stdout as on stderr: work that is done is not reported as failed."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mixnet_tools.cli import main
from tests.support.downloads import delivered, file_entry
from tests.support.systems import linux
from tests.support.zoo_builder import descriptor_data, write_model

BODY = b"weights"
FILE = "netz-\u732b.bin"


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zoo with one model, whose description and file have letters that are not ASCII. The file is beside the zoo."""
    folder = tmp_path_factory.mktemp("encoding-\u732b")
    (folder / FILE).write_bytes(BODY)
    entry = file_entry(FILE, BODY, (folder / FILE).as_uri())
    write_model(
        folder / "zoo",
        "net",
        descriptor_data(description="größer als \u732b \U0001f408", files=[entry], postprocessing=None),
    )
    return folder / "zoo"


def stream(encoding: str, errors: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors=errors, write_through=True)


def contents(written: io.TextIOWrapper) -> str:
    assert isinstance(written.buffer, io.BytesIO)
    return written.buffer.getvalue().decode(written.encoding)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "ascii:surrogateescape"])
@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("info", ("--print_all", "--table")),
        ("info", ("--all", "--json")),
        ("info", ("--all", "--table")),
        ("download", ("--all", "-o", "\u732b")),
        ("download", ("--all", "-o", "\u732b", "--progress_format", "json")),
    ],
)
def test_what_stdout_cannot_encode_is_escaped(
    command: str, options: tuple[str, ...], encoding: str, zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name, _, errors = encoding.partition(":")
    out, err = stream(name, errors or "strict"), stream(name, "backslashreplace")
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    code = main.run(command, [*options, "--models_dir", str(zoo)], f"mixnet {command}")
    assert code == 0, contents(err)
    if "--print_all" not in options:
        assert "\\u732b" in contents(out) + contents(err)
    if "--json" in options:
        assert [model["description"] for model in json.loads(contents(out))] == ["größer als \u732b \U0001f408"]
    if command == "download":
        assert delivered(tmp_path) == {f"\u732b/public/net/{FILE}": BODY}


@pytest.mark.parametrize("setting", [{"PYTHONIOENCODING": "ascii"}, {"PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}])
def test_a_process_in_the_c_locale_shows_a_model(zoo: Path, setting: dict[str, str]) -> None:
    options = ["info", "--all", "--table", "--models_dir", str(zoo)]
    done = subprocess.run(
        [sys.executable, "-m", "mixnet_tools.cli.main", *options],
        env={**os.environ, "LC_ALL": "C", **setting},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"gr\\xf6\\xdfer als \\u732b" in done.stdout


@linux
def test_a_name_that_the_locale_cannot_write_is_told(zoo: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mixnet_tools.cli.main",
            "download",
            "--all",
            "--models_dir",
            str(zoo),
            "-o",
            str(tmp_path),
        ],
        env={**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert b"the encoding of this locale, ascii, lacks letters of the name" in done.stderr
