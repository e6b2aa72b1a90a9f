"""What answers were made by: shards, resumed runs and baselines of other versions, processors and precisions."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from mixnet_tools.accuracy.gate.baseline import write_baseline
from mixnet_tools.accuracy.predictions.jsonl import read_predictions
from mixnet_tools.accuracy.predictions.jsonl_writer import PredictionsWriter
from mixnet_tools.accuracy.predictions.merge import merge
from mixnet_tools.inference.machine import Machine
from tests.support.commands import run_failing, run_ok

OTHER = Machine("Xeon Gold 6154", 4, ("AVX2", "AVX-512"), "Linux 6.1 x86_64")
COMMON = ("--name", "mixnet-nano", "--launcher", "openvino", "--precisions", "FP32", "--num_images", "30", "-q")


@dataclass(frozen=True)
class Shards:
    """The predictions of mixnet-nano on 30 images, in three shards, as they were measured here."""

    folder: Path
    options: tuple[str | Path, ...]

    def file(self, number: int) -> Path:
        return self.folder / f"{number}.jsonl"


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory, nano_dir: Path) -> Shards:
    made = Shards(tmp_path_factory.mktemp("shards"), (*COMMON, "-d", nano_dir))
    for number in (1, 2, 3):
        run_ok("check", *made.options, "--shard", f"{number}/3", "--predictions", made.file(number))
    return made


def made_elsewhere(
    source: Path, target: Path, *, images: int | None = None, precision: str | None = "f32", **versions: str
) -> Path:
    """The file ``source`` as the machine :data:`OTHER` with other ``versions`` would have written it, or the first
    ``images`` of it.
    """
    file = read_predictions(source)
    assert file is not None
    setup = replace(
        file.setup,
        versions=replace(file.setup.versions, **versions),
        models=tuple(replace(model, inference_precision=precision) for model in file.setup.models),
    )
    run = replace(file.runs[0], machine=OTHER, versions=setup.versions)
    found = file.predictions
    with closing(PredictionsWriter(target, setup, run=run)) as writer:
        for row, name in enumerate(found.names[:images]):
            writer.image(name, found.accepted[row], found.answers, row, ())
    return target


def merged(*files: Path, more: tuple[str | Path, ...] = ()) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(run_ok("check", "merge", *files, "--json", "-q", *more).out)["reports"][0]
    return report


def unlike(report: dict[str, Any]) -> list[str]:
    return [note for note in report["notes"] if note.startswith("not all images were measured alike: ")]


def test_shards_that_were_made_alike_draw_no_remark(shards: Shards) -> None:
    report = merged(*map(shards.file, (1, 2, 3)))
    assert unlike(report) == []
    assert [run["shard"] for run in report["runs"]] == [
        *({"number": number, "count": 3} for number in (1, 2, 3)),
        None,
    ]
    assert [run["versions"] and run["versions"]["openvino"] for run in report["runs"]] == [
        *[report["versions"]["openvino"]] * 3,
        None,
    ]


def test_shards_made_otherwise_are_listed_version_by_version(shards: Shards, tmp_path: Path) -> None:
    other = made_elsewhere(shards.file(3), tmp_path / "3.jsonl", openvino="2026.3.0", pillow="12.0.0")
    markdown, page = tmp_path / "summary.md", tmp_path / "report.html"
    files = [shards.file(1), shards.file(2), other]
    report = merged(*files, more=("--markdown", markdown, "--html", page))
    here, machine = report["versions"], report["runs"][0]["machine"]
    sets = f" ({', '.join(machine['instruction_sets'])})" if machine["instruction_sets"] else ""
    remarks = [
        f"not all images were measured alike: {text}"
        for text in (
            f"openvino {here['openvino']} (shards 1, 2), 2026.3.0 (shard 3)",
            f"pillow {here['pillow']} (shards 1, 2), 12.0.0 (shard 3)",
            f"processor {machine['processor']}{sets} (shards 1, 2), Xeon Gold 6154 (AVX2, AVX-512) (shard 3)",
        )
    ]
    assert unlike(report) == remarks
    assert report["runs"][2]["machine"]["processor"] == "Xeon Gold 6154"
    assert report["runs"][2]["versions"]["openvino"] == "2026.3.0"
    said = run_ok("check", "merge", *files)
    for remark in remarks:
        assert remark in " ".join(said.err.split())
        assert remark in page.read_text()
    assert f"openvino {here['openvino']} and 2026.3.0, " in " ".join(said.out.split())
    assert "shard 3 of 3" in markdown.read_text()
    assert "2026.3.0 (shard 3)" in markdown.read_text()
    assert f"OpenVINO {here['openvino']} and 2026.3.0" in page.read_text()


def test_a_run_that_went_on_elsewhere_says_so(shards: Shards, tmp_path: Path) -> None:
    begun = made_elsewhere(shards.file(1), tmp_path / "p.jsonl", images=4, mixnet_tools="0.0.9")
    words = (*shards.options, "--shard", "1/3", "--predictions", begun, "--resume", "--json")
    report = json.loads(run_ok("check", *words).out)["reports"][0]
    remarks = unlike(report)
    assert f"mixnet_tools 0.0.9 (run 1), {report['versions']['mixnet_tools']} (run 2)" in remarks[0]
    assert "processor Xeon Gold 6154 (AVX2, AVX-512) (run 1), " in remarks[1]
    assert len(remarks) == 2
    # Measured to its end, it is the file that tells what made the figures.
    again = json.loads(run_ok("check", *words).out)["reports"][0]
    assert unlike(again) == remarks
    both = merged(begun, shards.file(2), shards.file(3))
    assert f"mixnet_tools 0.0.9 (part of shard 1), {report['versions']['mixnet_tools']} " in unlike(both)[0]
    assert "(shards 2, 3, part of shard 1)" in unlike(both)[0]


def test_shards_in_different_precisions_are_one_model_with_a_remark(shards: Shards, tmp_path: Path) -> None:
    other = made_elsewhere(shards.file(2), tmp_path / "2.jsonl", precision="bf16")
    report = merged(shards.file(1), other, shards.file(3))
    assert "not all images were measured alike: openvino FP32 in f32 (shards 1, 3), bf16 (shard 2)" in report["notes"]
    (result,) = report["results"]
    assert result["inference_precision"] == "f32 and bf16"
    assert result["top1"]["total"] == 30
    assert "FP32 in f32 and bf16" in run_ok("check", "merge", shards.file(1), other, shards.file(3)).out
    # A run does not go on in another precision: it would hide which image had which.
    words = (*shards.options, "--shard", "2/3", "--predictions", other, "--resume")
    assert "models: openvino FP32; and openvino FP32 in bf16" in run_failing("check", *words)


def test_a_baseline_made_elsewhere_is_a_note_and_no_failure(shards: Shards, tmp_path: Path) -> None:
    files = [
        made_elsewhere(shards.file(number), tmp_path / f"{number}.jsonl", precision="bf16", openvino="2026.3.0")
        for number in (1, 2, 3)
    ]
    elsewhere = merge(files)
    baseline, own = tmp_path / "baseline.json", tmp_path / "own.json"
    write_baseline(baseline, elsewhere.setup, elsewhere.predictions, elsewhere.report.runs)
    report = json.loads(run_ok("check", *shards.options, "--baseline", baseline, "--json").out)["reports"][0]
    first, second = report["verdict"]["notes"]
    here = report["versions"]["openvino"]
    assert f"{baseline} was not made as this run was: openvino 2026.3.0, then {here}; processor Xeon Gold" in first
    assert second == f"openvino FP32 was compared with openvino FP32 in bf16 in {baseline}"
    assert report["verdict"]["baseline"][0]["test"]["images"] == 30
    assert json.loads(baseline.read_text())["made_by"][0]["openvino"] == "2026.3.0"
    run_ok("check", *shards.options, "--baseline", own, "--update_baseline")
    same = json.loads(run_ok("check", *shards.options, "--baseline", own, "--json").out)["reports"][0]
    assert same["verdict"]["notes"] == []
    notes = json.loads(
        run_ok("check", "diff", baseline, own, "--models", "openvino FP32 in bf16,openvino FP32", "--json").out
    )["notes"]
    assert f"{baseline} and {own} were not made alike: openvino 2026.3.0, then {here}; processor Xeon Gold" in notes[0]
