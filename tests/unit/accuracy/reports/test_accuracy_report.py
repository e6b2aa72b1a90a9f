"""What a report looks like to programs and to people."""

from __future__ import annotations

import dataclasses
import json

from mixnet_tools.accuracy.reports.accuracy_report import SCHEMA
from mixnet_tools.accuracy.reports.table import HEADINGS, cells, provenance
from tests.support.reports import report, result

REPORT = report(
    result(391, 469, 500, precision=None), result(390, 470, 500), images=500, total=50_000, reference_images=50_000
)


def test_json_carries_all_that_the_figures_stand_on() -> None:
    plain = json.loads(json.dumps(REPORT.to_json(), allow_nan=False))
    assert plain["schema"] == SCHEMA == 1
    assert next(iter(plain)) == "schema"
    assert (plain["model"], plain["profile"], plain["classes"]) == ("mixnet-l", "omz", 1000)
    assert plain["dataset"] == {
        "name": "imagenet_1000_classes",
        "source": "val",
        "form": "annotations",
        "annotations": "val/val.txt",
        "total": 50_000,
        "evaluated": 500,
        "label_offset": 0,
        "reference_images": 50_000,
        "excluded": 0,
        "labels": "own",
        "fingerprint": "",
        "chosen": 0,
        "chosen_fingerprint": "",
        "split": None,
        "accounts": [],
        "remarks": [],
    }
    original, converted = plain["results"]
    assert original["precision"] is None
    assert original["agreement"] is None
    assert converted["top1"] == {"correct": 390, "total": 500, "fraction": 0.78, "interval95": [0.741631, 0.814099]}
    assert converted["agreement"]["correct"] == 499
    assert converted["digests"] == [{"what": "net.xml", "sha256": "ab" * 32}]
    assert converted["preprocessing"] == ["crop", "channel order BGR"]
    assert (converted["reference_top1"], converted["reference_top5"]) == (0.783, 0.9391)
    assert set(plain["versions"]) == {
        "mixnet_tools",
        "openvino",
        "tensorflow",
        "pillow",
        "numpy",
        "python",
        "onnxruntime",
        "opencv",
    }
    assert plain["notes"] == ["a note"]


def test_every_field_of_a_report_is_in_its_json() -> None:
    plain = REPORT.to_json()
    assert set(plain) == {field.name for field in dataclasses.fields(REPORT)}
    for part, value in ((plain["dataset"], REPORT.dataset), (plain["results"][0], REPORT.results[0])):
        assert set(part) == {field.name for field in dataclasses.fields(value)}


def test_the_table_shows_reference_difference_and_agreement() -> None:
    original, converted = (cells(REPORT, result) for result in REPORT.results)
    assert len(HEADINGS) == len(original) == len(converted)
    assert " ".join(original) == "mixnet-l tf - 78.20 93.80 78.30 / 93.91 -0.10 / -0.11 -"
    assert " ".join(converted) == "mixnet-l openvino FP32 78.00 94.00 78.30 / 93.91 -0.30 / +0.09 99.80 %"


def test_the_table_without_references() -> None:
    bare = dataclasses.replace(REPORT.results[1], reference_top1=None, reference_top5=None)
    assert cells(REPORT, bare)[5:] == ("-", "-", "99.80 %")


def test_provenance_names_profile_images_and_software() -> None:
    text = provenance(REPORT)
    assert "profile omz, 500 of 50000 images of val, 1000 classes" in text
    assert "openvino FP32: crop; channel order BGR" in text
    assert "openvino FP32: top-1 78.00 % (95 %: 74.16 to 81.41)" in text
    assert "mixnet_tools 1.2.3, openvino 2026.4.1, pillow 13.0.0" in text
    assert "tensorflow" not in text
