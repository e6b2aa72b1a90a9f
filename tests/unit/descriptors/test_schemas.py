"""The reference of the zoo's files and their JSON Schemas say what the types that read the files do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import BaseModel, create_model

from mixnet_tools.api.schemas import FILES, json_schema, schema_name
from mixnet_tools.descriptors.key_documentation import documented_keys
from mixnet_tools.descriptors.known_keys import nested_models
from mixnet_tools.descriptors.strict_yaml import StrictModel
from scripts import descriptor_reference

MODELS = descriptor_reference.ROOT / "models"
EVERY_KEY = [
    pytest.param(model, key, id=f"{model.__name__}.{key}")
    for model in dict.fromkeys(model for file in FILES.values() for model in nested_models(file))
    for key in documented_keys(model)
]
HEAD = "# yaml-language-server: $schema="


def zoo_files() -> list[Path]:
    return [path for name in FILES for path in sorted(MODELS.rglob(name))]


def parsed(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def validator(file: str) -> Draft202012Validator:
    schema = json_schema(file)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_the_page_and_the_schemas_are_written_anew_when_a_type_changes() -> None:
    again = "write them anew: make docs"
    assert descriptor_reference.DOCUMENT.read_text() == descriptor_reference.document(), again
    for path, text in descriptor_reference.schemas().items():
        assert path.read_text() == text, again


@pytest.mark.parametrize(("model", "key"), EVERY_KEY)
def test_an_example_is_read_as_it_stands(model: type[BaseModel], key: str) -> None:
    documentation = documented_keys(model)[key]
    assert documentation.text.endswith(".")
    if documentation.example is not None:
        (name,) = (name for name, field in model.model_fields.items() if (field.alias or name) == key)
        field = model.model_fields[name]
        alone: type[StrictModel] = create_model("Alone", __base__=StrictModel, **{name: (field.annotation, field)})  # type: ignore[call-overload]
        alone.model_validate({key: yaml.safe_load(documentation.example)})


def test_a_key_without_documentation_is_found_out() -> None:
    class Undocumented(StrictModel):
        said: int
        """A number."""
        unsaid: int

    with pytest.raises(KeyError, match="unsaid"):
        documented_keys(Undocumented)


@pytest.mark.parametrize("path", zoo_files(), ids=lambda path: "/".join(path.parts[-2:]))
def test_the_zoos_files_fit_their_schemas_and_name_them(path: Path) -> None:
    assert list(validator(path.name).iter_errors(parsed(path))) == []
    named = path.read_text().splitlines()[0]
    assert named.startswith(HEAD)
    schema = (path.parent / named.removeprefix(HEAD)).resolve()
    assert schema == MODELS / "schemas" / schema_name(path.name)
    assert json.loads(schema.read_text())["title"] == path.name


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("model.yml", {"licence": "x"}),
        ("model.yml", {"framework": "tensorflow"}),
        ("model.yml", {"task_type": "cooking"}),
        ("model.yml", {"files": [{"name": "a", "size": "10", "checksum": "0" * 96, "source": "https://a/b"}]}),
        ("model.yml", {"files": [{"name": "a", "size": 10, "checksum": "0" * 95, "source": "https://a/b"}]}),
        ("model.yml", {"postprocessing": [{"$type": "unpack", "file": "a", "format": "tar"}]}),
        ("model.yml", {"model_info": {"labels": [["nested"]]}}),
        ("accuracy-check.yml", {"models": [{"name": "a", "launchers": []}]}),
    ],
)
def test_what_the_types_refuse_a_schema_refuses(file: str, changes: dict[str, Any]) -> None:
    wrong = {**parsed(MODELS / "public/mixnet-l" / file), **changes}
    with pytest.raises(ValueError, match="validation error"):
        FILES[file].model_validate(wrong)
    assert not validator(file).is_valid(wrong)


def test_forms_that_are_turned_into_others_fit_as_well() -> None:
    model = parsed(MODELS / "public/mixnet-l/model.yml")
    model["files"][0]["source"] = {"$type": "google_drive", "id": "abc"}
    assert validator("model.yml").is_valid(model)
    accuracy = parsed(MODELS / "public/mixnet-l/accuracy-check.yml")
    entry = accuracy["models"][0]
    entry["launchers"][0]["adapter"] = {"type": "classification"}
    for mean in (127.5, [1.0, 2.0, 3.0], "(1, 2, 3)", "imagenet"):
        entry["datasets"][0]["preprocessing"].append({"type": "normalization", "mean": mean})
    assert validator("accuracy-check.yml").is_valid(accuracy)
