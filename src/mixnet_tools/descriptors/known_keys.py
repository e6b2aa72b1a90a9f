"""The keys that a kind of file may have, to offer the nearest one for a key that is unknown."""

from __future__ import annotations

from difflib import get_close_matches

from pydantic import BaseModel


def nearest_key(key: str, model: type[BaseModel]) -> str | None:
    """The key that ``model``, or a model nested in it, knows and that is most like ``key``; None: none is like it."""
    near = get_close_matches(key, _field_names(model), n=1)
    return near[0] if near else None


def _field_names(model: type[BaseModel]) -> list[str]:
    """Every key that ``model`` and the models nested in it know."""
    names: dict[str, None] = {}
    queue: list[type[BaseModel]] = [model]
    done: set[type[BaseModel]] = set()
    while queue:
        current = queue.pop()
        if current in done:
            continue
        done.add(current)
        for name, field in current.model_fields.items():
            names[field.alias or name] = None
            queue.extend(_models_in(field.annotation))
    return list(names)


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in getattr(annotation, "__args__", ()) for found in _models_in(part)]
