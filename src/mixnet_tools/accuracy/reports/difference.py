"""The difference of two runs for people: as text, as Markdown, and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mixnet_tools.accuracy.gate.difference import Difference
from mixnet_tools.accuracy.gate.paired_answers import Flip
from mixnet_tools.accuracy.reports.markdown import code, escape
from mixnet_tools.descriptors.labels import class_name
from mixnet_tools.pages.page import render

CLASSES = 10
"""How many classes are listed."""

TEMPLATE = Path(__file__).with_name("difference.html.j2")


def summary(one: Difference) -> str:
    """The figures of a difference, in a few lines."""
    low, high = one.interval
    name = one.before if one.before == one.after else f"{one.before} -> {one.after}"
    before, after = (100 * right / one.images for right in (one.before_right, one.after_right))
    return (
        f"{name}: top-1 {before:.2f} % -> {after:.2f} %, {one.points:+.2f} points (95 %: {low:+.2f} to {high:+.2f}) on "
        f"{one.images} images\n"
        f"  {one.test.lost} lost, {one.test.gained} gained (McNemar p = {one.test.p_two_sided:.2g}); {one.changed} "
        f"answers changed"
    )


def flip_lines(one: Difference, names: Sequence[str], most: int | None = None) -> list[str]:
    """A line for each flipped image, ``most`` of each kind (None: all). ``names`` are those of the classes, or none."""
    lines: list[str] = []
    for kind, flips in (("lost", one.lost), ("gained", one.gained)):
        shown = flips if most is None else flips[:most]
        lines += [f"{kind}: {flip.name}: {_flip(kind, flip, names)}" for flip in shown]
        if len(shown) < len(flips):
            lines.append(f"{kind}: {len(flips) - len(shown)} more")
    return lines


def class_lines(one: Difference, names: Sequence[str]) -> list[str]:
    """A line for each of the classes with most flips."""
    return [
        f"{class_name(flips.label, names)}: {flips.lost} lost, {flips.gained} gained of {flips.images}"
        for flips in one.by_class[:CLASSES]
    ]


def markdown(
    title: str, found: Sequence[Difference], notes: Sequence[str], names: Sequence[str], most: int | None
) -> str:
    """A section for a job's page."""
    lines = [f"### {escape(title)}", ""]
    for one in found:
        lines += [f"- {escape(line.strip())}" for line in summary(one).splitlines()]
        for kind, rows in (("flipped images", flip_lines(one, names, most)), ("by class", class_lines(one, names))):
            if rows:
                lines += ["", f"<details><summary>{kind}</summary>", "", *(f"- {code(row)}" for row in rows), ""]
                lines += ["</details>", ""]
    lines += [f"- note: {escape(note)}" for note in notes]
    return "\n".join([*lines, ""])


def page(title: str, found: Sequence[Difference], notes: Sequence[str], names: Sequence[str]) -> str:
    """One self-contained page. Raises :class:`MissingDependency` without Jinja2."""
    sections = [
        {
            "difference": one,
            "summary": summary(one).splitlines(),
            "flips": [
                (kind, flip.name, *(class_name(label, names) for label in (flip.right, flip.baseline, flip.now)))
                for kind, flips in (("lost", one.lost), ("gained", one.gained))
                for flip in flips
            ],
            "classes": [(class_name(flips.label, names), flips) for flips in one.by_class],
        }
        for one in found
    ]
    return render(TEMPLATE, title=title, sections=sections, notes=list(notes))


def _flip(kind: str, flip: Flip, names: Sequence[str]) -> str:
    right = class_name(flip.right, names)
    wrong = f"now {class_name(flip.now, names)}" if kind == "lost" else f"was {class_name(flip.baseline, names)}"
    return f"{right}, {wrong}"
