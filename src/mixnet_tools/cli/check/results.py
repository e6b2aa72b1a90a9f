"""What mixnet-check and its merge do with finished evaluations: judge, print, write files, choose the exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.cli.common.hints import with_options
from mixnet_tools.cli.common.options import points
from mixnet_tools.cli.common.output import (
    MISSED,
    not_written,
    print_json,
    print_table,
    print_text,
    require_writable,
    save,
)
from mixnet_tools.cli.common.tables import Cell, Column, Painted
from mixnet_tools.errors import OutputError, UsageError

if TYPE_CHECKING:
    from mixnet_tools.accuracy.datasets.dataset import ImageDataset
    from mixnet_tools.accuracy.evaluation.evaluate import Evaluation
    from mixnet_tools.accuracy.gate.baseline import BaselineJudgement
    from mixnet_tools.accuracy.gate.verdict import Verdict
    from mixnet_tools.accuracy.reports.accuracy_report import AccuracyReport
    from mixnet_tools.cli.common.terminal import Style


@dataclass(frozen=True)
class Finished:
    """A finished evaluation, its images (None: they are not there), and the file with the names of the classes."""

    evaluation: Evaluation
    dataset: ImageDataset | None
    labels: Path | None


def add_gate(parser: argparse.ArgumentParser) -> None:
    """How to judge, and what to write."""
    gate = parser.add_argument_group("gate")
    gate.add_argument(
        "--tolerance",
        type=points,
        metavar="POINTS",
        help="points by which a figure may lie below its reference on the full data set (default: 0.2)",
    )
    gate.add_argument(
        "--int8_tolerance",
        type=points,
        metavar="POINTS",
        help="the same for quantized IRs (default: 1, or --tolerance where that is more)",
    )
    gate.add_argument(
        "--no_references", action="store_true", help="judge by the baseline only: the images are another test set"
    )
    gate.add_argument(
        "--baseline", type=Path, metavar="FILE", help="compare with the answers of an earlier run, image by image"
    )
    gate.add_argument(
        "--update_baseline",
        action="store_true",
        help="write this run's answers to the baseline FILE instead, where no reference is missed",
    )
    files = parser.add_argument_group("results")
    files.add_argument("--json", action="store_true", help="print the result as one JSON document")
    files.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML, for the test view of a CI system")
    files.add_argument("--markdown", type=Path, metavar="FILE", help="append a summary in Markdown, for a job's page")
    files.add_argument("--html", type=Path, metavar="FILE", help="write a report to look at: one self-contained page")
    files.add_argument(
        "--plot",
        type=Path,
        metavar="FILE",
        help="write the chart alone, .png or .svg: top-1, and images/s beside it",
    )


def check_usage(args: argparse.Namespace, models: int = 1) -> None:
    """What argparse cannot know. Raises :class:`UsageError`."""
    if args.update_baseline and not args.baseline:
        raise UsageError("--update_baseline without --baseline", hint="say which file: --baseline FILE")
    if args.update_baseline and getattr(args, "shard", None):
        raise UsageError("--update_baseline with --shard would keep a part only", hint="merge the shards first")
    if args.baseline and models != 1:
        raise UsageError(f"--baseline is for one model, and {models} were chosen", hint="check them one by one")
    if args.baseline and not args.update_baseline:
        from mixnet_tools.accuracy.gate.baseline import read_baseline

        read_baseline(args.baseline)  # a fault of it is better known before hours of measuring
    if args.html:
        from mixnet_tools.pages.page import require

        require()
    if args.plot:
        from mixnet_tools.pages.plot import require as require_plot

        require_plot(args.plot)
    for path in (args.junit, args.markdown, args.html, args.plot, args.baseline if args.update_baseline else None):
        if path is not None:
            require_writable(path)


def finish(args: argparse.Namespace, finished: Sequence[Finished]) -> int:
    """Judge, print, write; returns the exit code."""
    verdicts = [_judge(args, one.evaluation) for one in finished]
    reports = [one.evaluation.report for one in finished]
    _print(args, reports, verdicts)
    sys.stdout.flush()  # what was measured is shown, even if a file cannot be written
    _write(args, finished, verdicts)
    return 0 if all(verdict.passed for verdict in verdicts) else MISSED


def _judge(args: argparse.Namespace, evaluation: Evaluation) -> Verdict:
    """Judge by references and baseline; write the baseline anew where that is asked for."""
    from mixnet_tools.accuracy.gate.baseline import compare, read_baseline, write_baseline
    from mixnet_tools.accuracy.gate.verdict import DEFAULT_TOLERANCE, judge

    report = evaluation.report
    compared: tuple[BaselineJudgement, ...] = ()
    remarks: tuple[str, ...] = ()
    if args.baseline and not args.update_baseline:
        compared, remarks = compare(read_baseline(args.baseline), evaluation.setup, evaluation.predictions, report.runs)
    verdict = judge(
        report,
        DEFAULT_TOLERANCE if args.tolerance is None else args.tolerance,
        compared,
        remarks,
        references=not args.no_references,
        int8_tolerance=args.int8_tolerance,
    )
    if args.update_baseline and verdict.passed:
        write_baseline(args.baseline, evaluation.setup, evaluation.predictions, report.runs)
        if not args.quiet:
            print_text(f"{report.model}: {args.baseline} holds the answers of this run now", file=sys.stderr)
    elif args.update_baseline:
        print_text(f"{report.model}: a reference is missed: {args.baseline} stays as it was", file=sys.stderr)
    return verdict


def _write(args: argparse.Namespace, finished: Sequence[Finished], verdicts: Sequence[Verdict]) -> None:
    """Write each file that can be written. Raises :class:`OutputError` that names the others."""
    reports = [one.evaluation.report for one in finished]
    problems = []
    if args.junit:
        from mixnet_tools.accuracy.reports.junit import junit

        problems += save(args.junit, junit(reports, verdicts))
    if args.markdown:
        from mixnet_tools.accuracy.reports.markdown import markdown

        problems += _append(args.markdown, markdown(reports, verdicts))  # a job's summary may have other parts
    if args.html:
        from mixnet_tools.accuracy.reports.html_page import Section, render

        sections = [
            Section(one.evaluation, verdict, one.dataset, one.labels)
            for one, verdict in zip(finished, verdicts, strict=True)
        ]
        problems += save(args.html, render(sections))
    if args.plot:
        from mixnet_tools.accuracy.reports.figures import plot

        problems += save(args.plot, plot(reports, args.plot.suffix))
    if problems:
        raise OutputError("\n".join(problems), hint="the result above was measured; only these files are missing")


def _append(path: Path, text: str) -> list[str]:
    """Append to the file ``path``. Returns what went wrong, in a list of at most one message."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(text)
    except OSError as error:
        return [not_written(path, error)]
    return []


