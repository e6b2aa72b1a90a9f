"""The architecture that is converted here as MixNet-L is the published one: timm's port of it computes the same.

The published archive cannot be fetched by tests. Its stand-ins have its form and size, with random weights. These
weights are put into timm's ``tf_mixnet_l``, a port of the published checkpoint by other people, which reaches 78.774 %
with the published weights. Every variable has its place there, none is left over, and the answers are the same.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow.compat.v1 as tf
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from tests.support import timm_hub
from tests.support.commands import run
from tests.support.http_server import FaultyServer
from tests.support.standin import StandIn, in_form, raw_values, synthetic_images
from tests.zoo.timm_weights import timm_state
from training.layer_names import Form
from training.mixnet import MIXNET_L
from training.mixnet_tf1 import MEAN_RGB, STD_RGB

Logits = npt.NDArray[np.float32]
IMAGES = 4
EXACT = 1e-4
"""Of the largest logit. Measured: 3e-5 over logits of 8."""


@pytest.fixture(scope="module")
def full_size(standin: Callable[[str], StandIn]) -> StandIn:
    """The stand-in of the published archive."""
    return standin("l")


@pytest.fixture(scope="module")
def state(full_size: StandIn) -> dict[str, torch.Tensor]:
    """The stand-in's weights as a state of timm's model."""
    return timm_state(raw_values(full_size, MIXNET_L), MIXNET_L, timm.create_model("tf_mixnet_l"))


@pytest.fixture(scope="module")
def port(state: dict[str, torch.Tensor]) -> Callable[[float], Logits]:
    """timm's model with the stand-in's weights, on :data:`IMAGES` images; for an epsilon of batch normalization."""
    model = timm.create_model("tf_mixnet_l").eval()
    model.load_state_dict({**model.state_dict(), **state})
    images = synthetic_images(IMAGES, 224, seed=7)
    mean, std = (np.asarray(values, np.float32) for values in (MEAN_RGB, STD_RGB))
    batch = torch.from_numpy(((images - mean) / std).transpose(0, 3, 1, 2).copy())

    def logits(epsilon: float) -> Logits:
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eps = epsilon
        with torch.inference_mode():
            found: Logits = model(batch).numpy()
        return found

    return logits


def test_every_variable_has_its_place_and_none_is_left_over(state: dict[str, torch.Tensor]) -> None:
    theirs = timm.create_model("tf_mixnet_l").state_dict()
    counters = {name for name in theirs if name.endswith("num_batches_tracked")}  # training counts them
    assert len(state) == 421
    assert set(state) == set(theirs) - counters
    assert {name: tuple(value.shape) for name, value in state.items()} == {
        name: tuple(theirs[name].shape) for name in state
    }
    assert sum(value.numel() for value in state.values()) == 7_383_524


@pytest.mark.parametrize("form", ["plain", "upstream", "upstream-2018"])
def test_the_logits_are_those_of_timms_port(
    full_size: StandIn, port: Callable[[float], Logits], form: Form, tmp_path: Path
) -> None:
    archive = full_size if form == "plain" else in_form(full_size, tmp_path / "mixnet-l.tar.gz", MIXNET_L, form)
    with tarfile.open(archive.path) as packed:
        packed.extractall(tmp_path, filter="data")
    prefix = str(tmp_path / "mixnet-l" / "model.ckpt")
    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.import_meta_graph(f"{prefix}.meta").restore(session, prefix)
        original = session.run("logits:0", {"IteratorGetNext:0": synthetic_images(IMAGES, 224, seed=7)})
    scale = np.abs(original).max()
    assert np.ptp(original, axis=0).max() > 0.1 * scale  # answers depend on the image
    assert np.abs(port(1e-3) - original).max() <= EXACT * scale
    if form == "plain":
        # The comparison sees a small mistake: PyTorch's own epsilon.
        assert np.abs(port(1e-5) - original).max() > 100 * EXACT * scale


def test_timms_model_goes_from_the_hub_to_a_measured_ir(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    model = timm.create_model("tf_mixnet_l").eval()
    model.load_state_dict({**model.state_dict(), **state})
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    labels = _label(model, tmp_path / "images")
    assert len(set(labels)) > 2
    with FaultyServer() as server:
        timm_hub.put_weights(server, "timm/tf_mixnet_l.in1k", (tmp_path / "model.safetensors").read_bytes())
        timm_hub.put_results(server)
        environment = timm_hub.environment(server)
        made = run("new", "--timm", "tf_mixnet_l", "--json", cwd=tmp_path, env=environment)
        assert made.code == 0, made.err
        document = json.loads(made.out)
        assert (document["name"], document["kind"], document["decisions"]) == ("tf_mixnet_l.in1k", "pytorch", [])
        arguments = ("--name", "tf_mixnet_l.in1k", "--models_dir", "my_zoo")
        for command in ("download", "convert"):
            outcome = run(command, *arguments, cwd=tmp_path)
            assert outcome.code == 0, outcome.err
    measuring = ("--launcher", "openvino", "--source", "images", "--json", "--no_speed")
    checked = run("check", *arguments, *measuring, cwd=tmp_path)
    assert checked.code == 0, checked.err
    (report,) = json.loads(checked.out)["reports"]
    # The labels are timm's own answers to its own preparation of these files.
    assert {result["top1"]["fraction"] for result in report["results"]} == {1.0}


def _label(model: torch.nn.Module, folder: Path) -> list[int]:
    """Photos of several sizes in ``folder``, labelled with what timm answers."""
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    folder.mkdir()
    labels = []
    for index, pixels in enumerate(synthetic_images(8, 300, seed=21)):
        path = folder / f"image_{index}.jpg"
        Image.fromarray(pixels.astype(np.uint8)[: 300 - 17 * (index % 4), : 300 - 31 * (index % 3)]).save(path)
        with Image.open(path) as image, torch.inference_mode():
            labels.append(int(model(transform(image.convert("RGB"))[None])[0].argmax()))
    (folder / "val.txt").write_text("".join(f"image_{n}.jpg {label}\n" for n, label in enumerate(labels)))
    return labels
