"""Show what is known of a model: its descriptor, its card, and its IRs, if it was converted.

With --ir FILE.xml, show what any one IR carries: inputs, outputs, names, layouts, size, rt_info. On a terminal the
result is a table. Elsewhere, or with --json, it is JSON: for models the list that omz_info_dumper prints, with more
fields.

With --lint DIR, check every model of a zoo: what cannot be read, is misspelt or missing. The exit code is 1 then.
With --timm PATTERN, list the pretrained classifiers of the installed timm, which mixnet new --timm describes.

examples:
  mixnet-info --name mixnet-l --table
  mixnet-info --ir models/public/mixnet-l/FP16/mixnet-l.xml
  mixnet-info --lint my_zoo
  mixnet-info --timm '*mixnet*'
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixnet_tools.cli.common.options import (
    add_model_selection,
    load_each,
    print_all_models,
    refuse_broken,
    selected_entries,
)
from mixnet_tools.cli.common.output import print_fields, print_json, print_text
from mixnet_tools.cli.common.parser import Parser
from mixnet_tools.cli.common.tables import Cell
from mixnet_tools.cli.common.terminal import terminal_of
from mixnet_tools.cli.info.lint import lint
from mixnet_tools.cli.info.timm import list_timm
from mixnet_tools.errors import DescriptorError, IRError, UsageError
from mixnet_tools.files.shown import Published
from mixnet_tools.progress import human_bytes

if TYPE_CHECKING:
    from mixnet_tools.cli.common.options import Broken
    from mixnet_tools.descriptors.composite_yml import CompositeDescriptor
    from mixnet_tools.descriptors.model_yml import ModelDescriptor
    from mixnet_tools.descriptors.zoo import CompositeEntry, ZooEntry
    from mixnet_tools.ir.inspect import IrPort

MOST_SHOWN = 100
"""Characters of an rt_info value in a table; the labels of ImageNet have 10,000."""

_ALONE = ("ir", "lint", "timm", "write_schemas")
"""Options with a subject of their own, beside models of the zoo."""

_READABLE = 90
"""Columns of a description, where there is room."""


def add_arguments(parser: Parser) -> None:
    """The options of omz_info_dumper, where the IR is, and the form of the answer."""
    add_model_selection(parser, verb="show")
    parser.add_argument(
        "--ir_dir", type=Path, default=Path(), metavar="DIR", help="where mixnet-convert wrote (its --output_dir)"
    )
    parser.add_argument("--ir", type=Path, metavar="FILE.xml", help="show this IR, whatever made it, and nothing else")
    parser.add_argument(
        "--write_schemas", type=Path, metavar="DIR", help="write JSON Schemas of a zoo's files, for editors, and stop"
    )
    parser.add_argument("--lint", type=Path, metavar="DIR", help="check the zoo below DIR, and nothing else")
    parser.add_argument(
        "--timm", metavar="PATTERN", help="list timm's classifiers, such as '*mixnet*', and nothing else"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON, also on a terminal")
    form.add_argument("--table", action="store_true", help="print a table, also into a file or pipe")


def run(args: argparse.Namespace) -> int:
    """Show every chosen model."""
    if args.print_all:
        return print_all_models(args)
    given = [option for option in _ALONE if getattr(args, option) is not None]
    others = [*given[1:], *(option for option in ("name", "list", "all") if getattr(args, option))]
    if given and others:
        raise UsageError(f"--{given[0]} stands alone; it cannot be combined with --{others[0]}")
    if args.write_schemas is not None:
        _write_schemas(args.write_schemas)
        return 0
    as_json = args.json or not (args.table or sys.stdout.isatty())
    if args.lint is not None:
        return lint(args.lint, args.ir_dir, as_json=args.json)
    if args.timm is not None:
        list_timm(args.timm, as_json=as_json)
        return 0
    if args.ir is not None:
        _show_ir(args.ir, as_json)
        return 0
    infos, broken = _infos(selected_entries(args), args.ir_dir, quiet=args.quiet)
    if as_json and (infos or len(broken) > 1):
        print_json(infos)
    elif infos:
        for number, info in enumerate(infos):
            print("\n" if number else "", end="")
            _print_readable(info)
    refuse_broken((*broken, *_unreadable(infos)))
    return 0


def _unreadable(infos: Iterable[dict[str, Any]]) -> Broken:
    """What could not be read beside the descriptors of the models shown: cards, IRs."""
    problems: Broken = ()
    for info in infos:
        found = [info["card"] or {}, *info["ir"].values()]
        problems += tuple((info["name"], DescriptorError(part["error"])) for part in found if "error" in part)
        problems += _unreadable(info["model_stages"])
    return problems


def _infos(
    entries: Iterable[ZooEntry | CompositeEntry], ir_dir: Path, *, quiet: bool
) -> tuple[list[dict[str, Any]], Broken]:
    """What is known of each model, and which descriptors are broken. A broken one hides no other."""
    from mixnet_tools.descriptors.zoo import CompositeEntry

    infos: list[dict[str, Any]] = []
    problems: Broken = ()
    for entry in entries:
        if isinstance(entry, CompositeEntry):
            stages, broken = _infos(entry.stages, ir_dir, quiet=quiet)
            composites, broken_composites = load_each([entry], quiet=quiet)
            problems += broken + broken_composites
            infos += [_composite_info(one, stages) for one in composites if stages] or stages
        else:
            models, broken = load_each([entry], quiet=quiet)
            problems += broken
            infos += [_info(entry, model, ir_dir) for model in models]
    return infos, problems


def _composite_info(composite: CompositeDescriptor, stages: list[dict[str, Any]]) -> dict[str, Any]:
    """A composite model in the same fields. Its precisions are those of its first stage."""
    ordered = sorted(stages, key=lambda stage: composite.stages_order.index(stage["name"]))
    return {
        **_common_info(composite, composite.name),
        "model_config": None,
        "precisions": ordered[0]["precisions"],
        "input_info": [],
        "model_stages": ordered,
        "download_size": sum(stage["download_size"] for stage in ordered),
        "sources": [],
        "ir": {},
    }


def _common_info(model: ModelDescriptor | CompositeDescriptor, composite: str | None) -> dict[str, Any]:
    from mixnet_tools.descriptors.model_yml import ACCURACY_FILE

    folder = model.path.parent.absolute()
    accuracy = folder / ACCURACY_FILE
    return {
        "name": model.name,
        "composite_model_name": composite,
        "description": Published(model.description),
        "framework": model.framework,
        "license_url": Published(model.license),
        "accuracy_config": str(accuracy) if accuracy.is_file() else None,
        "subdirectory": str(model.subdirectory),
        "task_type": model.task_type,
        "card": _card(folder),
    }


def _card(folder: Path) -> dict[str, Any] | None:
    """The figures of the card in ``folder``, or the error where it cannot be read: the rest is shown all the same."""
    from mixnet_tools.descriptors.card import read_card

    try:
        card = read_card(folder)
    except DescriptorError as error:
        return {"error": str(error)}
    return {"gflops": card.gflops, "mparams": card.mparams} if card else None


def _info(entry: ZooEntry, model: ModelDescriptor, ir_dir: Path) -> dict[str, Any]:
    """One model in omz_info_dumper's fields, and below them ours (card, files, ir)."""
    from mixnet_tools.ir.locate import existing_irs

    return {
        **_common_info(model, entry.composite),
        "model_config": str(model.path.absolute()),
        "precisions": list(model.precisions),
        "input_info": [
            {"name": entry.name, "shape": list(entry.shape or ()), "layout": entry.layout or ""}
            for entry in model.input_info
        ],
        "model_stages": [],
        "download_size": model.download_size,
        "sources": [[str(source) for source in file.sources] for file in model.files],
        "ir": {ir.precision: _ir(ir.xml) for ir in existing_irs(model, ir_dir)},
    }


