"""The check of every hint that integration tests provoke finds hints that would be refused."""

from __future__ import annotations

import pytest

from tests.support.hints import assert_accepted


@pytest.mark.parametrize(
    "stderr",
    [
        "mixnet-check: error: x\n  try: mixnet-download --name x -o y\n",
        "x: gone (try: mixnet convert --name x -d 'a b')",
        "  try: mixnet-check merge a b",
        "  try: close other programs, or allow more memory and threads (ulimit -u is 96365)",
        "  try: leave it out, or add --launcher openvino\n  try: pip install 'mixnet-tools[web]'",
        "  try: give the folder that mixnet-download was given as --cache_dir",
    ],
)
def test_hints_that_can_be_typed_pass(stderr: str) -> None:
    assert_accepted("check", stderr)


@pytest.mark.parametrize(
    "stderr",
    [
        "  try: mixnet-convrt --name x",
        "  try: mixnet-convert --nmae x",
        "  try: mixnet convert --name",
        "  try: mixnet-check merge",
        "  try: add --lancher openvino",
        "x: gone (try: mixnet-quantize -o a --cache_dir b)",
    ],
)
def test_hints_that_would_be_refused_fail(stderr: str) -> None:
    with pytest.raises(AssertionError):
        assert_accepted("check", stderr)
