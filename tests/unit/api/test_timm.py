"""What is written for a model of timm, and what the Hub and GitHub are asked: without timm, and with a local server."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
import yaml

from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import load_accuracy_config
from mixnet_tools.accuracy.preprocessing.plan import make_plan
from mixnet_tools.api.authoring.timm import catalog
from mixnet_tools.api.authoring.timm.catalog import Evaluation, TimmModel
from mixnet_tools.api.authoring.timm.hub import HubFile, hub_file
from mixnet_tools.api.authoring.timm.new import new_timm_model
from mixnet_tools.api.authoring.timm.results import fetch_results
from mixnet_tools.api.authoring.timm.texts import TimmText, accuracy_text, model_text
from mixnet_tools.api.authoring.write import decisions
from mixnet_tools.conversion.arguments import plan_conversion
from mixnet_tools.descriptors.model_yml import load_descriptor
from mixnet_tools.errors import DownloadError, HttpStatusError, MissingDependency, OutputError, UsageError
from tests.support import timm_hub
from tests.support.http_server import Answer, FaultyServer
from tests.support.timm_hub import RESULTS_REVISION, REVISION

WEIGHTS = b"safetensors" * 99
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MIXNET = TimmModel(
    "tf_mixnet_l.in1k", "tf_mixnet_l", "timm/tf_mixnet_l.in1k", None, Evaluation(224, 0.875), None, "center", "bicubic",
    *IMAGENET, 1000, "apache-2.0",
)  # fmt: skip
CONVNEXT = replace(
    MIXNET,
    name="convnext_tiny.fb_in1k",
    architecture="convnext_tiny",
    repository="timm/convnext_tiny.fb_in1k",
    tested=Evaluation(288, 1.0),
)
FILE = HubFile(f"https://huggingface.co/timm/x/resolve/{REVISION}/model.safetensors", REVISION, 29_900_000, "ab" * 32)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    """The Hub and GitHub."""
    with FaultyServer() as running:
        for name, value in timm_hub.environment(running).items():
            monkeypatch.setenv(name, value)
        yield running


def test_the_hub_is_asked_for_headers_only(server: FaultyServer) -> None:
    timm_hub.put_weights(server, "timm/tf_mixnet_l.in1k", WEIGHTS)
    found = hub_file("timm/tf_mixnet_l.in1k", "model.safetensors")
    assert found.url == f"{server.url}/timm/tf_mixnet_l.in1k/resolve/{REVISION}/model.safetensors"
    assert (found.revision, found.size, found.sha256) == (REVISION, len(WEIGHTS), hashlib.sha256(WEIGHTS).hexdigest())
    assert server.paths() == ["/timm/tf_mixnet_l.in1k/resolve/main/model.safetensors"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"X-Linked-Etag": '"d41d8cd98f00b204e9800998ecf8427e"'}, "in the header X-Linked-Etag, got 'd41d8cd9"),
        ({"X-Linked-Size": "many"}, "in the header X-Linked-Size, got 'many'"),
        ({"X-Repo-Commit": "main"}, "in the header X-Repo-Commit, got 'main'"),
    ],
)
def test_a_server_that_does_not_tell_the_digest_is_refused(
    changed: dict[str, str], words: str, server: FaultyServer
) -> None:
    timm_hub.put_weights(server, "timm/x", WEIGHTS, {**timm_hub.told(WEIGHTS), **changed})
    with pytest.raises(DownloadError, match="does not tell what the file is") as caught:
        hub_file("timm/x", "model.safetensors")
    assert words in str(caught.value)


def test_what_the_hub_does_not_have_is_told(server: FaultyServer) -> None:
    with pytest.raises(DownloadError, match="404") as caught:
        hub_file("timm/x", "model.safetensors")
    assert "the Hub has no model.safetensors of timm/x" in str(caught.value.hint)
    server.put("/timm/z/resolve/main/model.safetensors", b"", Answer(401))
    with pytest.raises(HttpStatusError, match="401") as denied:
        hub_file("timm/z", "model.safetensors")
    assert "timm/z is not for everyone" in str(denied.value.hint)
    server.put("/timm/y/resolve/main/model.safetensors", WEIGHTS)
    with pytest.raises(DownloadError, match="sent no header X-Repo-Commit"):
        hub_file("timm/y", "model.safetensors")


@pytest.mark.parametrize("address", ["hub", "ftp://user:secret@hub", "file:///hub"])
def test_an_address_that_is_not_http_is_named_with_its_variable(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", address)
    with pytest.raises(UsageError, match="HF_ENDPOINT: expected an http:// or https:// address, got") as caught:
        hub_file("timm/x", "model.safetensors")
    assert "secret" not in str(caught.value)


def test_published_figures_are_those_of_the_size_and_share(server: FaultyServer) -> None:
    timm_hub.put_results(server)
    results = fetch_results()
    assert server.paths()[1].endswith(f"results-imagenet.csv?ref={RESULTS_REVISION}")
    found = [results.of(CONVNEXT, one) for one in (CONVNEXT.trained, Evaluation(288, 1.0), Evaluation(288, 0.95))]
    assert [one and (one.top1, one.top5) for one in found] == [(0.82062, 0.95854), (0.827, 0.9615), None]
    assert found[0] is not None
    assert found[0].source == "timm's results-imagenet.csv of 2026-08-08, revision 76543210fedc"
    assert results.of(replace(MIXNET, interpolation="bilinear"), MIXNET.trained) is None


@pytest.mark.parametrize(
    "text", ["", "model,img_size\na,b\n", "model,img_size,top1,top5,crop_pct,interpolation\na,x,1,1,1,c\n"]
)
def test_figures_in_another_form_are_refused(text: str, server: FaultyServer) -> None:
    timm_hub.put_results(server, text)
    with pytest.raises(DownloadError, match="is not what GitHub's interface gives, or another file"):
        fetch_results()


def read(text: TimmText, folder: Path) -> tuple[dict[str, object], dict[str, object]]:
    """The two texts as YAML, after every stage read them."""
    place = folder / "public" / text.name
    place.mkdir(parents=True)
    (place / "model.yml").write_text(model_text(text))
    (place / "accuracy-check.yml").write_text(accuracy_text(text))
    descriptor = load_descriptor(place / "model.yml", PurePosixPath("public") / text.name)
    plan = plan_conversion(descriptor, folder)
    assert plan.source.kind == "pytorch"
    assert make_plan(load_accuracy_config(place / "accuracy-check.yml").measurement("openvino"), 3).order == "BGR"
    return yaml.safe_load(model_text(text)), yaml.safe_load(accuracy_text(text))


def test_the_texts_say_what_timm_and_the_hub_say(server: FaultyServer, tmp_path: Path) -> None:
    timm_hub.put_results(server)
    published = fetch_results().of(MIXNET, MIXNET.trained)
    text = TimmText("mixnet", MIXNET, MIXNET.trained, "1.0.31", "model.safetensors", FILE, "2026-11-26", published)
    model, accuracy = read(text, tmp_path)
    assert model == {
        "description": "tf_mixnet_l.in1k: the architecture tf_mixnet_l of timm "
        "<https://github.com/huggingface/pytorch-image-models>, with the weights of "
        "<https://huggingface.co/timm/tf_mixnet_l.in1k>.",
        "task_type": "classification",
        "files": [
            {"name": "model.safetensors", "size": 29_900_000, "checksum": f"sha256:{'ab' * 32}", "source": FILE.url}
        ],
        "input_info": [{"name": "image", "shape": [1, 3, 224, 224], "layout": "NCHW"}],
        "conversion_to_onnx_args": [
            "--import-module=timm",
            "--model-name=create_model",
            '--model-param=model_name="tf_mixnet_l.in1k"',
            "--weights=$dl_dir/model.safetensors",
            "--input-shape=1,3,224,224",
            "--input-names=image",
            "--output-names=logits",
        ],
        "model_optimizer_args": [
            "--reverse_input_channels",
            "--mean_values=image[123.675,116.28,103.53]",
            "--scale_values=image[58.395,57.12,57.375]",
        ],
        "framework": "pytorch",
        "license": "apache-2.0 <https://huggingface.co/timm/tf_mixnet_l.in1k>",
    }
    assert accuracy == {
        "models": [
            {
                "name": "mixnet",
                "launchers": [{"framework": "openvino", "adapter": "classification"}],
                "datasets": [
                    {
                        "name": "imagenet_1000_classes",
                        "reader": "pillow_imread",
                        "preprocessing": [
                            {
                                "type": "resize",
                                "size": 256,
                                "aspect_ratio_scale": "greater",
                                "use_pillow": True,
                                "interpolation": "BICUBIC",
                            },
                            {"type": "crop", "size": 224, "use_pillow": True},
                            {"type": "rgb_to_bgr"},
                        ],
                        "metrics": [
                            {"name": "accuracy@top1", "type": "accuracy", "top_k": 1, "reference": 0.78774},
                            {"name": "accuracy@top5", "type": "accuracy", "top_k": 5, "reference": 0.94},
                        ],
                    }
                ],
            }
        ]
    }
    assert decisions(model_text(text) + accuracy_text(text)) == ()
    assert "told on 2026-11-26: they are trusted as they came" in " ".join(model_text(text).split("\n# "))
    assert "The references are from timm's results-imagenet.csv of 2026-08-08" in accuracy_text(text)


def test_what_nobody_knows_is_left_to_a_person(tmp_path: Path) -> None:
    odd = replace(MIXNET, license=None, classes=21_841, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    text = TimmText("odd", odd, odd.trained, "1.0.31", "model.safetensors", FILE, "2026-11-26", None, "a reason")
    model, _ = read(text, tmp_path)
    assert model["model_optimizer_args"] == ["--reverse_input_channels", "--scale_values=image[255,255,255]"]
    assert "name: odd_validation" in accuracy_text(text)
    found = decisions(model_text(text) + accuracy_text(text))
    assert len(found) == 3
    assert "name the licence" in found[0]
    assert "labels must count from 0" in found[1]
    assert found[2].endswith("'reference: 0.783'. a reason.")


def test_a_description_is_written_whole_or_not_at_all(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("find", "version"):
        value = CONVNEXT if name == "find" else "1.0.31"
        monkeypatch.setattr(f"mixnet_tools.api.authoring.timm.new.{name}", lambda *_, value=value: value)
    with pytest.raises(DownloadError):
        new_timm_model("convnext_tiny", models_dir=tmp_path / "zoo")
    with pytest.raises(UsageError, match="at 224 or 288 pixels, got 256"):
        new_timm_model("convnext_tiny", models_dir=tmp_path / "zoo", size=256)
    assert not (tmp_path / "zoo").exists()
    timm_hub.put_weights(server, "timm/convnext_tiny.fb_in1k", WEIGHTS)
    without = new_timm_model("convnext_tiny", models_dir=tmp_path / "zoo", dry_run=True)
    assert "timm's figures could not be fetched" in without.decisions[-1]
    assert not (tmp_path / "zoo").exists()
    timm_hub.put_results(server)
    made = new_timm_model("convnext_tiny", "mine", models_dir=tmp_path / "zoo", size=288)
    assert made.decisions == ()
    assert {path.name for path in made.directory.iterdir()} == {"model.yml", "accuracy-check.yml", "labels.txt"}
    assert "reference: 0.827\n" in (made.accuracy_check_yml or "")
    assert "size: 288" in (made.accuracy_check_yml or "")
    with pytest.raises(OutputError, match="is there already"):
        new_timm_model("convnext_tiny", "mine", models_dir=tmp_path / "zoo")


def test_without_timm_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingDependency, match="timm cannot be imported") as caught:
        catalog.find("tf_mixnet_l")
    assert "mixnet-tools[timm]" in str(caught.value.hint)