def _print(args: argparse.Namespace, reports: Sequence[AccuracyReport], verdicts: Sequence[Verdict]) -> None:
    """Print the result on stdout, and remarks on stderr."""
    from mixnet_tools.accuracy.reports.accuracy_report import SCHEMA
    from mixnet_tools.accuracy.reports.table import provenance

    if args.json:
        print_json(
            {
                "schema": SCHEMA,
                "passed": all(verdict.passed for verdict in verdicts),
                "reports": [
                    {**report.to_json(), "verdict": verdict.to_json()}
                    for report, verdict in zip(reports, verdicts, strict=True)
                ],
            }
        )
    else:
        _print_results(reports, verdicts)
        print()
        for report in reports:
            print_text(provenance(report))
        for verdict in verdicts:
            print_text(verdict.summary(), style=_style(verdict))
    for report, verdict in zip(reports, verdicts, strict=True):
        for note in (*report.notes, *verdict.notes):
            if args.quiet and not note.startswith("warning: "):  # a changed IR is told in any case
                continue
            print_text(f"{report.model}: note: {with_options(note, args.parser)}", file=sys.stderr)
        if args.json and not verdict.passed:
            print_text(verdict.summary(), file=sys.stderr)


_DROPPED_FIRST = {"same as original": 2, "reference": 1}


def _print_results(reports: Sequence[AccuracyReport], verdicts: Sequence[Verdict]) -> None:
    """The table of all results. A difference has the colour of its judgement."""
    from mixnet_tools.accuracy.reports.table import HEADINGS, cells

    rows: list[list[Cell]] = []
    for report, verdict in zip(reports, verdicts, strict=True):
        for result in report.results:
            row: list[Cell] = list(cells(report, result))
            judged = [one.passed for one in verdict.judgements if one.label == result.label]
            if judged:
                where = HEADINGS.index("difference")
                row[where] = Painted(str(row[where]), "good" if all(judged) else "bad")
            rows.append(row)
    print_table([Column(heading, drop=_DROPPED_FIRST.get(heading, 0)) for heading in HEADINGS], rows)


def _style(verdict: Verdict) -> Style | None:
    if not verdict.judgements and not verdict.baseline:
        return None
    return "good" if verdict.passed else "bad"
