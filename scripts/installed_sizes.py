"""Print how many megabytes mixnet_tools and each of its extras take, of what is installed in this environment.

    python -m scripts.installed_sizes

An extra that is not installed whole is left out. What several need is counted for the first: mixnet_tools itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

NAME = "mixnet-tools"
_NOT_FOR_USERS = {"test", "zoo", "lint", "docs", "dist", "dev"}


def closure(requirement: Requirement, seen: set[str]) -> Iterator[str]:
    """The names of what ``requirement`` needs, itself included, without those that were ``seen``.

    Raises :class:`importlib.metadata.PackageNotFoundError` where one is not installed.
    """
    name = canonicalize_name(requirement.name)
    if name not in seen:
        seen.add(name)
        yield name
    for text in metadata.requires(name) or ():
        needed = Requirement(text)
        extras = requirement.extras or {""}
        wanted = needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in {"", *extras})
        if wanted and (canonicalize_name(needed.name) not in seen or needed.extras):
            yield from closure(needed, seen)


def megabytes(name: str) -> float:
    """The size of the installed files of the distribution ``name``, without compiled Python."""
    files = (Path(str(file.locate())) for file in metadata.files(name) or () if file.suffix != ".pyc")
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def main() -> None:
    """Print the table."""
    base: set[str] = set()
    sizes = {name: megabytes(name) for name in closure(Requirement(NAME), base)}
    largest = sorted(sizes, key=lambda name: -sizes[name])[:3]
    parts = ", ".join(f"{name} {sizes[name]:,.0f}" for name in largest)
    print(f"| without extras | {sum(sizes.values()):,.0f} MB | {parts} |")
    for extra in sorted(set(metadata.metadata(NAME).get_all("Provides-Extra") or ()) - _NOT_FOR_USERS):
        try:
            added = {name: megabytes(name) for name in closure(Requirement(f"{NAME}[{extra}]"), set(base))}
        except metadata.PackageNotFoundError:
            continue
        largest = sorted(added, key=lambda name: -added[name])[:3]
        parts = ", ".join(f"{name} {added[name]:,.0f}" for name in largest if added[name] >= 1)
        print(f"| `{extra}` | {sum(added.values()):,.0f} MB | {parts} |")


if __name__ == "__main__":
    main()
