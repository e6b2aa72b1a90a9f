"""Compares mixnet-download with curl, sha384sum and tar by hand, on the same files from a local server.

    python -m benchmarks.download [RACE ...] [--rounds 5] [--archive_mb 54] [--file_mb 200] [--huge_mb 1200]
                                  [--small 200] [--many 2000] [--plot FILE]

Each round runs every contestant once, in turn, in a fresh folder. The table shows the median and the best round, from
the start of the process to its end. Memory is the peak resident size of the process, minus that of a Python that only
imports the same modules, for the archive and for one ten times as large.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from benchmarks import results
from benchmarks.served_files import Served, make_archive, make_file, make_small_files, serving, write_model
from mixnet_tools.pages.plot import Bars

RACES = ("all", "archive", "small", "file", "ranges", "many", "memory")


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


Contestants = dict[str, Callable[[], list[str | Path]]]
"""What each runs, by its name."""


@dataclass(frozen=True)
class Race:
    """Ways to the same files: the first is what the others are compared with."""

    title: str
    contestants: Contestants


def of_one_file(file: Served, zoo: Path, url: str, others: Contestants | None = None) -> Race:
    """A race to ``file``, which is at ``url``, and which a model of its own describes; ``others`` run as well."""
    name = Path(file.name).stem
    write_model(zoo, name, [file], url, None)
    return Race(
        f"{file.size / 1e6:.0f} MB file: fetch, verify",
        {
            "curl + sha384sum": lambda: by_hand([file], url, None, one_curl=True),
            **(others or {}),
            "mixnet-download": lambda: with_mixnet(zoo, name),
        },
    )


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
        found["file"] = of_one_file(make_file(served, "file.bin", sizes.file_mb * 1_000_000), zoo, url)
    if "ranges" in sizes.races:
        huge = make_file(served, "huge.bin", sizes.huge_mb * 1_000_000)
        ranges: Contestants = {"4 ranges at once by curl + sha384sum": lambda: in_ranges(huge, url, 4)}
        found["ranges"] = of_one_file(huge, zoo, url, ranges)
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
