"""Look after a download cache (--cache_dir of mixnet-download, or of Open Model Zoo's downloader).

ls lists its files, with the models that used them and the day of the last use. verify hashes them all. prune removes
files that were not used for a long time, or the least recently used ones until the cache is small enough.

examples:
  mixnet cache ls --cache_dir ~/.cache/mixnet
  mixnet cache prune --cache_dir ~/.cache/mixnet --max_size 10GB --dry_run
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.cli.common.output import print_table
from mixnet_tools.cli.common.parser import Parser
from mixnet_tools.cli.common.tables import Column
from mixnet_tools.errors import DownloadError, IntegrityError, UsageError

if TYPE_CHECKING:
    from mixnet_tools.downloading.cache.store import Cache, CacheEntry

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def add_arguments(parser: Parser) -> None:
    """The action, the cache, and the limits for prune."""
    parser.add_argument("action", choices=("ls", "verify", "prune"), help="what to do")
    parser.add_argument("--cache_dir", type=Path, required=True, metavar="DIR", help="the cache's folder")
    parser.add_argument("--drop", action="store_true", help="verify: remove the files that are corrupt")
    parser.add_argument("--max_size", type=_size, metavar="SIZE", help="prune: keep at most SIZE (500M, 10GB)")
    parser.add_argument("--max_days", type=_days, metavar="N", help="prune: remove what was not used for N days")
    parser.add_argument("--dry_run", action="store_true", help="prune: list what would be removed, and remove nothing")


def run(args: argparse.Namespace) -> int:
    """Carry out the action. Each prints a line for every file that it concerns."""
    from mixnet_tools.downloading.cache.store import FORMAT, Cache

    if not (args.cache_dir / FORMAT).is_dir():
        raise DownloadError(
            f"{args.cache_dir}: not a download cache: it has no folder {FORMAT!r}",
            hint="give the folder that mixnet-download was given as --cache_dir",
        )
    problems: list[str] = []
    cache = Cache(args.cache_dir, warn=problems.append)
    if args.action == "verify":
        _verify(cache, problems, drop=args.drop)
    elif args.action == "ls":
        _list(cache)
    else:
        _prune(cache, args)
    if problems:
        listing = "\n".join(problems)
        raise DownloadError(f"not everything in the cache could be used\n{listing}")
    return 0


def _list(cache: Cache) -> None:
    from mixnet_tools.progress import human_bytes

    entries = list(cache.entries())
    _print_entries(entries)
    print(f"{len(entries)} files, {human_bytes(sum(entry.size for entry in entries))}")


def _verify(cache: Cache, problems: list[str], *, drop: bool) -> None:
    """Hash every file. What cannot be read is one of the ``problems``, and the others are hashed all the same."""
    wrong, right = [], 0
    for entry in cache.entries():
        try:
            if cache.is_right(entry):
                right += 1
                continue
            wrong.append(entry)
            if drop:
                entry.path.unlink(missing_ok=True)
        except FileNotFoundError:
            pass  # another process has removed it
        except OSError as error:
            problems.append(f"{entry.path}: {error.strerror or error}")
    if wrong:
        listing = "\n".join([*(str(entry.path) for entry in wrong), *problems])
        raise IntegrityError(
            f"{len(wrong)} of {len(wrong) + right} files in the cache are corrupt\n{listing}",
            hint="they were removed" if drop else "remove them with --drop; a download would do the same",
        )
    print(f"{right} files, all as their names say")


def _prune(cache: Cache, args: argparse.Namespace) -> None:
    from mixnet_tools.progress import human_bytes

    if args.max_size is None and args.max_days is None:
        raise UsageError("prune needs a limit", hint="--max_size 10GB, --max_days 90, or both")
    max_age = None if args.max_days is None else args.max_days * 86400.0
    removed = cache.prune(max_bytes=args.max_size, max_age=max_age, dry_run=args.dry_run)
    _print_entries(removed)
    freed = human_bytes(sum(entry.size for entry in removed))
    print(f"{len(removed)} files, {freed}{' would be' if args.dry_run else ''} removed")


def _print_entries(entries: Sequence[CacheEntry]) -> None:
    from mixnet_tools.progress import human_bytes

    columns = (  # without headings, for scripts that read the lines
        Column("", breaks=True),
        Column("", right=True),
        Column("", drop=1),
        Column("", breaks=True),
    )
    if entries:
        print_table(columns, [_row(entry, human_bytes(entry.size)) for entry in entries])


def _row(entry: CacheEntry, size: str) -> tuple[str, ...]:
    day = time.strftime("%Y-%m-%d", time.localtime(entry.used))
    return entry.checksum, f"{size:>9}", day, ", ".join(entry.models) or "(not recorded)"


def _size(text: str) -> int:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([kKMGT]?)B?", text)
    if not match:
        raise argparse.ArgumentTypeError(f"expected a size such as 500M or 10GB, got {text!r}")
    return int(float(match[1]) * _UNITS[match[2].replace("K", "k")])


def _days(text: str) -> float:
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        raise argparse.ArgumentTypeError(f"expected a number of days, got {text!r}")
    return float(text)
