"""Finding labelled images on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixnet_tools.accuracy.datasets.dataset import ImageDataset, bundled_source
from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location
from tests.support.forms import open_at


def touch(root: Path, *names: str) -> Path:
    """Empty files: this module never opens an image."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def contents(dataset: ImageDataset) -> list[tuple[str, int]]:
    assert all(image.location == dataset.source / image.name for image in dataset.images)
    return [(image.name, image.label) for image in dataset.images]


def failure(source: Path, annotations: Path | None = None) -> str:
    with pytest.raises(DatasetError) as caught:
        open_at(source, annotations)
    return str(caught.value)


def test_annotations_inside_keep_their_order(tmp_path: Path) -> None:
    touch(tmp_path, "b.jpg", "deep/er/a.JPEG", "with blank.png")
    (tmp_path / "val.txt").write_bytes(b"\xef\xbb\xbfdeep/er/a.JPEG 7\r\n\r\nwith blank.png\t0\nb.jpg   12  \n")
    dataset = open_at(tmp_path)
    assert contents(dataset) == [("deep/er/a.JPEG", 7), ("with blank.png", 0), ("b.jpg", 12)]
    assert (dataset.form, dataset.annotations, dataset.total) == ("annotations", Location(tmp_path / "val.txt"), 3)


def test_annotations_beside_the_folder_or_anywhere(tmp_path: Path) -> None:
    source = touch(tmp_path / "images", "a.jpg")
    (tmp_path / "val.txt").write_text("a.jpg 1\n")
    assert contents(open_at(source)) == [("a.jpg", 1)]
    (tmp_path / "other.txt").write_text("a.jpg 2\n")
    assert contents(open_at(source, tmp_path / "other.txt")) == [("a.jpg", 2)]


def test_a_file_beside_that_speaks_of_other_images_is_not_believed(tmp_path: Path) -> None:
    source = touch(tmp_path / "images", "cat/1.jpg", "dog/2.jpg")
    (tmp_path / "val.txt").write_text("elsewhere.jpg 1\n")
    assert contents(open_at(source)) == [("cat/1.jpg", 0), ("dog/2.jpg", 1)]


def test_class_folders_are_labelled_by_their_sorted_names(tmp_path: Path) -> None:
    touch(tmp_path, "n02/b.JPEG", "n02/a.jpeg", "n01/sub/c.png", "n10/readme.txt", ".cache/x.jpg", "n01/.hidden.jpg")
    dataset = open_at(tmp_path)
    assert contents(dataset) == [("n01/sub/c.png", 0), ("n02/a.jpeg", 1), ("n02/b.JPEG", 1)]
    assert (dataset.form, dataset.class_names) == ("class_folders", ("n01", "n02", "n10"))


def test_folders_named_by_numbers_are_taken_at_their_word(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{number}/x.jpg" for number in range(12)))
    assert ("10/x.jpg", 10) in contents(open_at(tmp_path))
    assert ("2/x.jpg", 2) in contents(open_at(tmp_path))


def test_folders_numbered_from_one_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "1/x.jpg", "2/x.jpg", "3/x.jpg")
    assert "must be 0 to 2 for 3 classes, got 1 to 3" in failure(tmp_path)


def test_what_is_no_data_set_is_one_clear_error(tmp_path: Path) -> None:
    missing, empty, file, loose = (tmp_path / name for name in ("missing", "empty", "file", "loose"))
    empty.mkdir()
    file.touch()
    touch(loose, "a.jpg", "b.png")
    bare = touch(tmp_path / "bare", "cat/readme.txt")
    assert failure(missing).startswith(f"{missing}: no such file or folder: expected a folder of images with val.txt")
    assert failure(file).startswith(f"{file}: not a folder, and no known file")
    assert failure(empty).startswith(f"{empty}: no images here: expected a folder")
    assert failure(bare).startswith(f"{bare}: no images here")
    assert failure(loose) == f"{loose}: images ('a.jpg' and 1 more), but no labels"
    assert failure(loose, tmp_path / "no.txt") == f"{tmp_path / 'no.txt'}: no such annotation file"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("a.jpg", "expected 'relative/name.jpg label' with a label of 0 or more, got 'a.jpg '"),
        ("a.jpg cat", "expected 'relative/name.jpg label'"),
        ("a.jpg -1", "expected 'relative/name.jpg label'"),
        ("a.jpg 1.0", "expected 'relative/name.jpg label'"),
        ("a.jpg ²", "expected 'relative/name.jpg label'"),
        ("c.jpg 1", "'c.jpg': no such image in"),
        ("sub 1", "'sub': no such image in"),
        ("sub/c.jpg 1", "'sub/c.jpg': no such image in"),
        ("../a.jpg 1", "expected a path inside"),
        ("/etc/passwd 1", "expected a path inside"),
        ("b.jpg 2", "'b.jpg' stands in line 1 already"),
        (".//b.jpg 2", "'b.jpg' stands in line 1 already"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, problem: str) -> None:
    touch(tmp_path, "a.jpg", "b.jpg", "sub/b.jpg")
    (tmp_path / "val.txt").write_text(f"b.jpg 0\n{line}\n", encoding="utf-8")
    message = failure(tmp_path)
    assert message.startswith(f"{tmp_path / 'val.txt'}: line 2: ")
    assert problem in message


def test_many_wrong_lines_are_counted(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    (tmp_path / "val.txt").write_text("".join(f"missing{number}.jpg 0\n" for number in range(9)))
    lines = failure(tmp_path).splitlines()
    assert len(lines) == 6
    assert lines[-1] == "and 4 more problems like these"


def test_annotations_that_name_nothing_or_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "val.txt").write_text("\n\n")
    assert "names no images" in failure(tmp_path)
    (tmp_path / "val.txt").write_bytes(b"\xff\xd8\xff\xe0")
    assert "cannot read the annotations" in failure(tmp_path)


def numbered(root: Path, count: int) -> ImageDataset:
    touch(root, *(f"val_{number:04}.jpg" for number in range(count)))
    (root / "val.txt").write_text("".join(f"val_{number:04}.jpg {number}\n" for number in range(count)))
    return open_at(root)


def test_a_subset_is_fixed_nested_and_not_the_first(tmp_path: Path) -> None:
    dataset = numbered(tmp_path, 200)
    ten, fifty = dataset.subset(10), dataset.subset(50)
    # Committed, so that a change of the rule is seen: it would make old and new figures differ.
    assert [image.label for image in ten.images] == [26, 27, 30, 40, 45, 48, 77, 78, 86, 109]
    assert set(ten.images) < set(fifty.images)
    assert [image.label for image in fifty.images] == sorted(image.label for image in fifty.images)
    assert (len(fifty.images), fifty.total) == (50, 200)
    assert dataset.subset(999) == dataset


def test_a_subset_does_not_depend_on_the_folders(tmp_path: Path) -> None:
    flat = numbered(tmp_path / "flat", 60)
    touch(tmp_path / "sorted", *(f"class{number % 3}/val_{number:04}.jpg" for number in range(60)))
    by_class = open_at(tmp_path / "sorted")
    bare = {Path(image.name).name for image in by_class.subset(20).images}
    assert bare == {image.name for image in flat.subset(20).images}


def test_a_models_own_set(tmp_path: Path) -> None:
    assert bundled_source(tmp_path) is None
    touch(tmp_path, "validation/val.txt")
    assert bundled_source(tmp_path) == Location(tmp_path / "validation")
