"""Write docs/descriptor.md, the reference of the zoo's files, and models/schemas/, their JSON Schemas for editors.

    python -m scripts.descriptor_reference

Both are made of the types that read the files, and of the strings below the fields of these types.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from mixnet_tools.api.schemas import FILES, json_schema, schema_name, schema_text
from mixnet_tools.descriptors.key_documentation import documented_keys
from mixnet_tools.descriptors.known_keys import nested_models

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs/descriptor.md"
SCHEMAS = ROOT / "models/schemas"

INTRODUCTION = """# Descriptors: every key of the zoo's files

<!-- Written by python -m scripts.descriptor_reference. Change the strings in the code, not this page. -->

A model is a folder `public/<name>/`. Its files are Open Model Zoo's (OMZ), but for profiles.yml:

| file | says | needed by |
|---|---|---|
| `model.yml` | where the model's files are, and how they are converted | every command |
| `accuracy-check.yml` | how its accuracy is measured, and what it should be | check, classify, quantize |
| `profiles.yml` | published figures under other preprocessing | check, if it is there |
| `labels.txt` | the names of the classes | convert, check, classify, if it is there |
| `README.md` | the card: size, figures, origin | info, if it is there |
| `composite-model.yml` | the stages of a model that has several | download, convert |

`mixnet-info --lint DIR` checks a whole zoo. An unknown key in model.yml is a warning, in accuracy-check.yml it is an
error: a step that is left out in silence makes the measured figure wrong. Each file is YAML in UTF-8 of at most 1 MB.
Keys that stand twice, and tags such as `!!python/object`, are refused.

`models/public/mixnet-l/` is a whole example. Where a text below does not mention OMZ, OMZ's tools do the same.

## Help while you write

Editors with a YAML language server complete the keys, and mark what is wrong, when the first line of the file names the
schema (VS Code needs the YAML extension):

```yaml
# yaml-language-server: $schema=../../schemas/model.schema.json
```

The zoo's own files have that line, and so have those that `mixnet new` writes: it puts the schemas into `schemas/` of
your zoo, where they are missing or of another version. The line names them by a path from the file's own folder. For a
zoo that was made otherwise, this writes them:

<!-- run -->
```sh
mixnet-info --write_schemas my_zoo/schemas
```
"""

LABELS = """## labels.txt

A line for each class, in the order of the model's output, in UTF-8. Empty lines do not count. A line has one of these
forms, and forms may be mixed:

| line | means |
|---|---|
| `tabby cat` | a name |
| `tabby, tabby cat` | several names, the usual one first |
| `n02123045 tabby, tabby cat` | a WordNet id before the names, as in OMZ's `imagenet_2012.txt` |
| `n02123045` | the id of one of ImageNet's 1,000 classes, whose names are known |
| `281 tabby cat` | a number before the name, where every line has one and they count from 0 |

The number of lines must be the number of classes. A model with a background class has a line for it. OMZ: labels are in
files of its data sets, or in `model_info` of model.yml.
"""


def document() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *(_file(name, model) for name, model in FILES.items()), LABELS])


def schemas() -> dict[Path, str]:
    """The text of each schema, by its path."""
    return {SCHEMAS / schema_name(file): schema_text(file) for file in FILES}


def main() -> None:
    """Write the page and the schemas."""
    DOCUMENT.write_text(document(), encoding="utf-8")
    SCHEMAS.mkdir(exist_ok=True)
    for path, text in schemas().items():
        path.write_text(text, encoding="utf-8")


def _file(name: str, model: type[BaseModel]) -> str:
    schema = json_schema(name)
    parts = [f"## {name}\n"]
    for one in nested_models(model):
        found = schema if one is model else schema["$defs"][one.__name__]
        if one is not model:
            parts.append(f"### {name}: {_heading(one)}\n")
        parts.append(" ".join((inspect.getdoc(one) or "").split()).replace("``", "`") + "\n")
        parts.append(_table(one, found, schema))
    return "\n".join(parts)


def _heading(model: type[BaseModel]) -> str:
    """What a nested mapping is called: the value of its key type where that decides, else the class in words.

    >>> class ModelFile(BaseModel): ...
    >>> _heading(ModelFile)
    'model file'
    """
    for name in ("$type", "type"):
        for field_name, field in model.model_fields.items():
            choices = getattr(field.annotation, "__args__", ())
            if (field.alias or field_name) == name and field.is_required() and choices:
                return f"`{name}: {'` or `'.join(map(str, choices))}`"
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in model.__name__).strip()


def _table(model: type[BaseModel], found: dict[str, Any], schema: dict[str, Any]) -> str:
    rows = ["| key | type | default | example | meaning |", "|---|---|---|---|---|"]
    documentation = documented_keys(model)
    kinds_first = sorted(
        model.model_fields.items(), key=lambda item: (item[1].alias or item[0]) not in ("$type", "type")
    )
    for name, field in kinds_first:
        key = field.alias or name
        about = documentation[key]
        kind = _kind(found["properties"][key], schema)
        default = "**required**" if field.is_required() else _default(field.default)
        example = f"`{about.example}`" if about.example else ""
        cells = (f"`{key}`", kind, default, example, about.text.replace("``", "`"))
        rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(rows) + "\n"


def _default(value: object) -> str:
    assert value is not PydanticUndefined
    if value is None or value == ():
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


_WORDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
_SEVERAL = {"whole number": "whole numbers", "mapping (below)": "mappings (below)", "text": "texts"}


def _kind(value: dict[str, Any], schema: dict[str, Any]) -> str:
    """A JSON Schema in words.

    >>> _kind({"type": "array", "items": {"type": "integer"}}, {})
    'list of whole numbers'
    """
    if "$ref" in value:
        return "mapping (below)"
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        shown = [f"`{one}`" for one in value["enum"]]
        return ", ".join(shown) if len(shown) <= 13 else f"one of {len(shown)} words"
    for several in ("anyOf", "oneOf"):
        if several in value:
            kinds = (_kind(one, schema) for one in value[several] if one != {"type": "null"})
            return " or ".join(dict.fromkeys(kinds))
    if value["type"] == "array":
        if "items" not in value:
            return f"{value['minItems']} numbers"
        kind = _kind(value["items"], schema)
        return f"list of {_SEVERAL.get(kind, kind)}"
    if value["type"] == "object":
        return "mapping"
    bounds = {"minimum": "at least", "maximum": "at most", "exclusiveMinimum": "above", "exclusiveMaximum": "below"}
    said = [f"{words} {value[bound]}" for bound, words in bounds.items() if bound in value]
    return " ".join([_WORDS[value["type"]], *([f"({', '.join(said)})"] if said else [])])


if __name__ == "__main__":
    main()
