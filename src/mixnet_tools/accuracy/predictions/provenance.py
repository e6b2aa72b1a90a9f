"""What answers were made by: software, processors, precisions. And in which of these the parts of a measurement differ.

A difference is no fault: it is told, so that a change of the figures is looked for in the right place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict

from mixnet_tools.accuracy.predictions.values import Run, Setup, Versions
from mixnet_tools.inference.machine import Machine

Makers = Mapping[str, str]
"""What made answers: the versions of software by its name, and the ``processor`` with its instruction sets."""

PROCESSOR = "processor"

_UNLIKE = "not all images were measured alike"


def makers_of(versions: Versions | None, machine: Machine | None) -> Makers:
    """The makers that are known."""
    found = {name: version for name, version in asdict(versions).items() if version} if versions else {}
    return {**found, **({PROCESSOR: machine.processor_with_sets} if machine else {})}


def makers_of_runs(setup: Setup, runs: Iterable[Run]) -> tuple[Makers, ...]:
    """The makers of ``runs`` that measured images, each once. Where no run is known, those of ``setup``."""
    found: list[Makers] = []
    for run in runs:
        makers = makers_of(run.versions, run.machine)
        if run.work == "measured" and makers not in found:
            found.append(makers)
    return tuple(found) or (makers_of(setup.versions, None),)


def unlike_runs(runs: Sequence[Run]) -> list[str]:
    """A remark for each kind of maker in which ``runs`` that measured images differ."""
    measured = [run for run in runs if run.work == "measured"]
    parts = [("shard", run.shard.number) for run in measured if run.shard]
    if len(parts) < len(measured) or len(set(parts)) == 1:
        parts = [("run", number) for number in range(1, len(measured) + 1)]
    return list(_unlike(zip(parts, (makers_of(run.versions, run.machine) for run in measured), strict=True)))


def unlike_precisions(setups: Sequence[Setup]) -> list[str]:
    """A remark for each model that the shards ``setups`` computed in different precisions."""
    return [
        remark
        for models in zip(*(setup.models for setup in setups), strict=True)
        for remark in _unlike(
            (
                ("shard", setup.shard.number if setup.shard else 1),
                {f"{model.plain_label} in": model.inference_precision},
            )
            for setup, model in zip(setups, models, strict=True)
            if model.inference_precision
        )
    ]


def unlike(before: Sequence[Makers], after: Sequence[Makers]) -> str | None:
    """In what two measurements differ, as far as both are known: ``openvino 2026.3.0, then 2026.4.1``.

    Each may have several makers, because it was put together from parts. None where they differ in nothing.
    """
    first, second = _values(before), _values(after)
    found = [
        f"{name} {' + '.join(values)}, then {' + '.join(second[name])}"
        for name, values in first.items()
        if name in second and set(values) != set(second[name])
    ]
    return "; ".join(found) or None


def software(versions: Iterable[Versions]) -> dict[str, str]:
    """The versions of each software that was used, with ``and`` between those that differ."""
    return {name: " and ".join(values) for name, values in _values([makers_of(one, None) for one in versions]).items()}


def _values(makers: Iterable[Makers]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in makers:
        for name, value in one.items():
            if value not in found.setdefault(name, []):
                found[name].append(value)
    return found


def _unlike(parts: Iterable[tuple[tuple[str, int], Makers]]) -> Iterator[str]:
    by_name: dict[str, dict[str, list[tuple[str, int]]]] = {}
    for part, makers in parts:
        for name, value in makers.items():
            where = by_name.setdefault(name, {}).setdefault(value, [])
            if part not in where:
                where.append(part)
    for name, by_value in by_name.items():
        if len(by_value) > 1:
            told = [f"{value} ({_places(where, by_value)})" for value, where in by_value.items()]
            yield f"{_UNLIKE}: {name} {', '.join(told)}"


def _places(where: Sequence[tuple[str, int]], by_value: Mapping[str, Sequence[tuple[str, int]]]) -> str:
    """``shards 1 to 3``, ``shard 4``, ``part of shard 5``."""
    kind = where[0][0]
    counted = [sum(part in one for one in by_value.values()) for part in where]
    whole = [number for (_, number), count in zip(where, counted, strict=True) if count == 1]
    partly = [number for (_, number), count in zip(where, counted, strict=True) if count > 1]
    shown = [f"{kind}{'s' if len(whole) > 1 else ''} {ranges(whole)}"] if whole else []
    return ", ".join([*shown, *(f"part of {kind} {number}" for number in partly)])


def ranges(numbers: Iterable[int]) -> str:
    """Numbers for people.

    >>> ranges([1, 2, 3, 5]), ranges([4, 2]), ranges([7])
    ('1 to 3, 5', '2, 4', '7')
    """
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][-1] + 1:
            found[-1].append(number)
        else:
            found.append([number])
    return ", ".join(f"{one[0]} to {one[-1]}" if len(one) > 2 else ", ".join(map(str, one)) for one in found)
