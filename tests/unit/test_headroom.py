"""Memory and threads are reserved before a library takes them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mixnet_tools import headroom
from mixnet_tools.errors import ResourceError


def test_where_there_is_enough_nothing_is_said() -> None:
    headroom.require("a test")


@pytest.mark.parametrize("size", [1 << 50, 1 << 90])
def test_a_model_larger_than_memory_is_refused(size: int) -> None:
    with pytest.raises(ResourceError, match=r"running net\.xml needs [\d,]+ MB more memory than this process can get"):
        headroom.require("running net.xml", size)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ("setrlimit(RLIMIT_AS, (300 << 20,) * 2)", "MB more memory than this process can get"),
        (
            "setrlimit(RLIMIT_AS, (2 << 30,) * 2); threading.stack_size(1 << 30)",
            "and this process can start only 1 more",
        ),
    ],
    ids=["memory", "threads"],
)
def test_limits_of_the_process_are_found(limits: str, words: str) -> None:
    program = f"import threading; from resource import *; from mixnet_tools import headroom\n{limits}\n"
    program += "headroom.require('OpenVINO')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ResourceError: OpenVINO needs" in done.stderr
    assert words in done.stderr
