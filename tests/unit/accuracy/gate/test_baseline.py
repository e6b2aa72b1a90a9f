"""Baselines: written, read back, compared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from mixnet_tools.accuracy.evaluation.timing import Timing
from mixnet_tools.accuracy.gate.baseline import ALPHA, compare, read_baseline, write_baseline
from mixnet_tools.accuracy.gate.verdict import judge
from mixnet_tools.accuracy.launchers.base import Digest
from mixnet_tools.accuracy.predictions.values import Answers, DatasetSummary, ModelSetup, Predictions, Setup, Versions
from mixnet_tools.accuracy.reports.junit import junit
from mixnet_tools.accuracy.reports.markdown import markdown
from mixnet_tools.accuracy.reports.summarize import summarize
from mixnet_tools.errors import EvaluationError

COUNT = 60


def setup(*labels: str, profile: str = "omz") -> Setup:
    data = DatasetSummary("colours", "/somewhere/images", "annotations", "/somewhere/val.txt", COUNT, COUNT, 0, COUNT)
    models = tuple(
        ModelSetup("openvino", precision, "CPU", ("crop",), 0.5, None, (Digest("net.xml", "ab" * 32),))
        for precision in labels
    )
    return Setup("net", profile, 10, data, models, Versions("1", "2", None, "3", "4", "5"))


def answers(wrong: set[int]) -> Answers:
    first = np.array([(row + 1) % 10 if row in wrong else row % 10 for row in range(COUNT)])
    return Answers(np.stack([first] + [np.full(COUNT, -1)] * 4, axis=1), np.full((COUNT, 5), 0.5))


def predictions(*wrong: set[int], folder: str = "") -> Predictions:
    names = tuple(f"{folder}{row:03}.jpg" for row in range(COUNT))
    return Predictions(names, tuple((row % 10,) for row in range(COUNT)), tuple(answers(one) for one in wrong))


def rows(found: Predictions, keep: list[int]) -> Predictions:
    parts = tuple(Answers(one.classes[keep], one.scores[keep]) for one in found.answers)
    return Predictions(tuple(found.names[k] for k in keep), tuple(found.accepted[k] for k in keep), parts)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "new/baseline.json"
    write_baseline(path, setup("FP32", "FP16"), predictions({1, 2, 3}, {1, 2}))
    return path


def test_it_is_compact_and_names_no_path(written: Path) -> None:
    text = written.read_text()
    assert "/somewhere" not in text
    assert text.count("\n") < COUNT + 60
    document = json.loads(text)
    assert document["images"]["002.jpg"] == [[2], [3, 3]]
    assert document["runners"][0] == {
        "name": "openvino FP32",
        "preprocessing": ["crop"],
        "top1_correct": 57,
        "digests": {"net.xml": "ab" * 32},
    }
    assert document["versions"] == {"mixnet_tools": "1", "openvino": "2", "pillow": "3", "numpy": "4", "python": "5"}
    assert [path.name for path in written.parent.iterdir()] == ["baseline.json"]


def test_the_same_answers_pass_and_many_lost_ones_fail(written: Path) -> None:
    baseline = read_baseline(written)
    same, notes = compare(baseline, setup("FP32", "FP16"), predictions({1, 2, 3}, {1, 2}))
    assert notes == ()
    assert [(one.passed, one.test.gained, one.test.lost) for one in same] == [(True, 0, 0)] * 2
    worse, _ = compare(baseline, setup("FP32", "FP16"), predictions({1, 2, *range(10, 20)}, {1, 2}))
    assert [(one.passed, one.test.gained, one.test.lost) for one in worse] == [(False, 1, 10), (True, 0, 0)]
    assert [flip.name for flip in worse[0].lost] == [f"{row:03}.jpg" for row in range(10, 20)]
    assert (worse[0].lost[2].right, worse[0].lost[2].baseline, worse[0].lost[2].now) == (2, 2, 3)
    assert [flip.name for flip in worse[0].gained] == ["003.jpg"]


@pytest.mark.parametrize(("lost", "passed"), [(5, True), (6, True), (7, False), (8, False)])
def test_seven_lost_and_none_gained_are_no_chance(written: Path, lost: int, passed: bool) -> None:
    assert (0.5**lost > ALPHA) is passed
    now = predictions({1, 2, 3, *range(20, 20 + lost)}, {1, 2})
    assert compare(read_baseline(written), setup("FP32", "FP16"), now)[0][0].passed is passed


def test_as_many_gained_as_lost_pass(written: Path, tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    write_baseline(path, setup("FP32"), predictions(set(range(20))))
    (judgement,), _ = compare(read_baseline(path), setup("FP32"), predictions(set(range(20, 40))))
    assert (judgement.passed, judgement.test.gained, judgement.test.lost) == (True, 20, 20)


def test_a_subset_in_other_folders_is_compared_image_by_image(written: Path) -> None:
    part = rows(predictions({1, 2, 3, *range(10, 20)}, set(), folder="class/"), list(range(5, 25)))
    judgements, _ = compare(read_baseline(written), setup("FP32", "FP16"), part)
    assert [one.test.images for one in judgements] == [20, 20]
    assert [one.passed for one in judgements] == [False, True]


def test_models_and_images_that_it_does_not_know_are_remarked(written: Path) -> None:
    now = predictions({1, 2, 3}, set())
    now = replace(now, names=(*now.names[:-1], "new.jpg"))
    judgements, notes = compare(read_baseline(written), setup("FP32", "INT8"), now)
    assert [one.label for one in judgements] == ["openvino FP32"]
    assert "1 of the images are not in the baseline" in notes[0]
    assert "openvino INT8 is not in the baseline" in notes[1]
    assert "openvino FP16 is in the baseline" in notes[2]
    assert "was not measured" in notes[2]


def test_a_baseline_that_could_not_fail_is_refused(written: Path) -> None:
    now = predictions({1, 2, 3}, set())
    with pytest.raises(EvaluationError, match="knows 6 of the images, too few"):
        compare(read_baseline(written), setup("FP32", "FP16"), rows(now, list(range(6))))


def test_a_baseline_of_few_of_the_images_is_refused(written: Path) -> None:
    now = predictions({1, 2, 3}, set())
    few = replace(now, names=(*now.names[:29], *(f"new_{number}.jpg" for number in range(COUNT - 29))))
    with pytest.raises(EvaluationError, match="knows only 29 of the 60 images"):
        compare(read_baseline(written), setup("FP32", "FP16"), few)


def test_other_preprocessing_is_refused(written: Path) -> None:
    models = tuple(replace(tested, preprocessing=("resize",)) for tested in setup("FP32", "FP16").models)
    with pytest.raises(
        EvaluationError, match="FP32: its images were prepared otherwise: crop; and in this run: resize"
    ):
        compare(read_baseline(written), replace(setup("FP32", "FP16"), models=models), predictions({1}, {1}))


def test_what_cannot_be_compared_is_refused(written: Path) -> None:
    baseline, now = read_baseline(written), predictions({1}, {1})
    other_labels = replace(now, accepted=((9,), *now.accepted[1:]))
    for given, found, message in (
        (setup("FP32", "FP16", profile="timm"), now, "is the baseline of profile 'omz', and this run is of 'timm'"),
        (
            replace(setup("FP32", "FP16"), model="mesh"),
            now,
            "is the baseline of model 'net', and this run is of 'mesh'",
        ),
        (setup("INT8", "INT4"), now, "knows openvino FP32, openvino FP16, but measured were openvino INT8"),
        (setup("FP32", "FP16"), predictions({1}, {1}, folder="x/y"), "knows none of the images"),
        (setup("FP32", "FP16"), other_labels, r"000\.jpg: the baseline counts class 0 right, and this run class 9"),
    ):
        with pytest.raises(EvaluationError, match=message):
            compare(baseline, given, found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read"),
        ("", "no baseline"),
        ("[]", "no baseline"),
        ('{"kind": "x"}', "no baseline"),
        ('{"kind": "mixnet_tools baseline", "schema": 3}', "another kind or schema"),
        ('{"kind": "mixnet_tools baseline", "schema": 2}', "no 'digest'"),
        ('{"kind": "mixnet_tools baseline", "schema": 2, "digest": 1}', "was edited or damaged"),
        ('{"kind": "mixnet_tools baseline", "schema": 1}', "no 'runners'"),
    ],
)
def test_what_is_no_baseline_is_named(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "b.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(EvaluationError, match=message) as caught:
        read_baseline(path)
    assert str(caught.value).startswith(str(path))
    assert caught.value.hint is not None
    assert "`update_baseline`" in caught.value.hint


def test_an_edited_baseline_is_refused(written: Path) -> None:
    text = written.read_text()
    for old, new in (
        ('"002.jpg": [[2], [3, 3]]', '"002.jpg": [[3], [3, 3]]'),
        ('  "002.jpg": [[2], [3, 3]],\n', ""),
        ('"profile": "omz"', '"profile": "timm"'),
        ('"top1_correct": ', '"top1_correct": 1'),
        ('"digest": "sha256:', '"digest": "sha256:0'),
    ):
        assert old in text
        written.write_text(text.replace(old, new, 1))
        with pytest.raises(EvaluationError, match=r": was edited or damaged since a run wrote it") as caught:
            read_baseline(written)
        assert str(caught.value).startswith(str(written))
        assert "`update_baseline`" in str(caught.value.hint)
    # What an editor or git does to spaces and line ends is no edit.
    written.write_bytes(text.replace("\n", "\r\n").replace("[2], [3, 3]", "[2],[3,3]").encode())
    assert read_baseline(written).has_digest


def test_a_baseline_of_an_earlier_version_is_read_with_a_remark(written: Path) -> None:
    document = json.loads(written.read_text())
    del document["digest"]
    written.write_text(json.dumps({**document, "schema": 1}))
    baseline = read_baseline(written)
    assert not baseline.has_digest
    _, notes = compare(baseline, setup("FP32", "FP16"), predictions({1, 2, 3}, {1, 2}))
    assert f"{written}: an earlier version wrote it, without a digest: edits go unnoticed" in notes


def test_junit_and_markdown_say_what_failed_and_what_flipped(written: Path) -> None:
    now = predictions({1, 2, *range(10, 20)}, {1, 2})
    given = setup("FP32", "FP16")
    report = summarize(given, now, Timing(1.5, COUNT, 0, 0, 0, 0, None))
    verdict = judge(report, baseline=compare(read_baseline(written), given, now)[0])
    assert not verdict.passed
    lines = verdict.summary().splitlines()
    assert lines[0] == "net: FAILED (full set, tolerance 0.2 points, and the baseline)"
    assert lines[1].startswith(
        "  WORSE: openvino FP32: 10 of 60 images lost and 1 gained since the baseline (p = 0.0059"
    )
    assert lines[2] == "    lost 010.jpg: was 0, is 1"
    suite = ElementTree.fromstring(junit([report], [verdict])).find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("time")) == ("4", "1", "1.500")
    (failed,) = [case for case in suite if case.find("failure") is not None]
    assert failed.get("name") == "openvino FP32 against baseline"
    assert "lost: 010.jpg: class 0, was 0, is 1" in (failed.findtext("failure") or "")
    page = markdown([report], [verdict])
    assert page.startswith("### net: ❌ FAILED\n\n| runner |")
    assert "| openvino FP32 | - | 80.00 (68.22 to 88.17) | 50.00 |" in page
    assert "10 lost and 1 gained with openvino FP32" in page
    assert json.loads(json.dumps(verdict.to_json()))["baseline"][0]["test"]["lost"] == 10
