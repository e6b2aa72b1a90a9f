"""Put the shards of one evaluation together: the figures, the gate and the files of a single run.

A and B are files that 'mixnet-check --shard 1/2 --predictions A' and 'mixnet-check --shard 2/2 --predictions B' wrote,
here or on other machines. All shards must be there, and must have measured the same models on the same images.

examples:
  mixnet-check merge part-1.jsonl part-2.jsonl
  mixnet-check merge part-*.jsonl --html report.html --junit accuracy.xml
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mixnet_tools.cli.check.results import Finished, add_gate, check_usage, finish
from mixnet_tools.cli.common.parser import Parser


def add_arguments(parser: Parser) -> None:
    """The files, and how to judge them."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="what --predictions wrote for each shard")
    add_gate(parser)


def run(args: argparse.Namespace) -> int:
    """Read all shards, and go on as after one run."""
    from mixnet_tools.accuracy.evaluation.evaluation_setup import this_run
    from mixnet_tools.accuracy.predictions.merge import merge

    check_usage(args)
    return finish(args, [Finished(merge(args.files, this_run(args.command_line, "merged")), None, None)])
