"""What all commands have in common: usage, exit codes, selection, speed of starting."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from mixnet_tools.descriptors.model_yml import ModelDescriptor
from tests.support.commands import run, run_failing, run_ok
from tests.support.waiting import wait_for
from tests.support.zoo_builder import write_model

COMMANDS = ("download", "convert", "check", "quantize", "info")
HEAVY = ("tensorflow", "openvino", "numpy", "PIL", "requests")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_its_options(command: str) -> None:
    outcome = run_ok(command, "--help")
    assert f"usage: mixnet {command}" in outcome.out
    assert "--name" in outcome.out
    assert "--models_dir" in outcome.out
    undocumented = [
        line for line in outcome.out.splitlines() if line.startswith("  -") and line.strip().count(" ") == 0
    ]
    for line in undocumented:
        following = outcome.out.split(line, 1)[1].lstrip("\n").splitlines()[0]
        assert following.startswith("        "), f"{line.strip()} has no help text"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_and_print_all_import_nothing_heavy(command: str) -> None:
    program = (
        "import sys\n"
        "from mixnet_tools.cli.main import run\n"
        "try:\n"
        f"    run({command!r}, sys.argv[1:], 'mixnet')\n"
        "except SystemExit:\n"
        "    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    for option in ("--help", "--print_all"):
        done = subprocess.run([sys.executable, "-c", program, option], capture_output=True, text=True, check=True)
        assert done.stderr.strip() == "[]"
        assert "mixnet-nano" in done.stdout or option == "--help"


def test_the_commands_under_their_own_names_are_the_same_code() -> None:
    scripts = Path(sys.executable).parent
    for command in COMMANDS:
        done = subprocess.run(
            [scripts / f"mixnet-{command}", "--print_all"], capture_output=True, text=True, check=True
        )
        assert done.stdout == run_ok(command, "--print_all").out
    version = subprocess.run([scripts / "mixnet", "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("mixnet_tools ")


def test_usage_without_or_with_an_unknown_command() -> None:
    assert "say which command" in _mixnet([], 2)
    assert "unknown command 'chek'; did you mean check?" in _mixnet(["chek", "--name", "x"], 2)
    assert "unknown command 'predict'" in _mixnet(["predict", "--help"], 2)
    assert "convert downloaded models" in _mixnet(["--help"], 0)


@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_usage_exits_with_2(command: str) -> None:
    assert "say which models" in run_failing(command, code=2)
    assert "only one of" in run_failing(command, "--name", "x", "--all", code=2)
    assert "unknown option --nmae; did you mean --name?" in run_failing(command, "--nmae", "x", code=2)
    assert "unknown option --models-dri; did you mean --models_dir?" in run_failing(command, "--models-dri=x", code=2)
    assert "--name is empty" in run_failing(command, "--name", ",", code=2)


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_model_offers_the_nearest(command: str) -> None:
    error = run_failing(command, "--name", "mixnet-nanno")
    assert "did you mean 'mixnet-nano'" in error


def test_kebab_case_options_are_the_same_options(tmp_path: Path) -> None:
    write_model(tmp_path, "net")
    snake = run_ok("convert", "--all", "--models_dir", tmp_path, "--dry_run", "--download_dir=x")
    kebab = run_ok("convert", "--all", "--models-dir", tmp_path, "--dry-run", "--download-dir=x")
    assert kebab == snake


def test_print_all_of_a_large_zoo_checks_every_descriptor(tmp_path: Path) -> None:
    for number in range(264):
        write_model(tmp_path, f"net-{number:03}")
    names = run_ok("info", "--print_all", "--models_dir", tmp_path).out.split()
    assert names == [f"net-{number:03}" for number in range(264)]
    write_model(tmp_path, "net-007", "framework: [")
    outcome = run("info", "--print_all", "--models_dir", tmp_path)
    assert outcome.code == 1
    assert outcome.out.split() == names
    assert "net-007/model.yml: not valid YAML" in outcome.err


def test_info_is_omz_json_when_not_on_a_terminal() -> None:
    infos = json.loads(run_ok("info", "--all").out)
    (nano,) = [info for info in infos if info["name"] == "mixnet-nano"]
    assert {
        "name", "composite_model_name", "description", "framework", "license_url", "accuracy_config", "model_config",
        "precisions", "subdirectory", "task_type", "input_info", "model_stages",
    } <= set(nano)  # fmt: skip
    assert nano["precisions"] == ["FP16", "FP32"]
    assert nano["input_info"] == [{"name": "IteratorGetNext:0", "shape": [1, 64, 64, 3], "layout": "NHWC"}]
    assert nano["ir"] == {}


def test_info_has_a_readable_table() -> None:
    table = run_ok("info", "--name", "mixnet-l", "--table").out
    assert "7.300 M parameters, 0.565 G multiply-adds" in table
    assert "54.3 MB" in table


def test_a_closed_pipe_is_no_traceback() -> None:
    program = f"{sys.executable} -m mixnet_tools.cli.main info --all --json | head -c 10"
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""


@pytest.mark.parametrize("closed", [">&-", "<&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("arguments", ["--print_all", "--all", "--all --table"])
def test_closed_streams_are_no_fault(arguments: str, closed: str) -> None:
    program = f"{sys.executable} -m mixnet_tools.cli.main info {arguments} {closed}"
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert ("mixnet-nano" in done.stdout) == (">&-" not in closed.replace("2>&-", ""))


def test_a_name_given_twice_is_both_names() -> None:
    infos = json.loads(run_ok("info", "--name", "mixnet-nano", "--name", "mixnet-l, mixnet-n*").out)
    assert [info["name"] for info in infos] == ["mixnet-nano", "mixnet-l"]
    assert "unknown model 'zzz'" in run_failing("info", "--name", "zzz", "--name", "mixnet-l")


def _write_ir(path: Path, shape: list[int] | None) -> None:
    import openvino
    from openvino import opset13

    parameter = opset13.parameter(openvino.PartialShape.dynamic() if shape is None else shape, name="x")
    path.parent.mkdir(parents=True, exist_ok=True)
    openvino.save_model(openvino.Model([opset13.relu(parameter)], [parameter], "net"), path)


def test_info_tells_a_scalar_from_an_open_number_of_dimensions(tmp_path: Path) -> None:
    for name, shape, shown in [("scalar", [], "[]"), ("open", None, "?"), ("batch", [-1, 3], "[-1, 3]")]:
        xml = tmp_path / f"{name}.xml"
        _write_ir(xml, shape)
        described = json.loads(run_ok("info", "--ir", xml).out)
        assert [port["shape"] for port in described["inputs"] + described["outputs"]] == [shape, shape]
        assert f": {shown} f32" in run_ok("info", "--ir", xml, "--table").out


def test_info_reads_nothing_but_ir(tmp_path: Path) -> None:
    for name, words in [("net.onnx", "expected an .xml file, got .onnx"), ("net", "got no suffix")]:
        (tmp_path / name).write_bytes(b"\x08\x07")
        assert words in run_failing("info", "--ir", tmp_path / name)
    assert "absent.xml: no such file" in run_failing("info", "--ir", tmp_path / "absent.xml")
    (tmp_path / "net.xml").write_text("<no/>")
    assert "net.xml: cannot be read" in run_failing("info", "--ir", tmp_path / "net.xml")


def test_a_broken_ir_hides_no_other_model(tmp_path: Path) -> None:
    for name in ("net-a", "net-b"):
        write_model(tmp_path / "zoo", name)
        _write_ir(tmp_path / "ir/public" / name / f"FP32/{name}.xml", [1, 3])
    broken = tmp_path / "ir/public/net-a/FP32/net-a.xml"
    broken.write_text("<no/>")
    arguments = ("--all", "--models_dir", tmp_path / "zoo", "--ir_dir", tmp_path / "ir")
    shown = run("info", *arguments)
    first, second = json.loads(shown.out)
    assert set(first["ir"]["FP32"]) == {"xml", "error"}
    assert f"{broken}: cannot be read" in first["ir"]["FP32"]["error"]
    assert second["ir"]["FP32"] == {"xml": str(second["ir"]["FP32"]["xml"]), "mparams": 0.0, "gmacs": 0.0}
    table = run("info", *arguments, "--table")
    assert "cannot be read" in table.out
    assert "0.000 M parameters" in table.out
    for outcome in (shown, table):
        assert outcome.code == 1
        assert f"error: {broken}: cannot be read" in outcome.err


@pytest.mark.parametrize("card", ["| GFLOPs | 1.2.3 |", "| MParams | . |", "| GFLOPs | " + "9" * 400 + " |", "pipe"])
def test_a_malformed_card_hides_no_other_model(card: str, tmp_path: Path) -> None:
    """A pipe in the place of a card is refused at once: nobody writes to it."""
    for name in ("net-a", "net-b"):
        write_model(tmp_path / "zoo", name)
    path = tmp_path / "zoo/public/net-a/README.md"
    if card == "pipe":
        os.mkfifo(path)
    else:
        path.write_text(card)
    (tmp_path / "zoo/public/net-b/README.md").write_text("| GFLOPs | 1.25 |")
    shown = run("info", "--all", "--models_dir", tmp_path / "zoo")
    table = run("info", "--all", "--models_dir", tmp_path / "zoo", "--table")
    first, second = json.loads(shown.out)
    assert str(path) in first["card"]["error"]
    assert second["card"] == {"gflops": 1.25, "mparams": None}
    assert "1.250 G multiply-adds" in table.out
    for outcome in (shown, table):
        assert outcome.code == 1
        assert f"error: {path}: the model's card" in outcome.err


def test_a_tensorflow_that_does_not_load_is_told_with_its_last_words(tmp_path: Path) -> None:
    """Imported with a module of the same name, which writes and then loads or fails as real ones do."""
    program = "from tests.support import tensorflow_import as t; m = t.import_tensorflow(); print(m.__name__, m.X)"
    places = os.pathsep.join((str(tmp_path), str(Path(__file__).parents[2])))
    for ending, words in [
        ("X = 1", None),
        ("raise ImportError('no such library')", "TensorFlow cannot be imported: no such library"),
        ("raise AttributeError('_ARRAY_API')", "TensorFlow cannot be imported: AttributeError: _ARRAY_API"),
    ]:
        chatter = "import os, sys\nfor n in range(9): os.write(2, b'chatter %d\\n' % n)\nprint('last', file=sys.stderr)"
        (tmp_path / "tensorflow.py").write_text(f"{chatter}\n{ending}\n")
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": places, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        if words is None:
            assert (done.returncode, done.stdout, done.stderr) == (0, "tensorflow 1\n", "")
            continue
        message = done.stderr.rpartition("MissingDependency: ")[2].splitlines()
        assert message == [words, *(f"chatter {number}" for number in range(5, 9)), "last"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_conversion_leaves_nothing(
    nano_dir: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "mixnet_tools.cli.main", "convert", "--name", "mixnet-nano", "-d", str(nano_dir),
         "-o", str(tmp_path)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    wait_for(
        lambda: any(name.endswith("xml") for _, _, names in os.walk(tmp_path) for name in names), "an IR to be compared"
    )
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in err
    assert err.splitlines()[-1] == f"mixnet convert: {'interrupted' if code == 130 else 'terminated'}"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_conversion_on_a_terminal_names_its_stages_in_one_line(nano_dir: Path, tmp_path: Path) -> None:
    here, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 160, 0, 0))
    subprocess.run(
        [sys.executable, "-m", "mixnet_tools.cli.main", "convert", "--name", "mixnet-nano", "-d", str(nano_dir),
         "-o", str(tmp_path), "--precisions", "FP16"],
        stdout=subprocess.DEVNULL,
        stderr=terminal,
        check=True,
    )  # fmt: skip
    os.close(terminal)
    shown = os.read(here, 1 << 20).decode()
    os.close(here)
    stages = ["reading", "loading OpenVINO", "converting", "running the original", "writing FP16", "comparing FP16"]
    places = [shown.index(f"\rmixnet-nano: {stage}") for stage in stages]
    assert places == sorted(places)
    left = [line.rpartition("\r")[2] for line in shown.replace("\r\n", "\n").split("\n")]
    (line,) = (line for line in left if line.strip())
    assert "fall away" in line  # what users should know stays; the stages are gone


def test_elsewhere_and_when_quiet_short_stages_say_nothing(nano_dir: Path, tmp_path: Path) -> None:
    command = ["--name", "mixnet-nano", "-d", str(nano_dir), "-o", str(tmp_path), "--precisions", "FP16", "--no_verify"]
    said = run_ok("convert", *command).err.splitlines()
    assert [line for line in said if "fall away" not in line] == []
    assert run_ok("convert", *command, "--quiet").err == ""


IMPORTING = """
def run(args):
    try:
        os.kill(os.getpid(), number)
    except BaseException as error:
        raise ImportError('initialization failed') from error
