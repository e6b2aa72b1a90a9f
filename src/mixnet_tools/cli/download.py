"""Download models as omz_downloader does, with every byte verified, and continued after any interruption.

The files of a model go to OUTPUT_DIR/public/<name>/. Archives are unpacked there.

examples:
  mixnet-download --name mixnet-l -o models
  mixnet-download --name 'mixnet-*' -o models --cache_dir ~/.cache/mixnet -j 4
  mixnet-download --name mixnet-l --diagnose
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from mixnet_tools.cli.common.hints import hint
from mixnet_tools.cli.common.options import (
    add_model_selection,
    add_progress,
    choice_list,
    make_progress,
    positive_int,
    print_all_models,
    readable_models,
)
from mixnet_tools.cli.common.output import print_text
from mixnet_tools.cli.common.parser import Parser
from mixnet_tools.cli.omz.options import ZOO_PRECISIONS, job_count
from mixnet_tools.errors import DownloadError, MixnetToolsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mixnet_tools.descriptors.model_yml import ModelDescriptor
    from mixnet_tools.downloading.adopt import AdoptedModel
    from mixnet_tools.downloading.context import DownloadOptions
    from mixnet_tools.downloading.download import ModelOutcome
    from mixnet_tools.values import DownloadedModel

_MOST_LINES = 10


def add_arguments(parser: Parser) -> None:
    """The options of omz_downloader, and ours."""
    add_model_selection(parser, verb="download")
    parser.add_argument(
        "-o", "--output_dir", type=Path, default=Path(), metavar="DIR", help="where to put the models (default: here)"
    )
    parser.add_argument(
        "--precisions",
        type=choice_list(*ZOO_PRECISIONS),
        metavar="P[,P]",
        help="of models that are IR already, only these precisions (default: all)",
    )
    parser.add_argument(
        "-j", "--jobs", type=job_count, default=1, metavar="N", help="work on N files at once (auto: one a processor)"
    )
    sources = parser.add_argument_group("sources")
    sources.add_argument(
        "--mirror",
        dest="mirrors",
        action="append",
        default=[],
        metavar="URL|DIR",
        help="look here first (repeatable): the base URL or folder of a copy of the models",
    )
    sources.add_argument(
        "--cache_dir",
        type=Path,
        metavar="DIR",
        help="keep verified files in DIR and take them from there (OMZ's layout)",
    )
    sources.add_argument("--offline", action="store_true", help="use only files in place, the cache and local mirrors")
    sources.add_argument(
        "--max_wait",
        type=_seconds_or_none,
        default=60.0,
        metavar="S",
        help="ask a source again until it gave no byte for S seconds (default: 60)",
    )
    sources.add_argument(
        "--num_attempts",
        type=positive_int,
        metavar="N",
        help="give a source up after N attempts in a row without a byte (default: when --max_wait is over)",
    )
    sources.add_argument(
        "--timeout",
        type=_seconds,
        default=30.0,
        metavar="S",
        help="seconds to wait for a connection, or for more bytes (default: 30)",
    )
    sources.add_argument(
        "--diagnose",
        action="store_true",
        help="download nothing: print what each source answers, and by which proxy, name and certificate",
    )
    existing = parser.add_argument_group("files that are there already").add_mutually_exclusive_group()
    existing.add_argument("--verify", action="store_true", help="hash every file that is there, and repair wrong ones")
    existing.add_argument("--force", action="store_true", help="download everything anew")
    existing.add_argument(
        "--adopt",
        action="store_true",
        help="take over folders that another program filled, as far as digests allow, without a network",
    )
    parser.add_argument(
        "--no_lock",
        action="store_true",
        help="take no lock, on a file system that has none; let one run at a time work on a folder",
    )
    add_progress(parser)


def run(args: argparse.Namespace) -> int:
    """Download every chosen model; one that fails does not stop the others."""
    if args.print_all:
        return print_all_models(args)
    models, broken = readable_models(args)
    if args.diagnose and args.adopt:
        raise UsageError("--diagnose and --adopt cannot be given together")
    if args.diagnose:
        return _diagnose(args, models)
    if args.adopt:
        return _adopt(args, models, broken)

    from mixnet_tools.downloading.download import ModelOutcome, download_models

    # With JSON events on stdout, the lines for people have to go elsewhere.
    results = sys.stderr if args.progress_format == "json" else sys.stdout
    wanted = [model for model in models if not args.precisions or set(args.precisions) & set(model.precisions)]
    for model in models:
        if model not in wanted and not args.quiet:
            lacking, has = ", ".join(args.precisions), ", ".join(model.precisions) or "none"
            print_text(f"{model.name}: skipped: it has no {lacking} (it has {has})", file=results)
    outcomes = list(download_models(wanted, args.output_dir, _options(args), make_progress(args)))
    outcomes += [ModelOutcome(name, None, error) for name, error in broken]
    for outcome in outcomes:
        if outcome.model is not None and not (args.quiet and args.progress_format == "json"):
            print_text(_summary(outcome.model), file=results)
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if failed:
        _raise_for(failed, len(outcomes), args)
    return 0


def _adopt(
    args: argparse.Namespace, models: Sequence[ModelDescriptor], broken: Sequence[tuple[str, MixnetToolsError]]
) -> int:
    """Take over every chosen model's folder; one that fails does not stop the others."""
    from mixnet_tools.downloading.download import ModelOutcome, adopt_models

    outcomes = adopt_models(models, args.output_dir, make_progress(args), args.precisions, lock=not args.no_lock)
    failed = [ModelOutcome(name, None, error) for name, error in broken]
    results = sys.stderr if args.progress_format == "json" else sys.stdout
    for model, outcome in zip(models, outcomes, strict=True):
        if isinstance(outcome, MixnetToolsError):
            failed.append(ModelOutcome(model.name, None, outcome))
            continue
        print_text(_adopted(outcome), file=results)
        if outcome.unverified:
            print_text(f"{model.name}: warning: {len(outcome.unverified)} files are not verified", file=sys.stderr)
    if failed:
        _raise_for(failed, len(models) + len(broken), args, "taken over")
    return 0