def _ir(xml: Path) -> dict[str, Any]:
    """The size of the IR at ``xml``, or the error where it cannot be read: the other models are shown all the same."""
    from mixnet_tools.ir.inspect import count

    try:
        counted = count(xml)
    except IRError as error:
        return {"xml": str(xml), "error": str(error)}
    return {
        "xml": str(xml),
        "mparams": round(counted.parameters / 1e6, 3) if counted else None,
        "gmacs": round(counted.multiply_adds / 1e9, 3) if counted else None,
    }


def _print_readable(info: dict[str, Any]) -> None:
    card = info["card"] or {}
    inputs = [f"{entry['name']} {entry['shape']} {entry['layout'] or ''}".strip() for entry in info["input_info"]]
    rows: list[tuple[str, Cell]] = [
        ("description", _paragraph(info["description"])),
        ("task", info["task_type"]),
        ("framework", info["framework"]),
        ("stages", "\n".join(stage["name"] for stage in info["model_stages"])),
        ("input", "\n".join(inputs)),
        ("precisions", ", ".join(info["precisions"])),
        ("download", human_bytes(info["download_size"])),
        ("sources", "\n".join(source for sources in info["sources"] for source in sources)),
        ("license", info["license_url"]),
        ("descriptor", info["model_config"] or "composite-model.yml, and those of its stages"),
        ("accuracy config", info["accuracy_config"] or "none"),
        (
            "card",
            card.get("error")
            or f"{_number(card.get('mparams'))} M parameters, {_number(card.get('gflops'))} G multiply-adds",
        ),
    ]
    for precision, ir in info["ir"].items():
        if "error" in ir:
            rows.append((f"IR {precision}", ir["error"]))
            continue
        figures = f"{_number(ir['mparams'])} M parameters, {_number(ir['gmacs'])} G multiply-adds"
        rows.append((f"IR {precision}", f"{figures}\n{ir['xml']}"))
    if not info["ir"] and not info["model_stages"]:
        rows.append(("IR", f"none here (mixnet-convert --name {info['name']} makes it; --ir_dir says where it is)"))
    rows = [row for row in rows if row[0] not in ("stages", "input", "sources") or row[1]]
    print_fields(info["name"], rows)
    for stage in info["model_stages"]:
        print()
        _print_readable(stage)


