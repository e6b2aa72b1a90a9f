"""Errors name parameters and functions of the Python API; the command line shows options and commands."""

from __future__ import annotations

import argparse
import pickle
import shlex

import pytest

from mixnet_tools.cli.common import hints
from mixnet_tools.cli.common.parser import Parser
from mixnet_tools.cli.main import command_module
from mixnet_tools.errors import EvaluationError, NextStep, UnknownModelError


def parsed(prog: str, *words: str) -> argparse.Namespace:
    """The arguments of the command ``prog``, as :mod:`mixnet_tools.cli.main` makes them."""
    parser = Parser(prog, "")
    command_module(prog.replace("-", " ").split()[1]).add_arguments(parser)
    args = parser.parse_args(words)
    args.parser = parser
    return args


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("more than `max_bad` allows", "more than --max_bad allows"),
        ("`source`: no such folder", "-s/--source: no such folder"),
        ("allow `max_bad=3`", "allow --max_bad 3"),
        ("name `annotations=my labels.txt`", "name --annotations 'my labels.txt'"),
        ("without `tune=True`", "without --tune"),
        ("`verify=False` is no option of mixnet-check", "`verify=False` is no option of mixnet-check"),
        ("the column `image` holds no bytes", "the column `image` holds no bytes"),
        ("two: `shard` and `num_images=5`", "two: --shard and --num_images 5"),
    ],
)
def test_a_parameter_is_shown_as_the_option_that_sets_it(text: str, shown: str) -> None:
    args = parsed("mixnet check")
    error = EvaluationError(text, hint=text)
    assert (hints.message(error, args), hints.hint(error, args)) == (shown, shown)
    assert hints.failure(error, args) == f"{shown} (try: {shown})"


def test_false_is_the_option_that_says_no() -> None:
    error = EvaluationError("not the same", hint="`verify=False` converts all the same")
    assert hints.hint(error, parsed("mixnet convert")) == "--no_verify converts all the same"


def test_no_hint_stays_none() -> None:
    error = EvaluationError("broken")
    assert hints.hint(error, parsed("mixnet check")) is None
    assert hints.failure(error, parsed("mixnet check")) == "broken"


@pytest.mark.parametrize(
    ("prog", "words", "step", "shown"),
    [
        (
            "mixnet-convert",
            [],
            NextStep("download", "net", {"output_dir": "work"}),
            "mixnet-download --name net --output_dir work",
        ),
        (
            "mixnet convert",
            [],
            NextStep("download", "net", {"output_dir": "my work"}),
            "mixnet download --name net --output_dir 'my work'",
        ),
        (
            "mixnet-check",
            ["--models_dir", "my zoo", "--models_dir", "b"],
            NextStep("convert", "net", {"download_dir": "d", "output_dir": "o"}),
            "mixnet-convert --name net --download_dir d --output_dir o --models_dir 'my zoo' --models_dir b",
        ),
        (
            "mixnet-convert",
            [],
            NextStep("download", "net", {"output_dir": ".", "force": True}),
            "mixnet-download --name net --output_dir . --force",
        ),
        ("mixnet-optimize", ["old.xml", "-o", "new.xml"], NextStep("convert", "net"), "mixnet-convert --name net"),
    ],
)
def test_the_next_step_is_a_command_that_can_be_typed(prog: str, words: list[str], step: NextStep, shown: str) -> None:
    assert hints.hint(EvaluationError("too early", hint=step), parsed(prog, *words)) == shown
    command, *typed = shlex.split(shown.replace("mixnet ", "mixnet-", 1))
    parsed(command, *typed)


def test_an_unknown_model_says_how_to_list_the_known_ones() -> None:
    error = UnknownModelError("unknown model 'x'")
    assert error.hint == "mixnet_tools.list_models()"
    assert hints.hint(error, parsed("mixnet-check", "--models_dir", "zoo")) == (
        "mixnet-info --print_all --models_dir zoo"
    )


def test_a_next_step_is_a_python_call_and_survives_pickling() -> None:
    step = NextStep("download", "net", {"output_dir": "work", "force": True})
    assert step == "mixnet_tools.download('net', output_dir='work', force=True)"
    error = pickle.loads(pickle.dumps(EvaluationError("too early", hint=step)))
    assert isinstance(error.hint, NextStep)
    assert (error.hint, error.hint.model, error.hint.fields) == (step, step.model, step.fields)
