"""Scripts that call Open Model Zoo's tools: real processes, with the command lines of such scripts."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from mixnet_tools.cli.omz_aliases import PROGRAMS
from tests.support.commands import TIMEOUT, Outcome
from tests.support.downloads import add_model, file_entry, noise, run_command, sha384
from tests.support.zoo_builder import write_composite

BODY = noise(100_000, "body")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``my bin`` with the programs, and a zoo that they take; a module in the working folder is not ours."""
    root = tmp_path_factory.mktemp("place")
    (root / "body").write_bytes(BODY)
    add_model(root / "zoo", "net-a", [file_entry("net.bin", BODY, (root / "body").as_uri())])
    add_model(root / "zoo", "net-b", [file_entry("net.bin", BODY, (root / "body").as_uri())])
    write_composite(root / "zoo", "reader", ["reader-encoder", "reader-decoder"])
    (root / "work").mkdir()
    (root / "work/yaml.py").write_text("raise SystemExit('the module of somebody else')\n")
    made = run_command("omz-aliases", root / "my bin", "--models_dir", root / "zoo")
    assert made.code == 0, made.err
    assert made.out.split("\n")[:-1] == [str(root / "my bin" / program) for program in PROGRAMS]
    assert "export PATH=" in made.err
    assert "for accuracy_check: mixnet-check" in made.err
    return root


def shell(place: Path, command: str) -> Outcome:
    """``command`` by a shell that finds the programs first."""
    environment = {**os.environ, "PATH": f"{place / 'my bin'}:{os.environ['PATH']}"}
    environment.pop("MIXNET_TOOLS_MODELS", None)
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=place / "work",
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return Outcome(done.returncode, done.stdout, done.stderr)


def test_info_dumper_prints_json_that_a_pipe_parses(place: Path) -> None:
    outcome = shell(place, "omz_info_dumper --all")
    assert outcome.code == 0, outcome.err
    infos = json.loads(outcome.out)
    assert [info["name"] for info in infos] == ["net-a", "net-b", "reader"]
    assert [stage["name"] for stage in infos[2]["model_stages"]] == ["reader-encoder", "reader-decoder"]
    assert infos[0]["model_config"] == str(place / "zoo/public/net-a/model.yml")


def test_a_script_downloads_and_converts_model_by_model(place: Path) -> None:
    (place / "models.lst").write_text("# models\nnet-*\n")
    outcome = shell(
        place,
        """
        set -e
        for name in $(omz_downloader --print_all | grep ^net); do
            omz_downloader --name "$name" --output_dir ../out --cache_dir ../cache --num_att=5 \\
                --precisions FP16,FP32 --progress_format json -j4
        done
        omz_converter --list ../models.lst -d ../out -o ../ir --precisions=FP16 --mo /opt/mo.py -p python3 \\
            --add_mo_arg=--scale=2 --dry_run -jauto >../plan
        omz_quantizer --print_all --model_dir ../ir >../names
        """,
    )
    assert outcome.code == 0, outcome.err
    events = [json.loads(line) for line in outcome.out.splitlines()]
    first = [event for event in events if event["model"] == "net-a" and "progress" not in event["$type"]]
    file = {"model": "net-a", "model_file": "net.bin"}
    assert first == [
        {"$type": "model_download_begin", "model": "net-a", "num_files": 1},
        {"$type": "model_file_download_begin", **file, "size": len(BODY)},
        {"$type": "model_file_download_end", **file, "successful": True},
        {"$type": "model_download_end", "model": "net-a", "successful": True},
    ]
    assert (place / "out/public/net-b/net.bin").read_bytes() == BODY
    assert (place / "cache/1" / sha384(BODY)[:2] / sha384(BODY)[2:]).read_bytes() == BODY
    plan = (place / "plan").read_text()
    assert plan.count("would convert") == 2
    assert f"{Path('../ir/public/net-b/FP16/net-b.xml')}" in plan
    assert "divided by [2.0]" in plan
    assert (place / "names").read_text().split() == ["net-a", "net-b", "reader"]


def test_failures_keep_their_exit_codes_and_name_the_program(place: Path) -> None:
    for command, code, words in (
        ("omz_downloader --name absent", 1, "omz_downloader: error: unknown model 'absent'"),
        ("omz_converter --name net-a --precisions FP17", 2, "omz_converter: error: argument --precisions"),
        ("omz_info_dumper", 2, "omz_info_dumper: error: say which models"),
    ):
        outcome = shell(place, command)
        assert (outcome.code, outcome.out) == (code, ""), command
        assert words in outcome.err


def test_programs_of_others_are_not_overwritten_and_ours_are(tmp_path: Path) -> None:
    assert run_command("omz-aliases", tmp_path).code == 0
    assert run_command("omz-aliases", tmp_path).code == 0
    (tmp_path / "omz_converter").write_text("#!/bin/sh\n")
    (tmp_path / "omz_downloader").unlink()
    outcome = run_command("omz-aliases", tmp_path)
    assert outcome.code == 1
    assert f"{tmp_path / 'omz_converter'}: is there already, and another program wrote it" in outcome.err
    assert (tmp_path / "omz_converter").read_text() == "#!/bin/sh\n"
    assert not (tmp_path / "omz_downloader").exists()


def test_a_folder_that_is_no_zoo_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    outcome = run_command("omz-aliases", tmp_path / "bin", "--models_dir", tmp_path / "absent")
    assert outcome.code == 1
    assert "absent: not a folder of models" in outcome.err
    assert not (tmp_path / "bin").exists()
