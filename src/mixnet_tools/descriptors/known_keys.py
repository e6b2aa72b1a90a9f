"""The keys and the types of mappings that a kind of file may have, to offer the nearest one for an unknown one."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from pydantic import BaseModel


def nearest_key(key: str, model: type[BaseModel]) -> str | None:
    """The key that ``model``, or a model nested in it, knows and that is most like ``key``; None: none is like it."""
    near = get_close_matches(key, _field_names(model), n=1)
    return near[0] if near else None


def require_known_type(value: object, types: Sequence[str], what: str) -> None:
    """Raise ValueError where ``value`` is no mapping whose key ``type`` is one of ``types``; ``what`` names it.

    >>> require_known_type({"type": "crop"}, ["crop", "resize"], "step")
    >>> require_known_type({"type": "resise"}, ["crop", "resize"], "step")
    Traceback (most recent call last):
    ValueError: unknown step 'resise'; did you mean 'resize'?
    """
    kind = value.get("type") if isinstance(value, dict) else None
    if kind is None:
        raise ValueError(f"expected a {what}: a mapping with the key type")
    if kind not in types:
        near = get_close_matches(str(kind), types, n=1)
        offer = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(types)}"
        raise ValueError(f"unknown {what} {kind!r}; {offer}")


def _field_names(model: type[BaseModel]) -> list[str]:
    """Every key that ``model`` and the models nested in it know."""
    names = (field.alias or name for one in nested_models(model) for name, field in one.model_fields.items())
    return list(dict.fromkeys(names))


def nested_models(model: type[BaseModel]) -> list[type[BaseModel]]:
    """``model``, and every model that is nested in it, each once and after the first that has it."""
    found = [model]
    for one in found:  # grows meanwhile
        inside = (nested for field in one.model_fields.values() for nested in _models_in(field.annotation))
        found += [nested for nested in dict.fromkeys(inside) if nested not in found]
    return found


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in getattr(annotation, "__args__", ()) for found in _models_in(part)]
