"""PyTorch modules through the real commands: of installed packages, and code of others, kept in its place."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openvino
import pytest

from tests.support.commands import run
from tests.support.waiting import wait_for
from tests.zoo.random_weights import write
from tests.zoo.torch_zoo import TorchZoo

MEAN = ["--mean_values=data[123.675,116.28,103.53]", "--scale_values=data[58.395,57.12,57.375]",
        "--reverse_input_channels"]  # fmt: skip

PACKAGED = {
    "resnet": ("torchvision.models", "resnet18", {}, 224),
    "mobilenet": ("torchvision.models", "mobilenet_v2", {}, 224),
    "of-timm": ("timm", "create_model", {"model_name": "'test_efficientnet'"}, 160),
}
"""Models of installed packages: Python module, function, parameters, image size."""

NET = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 10, 8)

    def forward(self, images):
        return self.layer(images).flatten(1) / 50

def make():
    return Net()
"""

ATTEMPTS = """
import os, socket
from pathlib import Path

def attempt(name, action):
    try:
        action()
    except OSError:
        return ""
    return name + " "

done = "".join((
    attempt("read", lambda: open({secret!r}).read()),
    attempt("write", lambda: open({target!r}, "w").write("x")),
    attempt("change", lambda: open(__file__, "a").write("x")),
    attempt("remove", lambda: os.remove(__file__)),
    attempt("mode", lambda: os.chmod(__file__, 0)),
    attempt("fork", lambda: os.fork()),
    attempt("run", lambda: os.execv("/bin/true", ["true"])),
    attempt("connect", lambda: socket.create_connection(("127.0.0.1", {port}))),
    attempt("local", lambda: socket.socket(socket.AF_UNIX)),
    attempt("signal", lambda: os.kill(os.getppid(), 9)),
))
Path(__file__).read_bytes()
if done:
    raise SystemExit("could " + done)
"""


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> TorchZoo:
    """Models of installed packages with random weights."""
    zoo = TorchZoo(tmp_path_factory.mktemp("torch"))
    for name, (module, function, parameters, size) in PACKAGED.items():
        write(zoo.folder(name) / "net.pth", module, function, parameters, (1, 3, size, size), key="state_dict")
        arguments = [f"--import-module={module}", f"--model-name={function}", "--weights=$dl_dir/net.pth"]
        zoo.add(name, [*arguments, *(f"--model-param={key}={text}" for key, text in parameters.items())], size, MEAN)
    return zoo


@pytest.fixture(scope="module")
def converted(zoo: TorchZoo) -> dict[str, Any]:
    """What ``mixnet-convert --json`` says of these models, by name."""
    done = run("convert", "--name", ",".join(PACKAGED), "--models_dir", zoo.models, "-d", zoo.downloads, "--json")
    assert done.code == 0, done.err
    return {model["name"]: model for model in json.loads(done.out)["models"]}


def convert(zoo: TorchZoo, name: str, *options: str) -> tuple[int, str]:
    """Exit code and stderr of a conversion."""
    done = run(
        "convert", "--name", name, "--models_dir", zoo.models, "-d", zoo.downloads, "--precisions", "FP32", *options
    )
    assert "Traceback" not in done.err
    return done.code, done.err


@pytest.mark.parametrize("name", PACKAGED)
def test_a_model_of_an_installed_package_is_converted_and_proved(
    name: str, converted: dict[str, Any], zoo: TorchZoo
) -> None:
    irs = {one["precision"]: one for one in converted[name]["irs"]}
    assert set(irs) == {"FP32", "FP16"}
    for precision, share in (("FP32", 1e-4), ("FP16", 0.1)):
        (proof,) = irs[precision]["parity"]
        assert proof["output"] == "prob"
        assert proof["max_difference"] < share * proof["variation"]
        assert proof["top1_agreement"] == 1
    report = json.loads((Path(irs["FP32"]["xml"]).parent / "conversion.json").read_text())
    assert report["reference"]["software"].startswith("PyTorch ")
    assert any("writes nothing" in line for line in report["reference"]["restrictions"])


def test_the_ir_has_the_descriptors_names_and_the_modules(converted: dict[str, Any]) -> None:
    model = openvino.Core().read_model(converted["resnet"]["irs"][0]["xml"])
    (image,), (answer,) = model.inputs, model.outputs
    assert (image.get_names(), answer.get_names()) == ({"data"}, {"prob"})
    assert list(image.shape) == [1, 3, 224, 224]
    assert image.node.layout == openvino.Layout("NCHW")
    names = [operation.get_friendly_name() for operation in model.get_ordered_ops()]
    assert "__module.layer1.0.relu/aten::relu_/Relu_1" in names
    assert not any(operation.get_type_name() in ("Gather", "Split") for operation in model.get_ordered_ops())


