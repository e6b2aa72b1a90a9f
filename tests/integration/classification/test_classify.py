"""``mixnet-classify`` and :func:`mixnet_tools.classify`, with mixnet-nano and a model whose answers are known."""

from __future__ import annotations

import csv
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image

import mixnet_tools
from mixnet_tools.descriptors.model_yml import ModelDescriptor
from tests.support.colour_model import NAME, SIDE, accuracy_data, write_ir, write_zoo_model
from tests.support.commands import run, run_failing, run_ok
from tests.support.file_server import FileServer
from tests.support.images import COLOURS, plain, save

NANO = ("--name", "mixnet-nano")


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zoo with the colour model, its IRs, and a picture of each colour, in a folder with other files."""
    folder = tmp_path_factory.mktemp("classify")
    write_zoo_model(folder / "zoo", top1=1.0, top5=1.0)
    for precision in ("FP32", "FP16"):
        write_ir(folder, precision)
    for number, colour in enumerate(COLOURS):
        save(folder / f"photos/sub/{number}.png", plain(colour, 40, 60))
    (folder / "photos/notes.txt").write_text("no image")
    (folder / "labels.txt").write_text("red\ngreen\nblue\nyellow\ncyan\nmagenta\n")
    return folder


def test_a_name_alone_downloads_converts_and_shows_six_pictures(tmp_path: Path, nano: ModelDescriptor) -> None:
    done = run_ok("classify", *NANO, cwd=tmp_path)
    assert (tmp_path / "public/mixnet-nano/FP16/mixnet-nano.xml").is_file()
    assert not (tmp_path / "public/mixnet-nano/FP32").exists()
    head, *blocks = done.out.strip().split("\n\n")
    assert head.startswith("mixnet-nano: openvino FP16 in f32; profile omz: crop to 0.875")
    labels = dict(line.split() for line in (nano.directory / "validation/val.txt").read_text().splitlines())
    names = (nano.directory / "labels.txt").read_text().splitlines()
    assert len(blocks) == 6
    right = sum(
        names[int(labels[block.split()[0]])].split(",")[0].split()[-1] in block.splitlines()[1] for block in blocks
    )
    assert right >= 5  # top-1 is 92 %
    again = run_ok("classify", *NANO, "-q", cwd=tmp_path)
    assert again.out == done.out
    assert again.err == ""


def test_original_and_irs_stand_side_by_side(nano_dir: Path, nano: ModelDescriptor) -> None:
    picture = nano.directory / "validation/val_0000.jpg"
    done = run_ok(
        "classify", *NANO, "-d", nano_dir, "--launcher", "tf,openvino", "--precisions", "FP16,FP32", "--json", picture
    )
    document = json.loads(done.out)
    assert document["schema"] == 1
    assert [one["model"] for one in document["models"]] == ["tf", "openvino FP16", "openvino FP32"]
    (image,) = document["images"]
    assert (image["image"], image["width"], image["height"]) == (str(picture), 93, 74)
    assert image["kept"] == [6, 5, 87, 69]
    firsts = [answer["classes"][0] for answer in image["answers"]]
    assert {first["class"] for first in firsts} == {0}
    assert firsts[0]["score"] == pytest.approx(firsts[2]["score"], abs=1e-5)
    assert len(image["answers"][0]["classes"]) == 5


def test_the_answers_are_those_of_mixnet_check(nano_dir: Path, nano: ModelDescriptor, tmp_path: Path) -> None:
    predictions = tmp_path / "p.jsonl"
    run_ok("check", *NANO, "-d", nano_dir, "--launcher", "openvino", "--precisions", "FP16", "--num_images", "40",
           "--predictions", predictions)  # fmt: skip
    measured = [json.loads(line) for line in predictions.read_text().splitlines()]
    rows = {row["image"]: row["answers"]["openvino FP16"] for row in measured if "image" in row}
    places = [nano.directory / "validation" / name for name in rows]
    found = mixnet_tools.classify(places, name="mixnet-nano", download_dir=nano_dir, precisions=["FP16"])
    assert len(found.images) == 40
    for image in found.images:
        (answer,) = image.answers
        assert [[one.index, one.score] for one in answer.classes] == rows[Path(image.name).name]


def test_folders_urls_and_standard_input(colours: Path) -> None:
    zoo = ("--models_dir", colours / "zoo", "--name", NAME, "--ir_dir", colours, "--labels", colours / "labels.txt")
    with FileServer(colours) as server:
        done = run_ok(
            "classify", *zoo, "--csv", "-k", "1", colours / "photos", f"{server.url}/photos/sub/5.png?key=secret"
        )
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [row["label"] for row in rows] == ["red", "green", "blue", "yellow", "cyan", "magenta", "magenta"]
    assert rows[-1]["image"] == f"{server.url}/photos/sub/5.png"
    assert rows[0].keys() == {"image", "model", "rank", "class", "label", "score"}
    assert "secret" not in done.out + done.err
    words = [sys.executable, "-m", "mixnet_tools.cli.main", "classify", *map(str, zoo), "--csv", "-k", "1", "-"]
    data = (colours / "photos/sub/2.png").read_bytes()
    piped = subprocess.run(words, input=data, capture_output=True, check=True, timeout=100)
    assert piped.stdout.splitlines()[1].decode() == "standard input,openvino FP16,1,2,blue,1.000000"
    empty = subprocess.run(words, input=b"", capture_output=True, check=False, timeout=100)
    assert empty.returncode == 2
    assert b"standard input (-) is empty" in empty.stderr


def test_an_ir_from_elsewhere_needs_no_zoo(colours: Path, tmp_path: Path) -> None:
    for suffix in (".xml", ".bin"):
        shutil.copy(colours / f"public/{NAME}/FP32/{NAME}{suffix}", tmp_path / f"mine{suffix}")
    ir, picture = tmp_path / "mine.xml", colours / "photos/sub/0.png"
    assumed = run_ok("classify", "--ir", ir, "-k", "1", picture)
    assert "class 0" in assumed.out
    assert "the IR does not say how images are prepared: BGR" in assumed.err
    assert "--preprocessing" in assumed.err
    said = run_ok(
        "classify", "--ir", ir, "--labels", colours / "labels.txt", "--channels", "RGB", "--csv", "-k", "1", picture
    )
    assert ",2,blue," in said.out  # red and blue are swapped
    assert said.err == ""
    (tmp_path / "check.yml").write_text(yaml.safe_dump(accuracy_data(top1=None, top5=1.0)))
    by_file = run_ok("classify", "--ir", ir, "--preprocessing", tmp_path / "check.yml", "--json", picture)
    assert json.loads(by_file.out)["preprocessing"][0] == "crop to 0.875 of each side (Pillow)"


def test_an_ir_of_the_zoo_is_prepared_as_the_zoo_says(nano_dir: Path, nano: ModelDescriptor) -> None:
    found = mixnet_tools.classify(
        (nano.directory / "validation/val_0000.jpg").read_bytes(),
        ir=nano_dir / "public/mixnet-nano/FP16/mixnet-nano.xml",
        top=2,
    )
    assert found.notes == ("images are prepared as the zoo's accuracy-check.yml of mixnet-nano says",)
    assert found.images[0].kept is not None
    assert found.images[0].agreed
    assert found.images[0].answers[0].classes[0].index == 0


def test_what_an_ir_says_for_model_api_is_done(colours: Path, tmp_path: Path) -> None:
    import openvino

    model = openvino.Core().read_model(colours / f"public/{NAME}/FP32/{NAME}.xml")
    for key, value in {"resize_type": "crop", "reverse_input_channels": "YES", "labels": "r g sky_blue y c m"}.items():
        model.set_rt_info(value, ["model_info", key])
    openvino.save_model(model, tmp_path / "m.xml", compress_to_fp16=False)
    save(tmp_path / "wide.png", plain(COLOURS[0], 30, 90))
    found = mixnet_tools.classify(tmp_path / "wide.png", ir=tmp_path / "m.xml", top=1)
    assert "as the IR says for Model API (crop, RGB" in found.notes[0]
    assert found.images[0].answers[0].classes[0].name == "sky blue"
    kept = found.images[0].kept
    assert kept is not None
    assert (kept.left, kept.right) == pytest.approx((30, 60), abs=1)


def test_a_picture_that_cannot_be_read_does_not_stop_the_others(colours: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    zoo = ("--models_dir", colours / "zoo", "--name", NAME, "--ir_dir", colours)
    done = run("classify", *zoo, tmp_path / "broken.jpg", colours / "photos/sub/1.png", "-o", tmp_path / "copies")
    assert done.code == 1
    assert "broken.jpg: cannot be decoded as an image" in done.err
    assert "class 1" in done.out
    with Image.open(tmp_path / "copies/1-classified.jpg") as copy:
        assert copy.width >= 320
    assert [path.name for path in (tmp_path / "copies").iterdir()] == ["1-classified.jpg"]


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        ((), 2, "say which model answers"),
        (("--name", "mixnet-nano", "--ir", "x.xml"), 2, "only one of --name and --ir"),
        (("--name", "mixnet-*"), 2, "one model answers at a time"),
        (("--name", "mixnet-nono"), 1, "mixnet-nano"),
        (("--ir", "missing.xml"), 1, "missing.xml: no such file"),
        (("--name", "mixnet-nano", "gone.jpg"), 1, "gone.jpg: no such file or folder"),
        (("--name", "mixnet-nano", "film.mp4"), 2, "a video"),
        (("--name", "mixnet-nano", "--mean", "1,2,3"), 2, "--mean is for an --ir"),
        (("--ir", "x.xml", "--launcher", "tf"), 2, "there is no original"),
        (("--ir", "x.xml", "--profile", "timm"), 2, "--profile is for a model of the zoo"),
        (("--name", "mixnet-nano", "--json", "--csv"), 2, "not allowed with"),
        (("--name", "mixnet-nano", "--launcher", "onnx"), 2, "launcher onnx cannot run the original"),
        (("--name", "mixnet-nano", "--precisions", "FP16-INT8"), 1, "mixnet quantize --name mixnet-nano"),
        (("--name", "mixnet-nano", "-k", "0"), 2, "at least 1"),
    ],
)
def test_wrong_use_is_one_clear_error(words: tuple[str, ...], code: int, expected: str, tmp_path: Path) -> None:
    assert expected in run_failing("classify", *words, code=code, cwd=tmp_path)
    assert not list(tmp_path.iterdir())  # nothing was downloaded before


def test_a_precision_that_the_processor_lacks_is_refused(nano_dir: Path) -> None:
    import openvino

    can = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    words = ("classify", *NANO, "-d", nano_dir, "--inference_precision")
    for wanted, capability in (("bf16", "BF16"), ("f16", "FP16")):
        outcome = run(*words, wanted, "--json")
        if capability in can:
            (model,) = json.loads(outcome.out)["models"]
            assert model["inference_precision"] == wanted
        else:
            assert outcome.code == 1
            assert f"CPU cannot compute in {wanted}, but in f32" in outcome.err
            assert "--inference_precision f32" in outcome.err
    (model,) = json.loads(run_ok(*words, "default", "--json").out)["models"]
    assert model["inference_precision"] in ("f32", "bf16", "f16")


def test_the_python_api_says_what_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(mixnet_tools.UsageError, match="exactly one of"):
        mixnet_tools.classify("a.jpg")
    with pytest.raises(mixnet_tools.UsageError, match="at least 1"):
        mixnet_tools.classify("a.jpg", name="mixnet-nano", top=0)
    save(tmp_path / "a.png", plain(COLOURS[0]))
    with pytest.raises(mixnet_tools.UsageError, match="`images` names none"):
        mixnet_tools.classify([], name="mixnet-nano")
    with pytest.raises(mixnet_tools.UsageError, match="is for an `ir`"):
        mixnet_tools.classify(tmp_path / "a.png", name="mixnet-nano", preprocessing=mixnet_tools.Preprocessing(SIDE))


def test_labels_that_do_not_fit_are_refused(colours: Path, tmp_path: Path) -> None:
    (tmp_path / "few.txt").write_text("red\ngreen\n")
    error = run_failing(
        "classify", "--models_dir", colours / "zoo", "--name", NAME, "--ir_dir", colours, "--labels",
        tmp_path / "few.txt", colours / "photos", code=2,
    )  # fmt: skip
    assert "2 labels, but openvino FP16 has 6 classes" in error


def test_copies_fail_with_one_word_where_they_cannot_be_written(colours: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    error = run_failing(
        "classify", "--models_dir", colours / "zoo", "--name", NAME, "--ir_dir", colours, "-o", tmp_path / "file",
        colours / "photos",
    )  # fmt: skip
    assert "file: cannot be made" in error
    assert os.path.getsize(tmp_path / "file") == 0


def test_mixnet_check_sends_a_picture_to_mixnet_classify(nano_dir: Path, nano: ModelDescriptor, tmp_path: Path) -> None:
    picture = tmp_path / "my photo.jpg"
    shutil.copy(nano.directory / "validation/val_0000.jpg", picture)
    error = run_failing("check", *NANO, "-d", nano_dir, "-s", picture, code=2)
    hint = error.partition("try: ")[2].strip()
    assert hint == f"mixnet classify --name mixnet-nano --download_dir {nano_dir} '{picture}'"
    words = shlex.split(hint)
    assert "97.0 %" in run_ok(*words[1:]).out
