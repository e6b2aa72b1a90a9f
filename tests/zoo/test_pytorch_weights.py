"""Weights are data: every form in which they are kept is read, and what is more, or less, is refused by name."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file, save_model

from mixnet_tools.reference.job import Refused
from mixnet_tools.reference.pytorch.weights import load_weights, read_weights


class Net(torch.nn.Module):  # type: ignore[misc]
    """Two layers, one of which has a buffer."""

    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.first = torch.nn.Linear(3, channels)
        self.norm = torch.nn.BatchNorm1d(channels)


class Payload:
    """An object that makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


STATE = Net().state_dict()
PREFIXED = {f"module.{name}": value for name, value in STATE.items()}


@pytest.mark.parametrize(
    ("contents", "key"),
    [
        (STATE, None),
        ({"state_dict": STATE, "epoch": 3, "optimizer": {"state": {0: {"step": torch.ones(1)}}}}, None),
        ({"model": PREFIXED}, None),
        (PREFIXED, None),
        ({f"module._orig_mod.{name}": value for name, value in STATE.items()}, None),
        ({f"_orig_mod.module.{name}": value for name, value in STATE.items()}, None),
        ({"epoch": 1, "state_dict": {f"model.net.{name}": value for name, value in STATE.items()}}, None),
        ({"n_averaged": torch.tensor(3), **PREFIXED}, None),
        ({"state_dict": {"other": torch.zeros(1)}, "state_dict_ema": STATE}, "state_dict_ema"),
        ({name: value for name, value in STATE.items() if "num_batches" not in name}, None),
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_weights_are_found_wherever_people_put_them(
    contents: Any, key: str | None, zipped: bool, tmp_path: Path
) -> None:
    path = tmp_path / "net.pth"
    torch.save(contents, path, _use_new_zipfile_serialization=zipped)
    net = Net()
    load_weights(net, read_weights(path, key), path)
    assert torch.equal(net.first.weight, STATE["first.weight"])


def test_safetensors_are_read(tmp_path: Path) -> None:
    path = tmp_path / "net.bin"
    save_file(dict(STATE), path)
    assert torch.equal(read_weights(path)["first.bias"], STATE["first.bias"])


def saved(contents: Any, **options: Any) -> Callable[[Path], None]:
    return lambda path: torch.save(contents, path, **options)


def written(data: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(data)

    return write


def cut(write: Callable[[Path], None], keep: int) -> Callable[[Path], None]:
    """A file of which the first ``keep`` bytes are left."""

    def cutting(path: Path) -> None:
        write(path)
        path.write_bytes(path.read_bytes()[:keep])

    return cutting


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "two levels down": (saved({"a": {"b": STATE}}), "holds no weights by their names; it has a"),
    "an index of several files": (written(b'{"weight_map": {"a": "1.safetensors"}}'), "got text in JSON"),
    "several": (saved({"a": STATE, "b": STATE}), "holds several sets of weights: a, b"),
    "a list": (saved([1, 2]), "expected names and tensors, got list"),
    "no weights": (saved({"epoch": 3}), "holds no weights by their names; it has epoch"),
    "cut": (cut(saved(STATE), 500), "cannot read these weights"),
    "cut, old": (cut(saved(STATE, _use_new_zipfile_serialization=False), 500), "cannot read these weights"),
    "empty": (written(b""), "cannot read these weights"),
    "text": (written(b"weights"), "cannot read these weights"),
    "safetensors with a bad header": (
        written(b"\xff" * 7 + b"\0" + b'{"weight":{}}'), "cannot be read as safetensors"
    ),
    "safetensors, cut": (cut(lambda path: save_file(dict(STATE), path), 150), "cannot be read as safetensors"),
    "a whole module": (saved(Net()), "torch.nn.modules.linear.Linear"),
    "a whole module, old": (saved(Net(), _use_new_zipfile_serialization=False), "is more than weights"),
    "a Namespace": (saved({"model": STATE, "args": argparse.Namespace(lr=1)}), "calls argparse.Namespace"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_weights_is_refused_by_name(name: str, tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    write, words = REFUSED[name]
    write(path)
    with pytest.raises(Refused) as caught:
        read_weights(path)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tensor: tensor.to(torch.int8), "numbers with a fraction for first.weight, got int8"),
        (lambda tensor: tensor.to(torch.complex64), "numbers with a fraction for first.weight, got complex64"),
        (lambda tensor: tensor.to_sparse(), "first.weight is sparse_coo"),
        (lambda tensor: tensor.to("meta"), "first.weight is without values"),
    ],
)
def test_tensors_that_are_no_weights_of_the_module_are_refused(
    change: Callable[[torch.Tensor], torch.Tensor], words: str, tmp_path: Path
) -> None:
    path = tmp_path / "net.pth"
    torch.save({**STATE, "first.weight": change(STATE["first.weight"])}, path)
    with pytest.raises(Refused) as caught:
        load_weights(Net(), read_weights(path), path)
    assert words in str(caught.value)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_other_precisions_are_taken(kind: torch.dtype, tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save({name: one.to(kind) if one.is_floating_point() else one for name, one in STATE.items()}, path)
    net = Net()
    load_weights(net, read_weights(path), path)
    assert torch.equal(net.first.weight, STATE["first.weight"].to(kind).float())


def test_a_tensor_that_layers_share_is_saved_once(tmp_path: Path) -> None:
    def shared() -> torch.nn.Module:
        net = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))
        net[1].weight = net[0].weight
        return net

    path, saved_net, net = tmp_path / "net.safetensors", shared(), shared()
    save_model(saved_net, path)
    load_weights(net, read_weights(path), path)
    assert torch.equal(net[1].weight, saved_net[0].weight)
    with pytest.raises(Refused, match=r"1 weights are missing: 1\.weight"):
        load_weights(torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)), read_weights(path), path)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_payload_is_named_and_does_not_run(zipped: bool, tmp_path: Path) -> None:
    path, made = tmp_path / "net.pth", tmp_path / "made"
    torch.save({"model": STATE, "extra": Payload(made)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(Refused, match=r"its pickle calls posix\.mkdir") as caught:
        read_weights(path)
    assert not made.exists()
    assert "weights_only=False" in (caught.value.hint or "")


def test_the_hint_saves_the_weights_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": STATE, "args": argparse.Namespace(lr=1)}, "net.pth")
    with pytest.raises(Refused) as caught:
        read_weights(tmp_path / "net.pth")
    program = (caught.value.hint or "").partition("code): ")[2]
    exec(f"import torch; {program}", {})  # in a folder of its own, on a file that this test wrote
    assert torch.equal(read_weights(tmp_path / "net-weights.pth")["first.bias"], STATE["first.bias"])


def test_weights_of_another_model_are_told_from_these() -> None:
    path = Path("net.pth")
    other = {"other": torch.zeros(1), "first.bias": torch.zeros(4)}
    with pytest.raises(Refused) as caught:
        load_weights(Net(), other, path)
    assert "net.pth: the weights are those of another model than Net: " in str(caught.value)
    assert "weights are missing: first.weight, norm.weight" in str(caught.value)
    assert "1 are not the model's: other" in str(caught.value)
    with pytest.raises(Refused, match=r"another model than Net: size mismatch for first.weight"):
        load_weights(Net(channels=5), STATE, path)
