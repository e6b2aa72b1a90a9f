"""Compares mixnet-download with curl, sha384sum and tar by hand, on the same files from a local server.

    python -m benchmarks.download [RACE ...] [--rounds 5] [--archive_mb 54] [--file_mb 200] [--huge_mb 1200]
                                  [--small 200] [--many 2000] [--plot FILE]

Each round runs every contestant once, in turn, in a fresh folder. The table shows the median and the best round, from
the start of the process to its end. Memory is the peak resident size of the process, minus that of a Python that only
imports the same modules, for the archive and for one ten times as large.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import http.server
import io
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import yaml

from benchmarks import results
from mixnet_tools.pages.plot import Bars

RACES = ("all", "archive", "small", "file", "ranges", "many", "memory")
SERVE = "import sys; from benchmarks.download import serve_forever; serve_forever(sys.argv[1])"


@dataclass(frozen=True)
class Served:
    """A file that the server has."""

    name: str
    size: int
    sha384: str


class _Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each small file waits 40 ms for an acknowledgement

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""

    def do_GET(self) -> None:
        """Serve a file, or the range of it that is asked for."""
        asked = re.fullmatch(r"bytes=([0-9]+)-([0-9]+)", self.headers.get("Range", ""))
        if asked is None:
            super().do_GET()
            return
        begin, end = int(asked[1]), int(asked[2]) + 1
        with open(self.translate_path(self.path), "rb") as source:
            self.send_response(206)
            self.send_header("Content-Length", str(end - begin))
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{os.fstat(source.fileno()).st_size}")
            self.end_headers()
            self._send(source, begin, end)

    def copyfile(self, source: object, outputfile: object) -> None:
        """Send all of ``source``."""
        assert isinstance(source, io.BufferedReader)
        self._send(source, 0, os.fstat(source.fileno()).st_size)

    def _send(self, source: io.BufferedReader, begin: int, end: int) -> None:
        """Let the kernel do it, so that the server's own cost blurs the comparison as little as possible."""
        self.wfile.flush()
        while begin < end:
            begin += os.sendfile(self.connection.fileno(), source.fileno(), begin, end - begin)


def serve_forever(folder: str) -> None:
    """Serve ``folder`` on a free port of loopback, which is printed."""
    handler = functools.partial(_Handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        print(server.server_address[1], flush=True)
        threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0))).start()
        server.serve_forever()


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A server of ``folder`` in a process of its own; gives its base URL."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.stdin.close()
        process.wait()


def make_archive(folder: Path, name: str, size: int) -> Served:
    """An archive of the published one's form: three files that hardly compress, like weights."""
    noise = random.Random(0)
    path = folder / f"{name}.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for member, share in (("meta", 0.08), ("data-00000-of-00001", 0.92)):
            info = tarfile.TarInfo(f"{name}/model.ckpt.{member}")
            info.size = int(size * share)
            tar.addfile(info, _Noise(noise, info.size))
    return _describe(path)


class _Noise(io.RawIOBase):
    """``size`` random bytes, made as they are read."""

    def __init__(self, source: random.Random, size: int) -> None:
        self._source, self._left = source, size

    def read(self, count: int = -1) -> bytes:
        count = min(self._left, count if count >= 0 else self._left)
        self._left -= count
        return self._source.randbytes(count)


def make_file(folder: Path, name: str, size: int) -> Served:
    """One file that does not compress."""
    noise = random.Random(2)
    path = folder / name
    with path.open("wb") as stream:
        for begin in range(0, size, 1 << 20):
            stream.write(noise.randbytes(min(1 << 20, size - begin)))
    return _describe(path)


def make_small_files(folder: Path, count: int) -> list[Served]:
    """``count`` files of 1 to 40 kB."""
    noise = random.Random(1)
    files = []
    for number in range(count):
        path = folder / f"small{number:03}.bin"
        path.write_bytes(noise.randbytes(noise.randrange(1_000, 40_000)))
        files.append(_describe(path))
    return files


