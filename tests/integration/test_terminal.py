"""What the commands print on terminals of several widths, with colours and without."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixnet_tools.cli.common.terminal import columns_of
from tests.support.commands import run_ok
from tests.support.terminal import SEQUENCE, run_on_terminal

GREEN = "\x1b[32m"


def expect_fits(text: str, width: int) -> None:
    """No line is wider, but one that is a single word such as a path."""
    for line in SEQUENCE.sub("", text).splitlines():
        assert columns_of(line) <= width or len(line.split()) == 1, line


def check(nano_dir: Path) -> tuple[str | Path, ...]:
    return ("check", "--name", "mixnet-nano", "-d", nano_dir, "--precisions", "FP32", "--launcher", "openvino",
            "--num_images", "20", "-q")  # fmt: skip


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
def test_info_and_plans_fit(nano_dir: Path, width: int) -> None:
    info = run_on_terminal(width, "info", "--name", "mixnet-nano", "--ir_dir", nano_dir)
    plan = run_on_terminal(width, "convert", "--name", "mixnet-nano", "-d", nano_dir, "--dry_run")
    for outcome in (info, plan):
        assert outcome.code == 0
        expect_fits(outcome.out, width)
        assert "logits" in outcome.out or "framework" in outcome.out
    folded = "".join(SEQUENCE.sub("", info.out).split())
    assert "".join(str(nano_dir / "public/mixnet-nano/FP32/mixnet-nano.xml").split()) in folded  # nothing is lost


@pytest.mark.parametrize("width", [20, 80])
def test_a_check_fits_and_its_verdict_is_green(nano_dir: Path, width: int) -> None:
    command, *arguments = check(nano_dir)
    outcome = run_on_terminal(width, str(command), *arguments)
    assert (outcome.code, outcome.err) == (0, "")
    expect_fits(outcome.out, width)
    assert f"{GREEN}mixnet-nano:" in outcome.out


def test_a_missed_reference_is_red(nano_dir: Path, tmp_path: Path) -> None:
    zoo = tmp_path / "public" / "mixnet-nano"
    zoo.mkdir(parents=True)
    source = Path("models/public/mixnet-nano").absolute()
    for name in ("model.yml", "README.md", "labels.txt", "validation", "mixnet-nano.tar.gz"):
        (zoo / name).symlink_to(source / name)
    wrong = (source / "accuracy-check.yml").read_text().replace("0.9183", "0.9999")
    assert "0.9999" in wrong
    (zoo / "accuracy-check.yml").write_text(wrong)
    command, *arguments = check(nano_dir)
    outcome = run_on_terminal(100, str(command), *arguments[:-3], "--models_dir", tmp_path)
    assert outcome.code == 3, outcome
    assert "\x1b[1;31mmixnet-nano: FAILED" in outcome.out


def test_no_colours_where_they_are_not_wanted_and_none_in_pipes(nano_dir: Path) -> None:
    command, *arguments = check(nano_dir)
    assert "\x1b" not in run_on_terminal(80, str(command), *arguments, NO_COLOR="1").out
    piped = run_ok(str(command), *arguments)
    assert piped.err == ""
    assert "\x1b" not in piped.out
    header, rule, _ = piped.out.splitlines()[:3]
    assert " ".join(header.split()) == "model launcher precision top-1 % top-5 % reference difference same as original"
    assert set(rule) == {"-", " "}


def test_a_cache_fits(nano_dir: Path, tmp_path: Path) -> None:
    run_ok("download", "--name", "mixnet-nano", "-o", tmp_path / "out", "--cache_dir", tmp_path / "cache")
    piped = run_ok("cache", "ls", "--cache_dir", tmp_path / "cache").out
    outcome = run_on_terminal(40, "cache", "ls", "--cache_dir", tmp_path / "cache")
    expect_fits(outcome.out, 40)
    digest = piped.split()[0]
    assert digest.startswith("sha384:")
    assert digest in "".join(line.split()[0] for line in SEQUENCE.sub("", outcome.out).splitlines())


def test_what_is_said_beside_the_results_fits_too(nano_dir: Path, tmp_path: Path) -> None:
    outcome = run_on_terminal(
        40, "convert", "--name", "mixnet-nano", "-d", nano_dir, "-o", tmp_path, "--precisions", "FP16"
    )
    assert outcome.code == 0
    expect_fits(outcome.out, 40)
    said = [line.rpartition("\r")[2] for line in outcome.err.replace("\x1b[A", "").splitlines()]  # without the stages
    expect_fits("\n".join(said), 40)
    assert "fall away" in " ".join(" ".join(said).split())
    failed = run_on_terminal(40, "check", "--name", "no-such-model-of-any-zoo")
    expect_fits(failed.err, 40)
    assert "no-such-model-of-any-zoo" in failed.err
