"""The package works as on Windows, as far as that can be simulated: see :mod:`tests.support.windows_like`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from mixnet_tools.cli.main import COMMANDS
from mixnet_tools.descriptors.zoo import embedded_root
from tests.support.file_server import FileServer
from tests.support.windows_like import PROLOGUE

ROOT = Path(__file__).parents[2]
POOR = {"PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "cp1252"}
"""Few characters, as in Windows' pipes and files; a file that is opened without saying an encoding is an error."""

STRICT = "import os, sys, warnings; warnings.filterwarnings('error', category=EncodingWarning, module='mixnet_tools')\n"


def hidden(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run ``program`` as on Windows."""
    command = [sys.executable, "-X", "warn_default_encoding", "-c", PROLOGUE + STRICT + program, *map(str, arguments)]
    environment = {**os.environ, **POOR}
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, encoding="cp1252", check=False, timeout=250, env=environment
    )


def test_every_module_is_imported() -> None:
    done = hidden(
        "import importlib, pkgutil, mixnet_tools\n"
        "names = [one.name for one in pkgutil.walk_packages(mixnet_tools.__path__, 'mixnet_tools.')]\n"
        "for name in names: importlib.import_module(name)\n"
        "print(len(names))"
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 200


def test_every_command_tells_its_options() -> None:
    done = hidden(
        "from mixnet_tools.cli.main import COMMANDS, run\n"
        "for command in COMMANDS:\n"
        "    try: run(command, ['--help'], 'mixnet')\n"
        "    except SystemExit as end: assert not end.code\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("usage: mixnet") == len(COMMANDS)


def test_a_model_goes_from_a_server_to_its_accuracy(tmp_path: Path) -> None:
    """Info, download, conversion with its proof, check of the original and the IRs with a predictions file."""
    with FileServer(embedded_root() / "public/mixnet-nano") as server:
        done = hidden(
            "from mixnet_tools.cli.main import run\n"
            "place, mirror = sys.argv[1:]\n"
            "nano = ['--name', 'mixnet-nano']\n"
            "for arguments in (\n"
            "    ['info', '--json'],\n"
            "    ['download', '--mirror', mirror, '--cache_dir', place + '/cache', '-o', place + '/a'],\n"
            "    ['download', '--offline', '--cache_dir', place + '/cache', '-o', place + '/b'],\n"
            "    ['convert', '-d', place + '/b', '--ovms', place + '/ovms'],\n"
            "    ['check', '-d', place + '/b', '--launcher', 'openvino', '--num_images', '12', '--no_speed',\n"
            "     '--predictions', place + '/p.jsonl'],\n"
            "):\n"
            "    code = run(arguments[0], [*nano, *arguments[1:]], 'mixnet')\n"
            "    assert code == 0, (arguments, code)\n",
            tmp_path,
            server.url,
        )
    assert done.returncode == 0, done.stderr
    assert server.requests
    folder = tmp_path / "b/public/mixnet-nano"
    reference = json.loads((folder / "FP16/conversion.json").read_text(encoding="utf-8"))["reference"]
    assert reference["software"].endswith("its Python package")
    assert reference["restrictions"] == []  # a system that the child cannot give its rights away on
    assert (tmp_path / "ovms/mixnet-nano/1/mixnet-nano.bin").is_file()
    lines = (tmp_path / "p.jsonl").read_bytes().splitlines()
    assert len(lines) > 12
    assert not any(b"\r" in line for line in lines)
    assert [path.name for path in tmp_path.rglob("*mixnet*") if path.name.startswith(".mixnet_tools-")] == []


def test_a_lock_keeps_others_out_under_windows_name_for_it(tmp_path: Path) -> None:
    done = hidden(
        "from pathlib import Path\n"
        "from mixnet_tools.files.lock import locked, try_lock\n"
        "path = Path(sys.argv[1])\n"
        "with locked(path):\n"
        "    second = os.open(path, os.O_RDWR)\n"
        "    print(try_lock(second, path))\n"
        "print(try_lock(second, path))",
        tmp_path / "file",
    )
    assert done.stdout.split() == ["False", "True"], done.stderr