def _describe(path: Path) -> Served:
    digest = hashlib.sha384()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return Served(path.name, path.stat().st_size, digest.hexdigest())


def write_model(zoo: Path, name: str, files: Sequence[Served], url: str, archive: str | None) -> None:
    """A descriptor of ``files``, of which ``archive`` is unpacked."""
    descriptor = {
        "description": "Files for a benchmark.",
        "task_type": "classification",
        "files": [{"name": f.name, "size": f.size, "checksum": f.sha384, "source": f"{url}/{f.name}"} for f in files],
        "framework": "dldt",
        "license": "none",
    }
    if archive:
        descriptor["postprocessing"] = [{"$type": "unpack_archive", "format": "gztar", "file": archive}]
    path = zoo / "public" / name / "model.yml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(descriptor))


@dataclass(frozen=True)
class Run:
    """One run of one contestant: seconds, and the peak resident size in bytes."""

    seconds: float
    peak: int


def timed(arguments: Sequence[str | Path], folder: Path) -> Run:
    """Run ``arguments`` in ``folder``, which must succeed."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        [str(one) for one in arguments], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    errors = process.stderr.read()
    process.stderr.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{arguments[0]} failed:\n{errors.decode()}")
    return Run(time.perf_counter() - begin, usage.ru_maxrss * 1024)


def by_hand(
    files: Sequence[Served], url: str, archive: str | None, *, one_curl: bool, options: str = ""
) -> list[str | Path]:
    """By hand, in a shell: curl (one for each file, or one for all over one connection), sha384sum, tar."""
    sums = "".join(f"{f.sha384}  {f.name}\n" for f in files)
    transfers = "\n".join(f'url = "{url}/{f.name}"\noutput = "{f.name}"' for f in files)
    unpack = f"\ntar xzf {archive}" if archive else ""
    fetch = f"curl -sSf {options} -K - <<'LIST'\n{transfers}\nLIST"
    if not one_curl:
        fetch = f"for name in {' '.join(f.name for f in files)}; do curl -sSf -O {url}/$name; done"
    script = f"set -e\n{fetch}\nsha384sum -c --quiet <<'SUMS'\n{sums}SUMS{unpack}"
    path = Path(tempfile.gettempdir()) / f"{hashlib.sha256(script.encode()).hexdigest()}.sh"
    path.write_text(script)  # 2,000 names are too many for a command line
    return ["sh", path]


def in_ranges(file: Served, url: str, count: int) -> list[str | Path]:
    """One file by ``count`` curls at once, each of which brings a part; then sha384sum over the whole."""
    bounds = [file.size * part // count for part in range(count + 1)]
    fetches = "\n".join(
        f"curl -sSf -r {begin}-{end - 1} {url}/{file.name} | dd of={file.name} bs=1M iflag=fullblock oflag=seek_bytes "
        f"seek={begin} conv=notrunc status=none &"
        for begin, end in pairwise(bounds)
    )
    return ["sh", "-c", f"set -e\n{fetches}\nwait\necho '{file.sha384}  {file.name}' | sha384sum -c --quiet"]


def with_mixnet(zoo: Path, name: str, *options: str) -> list[str | Path]:
    """The same work with mixnet-download."""
    program = [sys.executable, "-m", "mixnet_tools.cli.main", "download", "--quiet"]
    return [*program, "--name", name, "--models_dir", zoo, "-o", "out", *options]


def run(race: Race, rounds: int, scratch: Path) -> dict[str, list[Run]]:
    """Every contestant once a round, each time in an empty folder."""
    runs: dict[str, list[Run]] = {name: [] for name in race.contestants}
    for number in range(rounds):
        for name, arguments in race.contestants.items():
            folder = scratch / f"round{number}"
            folder.mkdir()
            runs[name].append(timed(arguments(), folder))
            shutil.rmtree(folder)
    return runs


def show(title: str, runs: dict[str, list[Run]]) -> Bars:
    """Print a table of one race, and return its bars; the first contestant is what the others are compared with."""
    print(f"\n{title}\n  {'':<36} {'median':>8} {'best':>8}   ratio (median, best)")
    base: tuple[float, float] | None = None
    for name, done in runs.items():
        seconds = [run.seconds for run in done]
        figures = statistics.median(seconds), min(seconds)
        base = base or figures
        ratios = f"{figures[0] / base[0]:.2f} x, {figures[1] / base[1]:.2f} x"
        print(f"  {name:<36} {figures[0]:>6.2f} s {figures[1]:>6.2f} s   {ratios}")
    columns = [[run.seconds for run in done] for done in runs.values()]
    bars = tuple(results.ratios(name, one, columns[0]) for name, one in zip(runs, columns, strict=True))
    return Bars(title, f"time, times {next(iter(runs))}", bars, least=1.0)


def show_second_run(zoo: Path, name: str, rounds: int, scratch: Path) -> None:
    """How long it takes to find out that all files of a model are there."""
    folder = scratch / "second"
    folder.mkdir()
    timed(with_mixnet(zoo, name), folder)
    seconds = [timed(with_mixnet(zoo, name), folder).seconds for _ in range(rounds)]
    shutil.rmtree(folder)
    print(f"\na second run of these: median {statistics.median(seconds):.2f} s, best {min(seconds):.2f} s")


def show_memory(zoo: Path, names: Sequence[tuple[str, int]], scratch: Path) -> None:
    """Peak memory of downloads beyond a bare import."""
    ours = ("cli.download", "downloading.download", "downloading.transport.http")
    modules = ", ".join(f"mixnet_tools.{name}" for name in ours)
    bare = timed([sys.executable, "-c", f"import {modules}"], scratch).peak
    print(f"\nmemory: a bare import peaks at {bare / 1e6:.1f} MB")
    for name, in_mb in names:
        folder = scratch / name
        folder.mkdir()
        peak = timed(with_mixnet(zoo, name), folder).peak
        shutil.rmtree(folder)
        print(f"  {in_mb:>6} MB archive, downloaded and unpacked: {(peak - bare) / 1e6:+.1f} MB")


@dataclass(frozen=True)
class Race:
    """Ways to the same files: the first is what the others are compared with."""

    title: str
    contestants: dict[str, Callable[[], list[str | Path]]]


def prepare(served: Path, zoo: Path, url: str, sizes: argparse.Namespace) -> dict[str, Race]:
    """Make the files of each race that ``sizes`` asks for in ``served``, which is at ``url``, and describe them."""
    archive = make_archive(served, "net", sizes.archive_mb * 1_000_000)
    small = make_small_files(served, sizes.small)
    write_model(zoo, "net", [archive], url, archive.name)
    write_model(zoo, "small", small, url, None)
    in_mb = f"{archive.size / 1e6:.0f} MB archive"
    found = {
        "all": Race(
            f"{in_mb} and {len(small)} small files",
            {
                "curl a file + sha384sum + tar": lambda: by_hand([archive, *small], url, archive.name, one_curl=False),
                "one curl for all + sha384sum + tar": lambda: by_hand(
                    [archive, *small], url, archive.name, one_curl=True
                ),
                "mixnet-download": lambda: with_mixnet(zoo, "net,small"),
                "mixnet-download -j 4": lambda: with_mixnet(zoo, "net,small", "-j", "4"),
            },
        ),
        "archive": Race(
            f"{in_mb}: fetch, verify, unpack",
            {
                "curl + sha384sum + tar": lambda: by_hand([archive], url, archive.name, one_curl=True),
                "mixnet-download": lambda: with_mixnet(zoo, "net"),
            },
        ),
        "small": Race(
            f"{len(small)} files, {sum(f.size for f in small) / 1e6:.1f} MB: fetch, verify",
            {
                "curl a file + sha384sum": lambda: by_hand(small, url, None, one_curl=False),
                "one curl for all + sha384sum": lambda: by_hand(small, url, None, one_curl=True),
                "mixnet-download": lambda: with_mixnet(zoo, "small"),
                "mixnet-download -j 4": lambda: with_mixnet(zoo, "small", "-j", "4"),
            },
        ),
    }
    if "file" in sizes.races:
        file = make_file(served, "file.bin", sizes.file_mb * 1_000_000)
        write_model(zoo, "file", [file], url, None)
        found["file"] = Race(
            f"{file.size / 1e6:.0f} MB file: fetch, verify",
            {
                "curl + sha384sum": lambda: by_hand([file], url, None, one_curl=True),
                "mixnet-download": lambda: with_mixnet(zoo, "file"),
            },
        )
    if "ranges" in sizes.races:
        huge = make_file(served, "huge.bin", sizes.huge_mb * 1_000_000)
        write_model(zoo, "huge", [huge], url, None)
        found["ranges"] = Race(
            f"{huge.size / 1e6:.0f} MB file: fetch, verify",
            {
                "curl + sha384sum": lambda: by_hand([huge], url, None, one_curl=True),
                "4 ranges at once by curl + sha384sum": lambda: in_ranges(huge, url, 4),
                "mixnet-download": lambda: with_mixnet(zoo, "huge"),
            },
        )
    if "many" in sizes.races:
        many = make_small_files(served, sizes.many)  # the first of them are the small ones
        write_model(zoo, "many", many, url, None)
        parallel = "--parallel --parallel-max 4"
        found["many"] = Race(
            f"{len(many)} files: fetch, verify",
            {
                "one curl for all + sha384sum": lambda: by_hand(many, url, None, one_curl=True),
                "curl --parallel + sha384sum": lambda: by_hand(many, url, None, one_curl=True, options=parallel),
                "mixnet-download": lambda: with_mixnet(zoo, "many"),
                "mixnet-download -j 4": lambda: with_mixnet(zoo, "many", "-j", "4"),
            },
        )
    return found


def main() -> None:
    """Make the files, serve them, race, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("races", nargs="*", default=RACES, metavar="RACE", help=f"of {', '.join(RACES)} (default: all)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--archive_mb", type=int, default=54)
    parser.add_argument("--file_mb", type=int, default=200)
    parser.add_argument("--huge_mb", type=int, default=1200)
    parser.add_argument("--small", type=int, default=200)
    parser.add_argument("--many", type=int, default=2000)
    results.add_plot(parser)
    args = parser.parse_args()
    if unknown := sorted({*args.races} - {*RACES}):
        parser.error(f"no race is called {', '.join(unknown)}: there are {', '.join(RACES)}")
    missing = [tool for tool in ("curl", "sha384sum", "tar") if shutil.which(tool) is None]
    if missing:
        raise SystemExit(f"this comparison needs {', '.join(missing)}")

    with tempfile.TemporaryDirectory() as temporary:
        scratch, served, zoo = Path(temporary), Path(temporary) / "served", Path(temporary) / "zoo"
        # An installed package has its bytecode; a checkout in a container often compiles itself at each start.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(scratch / "bytecode")
        served.mkdir()
        tempfile.tempdir = temporary  # for the scripts of what is done by hand
        with serving(served) as url:
            races = prepare(served, zoo, url, args)
            timed(with_mixnet(zoo, "net"), scratch)  # writes the bytecode
            bars = []
            for name in args.races:
                if name == "memory":
                    large = make_archive(served, "large", args.archive_mb * 10_000_000)
                    write_model(zoo, "large", [large], url, large.name)
                    show_memory(zoo, [("net", args.archive_mb), ("large", args.archive_mb * 10)], scratch)
                    continue
                race = races[name]
                bars.append(show(f"{race.title} ({args.rounds} rounds)", run(race, args.rounds, scratch)))
                if name == "many":
                    show_second_run(zoo, "many", args.rounds, scratch)
    if args.plot:
        results.write(args.plot, "mixnet-download and other ways, from a local server", bars)


if __name__ == "__main__":
    main()