def test_converting_again_gives_the_same_bytes(converted: dict[str, Any], zoo: TorchZoo, tmp_path: Path) -> None:
    assert convert(zoo, "of-timm", "-o", str(tmp_path), "--no_verify")[0] == 0
    for suffix in ("xml", "bin"):
        first = Path(converted["of-timm"]["irs"][0]["xml"]).with_suffix(f".{suffix}")
        assert (tmp_path / "public/of-timm/FP32" / first.name).read_bytes() == first.read_bytes()


@pytest.fixture
def own(tmp_path: Path) -> TorchZoo:
    """A zoo for models with code of their own."""
    return TorchZoo(tmp_path)


def test_code_of_others_runs_by_consent_only(own: TorchZoo) -> None:
    own.add_code("net", NET)
    code, err = convert(own, "net")
    assert code == 1
    assert "None of it has run" in err
    assert "net.py  sha256:" in err
    assert "--trust_code net" in err
    code, err = convert(own, "net", "--trust_code", "other,net")
    assert code == 0, err
    assert "net.py  sha256:" in err


@pytest.fixture
def listener() -> Iterator[int]:
    """The port of a socket that listens on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_code_that_writes_connects_or_starts_something_is_stopped(own: TorchZoo, listener: int) -> None:
    secret, target = own.root / "secret", own.root / "target"
    secret.write_text("secret")
    own.add_code("net", NET + ATTEMPTS.format(secret=str(secret), target=str(target), port=listener))
    before = (own.folder("net") / "net.py").read_bytes()
    code, err = convert(own, "net", "--trust_code", "net")
    assert code == 0, err
    assert not target.exists()
    assert (own.folder("net") / "net.py").read_bytes() == before


def test_an_attempt_that_is_not_caught_is_told(own: TorchZoo) -> None:
    own.add_code("net", NET.replace("return Net()", f"open({str(own.root / 'x')!r}, 'w')"))
    code, err = convert(own, "net", "--trust_code", "net")
    assert code == 1
    assert "net.make(): PermissionError" in err
    assert "net.py, line" in err
    assert "not write, connect or run programs" in err


@pytest.mark.parametrize(
    ("code", "arguments", "words"),
    [
        (NET, ["--import-module=nett"], "there is no Python module 'nett'"),
        ("raise KeyboardInterrupt", [], "importing net: KeyboardInterrupt"),
        (NET + "import json; json.dumps = lambda *_, **__: '[1]'", [], "answers in no known form"),
        (NET, ["--model-name=mak"], "has no class or function 'mak'"),
        (NET.replace("return Net()", "return 3"), [], "expected a torch.nn.Module, got int"),
        (NET.replace("Conv2d(3", "Conv2d(4"), [], "cannot compute with data [1, 3, 8, 8]"),
        (NET.replace("return self", "return float('nan') * self"), [], "not numbers (NaN)"),
        (NET + "import a_module_that_is_not_there", [], "its code needs the Python module a_module_that_is_not_there"),
    ],
)
def test_what_is_wrong_is_told_in_one_message(own: TorchZoo, code: str, arguments: list[str], words: str) -> None:
    names = [one.partition("=")[0] for one in arguments]
    (own.folder("net") / "net.py").write_text(code)
    base = ["--model-path=$dl_dir", "--import-module=net", "--model-name=make"]
    own.add("net", [one for one in base if one.partition("=")[0] not in names] + arguments, size=8)
    # A name that is not in the model's folder is one of an installed package: consent is for its name.
    exit_code, err = convert(own, "net", "--trust_code", "net")
    assert exit_code == 1
    assert words in err


def test_ctrl_c_while_the_child_process_works_ends_both(own: TorchZoo) -> None:
    sleeping = NET.replace("return self", "__import__('time').sleep(300); return self")
    own.add_code("net", sleeping)
    process = subprocess.Popen(
        [sys.executable, "-m", "mixnet_tools.cli.main", "convert", "--name", "net", "--models_dir", str(own.models),
         "-d", str(own.downloads), "--trust_code", "net"],
        stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stderr is not None
    while "net: converting" not in process.stderr.readline():  # it is told where a stage takes long
        assert process.poll() is None
    children = originals_below(process.pid)
    assert children
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), "the end of the child process")
    assert list(own.downloads.rglob("*.xml")) == []


def originals_below(pid: int) -> list[int]:
    """The numbers of the processes below ``pid`` that run an original."""
    found = []
    for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
        if b"mixnet_tools.reference.child" in Path(f"/proc/{child}/cmdline").read_bytes():
            found.append(child)
        found += originals_below(child)
    return found
