"""Prints what is wrong with the models of a zoo: mixnet-info --lint."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from mixnet_tools.cli.common.output import print_json, print_text


def lint(models_dir: Path, ir_dir: Path, *, as_json: bool) -> int:
    """Check the zoo below ``models_dir``; returns the exit code. IRs are looked for below ``ir_dir``."""
    from mixnet_tools.api.authoring.lint import lint_zoo

    checked = lint_zoo(models_dir, ir_dir=ir_dir)
    if as_json:
        print_json({"schema": 1, "models": list(checked.models), "problems": [asdict(one) for one in checked.problems]})
    else:
        for problem in checked.problems:
            print_text(problem.text)
        models, problems = len(checked.models), len(checked.problems)
        print_text(f"{_count(models, 'model')}, {_count(problems, 'problem') if problems else 'no problem'}")
    return 1 if checked.problems else 0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
