"""JSON Schemas of the zoo's files, for editors: they complete keys, show what a key means, and mark what is wrong.

An editor with a YAML language server follows the first line of the zoo's files, which names the schema.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import AccuracyYml
from mixnet_tools.accuracy.preprocessing.profiles import PROFILES_FILE, ProfilesYml
from mixnet_tools.descriptors.composite_yml import COMPOSITE_FILE, CompositeYml
from mixnet_tools.descriptors.key_documentation import documented_keys
from mixnet_tools.descriptors.known_keys import nested_models
from mixnet_tools.descriptors.model_yml import ACCURACY_FILE, MODEL_FILE, ModelYml
from mixnet_tools.files import atomic

FILES: dict[str, type[BaseModel]] = {
    MODEL_FILE: ModelYml,
    ACCURACY_FILE: AccuracyYml,
    PROFILES_FILE: ProfilesYml,
    COMPOSITE_FILE: CompositeYml,
}
"""The model of each file's contents, by the file's name."""


FOLDER = "schemas"
"""The folder of a zoo with the schemas of its files."""


def schema_name(file: str) -> str:
    """The name of the schema of ``file``.

    >>> schema_name("model.yml")
    'model.schema.json'
    """
    return f"{file.removesuffix('.yml')}.schema.json"


def json_schema(file: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of ``file``, one of :data:`FILES`.

    It is made of the types that read the file. Rules that concern several keys at once are not in it.
    """
    model = FILES[file]
    schema = model.model_json_schema()
    for one in nested_models(model):
        described = schema if one is model else schema["$defs"][one.__name__]
        described["description"] = _one_line(described["description"])
        described.pop("title")
        for key, documentation in documented_keys(one).items():
            described["properties"][key].pop("title", None)
            described["properties"][key]["description"] = _one_line(documentation.text)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": file, **schema}


def schema_text(file: str) -> str:
    """:func:`json_schema` as the text of a file."""
    return json.dumps(json_schema(file), indent=2) + "\n"


def schema_line(file: str) -> str:
    """The first line of ``file`` in a zoo, by which editors find its schema.

    >>> schema_line("model.yml")
    '# yaml-language-server: $schema=../../schemas/model.schema.json'
    """
    return f"# yaml-language-server: $schema=../../{FOLDER}/{schema_name(file)}"


def outdated_schemas(models_dir: Path) -> dict[Path, bytes]:
    """The text of each schema that the zoo ``models_dir`` does not have, or has of another version."""
    current = {models_dir / FOLDER / schema_name(file): schema_text(file).encode() for file in FILES}
    return {path: text for path, text in current.items() if not _holds(path, text)}


def _holds(path: Path, text: bytes) -> bool:
    try:
        return path.stat().st_size == len(text) and path.read_bytes() == text
    except OSError:
        return False


def write_schemas(folder: Path) -> tuple[Path, ...]:
    """Write the schema of each of :data:`FILES` into ``folder``, and return their paths.

    Raises :class:`~mixnet_tools.errors.OutputError` where one cannot be written.
    """
    written = []
    for file in FILES:
        path = folder / schema_name(file)
        with atomic.writing(path):
            atomic.write_text(path, schema_text(file))
        written.append(path)
    return tuple(written)


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("``", "`")
