"""Say on which images two runs differ: what was lost and gained, by class, and whether chance explains it.

A and B are files that 'mixnet-check --predictions FILE' or 'mixnet-check --baseline FILE --update_baseline' wrote. The
images that both have are compared. A may be B, to compare two models of one run.

examples:
  mixnet-check diff yesterday.jsonl today.jsonl
  mixnet-check diff a.jsonl a.jsonl --models 'openvino FP32,openvino FP16'
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mixnet_tools.cli.common.hints import with_options
from mixnet_tools.cli.common.options import positive_int
from mixnet_tools.cli.common.output import print_json, print_text
from mixnet_tools.cli.common.parser import Parser
from mixnet_tools.errors import OutputError
from mixnet_tools.files import atomic

SCHEMA = 1


def add_arguments(parser: Parser) -> None:
    """The two files, and what to show."""
    parser.add_argument("before", type=Path, metavar="A", help="the earlier run: predictions or a baseline")
    parser.add_argument("after", type=Path, metavar="B", help="the later run")
    parser.add_argument(
        "--models", type=_two, metavar="MODEL,MODEL", help="the model of A and that of B (default: of the same name)"
    )
    parser.add_argument("--labels", type=Path, metavar="FILE", help="names of the classes, as in labels.txt")
    results = parser.add_argument_group("results")
    results.add_argument(
        "--flips", type=positive_int, default=10, metavar="N", help="name N images of each kind (default: 10)"
    )
    results.add_argument("--json", action="store_true", help="print all of it as one JSON document")
    results.add_argument("--markdown", type=Path, metavar="FILE", help="append a summary in Markdown, for a job's page")
    results.add_argument("--html", type=Path, metavar="FILE", help="write a page with all flipped images")


def run(args: argparse.Namespace) -> int:
    """Compare, print and write; returns the exit code."""
    from mixnet_tools.accuracy.gate.difference import differences, read_answers
    from mixnet_tools.accuracy.reports import difference as shown
    from mixnet_tools.descriptors.labels import read_labels
    from mixnet_tools.pages.page import require

    if args.html:
        require()
    before, after = read_answers(args.before), read_answers(args.after)
    found, notes = differences(before, after, args.models)
    known = before if before.classes is not None else after
    names = () if args.labels is None else known.class_names(read_labels(args.labels))
    title = f"{before.model}: {args.before.name} to {args.after.name}"
    if args.json:
        print_json({"schema": SCHEMA, "differences": [one.to_json() for one in found], "notes": list(notes)})
    else:
        for one in found:
            print_text(shown.summary(one))
            for line in (*shown.class_lines(one, names), *shown.flip_lines(one, names, args.flips)):
                print_text(f"  {line}")
    for note in notes if not args.quiet else ():
        print(f"note: {with_options(note, args.parser)}", file=sys.stderr)
    try:
        if args.markdown:
            with args.markdown.open("a", encoding="utf-8") as stream:
                stream.write(shown.markdown(title, found, notes, names, args.flips))
        if args.html:
            atomic.write_text(args.html, shown.page(title, found, notes, names))
    except OSError as error:
        raise OutputError(f"{error.filename or args.html}: cannot be written: {error.strerror or error}") from error
    return 0


def _two(text: str) -> tuple[str, str]:
    parts = tuple(part.strip() for part in text.split(","))
    if len(parts) != 2 or not all(parts):
        raise argparse.ArgumentTypeError(f"expected two models with a comma between them, got {text!r}")
    return parts[0], parts[1]