def _paragraph(text: str) -> str:
    """``text`` in lines that one can read, where the terminal does not make them shorter."""
    import textwrap

    width = terminal_of(sys.stdout).width
    words = " ".join(text.split())
    return textwrap.fill(words, _READABLE) if width is None or width > _READABLE + 20 else words


def _write_schemas(folder: Path) -> None:
    from mixnet_tools.api.schemas import write_schemas

    for path in write_schemas(folder):
        print_text(str(path))


def _show_ir(xml: Path, as_json: bool) -> None:
    from dataclasses import asdict

    from mixnet_tools.ir.inspect import describe

    description = describe(xml)
    if as_json:
        print_json({"schema": 1, **asdict(description)})
        return
    rows: list[tuple[str, Cell]] = [
        *(("input", _port(port)) for port in description.inputs),
        *(("output", _port(port)) for port in description.outputs),
    ]
    if description.counts:
        rows.append(("parameters", f"{description.counts.parameters:,}"))
        rows.append(("multiply-adds", f"{description.counts.multiply_adds:,}"))
    for key, value in description.rt_info.items():
        rows.append((key, value if len(value) <= MOST_SHOWN else f"{value[:MOST_SHOWN]}... ({len(value)} characters)"))
    print_fields(description.name, rows)


def _port(port: IrPort) -> str:
    names = ", ".join(port.names)
    shape = "?" if port.shape is None else list(port.shape)
    return f"{names}: {shape} {port.element_type} {port.layout}".rstrip()


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"
