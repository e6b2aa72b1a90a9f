"""Images are prepared as timm's own transform prepares them: array by array, and with mean and std."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
from PIL import Image

from mixnet_tools.api.authoring.timm import catalog
from mixnet_tools.errors import UsageError
from tests.support.timm_preparation import JPEGS, LOSSLESS, PREPARATIONS, Preparation, ours
from tests.zoo.timm_transform import theirs

IMAGES = {**LOSSLESS, **JPEGS}

MODELS = {
    "tf_mixnet_l.in1k": ("center", 0.875),
    "resnet18.tv_in1k": ("center", 0.875),
    "convnext_tiny.fb_in1k": ("center", 0.875),
    "tf_efficientnet_b1.ap_in1k": ("center", 0.882),
    "volo_d4_448.sail_in1k": ("center", 1.15),
    "eva02_tiny_patch14_336.mim_in22k_ft_in1k": ("center", 1.0),
    "dm_nfnet_f0.dm_in1k": ("squash", 0.9),
}
"""A model of each crop mode and share that timm's classifiers have."""


@pytest.mark.parametrize("image", IMAGES)
def test_arrays_are_timms(image: str, tmp_path: Path) -> None:
    path = tmp_path / image
    IMAGES[image](path)
    for name, preparation in PREPARATIONS.items():
        assert np.array_equal(ours(path, preparation.steps), theirs(path, preparation)), name


@pytest.mark.parametrize("name", MODELS)
def test_a_models_configuration_is_followed_to_the_letter(name: str, tmp_path: Path) -> None:
    model = catalog.find(name)
    assert (model.crop_mode, model.trained.crop_pct) == MODELS[name]
    path = tmp_path / "photo.jpg"
    JPEGS["photo.jpg"](path)
    for tested in (False, True) if model.tested else (False,):
        evaluation = model.tested if tested and model.tested else model.trained
        config = timm.data.resolve_data_config(
            pretrained_cfg=timm.models.get_pretrained_cfg(name).to_dict(), use_test_size=tested
        )
        with Image.open(path) as image:
            expected = timm.data.create_transform(**config)(image).numpy().transpose(1, 2, 0)
        steps = Preparation(
            (evaluation.side, evaluation.side), evaluation.crop_pct, model.crop_mode, model.interpolation, model.mean
        ).steps
        mean, std = (255 * np.array(values) for values in (model.mean, model.std))
        found = (ours(path, steps) - mean) / std
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


def test_a_name_is_found_or_the_nearest_ones_are_told() -> None:
    assert catalog.find("tf_mixnet_l").name == "tf_mixnet_l.in1k"
    assert [model.name for model in catalog.matching("tf_mixnet*")] == [f"tf_mixnet_{one}.in1k" for one in "lms"]
    for name, words in (("tf_mixnt_l", "tf_mixnet_l"), ("nothing like it at all", "list what it has")):
        with pytest.raises(UsageError) as caught:
            catalog.find(name)
        assert words in str(caught.value.hint)
    with pytest.raises(UsageError, match="is no classifier"):
        catalog.find("vit_small_patch14_dinov2.lvd142m")
