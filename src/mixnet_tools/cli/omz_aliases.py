"""Write omz_downloader, omz_converter, omz_info_dumper and omz_quantizer: programs that run our commands.

Scripts that call Open Model Zoo's tools then run unchanged, where DIR comes first on the PATH. The programs run by the
Python that runs this command.

examples:
  mixnet omz-aliases bin
  mixnet omz-aliases --models_dir my_zoo ~/omz/bin
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

from mixnet_tools.cli.common.options import add_models_dir
from mixnet_tools.cli.common.parser import Parser
from mixnet_tools.errors import OutputError, UsageError
from mixnet_tools.files import atomic

PROGRAMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "omz_downloader": ("download", ()),
    "omz_converter": ("convert", ()),
    "omz_info_dumper": ("info", ("--json",)),
    "omz_quantizer": ("quantize", ()),
}
"""The command and its first arguments for each program of Open Model Zoo."""

_MARK = "# Written by: mixnet omz-aliases"
# A program for sh and for Python: sh runs the second line and never comes back; for Python lines 2 and 3 are a text.
# Behind #! the path of an interpreter could have no blanks, and not more than 127 characters.
_PROGRAM = """\
#!/bin/sh
'''exec' {python} "$0" "$@"
' '''
{mark}
import os
import sys

{settings}from mixnet_tools.cli.main import omz

sys.exit(omz({program!r}))
"""


def add_arguments(parser: Parser) -> None:
    """Where to write, and which zoo the programs take."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="where to write the programs (made where missing)")
    add_models_dir(parser)


def run(args: argparse.Namespace) -> int:
    """Write all of them, or none: files of these names that are somebody else's are left as they are."""
    from mixnet_tools.descriptors.zoo import ENVIRONMENT_VARIABLE, find_models

    settings = ""
    if args.models_dir:
        find_models(args.models_dir)  # where it is no zoo, this is known now
        roots = os.pathsep.join(str(root.absolute()) for root in args.models_dir)
        settings = f"os.environ.setdefault({ENVIRONMENT_VARIABLE!r}, {roots!r})\n"
    paths = {program: args.folder / program for program in PROGRAMS}
    foreign = [path for path in paths.values() if path.is_symlink() or (path.exists() and not _is_ours(path))]
    if foreign:
        raise OutputError(f"{foreign[0]}: is there already, and another program wrote it", hint="name another folder")
    python = shlex.quote(sys.executable)
    if "'''" in python or "\\" in python:
        raise UsageError(f"{sys.executable}: no program can be written for a Python in such a folder")
    for program, path in paths.items():
        text = _PROGRAM.format(python=python, mark=_MARK, settings=settings, program=program)
        with atomic.writing(path):
            atomic.write_text(path, text)
            path.chmod(0o755)
        print(path)
    folder = str(args.folder.absolute())
    if not args.quiet and folder not in os.environ.get("PATH", "").split(os.pathsep):
        print(f"to use them: export PATH={shlex.quote(folder)}:$PATH", file=sys.stderr)
    if not args.quiet:
        print("for accuracy_check: mixnet-check with its options prints the new command", file=sys.stderr)
    return 0


def _is_ours(path: Path) -> bool:
    try:
        return _MARK.encode() in path.read_bytes()[:4096]
    except OSError:
        return False
