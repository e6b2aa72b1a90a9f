"""Types the hints that errors give: a command that is offered must be one, and take the options shown with it."""

from __future__ import annotations

import contextlib
import io
import re
import shlex

from mixnet_tools.cli.main import COMMANDS, SUBCOMMANDS, command_parser

_HINT = re.compile(r"^ *(?:.*\()?try: (.*?)\)?$", re.MULTILINE)
_COMMAND = re.compile(r"\bmixnet[- ](?P<command>[a-z-]+)(?P<rest>(?: (?!mixnet)[^ ,;]+)*)")
_OPTION = re.compile(r"(?<![\w-])(?<!ulimit )--?[a-z][\w-]*")


def assert_accepted(command: str, stderr: str) -> None:
    """Fail where a hint in ``stderr`` of ``command`` would be refused when it is typed.

    A hint that starts with a command must be a whole command line. In others, each option that is named must be one of
    ``command``, or of a command that the hint names.
    """
    for hint in _HINT.findall(stderr):
        whole = re.match(r"mixnet[- ]", hint)
        if whole:
            _type(hint)
        elif not hint.startswith("pip install"):
            named = {command, *(found["command"] for found in _COMMAND.finditer(hint))} & set(COMMANDS)
            unknown = set(_OPTION.findall(hint)).difference(*(_options(one) for one in named))
            assert not unknown, f"no command of {sorted(named)} has {sorted(unknown)}: {hint}"


def _type(hint: str) -> None:
    """Parse ``hint`` as the command line that it begins with."""
    words = shlex.split(re.sub(r"^mixnet-", "mixnet ", hint))[1:]
    command, *arguments = words
    assert command in COMMANDS or command.startswith("-"), f"no command: {hint}"
    if {"--help", "--version"}.intersection(words):
        return
    module = SUBCOMMANDS.get((command, arguments[0] if arguments else ""))
    parser = command_parser(module or command, hint)
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        try:
            parser.parse_args(arguments[1:] if module else arguments)
        except SystemExit as error:
            raise AssertionError(f"{hint}: {said.getvalue()}") from error


def _options(command: str) -> set[str]:
    """The options of ``command`` and of the commands inside it, in both spellings."""
    found = set()
    modules = [command, *(name for (outer, _), name in SUBCOMMANDS.items() if outer == command)]
    for module in modules:
        found |= set(command_parser(module, "")._option_string_actions)
    return found | {f"--{option[2:].replace('_', '-')}" for option in found if option.startswith("--")}
