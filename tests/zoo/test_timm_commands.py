"""``mixnet-info --timm`` and ``mixnet new --timm`` as typed, with a local Hub; MixNet's three sizes to their IRs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save

from mixnet_tools.cli.main import mixnet
from tests.support import timm_hub
from tests.support.commands import run, run_ok
from tests.support.http_server import Answer, FaultyServer
from tests.zoo.random_weights import calibrate

FAMILY = {"tf_mixnet_s.in1k": 75.656, "tf_mixnet_m.in1k": 76.952, "tf_mixnet_l.in1k": 78.774}
"""The ports of the published MixNets, and what timm measured of each: top-1 in percent."""

ROW = "{},224,{},0,94.000,6.000,7.33,0.875,bicubic\n"


@pytest.fixture(scope="module")
def hub() -> Iterator[FaultyServer]:
    """The Hub, which has MixNets with random weights, and GitHub."""
    with FaultyServer() as server:
        for name in FAMILY:
            torch.manual_seed(19)
            model = timm.create_model(name.partition(".")[0])
            calibrate(model, (1, 3, 224, 224))
            timm_hub.put_weights(server, f"timm/{name}", save(model.state_dict()))
        header = timm_hub.RESULTS.splitlines(keepends=True)[0]
        timm_hub.put_results(server, header + "".join(ROW.format(*row) for row in FAMILY.items()))
        yield server


def test_classifiers_are_listed_as_a_table_and_as_json() -> None:
    document = json.loads(run_ok("info", "--timm", "tf_mixnet_?").out)
    assert (document["schema"], document["timm"]) == (1, timm.__version__)
    assert [model["name"] for model in document["models"]] == sorted(FAMILY)
    assert document["models"][0]["trained"] == {"side": 224, "crop_pct": 0.875}
    lines = run_ok("info", "--timm", "convnext_tiny.fb_in1k", "--table").out.splitlines()
    assert lines[0].split() == ["model", "pixels", "crop_pct", "crop_mode", "filter", "classes", "larger", "licence"]
    assert "288 (1)" in lines[2]
    assert lines[3].startswith("1 of timm ")


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("tf_mixnt*", "did you mean tf_mixnet_"),
        ("nothing_like_it*", "list what it has with a pattern"),
        ("*_dinov2", "and 3 more are no classifiers of square colour images"),
        ("", "has no classifier that matches ''"),
    ],
)
def test_a_pattern_without_a_classifier_is_answered(
    pattern: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mixnet(["info", "--timm", pattern]) == 2
    assert words in capsys.readouterr().err
    assert mixnet(["info", "--timm", pattern, "--lint", "my_zoo"]) == 2
    assert "--lint stands alone; it cannot be combined with --timm" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("tf_mixnt_l", 2, "did you mean tf_mixnet_l.in1k or"),
        ("tf_mixnet_l.in22k", 2, "has no pretrained model 'tf_mixnet_l.in22k'\n  try: did you mean tf_mixnet_l.in1k?"),
        ("resnet18.a1_in1K", 2, "did you mean resnet18.a1_in1k or resnet18."),
        ("vit_small_patch14_dinov2", 2, "vit_small_patch14_dinov2.lvd142m: is no classifier of square colour images"),
        ("resnet18.tv_in1k", 1, "the Hub has no model.safetensors of timm/resnet18.tv_in1k"),
        ("resnet18.a1_in1k", 1, "timm/resnet18.a1_in1k is not for everyone: gated, private, or not there"),
        ("resnet18.a2_in1k", 1, "HTTP 500 Internal Server Error"),
    ],
)
def test_a_model_that_cannot_be_described_leaves_nothing(
    name: str,
    code: int,
    words: str,
    hub: FaultyServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for weights, status in (("a1_in1k", 401), ("a2_in1k", 500)):
        hub.put(f"/timm/resnet18.{weights}/resolve/main/model.safetensors", b"", Answer(status))
    for variable, address in timm_hub.environment(hub).items():
        monkeypatch.setenv(variable, address)
    monkeypatch.chdir(tmp_path)
    assert mixnet(["new", "--timm", name]) == code
    err = capsys.readouterr().err
    assert words in err
    assert err.count("error:") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("address", "code", "words"),
    [
        ("http://127.0.0.1:9", 1, "refuses the connection"),
        ("hub", 2, "HF_ENDPOINT: expected an http:// or https:// address, got 'hub'"),
    ],
)
def test_a_hub_that_cannot_be_asked_is_named(
    address: str,
    code: int,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", address)
    monkeypatch.chdir(tmp_path)
    assert mixnet(["new", "--timm", "tf_mixnet_l"]) == code
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.timeout(900)
def test_the_mixnet_family_is_described_without_a_fault_and_converts(hub: FaultyServer, tmp_path: Path) -> None:
    for name in FAMILY:
        made = run("new", "--timm", name, "--json", cwd=tmp_path, env=timm_hub.environment(hub))
        assert made.code == 0, made.err
        assert json.loads(made.out)["decisions"] == []
    assert run_ok("info", "--lint", "my_zoo", cwd=tmp_path).out == "3 models, no problem\n"
    assert len(run_ok("convert", "--all", "--models_dir", "my_zoo", "--dry_run", cwd=tmp_path).out.splitlines()) >= 3
    for name, top1 in FAMILY.items():
        text = (tmp_path / "my_zoo/public" / name / "accuracy-check.yml").read_text()
        assert f"reference: {top1 / 100:g}\n" in text
    chosen = ("--name", "tf_mixnet_s.in1k", "--models_dir", "my_zoo")  # test_flagship.py converts the large one
    run_ok("download", *chosen, cwd=tmp_path)
    (model,) = json.loads(run_ok("convert", *chosen, "--precisions", "FP32", "--json", cwd=tmp_path).out)["models"]
    assert model["irs"][0]["parity"][0]["top1_agreement"] == 1
