"""Our commands send nothing home, and keep the packages that they use from it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
from mixnet_tools.cli.main import run
run("cache", ["ls", "--cache_dir", "."], "mixnet cache")
import openvino
from openvino.tools.ovc import convert_impl, telemetry_utils
from nncf.telemetry import wrapper
assert convert_impl.tm.__name__ == telemetry_utils.tm.__name__ == "openvino.tools.ovc.telemetry_stub"
assert not isinstance(wrapper.telemetry, wrapper.NNCFTelemetry)
assert not [name for name in sys.modules if name.startswith("openvino_telemetry.")]
"""


def test_openvino_and_nncf_do_without_what_sends(tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path)}
    for name in ("CI", "TF_BUILD", "JENKINS_URL"):  # where these are set, nothing is sent anyway
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "intel").exists()