"""
"""As pybind11 and NumPy do where something is raised while they are being imported."""

DROPPING = """
class Dropped:
    def __del__(self):
        os.kill(os.getpid(), number)
def run(args):
    Dropped()
    time.sleep(60)
"""
"""Python ignores what is raised in here."""


@pytest.mark.parametrize("command", [IMPORTING, DROPPING], ids=["importing", "dropping"])
@pytest.mark.parametrize(
    ("number", "words"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")], ids=["SIGINT", "SIGTERM"]
)
def test_a_signal_whose_exception_was_lost_still_ends_the_command(
    command: str, number: signal.Signals, words: str
) -> None:
    program = (
        f"import os, signal, sys, time\nnumber = {int(number)}\n{command}"
        "from mixnet_tools.cli import cache, main\n"
        "cache.run = run\n"
        "sys.exit(main.mixnet(['cache', 'ls', '--cache_dir', '.']))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (128 + number, f"mixnet cache: {words}\n")


def _mixnet(arguments: list[str], code: int) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "mixnet_tools.cli.main", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("command", ["download", "convert"])
def test_a_broken_descriptor_does_not_stop_the_others(
    command: str, nano: ModelDescriptor, nano_dir: Path, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    shutil.copytree(nano.directory, models / "public/mixnet-nano")
    write_model(models, "broken", "files: [")
    places: list[str | Path] = ["-d", nano_dir, "--no_verify"] if command == "convert" else []
    outcome = run(command, "--all", "--models_dir", models, "-o", tmp_path / "out", *places)
    assert outcome.code == 1
    assert "broken" in outcome.err
    assert "not valid YAML" in outcome.err
    assert "1 of 2 models" in outcome.err
    assert list((tmp_path / "out/public/mixnet-nano").iterdir())
    assert "not valid YAML" in run_failing(command, "--name", "broken", "--models_dir", models)
