"""``mixnet-check diff``: the difference of two runs, from predictions and baselines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from mixnet_tools.descriptors.model_yml import ModelDescriptor
from tests.support.commands import run_failing, run_ok

NANO = ("check", "--name", "mixnet-nano", "--launcher", "openvino", "--no_references", "-q")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, nano: ModelDescriptor, nano_dir: Path) -> Path:
    """Predictions and baselines of mixnet-nano on some of its images: as they are, and with parts of some in black."""
    folder = tmp_path_factory.mktemp("diff")
    source = nano.directory / "validation"
    lines = (source / "val.txt").read_text().splitlines()[:60]
    for kind in ("plain", "dark"):
        (folder / kind).mkdir()
        (folder / kind / "val.txt").write_text("\n".join(lines if kind == "plain" else lines[:50]) + "\n")
        for number, line in enumerate(lines if kind == "plain" else lines[:50]):
            with Image.open(source / line.split()[0]) as image:
                if kind == "dark" and number % 3 == 0:
                    image.paste((0, 0, 0), (0, 0, image.width, image.height * 3 // 4))
                image.save(folder / kind / line.split()[0], quality=95)
        run_ok(
            *NANO, "-d", nano_dir, "--precisions", "FP16,FP32", "-s", folder / kind,
            "--predictions", folder / f"{kind}.jsonl", "--baseline", folder / f"{kind}.json", "--update_baseline",
        )  # fmt: skip
    return folder


def test_what_flipped_is_named_counted_and_tested(runs: Path, nano: ModelDescriptor) -> None:
    words = ("check", "diff", runs / "plain.jsonl", runs / "dark.jsonl")
    document = json.loads(run_ok(*words, "--json").out)
    first, second = document["differences"]
    assert (first["before"], first["after"]) == ("openvino FP16", "openvino FP16")
    assert second["before"] == "openvino FP32"
    assert first["images"] == 50
    assert first["after_right"] - first["before_right"] == len(first["gained"]) - len(first["lost"]) < -3
    assert first["points"] == pytest.approx(100 * (first["after_right"] - first["before_right"]) / 50)
    assert first["interval"][0] < first["points"] < first["interval"][1]
    assert first["test"]["lost"] == len(first["lost"])
    assert all(flip["right"] == flip["baseline"] != flip["now"] for flip in first["lost"])
    assert sum(one["lost"] for one in first["by_class"]) == len(first["lost"])
    assert document["notes"] == [f"10 images are in {runs / 'plain.jsonl'} only, and left out"]
    text = run_ok(*words, "--labels", nano.directory / "labels.txt", "--flips", "1")
    names = [line.strip() for line in text.out.splitlines()]
    assert names[0].startswith("openvino FP16: top-1 ")
    assert any(line.startswith("lost: val_") and ", now " in line for line in names)
    assert f"lost: {len(first['lost']) - 1} more" in names
    assert "class 0" not in text.out


def test_baselines_tell_the_same(runs: Path) -> None:
    a = json.loads(run_ok("check", "diff", runs / "plain.jsonl", runs / "dark.jsonl", "--json").out)
    b = json.loads(run_ok("check", "diff", runs / "plain.json", runs / "dark.json", "--json").out)
    c = json.loads(run_ok("check", "diff", runs / "plain.json", runs / "dark.jsonl", "--json").out)
    assert a["differences"] == b["differences"] == c["differences"]


def test_two_models_of_one_run(runs: Path) -> None:
    models = ("--models", "openvino FP32,openvino FP16")
    done = run_ok("check", "diff", runs / "dark.jsonl", runs / "dark.jsonl", *models)
    assert done.out.startswith("openvino FP32 -> openvino FP16: top-1 ")
    (one,) = json.loads(run_ok("check", "diff", runs / "dark.json", runs / "dark.json", *models, "--json").out)[
        "differences"
    ]
    assert one["images"] == 50


def test_a_page_and_a_section_for_a_job(runs: Path, tmp_path: Path) -> None:
    page, section = tmp_path / "diff.html", tmp_path / "summary.md"
    section.write_text("before\n")
    files = (runs / "plain.jsonl", runs / "dark.jsonl")
    run_ok("check", "diff", *files, "--html", page, "--markdown", section, "--flips", "2")
    text = page.read_text()
    document = json.loads(run_ok("check", "diff", runs / "plain.jsonl", runs / "dark.jsonl", "--json").out)
    assert all(flip["name"] in text for one in document["differences"] for flip in (*one["lost"], *one["gained"]))
    assert "http" not in text.partition("<body>")[2]
    assert section.read_text().startswith("before\n### mixnet-nano: plain.jsonl to dark.jsonl\n")
    assert "<summary>flipped images</summary>" in section.read_text()


def test_what_cannot_be_compared_is_refused(runs: Path, tmp_path: Path) -> None:
    plain, dark = runs / "plain.jsonl", runs / "dark.jsonl"
    assert "cannot be read" in run_failing("check", "diff", plain, tmp_path / "none")
    (tmp_path / "text").write_text("hello")
    assert "no baseline" in run_failing("check", "diff", plain, tmp_path / "text")
    assert "try: give a file that a run wrote" in run_failing("check", "diff", tmp_path / "text", plain)
    wrong = ("--models", "openvino FP64,openvino FP16")
    error = run_failing("check", "diff", plain, dark, *wrong, code=2)
    assert "has no model 'openvino FP64', but openvino FP16, openvino FP32" in error
    assert "two models" in run_failing("check", "diff", plain, dark, "--models", "one", code=2)
    assert "cannot be written" in run_failing("check", "diff", plain, dark, "--html", tmp_path / "text/diff.html")
    first, *lines = (runs / "plain.json").read_text().splitlines()
    edited = tmp_path / "edited.json"
    edited.write_text("\n".join([first, *lines]).replace('"val_0000.jpg": [[0]', '"val_0000.jpg": [[7]'))
    assert "edited or damaged" in run_failing("check", "diff", runs / "plain.json", edited)
