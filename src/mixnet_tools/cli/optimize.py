"""Make an OpenVINO IR faster on this machine, whichever tool wrote it: mixnet-convert, the Model Optimizer, ...

The graph is rewritten where a pattern of a MixConv network matches. The result is kept if it computes the same and is
faster here. With --tune, kernels are chosen by trial. If nothing is faster, OUT.xml is a copy of FILE.xml.
OUT.optimization.json beside it says what was done and measured. (mixnet-convert --optimize does this while it
converts.)

examples:
  mixnet optimize model.xml -o faster.xml
  mixnet optimize model.xml -o faster.xml --tune --json
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mixnet_tools.cli.common.options import make_progress
from mixnet_tools.cli.common.output import print_json, print_text
from mixnet_tools.cli.common.parser import Parser


def add_arguments(parser: Parser) -> None:
    """What to make faster, how, and where to write it."""
    parser.add_argument("file", type=Path, metavar="FILE.xml", help="the IR, its .bin beside it")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.xml", help="where to write the result")
    parser.add_argument(
        "--tune", action="store_true", help="choose kernels by trial: the IR is then for this CPU and OpenVINO version"
    )
    parser.add_argument("--no_rewrite", action="store_true", help="leave the graph as it is, with --tune")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON document")


def run(args: argparse.Namespace) -> int:
    """Optimize one IR."""
    from mixnet_tools.errors import UsageError
    from mixnet_tools.optimization.ir_file import optimize_ir

    if args.no_rewrite and not args.tune:
        raise UsageError("--no_rewrite without --tune: nothing would be done", hint="leave it out, or add --tune")
    make_progress(args).note(f"{args.file}: measuring whether it can be made faster")
    done = optimize_ir(args.file, args.output, rewriting=not args.no_rewrite, tuning=args.tune)
    if done.warning:
        print_text(f"warning: {done.warning}", file=sys.stderr)
    if args.json:
        print_json({"xml": str(done.target.xml), "bin": str(done.target.bin), **done.to_json()})
        return 0
    for note in done.result.notes:
        print(note)
    print(f"{done.target.xml}" if done.changed else f"{done.target.xml}: a copy of {args.file}")
    return 0