def _diagnose(args: argparse.Namespace, models: Sequence[ModelDescriptor]) -> int:
    """Print what each source of each file answers. A file that can be had nowhere is a failure."""
    from mixnet_tools.downloading.download import wanted_files
    from mixnet_tools.downloading.sources import LocalSource, parse_mirrors, sources_of
    from mixnet_tools.downloading.transport.diagnosis import diagnose

    mirrors, nowhere = parse_mirrors(args.mirrors), list[str]()
    for model in models:
        for file in wanted_files(model, args.precisions):
            print_text(f"{model.name}/{file.name}: {file.size} bytes, {file.algorithm} {file.digest}")
            every = sources_of(model, file, mirrors)
            sources = [one for one in every if isinstance(one, LocalSource) or not args.offline]
            found = False
            for source in diagnose(file, sources, args.timeout):
                print_text(f"  {source.source}")
                for subject, what in (*source.findings, ("result", "usable" if source.works else "not usable")):
                    print_text(f"    {subject + ':':<10} {what}")
                sys.stdout.flush()
                found = found or source.works
            if not found:
                nowhere.append(f"{model.name}/{file.name}")
    if nowhere:
        text = "no source seems to have\n" + "\n".join(nowhere)
        raise DownloadError(text, hint="mend what is named above as failure, or name a copy: --mirror")
    return 0


def _adopted(model: AdoptedModel) -> str:
    """A line for what is verified, and one for what is not."""
    if model.known_before:
        return f"{model.name}: {model.directory} has a manifest already, nothing to take over"
    lines = [f"{model.name}: {model.directory} taken over"]
    lines.append(f"  verified: {_names(model.verified)}")
    if model.unverified:
        gone = f", as {_names(model.gone)} is gone" if model.gone else ""
        lines.append(f"  not verified{gone}; recorded as they are: {_names(model.unverified)}")
    return "\n".join(lines)


def _names(names: Sequence[str]) -> str:
    if not names:
        return "none"
    return ", ".join(names[:_MOST_LINES]) + (
        f" and {len(names) - _MOST_LINES} more" if len(names) > _MOST_LINES else ""
    )


def _options(args: argparse.Namespace) -> DownloadOptions:
    from mixnet_tools.downloading.context import DownloadOptions

    return DownloadOptions(
        num_attempts=args.num_attempts,
        max_wait=args.max_wait,
        timeout=args.timeout,
        cache_dir=args.cache_dir,
        mirrors=tuple(args.mirrors),
        offline=args.offline,
        verify=args.verify,
        force=args.force,
        jobs=args.jobs,
        precisions=args.precisions,
        lock=not args.no_lock,
    )


def _summary(model: DownloadedModel) -> str:
    if model.up_to_date:
        adopted = (
            f"; {len(model.adopted)} files are not verified, but unchanged since they were taken over"
            if model.adopted
            else ""
        )
        return f"{model.name}: up to date in {model.directory}, nothing to do{adopted}"
    lines = [f"{model.name}: downloaded to {model.directory}"]
    lines += _who_served(model)
    if len(lines) == 1:
        lines = [f"{model.name}: all files were there; unpacked in {model.directory}"]
    return "\n".join(lines)


def _who_served(model: DownloadedModel) -> list[str]:
    """A line for each file that was fetched, or for each folder if there are many."""
    served = [(file.name, file.served_by) for file in model.files if file.served_by]
    if len(served) <= _MOST_LINES:
        return [f"  {name} from {source}" for name, source in served]
    folders = Counter(source.rpartition("/")[0] or source for _, source in served)
    return [f"  {count} files from {folder}" for folder, count in folders.items()]


def _raise_for(
    failed: Sequence[ModelOutcome], total: int, args: argparse.Namespace, what: str = "downloaded"
) -> NoReturn:
    lines, hints = [f"{len(failed)} of {total} models could not be {what}"], list[str]()
    for outcome in failed:
        error = outcome.error
        if error is not None and (total == 1 or isinstance(error, BrokenPipeError)):
            raise error
        text = str(error) if isinstance(error, MixnetToolsError) else repr(error)
        lines.append(f"{outcome.name}: " + text.replace("\n", "\n  "))
        if isinstance(error, MixnetToolsError) and (advice := hint(error, args)):
            hints.append(advice)
    raise DownloadError("\n".join(lines), hint="; or: ".join(dict.fromkeys(hints)) or None)


def _seconds(text: str) -> float:
    seconds = _seconds_or_none(text)
    if not seconds:
        raise argparse.ArgumentTypeError(f"expected a number of seconds above 0, got {text!r}")
    return seconds


def _seconds_or_none(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e6:  # also NaN
        raise argparse.ArgumentTypeError(f"expected a number of seconds from 0 to 999,999, got {text!r}")
    return seconds
