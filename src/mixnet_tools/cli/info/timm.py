"""Prints the pretrained classifiers of the installed timm: mixnet-info --timm."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from mixnet_tools.cli.common.output import print_json, print_table, print_text
from mixnet_tools.cli.common.tables import Column

if TYPE_CHECKING:
    from mixnet_tools.api.authoring.timm.catalog import Evaluation


def list_timm(pattern: str, *, as_json: bool) -> None:
    """Print the classifiers whose names match ``pattern``. Raises :class:`UsageError` where there is none."""
    from mixnet_tools.api.authoring.timm.catalog import matching, version

    models = matching(pattern)
    if as_json:
        print_json({"schema": 1, "timm": version(), "models": [asdict(model) for model in models]})
        return
    columns = (
        Column("model"),
        Column("pixels", right=True),
        Column("crop_pct", right=True),
        Column("crop_mode", drop=2),
        Column("filter", drop=1),
        Column("classes", right=True),
        Column("larger", drop=3),
        Column("licence", drop=4),
    )
    rows = [
        (
            model.name,
            str(model.trained.side),
            f"{model.trained.crop_pct:g}",
            model.crop_mode,
            model.interpolation,
            str(model.classes),
            _larger(model.tested),
            model.license or "unknown",
        )
        for model in models
    ]
    print_table(columns, rows)
    print_text(
        f"{len(models)} of timm {version()}. mixnet new --timm MODEL describes one; with --size, the larger pixels."
    )


def _larger(evaluation: Evaluation | None) -> str:
    return "" if evaluation is None else f"{evaluation.side} ({evaluation.crop_pct:g})"
