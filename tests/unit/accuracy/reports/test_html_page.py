"""The HTML page of evaluations that are made up: several models, weak classes, names that would like to be markup."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mixnet_tools.accuracy.evaluation.evaluate import Evaluation
from mixnet_tools.accuracy.evaluation.speed import Speed
from mixnet_tools.accuracy.evaluation.timing import Timing
from mixnet_tools.accuracy.gate.baseline import compare, read_baseline, write_baseline
from mixnet_tools.accuracy.gate.verdict import judge
from mixnet_tools.accuracy.launchers.base import Digest
from mixnet_tools.accuracy.predictions.values import (
    Answers,
    DatasetSummary,
    ModelSetup,
    Predictions,
    Run,
    Setup,
    Versions,
)
from mixnet_tools.accuracy.reports.html_page import Section, render
from mixnet_tools.accuracy.reports.markdown import markdown
from mixnet_tools.accuracy.reports.summarize import summarize
from mixnet_tools.inference.machine import Machine

CLASSES, IMAGES = 6, 300
MACHINE = Machine("EPYC <b>9</b>", 2, ("AVX2", "VNNI"), "Linux 6.1")
RUNS = (
    Run("measured", "2026-11-25T23:59:58Z", "mixnet-check --shard 1/2", MACHINE),
    Run("measured", "2026-11-26T00:10:00Z", None, replace(MACHINE, processor="Xeon", instruction_sets=())),
    Run("merged", "2026-11-26T01:00:00Z", "mixnet-check merge a b", MACHINE),
)


def answers(wrong: dict[int, int]) -> tuple[Answers, Predictions]:
    """Right answers to all images, but for the images ``wrong``: the answer to each."""
    labels = np.arange(IMAGES) % CLASSES
    first = np.array([wrong.get(index, label) for index, label in enumerate(labels.tolist())])
    classes = np.stack([first, *((first + step) % CLASSES for step in range(1, 5))], axis=1)
    scores = np.tile([0.6, 0.1, 0.1, 0.1, 0.05], (IMAGES, 1))
    found = Answers(classes, scores)
    names = tuple(f"image_{index:03}.jpg" for index in range(IMAGES))
    return found, Predictions(names, tuple((int(label),) for label in labels), (found,))


def evaluation(name: str, wrong: dict[int, int], *, reference: float | None = 0.9) -> Evaluation:
    data = DatasetSummary("colours", "set", "annotations", None, IMAGES, IMAGES, 0, IMAGES)
    model = ModelSetup("openvino", "FP16", "CPU", ("crop",), reference, None, (Digest("net.xml", "ab" * 32),))
    setup = Setup(name, "omz", CLASSES, data, (replace(model, inference_precision="f32"),), Versions(*"123456"))
    _, found = answers(wrong)
    timing = Timing(2.0, IMAGES, 0.5, 0.25, 0.1, 1.8, 0.1)
    return Evaluation(setup, found, summarize(setup, found, timing, (), RUNS))


def page(*evaluations: Evaluation, labels: Path | None = None) -> str:
    text = render([Section(one, judge(one.report), None, labels) for one in evaluations])
    return re.sub(r"\s+", " ", text)


def timed(one: Evaluation, rate: float) -> Evaluation:
    results = tuple(replace(result, speed=Speed(rate, rate - 5, rate + 5, 15)) for result in one.report.results)
    return replace(one, report=replace(one.report, results=results))


def test_several_models_stand_side_by_side() -> None:
    first, second = timed(evaluation("small", {0: 1}), 200.0), timed(evaluation("large", {}), 50.0)
    text = page(first, second)
    assert "<h1>Accuracy of 2 models</h1>" in text
    assert '<th scope="row">small</th><td class="nowrap">openvino FP16</td>' in text
    assert "Top-1 against images per second" in text
    assert "small openvino FP16" in text
    assert "200 images/s (195 to 205)" in text
    assert re.findall(r"<h2[^>]*>([^<]+)</h2>", text) == ["Side by side", "small", "large"]
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_one_model_without_speeds_has_no_comparison() -> None:
    text = page(evaluation("small", {}))
    assert "Side by side" not in text
    assert "every answer is right" in text
    assert "images/s here" not in text


def test_classes_are_weak_only_where_chance_is_no_explanation(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("red, crimson\ngreen\nblue\nyellow\ncyan\n<i>pink</i>\n")
    scattered = {index: (index + 1) % CLASSES for index in range(0, 60, 7)}
    assert "None: no class has so few right answers" in page(evaluation("net", scattered))
    of_one_class = dict.fromkeys(range(5, IMAGES, 12), 0)
    text = page(evaluation("net", of_one_class), labels=tmp_path / "labels.txt")
    assert "1 class has fewer right answers than chance explains." in text
    assert '<th scope="row">&lt;i&gt;pink&lt;/i&gt;</th><td class="n">25</td><td class="n">50</td>' in text
    assert "<td>&lt;i&gt;pink&lt;/i&gt;</td><td>red</td>" in text


def test_labels_may_name_the_background_class_or_not(tmp_path: Path) -> None:
    found = evaluation("net", dict.fromkeys(range(5, IMAGES, 12), 0))
    data = replace(found.setup.dataset, label_offset=1)
    shifted = replace(found, setup=replace(found.setup, dataset=data))
    names = ["background", "one", "two", "three", "four", "five"]
    (tmp_path / "all.txt").write_text("\n".join(names))
    (tmp_path / "without.txt").write_text("\n".join(names[1:]))
    assert "<td>five</td><td>background</td>" in page(shifted, labels=tmp_path / "all.txt")
    assert "<td>five</td><td>background</td>" in page(shifted, labels=tmp_path / "without.txt")


@pytest.mark.parametrize(
    ("wrong", "reference", "word"),
    [({}, 0.9, ">passed<"), (dict.fromkeys(range(1, 80, 2), 0), 0.9, ">FAILED<"), ({}, None, ">not judged<")],
)
def test_the_verdict_is_that_of_the_gate(wrong: dict[int, int], reference: float | None, word: str) -> None:
    assert f"{word}/span>" in page(evaluation("net", wrong, reference=reference))


def test_all_runs_are_listed_with_their_machines() -> None:
    text = page(evaluation("net", {}))
    assert "run 1 of 3" in text
    assert "measured 2026-11-25 23:59:58 UTC" in text
    assert "called from Python" in text
    assert "merged 2026-11-26 01:00:00 UTC" in text
    assert "<code>mixnet-check merge a b</code>" in text
    assert "EPYC &lt;b&gt;9&lt;/b&gt;, 2 processors, AVX2, VNNI" in text
    assert "Made by mixnet_tools" in text


def test_markdown_lists_them_too() -> None:
    one = evaluation("net", {})
    text = markdown([one.report], [judge(one.report)])
    assert "| openvino FP16 | f32 | 100.00" in text
    command = "<code>mixnet-check --shard 1/2</code>"
    assert f"- measured 2026-11-25T23:59:58Z on EPYC &lt;b&gt;9&lt;/b&gt;, 2 processors, AVX2, VNNI: {command}" in text
    assert "- measured 2026-11-26T00:10:00Z on Xeon, 2 processors\n" in text


def test_flips_are_counted_though_only_some_are_shown(tmp_path: Path) -> None:
    before, after = evaluation("net", {}), evaluation("net", dict.fromkeys(range(1, 41, 2), 0))
    write_baseline(tmp_path / "b.json", before.setup, before.predictions)
    compared, notes = compare(read_baseline(tmp_path / "b.json"), after.setup, after.predictions)
    verdict = judge(after.report, baseline=compared, remarks=notes)
    text = re.sub(r"\s+", " ", render([Section(after, verdict, None, None)]))
    assert "openvino FP16: 20 of 300 images lost, 0 gained" in text
    assert "wrong now (the first 12)" in text
    assert "right now" not in text
    cards = re.findall(r"<dt>was</dt><dd class=\"good\">([^<]+)</dd><dt>now</dt><dd class=\"bad\">([^<]+)</dd>", text)
    assert len(cards) == 12
    assert cards[0] == ("class 1", "class 0, 60.0 %")
    assert "<img" not in text  # there are no images
