"""Accuracy reports as JUnit XML, for the test view of a CI system."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from mixnet_tools.accuracy.gate.verdict import Verdict
from mixnet_tools.accuracy.reports.accuracy_report import AccuracyReport
from mixnet_tools.files.shown import shown


def junit(reports: Sequence[AccuracyReport], verdicts: Sequence[Verdict]) -> str:
    """Write a test suite for each model, with a test case for each figure that has a reference and each comparison
    with a baseline. ``verdicts`` has one for each report.
    """
    root = ElementTree.Element("testsuites", name="mixnet-check")
    for report, verdict in zip(reports, verdicts, strict=True):
        suite = ElementTree.SubElement(root, "testsuite", name=xml_text(f"{report.model} {report.profile}"))
        for judgement in verdict.judgements:
            name = f"{judgement.label} {judgement.metric}"
            text = (
                f"{100 * judgement.measured:.2f} % (reference {100 * judgement.reference:.2f} %, "
                f"needed {100 * judgement.lowest:.2f} %)"
            )
            _case(suite, report, name, None if judgement.passed else text, text)
        for compared in verdict.baseline:
            details = "\n".join([compared.summary(), *compared.flips()])
            failure = None if compared.passed else compared.summary()
            _case(suite, report, f"{compared.label} against baseline", failure, details)
        if not verdict.judgements and not verdict.baseline:
            _case(suite, report, "measured", None, "no reference and no baseline to judge by")
        notes = "\n".join((*report.notes, *verdict.notes))
        if notes:
            ElementTree.SubElement(suite, "system-out").text = xml_text(notes)
        suite.set("tests", str(len(suite.findall("testcase"))))
        suite.set("failures", str(len(suite.findall("testcase/failure"))))
        suite.set("time", f"{report.seconds:.3f}")
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def xml_text(text: str) -> str:
    """``text`` as people may see it, with ``?`` for each character that XML cannot hold."""
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", shown(text))


def _case(suite: ElementTree.Element, report: AccuracyReport, name: str, failure: str | None, text: str) -> None:
    kind = xml_text(f"mixnet-check.{report.model}")
    case = ElementTree.SubElement(suite, "testcase", classname=kind, name=xml_text(name))
    if failure is None:
        ElementTree.SubElement(case, "system-out").text = xml_text(text)
    else:
        ElementTree.SubElement(case, "failure", message=xml_text(failure)).text = xml_text(text)
