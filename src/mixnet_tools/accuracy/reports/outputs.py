"""A judged report for machines and for job pages: JUnit XML and Markdown. Pure: values in, text out."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from xml.etree import ElementTree

from mixnet_tools.accuracy.gate.baseline import BaselineJudgement, Flip
from mixnet_tools.accuracy.gate.verdict import Verdict
from mixnet_tools.accuracy.reports.accuracy_report import AccuracyReport, ModelResult

FLIPS = 10
"""How many flipped images of each kind Markdown and JUnit name."""


def junit(reports: Sequence[AccuracyReport], verdicts: Sequence[Verdict]) -> str:
    """One test suite a model, one test case for each figure with a reference and for each comparison."""
    root = ElementTree.Element("testsuites", name="mixnet-check")
    for report, verdict in zip(reports, verdicts, strict=True):
        suite = ElementTree.SubElement(root, "testsuite", name=f"{report.model} {report.profile}")
        for judgement in verdict.judgements:
            name = f"{judgement.label} {judgement.metric}"
            text = (
                f"{100 * judgement.measured:.2f} % (reference {100 * judgement.reference:.2f} %, "
                f"needed {100 * judgement.lowest:.2f} %)"
            )
            _case(suite, report, name, None if judgement.passed else text, text)
        for compared in verdict.baseline:
            details = "\n".join([compared.summary(), *_flip_lines(compared)])
            failure = None if compared.passed else compared.summary()
            _case(suite, report, f"{compared.label} against baseline", failure, details)
        if not verdict.judgements and not verdict.baseline:
            _case(suite, report, "measured", None, "no reference and no baseline to judge by")
        notes = "\n".join((*report.notes, *verdict.notes))
        if notes:
            ElementTree.SubElement(suite, "system-out").text = _plain(notes)
        suite.set("tests", str(len(suite.findall("testcase"))))
        suite.set("failures", str(len(suite.findall("testcase/failure"))))
        suite.set("time", f"{report.seconds:.3f}")
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def markdown(reports: Sequence[AccuracyReport], verdicts: Sequence[Verdict]) -> str:
    """A summary for a job's page: a table of figures, the verdict, what flipped, and what it stands on."""
    parts = [_markdown_one(report, verdict) for report, verdict in zip(reports, verdicts, strict=True)]
    return "\n".join(parts)


def _case(suite: ElementTree.Element, report: AccuracyReport, name: str, failure: str | None, text: str) -> None:
    case = ElementTree.SubElement(suite, "testcase", classname=f"mixnet-check.{report.model}", name=name)
    if failure is None:
        ElementTree.SubElement(case, "system-out").text = _plain(text)
    else:
        ElementTree.SubElement(case, "failure", message=_plain(failure)).text = _plain(text)


def _plain(text: str) -> str:
    """``text`` without the characters that XML cannot hold, which file names can."""
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text)


def _code(text: str) -> str:
    """``text``, whatever is in it, as code on one line of Markdown."""
    return f"<code>{html.escape(' '.join(_plain(text).split()))}</code>".replace("`", "&#96;")


def _markdown_one(report: AccuracyReport, verdict: Verdict) -> str:
    mark = "✅ passed" if verdict.passed else "❌ FAILED"
    lines = [f"### {report.model}: {mark}", "", *_table(report), ""]
    lines += [f"- {_escape(line.strip())}" for line in verdict.summary().splitlines()]
    for compared in verdict.baseline:
        flips = _flip_lines(compared)
        if flips:
            title = f"{compared.test.lost} lost and {compared.test.gained} gained with {compared.label}"
            lines += ["", f"<details><summary>{title}</summary>", "", *(f"- {_code(line)}" for line in flips), ""]
            lines += ["</details>"]
    lines += [f"- note: {_escape(note)}" for note in (*report.notes, *verdict.notes)]
    data = report.dataset
    lines += ["", f"profile `{report.profile}`, {data.evaluated} of {data.total} images, {report.seconds:.1f} s", ""]
    return "\n".join(lines)


def _table(report: AccuracyReport) -> list[str]:
    rows = ["| runner | top-1 % (95 %) | reference | top-5 % (95 %) | reference |", "|---|---|---|---|---|"]
    for result in report.results:
        cells = (
            result.label,
            _share(result, 1),
            _reference(result.reference_top1),
            _share(result, 5),
            _reference(result.reference_top5),
        )
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _share(result: ModelResult, k: int) -> str:
    value = result.top1 if k == 1 else result.top5
    low, high = value.interval95
    return f"{value.percent:.2f} ({100 * low:.2f} to {100 * high:.2f})"


def _reference(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


def _flip_lines(compared: BaselineJudgement) -> list[str]:
    def one(flip: Flip, kind: str) -> str:
        return f"{kind}: {flip.name}: class {flip.right}, was {flip.baseline}, is {flip.now}"

    return [
        *(one(flip, "lost") for flip in compared.lost[:FLIPS]),
        *(one(flip, "gained") for flip in compared.gained[:FLIPS]),
    ]


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("_", "\\_")
