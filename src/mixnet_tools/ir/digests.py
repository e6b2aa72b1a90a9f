"""Records the digests of an IR's files in the report beside it, and holds an IR against such reports later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from mixnet_tools.files.digest import digest_of
from mixnet_tools.values import IRModel

CONVERSION_REPORT = "conversion.json"
QUANTIZATION_REPORT = "quantization.json"
OPTIMIZATION_REPORT = "{stem}.optimization.json"

Integrity = Literal["unchanged", "changed", "unknown"]
"""Whether an IR is the one that a report beside it tells of; ``unknown`` where no report does."""

KEY = "ir"
_LONGEST = 1 << 26


def described(ir: IRModel) -> dict[str, dict[str, object]]:
    """Size in bytes and SHA-256 of the .xml and the .bin, by name, as reports have them. Raises OSError."""
    return {
        path.name: {"size": path.stat().st_size, "digest": f"sha256:{digest_of(path)}"} for path in (ir.xml, ir.bin)
    }


def compare_with_reports(xml: Path, found: Mapping[str, str]) -> tuple[Integrity, str | None]:
    """Hold the IR at ``xml`` against the reports beside it. ``found`` has the SHA-256 of its files, by name.

    Returns the result, and a sentence for people where it is ``changed``. A report that cannot be read tells nothing.
    """
    changed: tuple[str, str] | None = None
    for name in (CONVERSION_REPORT, QUANTIZATION_REPORT, OPTIMIZATION_REPORT.format(stem=xml.stem)):
        recorded = _recorded(xml.with_name(name))
        if xml.name not in recorded:
            continue
        wrong = next((file for file, digest in found.items() if recorded.get(file) != digest), None)
        if wrong is None:
            return "unchanged", None
        changed = changed or (wrong, name)
    if changed is None:
        return "unknown", None
    file, report = changed
    path = xml.with_name(file)
    return "changed", (
        f"{path} is not the file that {report} beside it tells of: it was changed since, and nobody has compared it "
        "with the original"
    )


def check(ir: IRModel) -> tuple[Integrity, str | None]:
    """The same for an IR whose digests nobody has taken yet. Raises OSError."""
    return compare_with_reports(ir.xml, {path.name: digest_of(path) for path in (ir.xml, ir.bin)})


def _recorded(report: Path) -> dict[str, str]:
    """The SHA-256 of each file that ``report`` tells of, by name; nothing where it has no such part."""
    try:
        if not report.is_file() or report.stat().st_size > _LONGEST:
            return {}
        files = json.loads(report.read_bytes())[KEY]
        return {str(name): str(entry["digest"]).removeprefix("sha256:") for name, entry in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
