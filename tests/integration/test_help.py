"""What ``--help`` of each command says: examples that work, the manual, in 80 columns; and completions for shells."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from mixnet_tools.cli.main import COMMANDS, PROGRAMS, SHELLS, SUBCOMMANDS, command_parser, run
from tests.support.commands import run_ok

ROOT = Path(__file__).parents[2]
EVERY = {
    **{command: (command,) for command in COMMANDS},
    **{f"{outer} {inner}": (outer, inner) for outer, inner in SUBCOMMANDS},
}
EXAMPLE = re.compile(r"^  (mixnet[- ].*)$", re.MULTILINE)


def help_of(words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        run(words[0], [*words[1:], "--help"], f"mixnet {words[0]}")
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("words", EVERY.values(), ids=EVERY)
def test_help_has_two_examples_that_are_accepted_and_its_manual(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = help_of(words, capsys, monkeypatch)
    assert max(map(len, text.splitlines())) <= 80
    examples = EXAMPLE.findall(text.partition("examples:")[2].partition("\n\n")[0])
    assert len(examples) >= 2
    for example in examples:
        typed = shlex.split(example.replace("mixnet-", "mixnet ", 1))
        assert tuple(typed[1 : 1 + len(words)]) == words
        parser = command_parser(SUBCOMMANDS[words[0], words[1]] if len(words) == 2 else words[0], example)
        parser.parse_args(typed[1 + len(words) :])
    (manual,) = re.findall(r"^manual: (.+)$", text, re.MULTILINE)
    assert (ROOT / manual).is_file()


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_every_command_tells_the_version(option: str) -> None:
    for command in COMMANDS:
        assert run_ok(command, option).out.startswith("mixnet_tools ")


def _bash(completions: Path, *words: str) -> list[str]:
    """What bash offers for the last of ``words``."""
    program = f"""
        source {shlex.quote(str(completions))}
        COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}
        COMP_LINE={shlex.quote(" ".join(words))}; COMP_POINT=${{#COMP_LINE}}
        function_of() {{ complete -p "$1" | sed -E 's/.* -F ([^ ]+) .*/\\1/'; }}
        $(function_of {words[0]}) {words[0]} "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD - 1]}}"
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.split()


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The completions of each shell in a file, printed where a terminal's width is known."""
    folder = tmp_path_factory.mktemp("completions")
    made = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "80")
        for shell in SHELLS:
            made[shell] = folder / shell
            made[shell].write_text(run_ok("--print-completion", shell).out)
    return made


def test_bash_completes_commands_options_choices_and_models(
    scripts: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert set(_bash(scripts["bash"], "mixnet", "")) >= set(COMMANDS)
    assert _bash(scripts["bash"], "mixnet", "conv") == ["convert"]
    assert "--models_dir" in _bash(scripts["bash"], "mixnet-check", "--mo")
    assert "--models_dir" in _bash(scripts["bash"], "mixnet", "check", "--mo")
    assert _bash(scripts["bash"], "mixnet-check", "--profile", "ti") == ["timm"]
    assert set(_bash(scripts["bash"], "mixnet", "check", "me")) == {"merge"}
    (tmp_path / "mixnet-info").write_text("#!/bin/sh\necho mixnet-l; echo mixnet-nano; echo other\n")
    (tmp_path / "mixnet-info").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    for typed in (("mixnet-convert",), ("mixnet", "convert")):
        assert _bash(scripts["bash"], *typed, "--name", "mixnet-") == ["mixnet-l", "mixnet-nano"]


def test_bash_completes_paths_where_paths_are_wanted_and_no_models_where_a_new_name_is(
    scripts: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mixnet-info").write_text("#!/bin/sh\necho net-of-the-zoo\n")
    (tmp_path / "mixnet-info").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "net.onnx").touch()
    (tmp_path / "nets").mkdir()
    assert _bash(scripts["bash"], "mixnet", "new", "net") == []
    assert set(_bash(scripts["bash"], "mixnet", "new", "mine", "net")) == {"net.onnx", "nets"}
    assert set(_bash(scripts["bash"], "mixnet", "new", "mine", "net.onnx", "--labels", "net")) == {"net.onnx", "nets"}
    assert _bash(scripts["bash"], "mixnet", "info", "--lint", "net") == ["nets"]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_read_by_its_shell(scripts: dict[str, Path], shell: str) -> None:
    text = scripts[shell].read_text()
    assert all(f"mixnet-{command}" in text for command in PROGRAMS)
    if (program := shutil.which(shell)) is None:
        pytest.skip(f"{shell} is not installed")
    subprocess.run([program, "-n", scripts[shell]], check=True, timeout=60)
