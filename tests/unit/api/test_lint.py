"""What lint_zoo finds in a zoo, each with the file and the key."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from mixnet_tools.api.authoring.lint import lint_zoo
from mixnet_tools.errors import DescriptorError
from tests.support.colour_model import accuracy_data, write_ir
from tests.support.zoo_builder import DIGEST, descriptor_data, write_composite, write_model

LABELS = "red\ngreen\nblue\nyellow\ncyan\nmagenta\n"


def write_zoo(root: Path, **changes: object) -> Path:
    """A zoo with one model that has everything, and nothing wrong; returns the model's folder."""
    folder = write_model(root, "colour-net", descriptor_data(**changes)).parent
    (folder / "accuracy-check.yml").write_text(yaml.safe_dump(accuracy_data(top1=0.9, top5=0.9)))
    (folder / "labels.txt").write_text(LABELS)
    return folder


def texts(root: Path, **options: Path) -> list[str]:
    return [problem.text for problem in lint_zoo(root, **options).problems]


def test_a_zoo_in_order_has_no_problem(tmp_path: Path) -> None:
    write_zoo(tmp_path)
    checked = lint_zoo(tmp_path)
    assert (checked.models, checked.problems) == (("colour-net",), ())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"licence": "MIT"}, "unknown key (did you mean 'license'?)"),
        ({"task_type": "clasification"}, "(did you mean 'classification'?)"),
        ({"framework": "onx"}, "or 'tf', got 'onx' (did you mean 'onnx'?)"),
        (
            {"postprocessing": [{"$type": "unpack_archiv", "file": "a", "format": "tar"}]},
            "got 'unpack_archiv' (did you mean 'unpack_archive'?)",
        ),
        ({"license": "TODO"}, "license: names no licence, got 'TODO'"),
        ({"license": None}, "license: is required, and missing"),
        ({"files": []}, "files: names no file"),
        ({"files": [{"name": "a", "checksum": DIGEST, "source": "https://host.invalid/a"}]}, "files[0].size"),
        ({"files": [{"name": "a", "size": 1, "source": "https://host.invalid/a"}]}, "files[0].checksum"),
        ({"model_optimizer_args": ["--input_modell=$dl_dir/a"]}, "--input_modell is not supported"),
        (
            {"model_optimizer_args": ["--input_model=$dl_dir/other.pb"], "postprocessing": None},
            "names other.pb, which is none of the files",
        ),
        (
            {"files": [{"name": "a", "size": 1, "checksum": DIGEST, "source": {"$type": "file", "path": "a"}}]},
            "files[0].source: ",
        ),
    ],
)
def test_a_descriptors_problem_is_named(changes: dict[str, object], words: str, tmp_path: Path) -> None:
    folder = write_zoo(tmp_path, **changes)
    found = texts(tmp_path)
    assert found
    assert any(words in text for text in found), found
    assert all(str(folder) in text for text in found)


def _unknown_step(folder: Path) -> None:
    data = accuracy_data(top1=0.9, top5=0.9)
    data["models"][0]["datasets"][0]["preprocessing"][1]["type"] = "krop"
    (folder / "accuracy-check.yml").write_text(yaml.safe_dump(data))


def _no_openvino(folder: Path) -> None:
    data = accuracy_data(top1=0.9, top5=0.9)
    del data["models"][1]
    (folder / "accuracy-check.yml").write_text(yaml.safe_dump(data))


def _twice(folder: Path) -> None:
    data = accuracy_data(top1=0.9, top5=0.9)
    data["models"].append(data["models"][1])
    (folder / "accuracy-check.yml").write_text(yaml.safe_dump(data))


def _unknown_profile(folder: Path) -> None:
    (folder / "profiles.yml").write_text("profiles:\n  tim: {top1: 0.9, top5: 0.9, source: a paper}\n")


