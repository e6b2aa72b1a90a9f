"""What mixnet-convert --dry_run prints: the plan of each model, and why others cannot be converted."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mixnet_tools.cli.common import hints
from mixnet_tools.cli.common.output import print_fields, print_json
from mixnet_tools.errors import ConversionError

if TYPE_CHECKING:
    from mixnet_tools.conversion.options import ConversionOptions
    from mixnet_tools.descriptors.model_yml import ModelDescriptor


def dry_run(
    args: argparse.Namespace, models: list[ModelDescriptor], options: ConversionOptions, problems: list[str]
) -> int:
    """Print the plan of each of ``models``. Raises :class:`ConversionError` with ``problems`` and what is refused."""
    from mixnet_tools.conversion.options import make_plan
    from mixnet_tools.ir.locate import irs_of

    output_dir = args.output_dir or args.download_dir
    plans = []
    for model in models:
        try:
            plan = make_plan(model, args.download_dir, output_dir, options)
        except ConversionError as error:
            problems.append(hints.message(error, args))
            continue
        targets = irs_of(model, output_dir, args.precisions)
        plans.append(
            {
                "model": plan.model,
                "source": f"{plan.source.kind} {plan.source.path}",
                "inputs": [entry.describe() for entry in plan.inputs] or ["as the source has them"],
                "input_names": [name for entry in plan.inputs for name in (entry.cut.placeholder, *entry.aliases)],
                "constants": [f"{constant.node} = {constant.value}" for constant in plan.constants],
                "outputs": [cut.text for cut in plan.outputs] or ["as the source has them"],
                "weights": plan.weights or "as the saver restores them",
                "precisions": list(args.precisions),
                "files": [str(path) for ir in targets for path in (ir.xml, ir.bin)],
            }
        )
    if args.json:
        print_json({"schema": 1, "dry_run": True, "models": plans, "refused": problems})
    else:
        for described in plans:
            rows = [(key, _text(value)) for key, value in described.items() if key != "model" and value]
            print_fields(f"would convert {described['model']}", rows)
            print()
    if problems:
        raise ConversionError("\n".join(problems))
    return 0


def _text(value: object) -> str:
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)
