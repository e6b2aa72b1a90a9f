"""Accuracy reports as Markdown, for the summary on a CI job's page."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from mixnet_tools.accuracy.gate.verdict import Verdict
from mixnet_tools.accuracy.metrics.topk import Accuracy
from mixnet_tools.accuracy.reports.accuracy_report import AccuracyReport
from mixnet_tools.accuracy.reports.junit import xml_text
from mixnet_tools.accuracy.reports.table import interval, versions_of
from mixnet_tools.files.shown import shown


def markdown(reports: Sequence[AccuracyReport], verdicts: Sequence[Verdict]) -> str:
    """Write for each report a table of figures, its verdict, the images that flipped, and what the figures stand on.

    ``verdicts`` has one for each report.
    """
    return "\n".join(_section(report, verdict) for report, verdict in zip(reports, verdicts, strict=True))


def _section(report: AccuracyReport, verdict: Verdict) -> str:
    mark = "✅ passed" if verdict.passed else "❌ FAILED"
    lines = [f"### {report.model}: {mark}", "", *_table(report), ""]
    lines += [f"- {escape(line.strip())}" for line in verdict.summary().splitlines()]
    for compared in verdict.baseline:
        flips = compared.flips()
        if flips:
            title = f"{compared.test.lost} lost and {compared.test.gained} gained with {escape(compared.label)}"
            lines += ["", f"<details><summary>{title}</summary>", "", *(f"- {code(line)}" for line in flips), ""]
            lines += ["</details>"]
    lines += [f"- note: {escape(note)}" for note in (*report.notes, *verdict.notes)]
    data = report.dataset
    lines += ["", f"profile `{report.profile}`, {data.evaluated} of {data.total} images, {report.seconds:.1f} s", ""]
    lines += [f"- split {escape(data.split)}"] if data.split else []
    lines += [f"- {escape(account.text())}" for account in data.accounts]
    lines += [""] if data.accounts else []
    for run in report.runs:
        command = f": {code(run.command)}" if run.command else ""
        part = f" shard {run.shard.number} of {run.shard.count}" if run.shard else ""
        lines += [f"- {run.work}{part} {run.started} on {escape(run.machine.describe())}{command}"]
    used = ", ".join(f"{name} {version}" for name, version in versions_of(report).items())
    lines += [f"- {escape(used)}", ""]
    return "\n".join(lines)


def _table(report: AccuracyReport) -> list[str]:
    rows = [
        "| runner | computed in | top-1 % (95 %) | reference | top-5 % (95 %) | reference |",
        "|---|---|---|---|---|---|",
    ]
    for result in report.results:
        cells = (
            escape(result.label),
            result.inference_precision or "-",
            _share(result.top1),
            _reference(result.reference_top1),
            _share(result.top5),
            _reference(result.reference_top5),
        )
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _share(accuracy: Accuracy) -> str:
    return f"{accuracy.percent:.2f} ({interval(accuracy)})"


def _reference(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


def code(text: str) -> str:
    """``text`` as code on one line, whatever characters it has."""
    return f"<code>{html.escape(' '.join(xml_text(text).split()))}</code>".replace("`", "&#96;")


def escape(text: str) -> str:
    """``text`` as people may see it, in which nothing is markup: no link, picture, tag or cell of a table."""
    return re.sub(r"([\\`*_\[\]|])", r"\\\1", html.escape(shown(text), quote=False))