def _imagenet(folder: Path) -> None:
    data = accuracy_data(top1=0.9, top5=0.9, dataset="imagenet_1000_classes")
    (folder / "accuracy-check.yml").write_text(yaml.safe_dump(data))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_unknown_step, "unknown preprocessing step 'krop'; did you mean 'crop'?"),
        (_no_openvino, "no entry with a launcher of framework 'openvino'"),
        (_twice, "describes 'openvino' already"),
        (_imagenet, "6 labels, and imagenet_1000_classes of accuracy-check.yml has 1000 classes"),
        (lambda folder: (folder / "labels.txt").rename(folder / "label.txt"), "did you mean 'labels.txt'?"),
        (lambda folder: (folder / "labels.txt").rename(folder / "Labels.text"), "did you mean 'labels.txt'?"),
        (lambda folder: (folder / "model.yml").rename(folder / "model.yaml"), "did you mean 'model.yml'?"),
        (lambda folder: (folder / "model.yml").unlink(), "colour-net: has accuracy-check.yml and no model.yml"),
        (_unknown_profile, "profiles.tim (line 2): unknown key: expected 'timm', "),
        (lambda folder: (folder / "labels.txt").write_bytes(b"\xff"), "cannot read the labels"),
        (lambda folder: (folder / "README.md").write_text("| GFLOPs | 1.2.3 |"), "expected a number"),
    ],
)
def test_a_side_files_problem_is_named(change: Callable[[Path], object], words: str, tmp_path: Path) -> None:
    change(write_zoo(tmp_path))
    (text,) = texts(tmp_path)
    assert words in text


def test_a_grey_model_that_is_measured_in_colour_is_named(tmp_path: Path) -> None:
    write_zoo(
        tmp_path,
        input_info=[{"name": "data", "shape": [1, 16, 16, 1], "layout": "NHWC"}],
        model_optimizer_args=["--input_meta_graph=$dl_dir/net/model.ckpt.meta", "--output=logits"],
    )
    found = texts(tmp_path)
    assert len(found) == 2
    assert all("in colour, with 3 channels, but the model takes 1: grey" in text for text in found)


def test_labels_are_counted_against_a_converted_model(tmp_path: Path) -> None:
    folder = write_zoo(tmp_path / "zoo")
    write_ir(tmp_path / "work")
    assert texts(tmp_path / "zoo", ir_dir=tmp_path / "work") == []
    (folder / "labels.txt").write_text("red\ngreen\n")
    (text,) = texts(tmp_path / "zoo", ir_dir=tmp_path / "work")
    assert "2 labels, and " in text
    assert text.endswith("colour-net.xml has 6 classes")


def test_files_on_this_machine_are_held_against_size_and_digest(tmp_path: Path) -> None:
    source = {"$type": "file", "path": "net.tar.gz"}
    digest = hashlib.sha384(b"twelve bytes").hexdigest()
    files = [{"name": "net.tar.gz", "size": 12, "checksum": digest, "source": source}]
    folder = write_zoo(tmp_path, files=files)
    (folder / "net.tar.gz").write_bytes(b"twelve bytes")
    assert texts(tmp_path) == []
    (folder / "net.tar.gz").write_bytes(b"Twelve bytes")
    (text,) = texts(tmp_path)
    assert "files[0].checksum: expected" in text
    (folder / "net.tar.gz").write_bytes(b"more than twelve bytes")
    (text,) = texts(tmp_path)
    assert "files[0].size: expected 12 bytes" in text


def test_a_broken_model_hides_no_other_and_composites_are_read_too(tmp_path: Path) -> None:
    write_model(tmp_path, "broken", "framework: [")
    write_zoo(tmp_path)
    write_composite(tmp_path, "both", ["encoder", "decoder"], stages_order=["encoder"])
    checked = lint_zoo(tmp_path)
    assert checked.models == ("broken", "colour-net", "decoder", "encoder")
    assert {problem.model for problem in checked.problems} == {"broken", "both"}


def test_what_is_no_zoo_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DescriptorError, match=r"no model\.yml below this folder"):
        lint_zoo(tmp_path)
    (tmp_path / "file").touch()
    for name, words in (("file", "is a file, not a folder"), ("missing", "no such folder")):
        with pytest.raises(DescriptorError, match=words) as caught:
            lint_zoo(tmp_path / name)
        assert caught.value.hint == "give the folder of a zoo, which holds public/<name>/model.yml"
