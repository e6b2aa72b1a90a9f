"""The values in the JSON of reports, as Markdown: made from the frozen values that the reports are written from."""

from __future__ import annotations

import re
from typing import Any

from pydantic import TypeAdapter

import mixnet_tools

PAGE = "json.md"
"""The page that they stand on."""
VALUES = ("AccuracyReport", "Verdict", "QuantizationReport")
"""The documents. What they consist of follows each."""

_ADDED = {
    "Accuracy": "In JSON it has also `fraction`, and `interval95`: Wilson's 95 % interval, both ends 0 to 1.",
    "QuantizationReport": "In JSON, `ir` has the size and the digest of each of the IR's files.",
}
"""What to_json writes beside the fields."""


def with_values(page: str) -> str:
    """``page`` with the values in their place, and links to them."""
    before, _, rest = page.partition("<!-- values -->")
    _, _, after = rest.partition("<!-- end of values -->")
    linked = re.sub(rf"`({'|'.join(VALUES)})`", lambda name: f"[{name[1]}](#{name[1].lower()})", before)
    return f"{linked}{values()}{after}"


def values() -> str:
    """For each value what it is, and its keys with their types."""
    lines = ["This part is made from the Python values that are written: each key is the field of that name.", ""]
    seen: set[str] = set()
    for name in VALUES:
        schema = TypeAdapter(getattr(mixnet_tools, name)).json_schema()
        parts = {name: schema, **schema.get("$defs", {})}
        for part, described in parts.items():
            if part not in seen and "properties" in described:
                seen.add(part)
                lines += _section(part, described, "###" if part in VALUES else "####")
    return "\n".join(lines)


def _section(name: str, schema: dict[str, Any], level: str) -> list[str]:
    lines = [f"{level} {name}", "", _prose(schema.get("description", "")), ""]
    if name in _ADDED:
        lines += [_ADDED[name], ""]
    lines += ["| key | value |", "|---|---|"]
    lines += [f"| `{key}` | {_type(value)} |" for key, value in schema["properties"].items()]
    return [*lines, ""]


def _prose(docstring: str) -> str:
    text = re.sub(r":[a-z]+:`[~.]*([^`]+)`", r"`\1`", docstring)
    return text.replace("``", "`")


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(one) for one in schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{one}`" for one in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type")
    if kind == "array" and "prefixItems" in schema:
        return "list: " + ", ".join(_type(one) for one in schema["prefixItems"])
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])} by name"
    return {"integer": "whole number", "null": "null", "boolean": "true or false", "string": "text"}.get(
        str(kind), str(kind or "any value")
    )
