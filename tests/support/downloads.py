"""Models made of given bytes, and the download command run on them inside this process."""

from __future__ import annotations

import contextlib
import hashlib
import io
import signal
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mixnet_tools.cli import main
from mixnet_tools.downloading.layout import STATE_FOLDER
from tests.support.commands import Outcome
from tests.support.zoo_builder import descriptor_data, write_model

IMPATIENT = ("--timeout", "1")
"""For downloads from a server that goes silent."""


class Blob(bytes):
    """Bytes that a failed comparison shows in a few words."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes {sha384(self)[:8]}>" if len(self) > 60 else super().__repr__()


def noise(size: int, seed: str = "") -> bytes:
    """``size`` bytes that do not compress, the same for the same ``seed``."""
    return Blob(hashlib.shake_128(f"noise {seed}".encode()).digest(size))


def sha384(body: bytes) -> str:
    """The checksum of ``body`` as Open Model Zoo writes it."""
    return hashlib.sha384(body).hexdigest()


def file_entry(name: str, body: bytes, source: str | dict[str, str], original: str | None = None) -> dict[str, Any]:
    """An item of ``files`` of a model.yml."""
    entry: dict[str, Any] = {"name": name, "size": len(body), "checksum": sha384(body), "source": source}
    return entry if original is None else {**entry, "original_source": original}


def add_model(
    zoo: Path, name: str, files: Sequence[dict[str, Any]], postprocessing: Sequence[dict[str, Any]] = ()
) -> Path:
    """A model of ``files`` in the zoo at ``zoo``; returns its model.yml."""
    steps = list(postprocessing) or None
    return write_model(zoo, name, descriptor_data(files=list(files), postprocessing=steps))


def tar_gz(members: Mapping[str, bytes], mode: str = "w:gz") -> bytes:
    """An archive with ``members``. The same members give the same bytes, though gzip records the time: what is made
    while tests are collected must be the same in every process.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as tar:  # type: ignore[call-overload]
        for name, body in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    made = packed.getvalue()
    return Blob(made[:4] + bytes(4) + made[8:] if mode == "w:gz" else made)


def download(zoo: Path, output: Path, *arguments: str | Path) -> Outcome:
    """``mixnet-download --all`` of the models in ``zoo``.

    The timeout is ten seconds if none is given: a good server answers in that time even on a busy machine. For a server
    that goes silent, :data:`IMPATIENT` makes it short. A source has three attempts in a row if nothing else is said.
    """
    options: list[str] = ["--models_dir", str(zoo), "-o", str(output), *map(str, arguments)]
    if not {"--name", "--list", "--print_all"} & set(options):
        options.append("--all")
    if "--timeout" not in options:
        options += ["--timeout", "10"]
    if not {"--num_attempts", "--max_wait"} & set(options):
        options += ["--num_attempts", "3"]
    return run_command("download", *options)


def run_command(command: str, *arguments: str | Path) -> Outcome:
    """Run the command in this process, which saves the time that starting another one takes."""
    out, err = io.StringIO(), io.StringIO()
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = main.run(command, [str(argument) for argument in arguments], f"mixnet {command}")
            except SystemExit as exit_request:
                code = int(exit_request.code or 0)
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert "--debug" in arguments or "Traceback" not in err.getvalue(), err.getvalue()
    return Outcome(code, out.getvalue(), err.getvalue())


def download_ok(zoo: Path, output: Path, *arguments: str | Path) -> Outcome:
    """The same, and it must succeed."""
    outcome = download(zoo, output, *arguments)
    assert outcome.code == 0, f"exit code {outcome.code}\n{outcome.out}\n{outcome.err}"
    return outcome


def download_failing(zoo: Path, output: Path, *arguments: str | Path, code: int = 1) -> str:
    """The same, and it must fail with ``code`` and one message, which is returned."""
    outcome = download(zoo, output, *arguments)
    assert outcome.code == code, f"exit code {outcome.code}\n{outcome.out}\n{outcome.err}"
    assert outcome.err.count("error:") == 1, outcome.err
    return outcome.err


def delivered(folder: Path) -> dict[str, bytes]:
    """Every file under a final name below ``folder``, by relative path: all but the state of downloads."""
    return {
        path.relative_to(folder).as_posix(): Blob(path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and STATE_FOLDER not in path.relative_to(folder).parts
    }
