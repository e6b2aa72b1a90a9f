"""What a command line may look like, beyond what argparse does by itself."""

from __future__ import annotations

import pytest

from mixnet_tools.cli.main import command_parser


@pytest.mark.parametrize("typed", ["own net.onnx --size 8", "own --size 8 net.onnx", "--size 8 own net.onnx"])
def test_options_stand_anywhere_between_the_other_arguments(typed: str) -> None:
    parsed = command_parser("new", "mixnet new").parse_args(typed.split())
    assert (parsed.name, parsed.file, parsed.size) == ("own", "net.onnx", (8, 8))


def test_several_arguments_are_taken_on_both_sides_of_an_option() -> None:
    parsed = command_parser("classify", "mixnet classify").parse_args(["a.jpg", "--name", "net", "b.jpg", "-"])
    assert (parsed.images, parsed.name) == (["a.jpg", "b.jpg", "-"], "net")


def test_an_unknown_option_is_named_beside_other_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command_parser("new", "mixnet new").parse_args(["own", "--prset", "timm", "net.onnx"])
    assert "unknown option --prset; did you mean --preset?" in capsys.readouterr().err
