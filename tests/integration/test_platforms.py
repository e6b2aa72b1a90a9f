"""The package needs nothing of POSIX to be imported: it runs without the modules and functions that Windows lacks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mixnet_tools.cli.main import COMMANDS

PROLOGUE = """
import os, sys, types
import fcntl as real
{needed}
for name in ("fcntl", "resource", "pwd", "grp", "termios", "pty", "tty", "posix_only"):
    sys.modules[name] = None
for name in ("sched_getaffinity", "sysconf", "O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "fchmod", "memfd_create"):
    if hasattr(os, name):
        delattr(os, name)
msvcrt = types.ModuleType("msvcrt")
msvcrt.LK_NBLCK = 2
def locking(descriptor, mode, length):
    assert (mode, length) == (2, 1)
    real.flock(descriptor, real.LOCK_EX | real.LOCK_NB)
msvcrt.locking = locking
sys.modules["msvcrt"] = msvcrt
"""
"""What makes a Python look like one on Windows as far as modules go. The lock is a real one behind Windows' name."""

STANDARD_LIBRARY = "import asyncio, multiprocessing.connection, subprocess, tempfile, concurrent.futures.process, ssl"
"""Parts of the standard library that use such modules here, and others on Windows."""


def hidden(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run ``program`` where the modules are hidden."""
    text = PROLOGUE.replace("{needed}", STANDARD_LIBRARY) + program
    command = [sys.executable, "-c", text, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=250)


def test_every_module_is_imported() -> None:
    done = hidden(
        "import importlib, pkgutil, mixnet_tools\n"
        "names = [one.name for one in pkgutil.walk_packages(mixnet_tools.__path__, 'mixnet_tools.')]\n"
        "for name in names: importlib.import_module(name)\n"
        "print(len(names))"
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 200


@pytest.mark.parametrize("command", [command for command in COMMANDS if command != "omz-aliases"])
def test_every_command_tells_its_options(command: str) -> None:
    done = hidden("from mixnet_tools.cli.main import run; run(sys.argv[1], sys.argv[2:], 'mixnet')", command, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: mixnet")


def test_a_model_is_downloaded_unpacked_and_shown(tmp_path: Path) -> None:
    done = hidden(
        "from mixnet_tools.cli.main import run\n"
        "cache = ['--cache_dir', sys.argv[1] + '/cache']\n"
        "for place in ('a', 'b'):  # from the source, and from the cache\n"
        "    assert run('download', ['--name', 'mixnet-nano', '-o', f'{sys.argv[1]}/{place}', *cache], 'mixnet') == 0\n"
        "assert run('info', ['--name', 'mixnet-nano', '--json'], 'mixnet') == 0",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert '"mixnet-nano"' in done.stdout
    for place in ("a", "b"):
        assert (tmp_path / place / "public/mixnet-nano/mixnet-nano/model.ckpt.meta").is_file()


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
