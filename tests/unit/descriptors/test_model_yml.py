"""model.yml: what is accepted, what is refused, and with which words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from mixnet_tools.descriptors import strict_yaml
from mixnet_tools.descriptors.model_yml import ModelDescriptor, load_descriptor
from mixnet_tools.errors import DescriptorError
from tests.support import omz_checkout
from tests.support.zoo_builder import DIGEST, descriptor_data, write_model

URL = "https://mirror.invalid/net.tar.gz"


def load(root: Path, data: dict[str, Any] | str | None = None) -> ModelDescriptor:
    return load_descriptor(write_model(root, "net", data), PurePosixPath("public/net"))


def refusal(root: Path, data: dict[str, Any] | str) -> str:
    with pytest.raises(DescriptorError) as caught:
        load(root, data)
    return str(caught.value)


def file_entry(**changes: Any) -> dict[str, Any]:
    return {"name": "a", "size": 1, "checksum": DIGEST, "source": URL, **changes}


def test_a_valid_descriptor_is_read_into_typed_values(tmp_path: Path) -> None:
    model = load(tmp_path)
    assert (model.name, str(model.subdirectory), model.framework) == ("net", "public/net", "tf")
    assert model.precisions == ("FP16", "FP32")
    (file,) = model.files
    assert (file.algorithm, file.digest, str(file.source)) == ("sha384", DIGEST, URL)
    assert model.input_info[0].shape == (1, 224, 224, 3)
    assert model.download_size == 12
    with pytest.raises(Exception, match="frozen"):
        model.name = "other"  # type: ignore[misc]


def test_every_problem_of_a_file_is_told_at_once_with_its_key_and_line(tmp_path: Path) -> None:
    data = descriptor_data(
        task_type="clasification",
        files=[file_entry(size=-1, checksum="12"), file_entry(name="../b")],
        frameworks="tf",
        license=None,
    )
    message = refusal(tmp_path, data)
    place = f"{tmp_path / 'public/net/model.yml'}: "
    expected = [
        ("task_type", "classification"),
        ("files[0].size", "greater than or equal to 0, got -1"),
        ("files[0].checksum", "expected 96 hex digits (sha384), found 2 characters"),
        ("files[1].name", "inside the model's folder, got '../b'"),
        ("frameworks", "unknown key (did you mean 'framework'?)"),
        ("license", "is required, and missing"),
    ]
    lines = message.splitlines()
    assert len(lines) == len(expected)
    for key, words in expected:
        (line,) = [line for line in lines if line.startswith(f"{place}{key}")]
        assert words in line
        assert "(line " in line or "missing" in line


def test_unknown_keys_are_warnings_with_file_key_line_and_nearest_key(tmp_path: Path) -> None:
    source = {"$type": "http", "url": URL, "mirror": URL}
    data = descriptor_data(
        files=[file_entry(source=source), file_entry(name="b", oroginal_source=URL)], descripton="x", weather={"a": [1]}
    )
    path = write_model(tmp_path, "net", data)
    model = load_descriptor(path, PurePosixPath("public/net"))
    lines = path.read_text().splitlines()

    def line_of(key: str) -> int:
        return next(number for number, line in enumerate(lines, 1) if line.strip().startswith(f"{key}:"))

    assert sorted(model.warnings) == [
        f"{path}: descripton (line {line_of('descripton')}): unknown key (did you mean 'description'?); it is ignored",
        f"{path}: files[0].source.mirror (line {line_of('mirror')}): unknown key; it is ignored",
        f"{path}: files[1].oroginal_source (line {line_of('oroginal_source')}): unknown key "
        "(did you mean 'original_source'?); it is ignored",
        f"{path}: weather (line {line_of('weather')}): unknown key; it is ignored",
    ]
    assert str(model.files[0].source) == URL
    assert model.files[1].original_source is None
    assert model.description == "A model for tests."


def test_a_wrong_value_beside_an_unknown_key_is_an_error(tmp_path: Path) -> None:
    message = refusal(tmp_path, descriptor_data(weather=1, framework="caffe"))
    assert "framework (line" in message
    # Rules that concern several keys are looked at with the unknown keys left out.
    assert "has nothing to convert" in refusal(tmp_path, descriptor_data(weather=1, framework="dldt"))


@pytest.mark.parametrize(
    "name", ["../x", "/x", "a/../b", "a//b", "./a", "a/", "", "c:x", "a\\b", "a\nb", "a\0b", "x" * 256]
)
def test_a_file_name_that_leaves_the_folder_or_is_no_plain_path_is_refused(tmp_path: Path, name: str) -> None:
    assert "files[0].name" in refusal(tmp_path, descriptor_data(files=[file_entry(name=name)]))


@pytest.mark.parametrize(
    "url", ["ftp://host/x", "http://", "x.tar.gz", "http://host:no/x", "http://h/a b", "/etc/passwd"]
)
def test_a_source_that_is_no_url_is_refused(tmp_path: Path, url: str) -> None:
    assert "files[0].source" in refusal(tmp_path, descriptor_data(files=[file_entry(source=url)]))


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (URL, URL),
        ({"$type": "http", "url": URL}, URL),
        ({"$type": "google_drive", "id": "1aB-_9"}, "google_drive:1aB-_9"),
        ({"$type": "file", "path": "net.tar.gz"}, "file beside model.yml: net.tar.gz"),
    ],
)
def test_the_forms_of_a_source(tmp_path: Path, source: Any, text: str) -> None:
    (file,) = load(tmp_path, descriptor_data(files=[file_entry(source=source, original_source=URL)])).files
    assert [str(source) for source in file.sources] == [text, URL]


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd"])
def test_a_file_source_stays_beside_the_descriptor(tmp_path: Path, path: str) -> None:
    entry = file_entry(source={"$type": "file", "path": path})
    assert "files[0].source.path" in refusal(tmp_path, descriptor_data(files=[entry]))


@pytest.mark.parametrize(("algorithm", "digits"), [("sha256", 64), ("sha384", 96), ("sha512", 128)])
def test_other_digests_are_named(tmp_path: Path, algorithm: str, digits: int) -> None:
    (file,) = load(tmp_path, descriptor_data(files=[file_entry(checksum=f"{algorithm}:{'AB' * (digits // 2)}")])).files
    assert (file.algorithm, file.digest) == (algorithm, "ab" * (digits // 2))
    wrong = descriptor_data(files=[file_entry(checksum=f"{algorithm}:{'a' * (digits - 1)}")])
    assert f"expected {digits} hex digits" in refusal(tmp_path, wrong)


def test_duplicate_and_colliding_file_names_are_refused(tmp_path: Path) -> None:
    files = [file_entry(name="a/x"), file_entry(name="A/X"), file_entry(name="a")]
    message = refusal(tmp_path, descriptor_data(files=files))
    assert "files[1].name" in message
    assert "names the same file as files[0]" in message
    assert "needs a folder where files[2] is a file" in message


@pytest.mark.parametrize("key", ["name", "subdirectory"])
def test_what_the_folder_says_cannot_be_said_in_the_file(tmp_path: Path, key: str) -> None:
    assert f"{key} (line" in refusal(tmp_path, descriptor_data(**{key: "x"}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"framework": "dldt"}, "has nothing to convert"),
        ({"model_optimizer_args": None}, "is required for framework 'tf'"),
        ({"framework": "pytorch"}, "conversion_to_onnx_args: is required"),
        ({"conversion_to_onnx_args": ["--x"]}, "is not allowed for framework 'tf'"),
        ({"postprocessing": [{"$type": "regex_replace", "file": "a", "pattern": "(", "replacement": ""}]}, "pattern"),
        ({"quantized": "INT4"}, "quantized"),
        ({"files": None}, "files: is required"),
        ({"input_info": "x"}, "expected a list, got 'x'"),
        ({"input_info": ["x"]}, "expected a mapping, got 'x'"),
        ({"input_info": [{"name": "x", "shape": []}]}, "shape (line 14): expected at least 1 in the list, got []"),
    ],
)
def test_contradictions_are_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    assert words in refusal(tmp_path, descriptor_data(**changes))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected a mapping of keys to values, got an empty file"),
        ("- a", "got a list"),
        ("a: [", "not valid YAML"),
        ("a: 1\na: 2", "a (line 2): the key stands here twice"),
        ("a: !!python/object/apply:os.system [id]", "the tag tag:yaml.org,2002:python/object/apply:os.system"),
        ("a: !x 1", "the tag !x is not allowed"),
        ("a: &a [*a]", "contains itself"),
        ("a: 2020-13-45", "not valid YAML"),
        ("1: x", "top level (line 1): keys must be plain strings, got '1' without quotes"),
        ("a:\n  on: x\n  null: y", "a (line 3): keys must be plain strings, got 'null' without quotes"),
        ("? [a]\n: x", "keys must be plain strings, got a list or mapping"),
        ("input_info: null", "input_info (line 1): expected a list, got None"),
        ("!x {a: 1}", "top level (line 1): the tag !x is not allowed"),
        ("a: 1\n---\nb: 2", "not valid YAML"),
        ("a: " + "[" * 200 + "]" * 200, "nested deeper"),
        ("a: " + "9" * 5000, "not valid YAML"),
    ],
)
def test_yaml_that_is_no_descriptor_is_one_clear_error(tmp_path: Path, text: str, words: str) -> None:
    assert words in refusal(tmp_path, text)


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? ", "[{a: "])
@pytest.mark.parametrize("before", ["a: ", "", "a:\n  "])
def test_bottomless_yaml_is_one_error_and_no_crash(tmp_path: Path, before: str, opening: str) -> None:
    path = write_model(tmp_path, "net", before + opening * (200_000 // len(opening) * 2))
    program = (
        "import pathlib, sys\n"
        "from mixnet_tools import errors\nfrom mixnet_tools.descriptors import strict_yaml\n"
        "try:\n    strict_yaml.read(pathlib.Path(sys.argv[1]))\n"
        "except errors.DescriptorError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stderr[-500:]}"
    # Of block lists inside a mapping's line, the very first is wrong YAML.
    assert "nested deeper than 50" in done.stdout or "not valid YAML" in done.stdout
    assert "nested deeper than 50" in done.stdout or (before == "a: " and opening in ("- ", "? "))


def test_nesting_up_to_the_limit_is_read_and_one_more_is_not(tmp_path: Path) -> None:
    path = tmp_path / "x.yml"
    path.write_text("a: " + "[" * 49 + "]" * 49)
    assert isinstance(strict_yaml.read(path).data["a"], list)
    path.write_text("\na: " + "[" * 50 + "]" * 50)
    with pytest.raises(DescriptorError, match=r"x\.yml \(line 2\): nested deeper than 50"):
        strict_yaml.read(path)


def test_a_file_of_too_many_values_is_refused_before_they_are_built(tmp_path: Path) -> None:
    assert "holds more than 50000 values" in refusal(tmp_path, "a: [" + "1," * 50_001 + "]")


def test_a_yaml_bomb_is_refused_before_it_expands(tmp_path: Path) -> None:
    levels = ['l0: &l0 ["x","x","x","x","x","x","x","x","x","x"]']
    levels += [f"l{n}: &l{n} [{','.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "expands to more than" in refusal(tmp_path, "\n".join(levels))


def test_files_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path, "net", "x")
    for raw, words in [(b"\xff\xfe\x00", "not UTF-8"), (b"a: 1\n" * 300_000, "larger than")]:
        path.write_bytes(raw)
        with pytest.raises(DescriptorError, match=words):
            load_descriptor(path, PurePosixPath("net"))
    path.unlink()
    with pytest.raises(DescriptorError, match="cannot be read: No such file"):
        load_descriptor(path, PurePosixPath("net"))


def test_a_folder_name_that_is_no_model_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DescriptorError, match="the folder's name is the model's name"):
        load_descriptor(write_model(tmp_path, "my net"), PurePosixPath("x"))


@omz_checkout.needed
def test_every_descriptor_of_open_model_zoo_loads_unchanged() -> None:
    refused, warnings = {}, list[str]()
    paths = sorted(omz_checkout.models().rglob("model.yml"))
    for path in paths:
        try:
            warnings += load_descriptor(path, PurePosixPath(path.parent.name)).warnings
        except DescriptorError as error:
            refused[path.parent.name] = str(error)
    assert len(paths) > 200
    assert refused == {}
    # Its release of 2024 misspells one key.
    assert len(warnings) <= 1
    assert all("unknown key (did you mean 'original_source'?); it is ignored" in text for text in warnings)
