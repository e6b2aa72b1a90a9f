"""The published model's form and size, end to end: served over HTTP, downloaded, converted, compared."""

from __future__ import annotations

import dataclasses
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from mixnet_tools.conversion import convert as stage
from mixnet_tools.conversion.arguments import plan_conversion
from mixnet_tools.conversion.comparison_inputs import natural_images
from mixnet_tools.conversion.options import ConversionOptions
from mixnet_tools.conversion.plan import ConversionPlan
from mixnet_tools.conversion.preprocessing import finish
from mixnet_tools.conversion.sources.kinds import open_source
from mixnet_tools.descriptors import zoo
from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.errors import ParityError
from mixnet_tools.inference.openvino import OpenVinoModel
from mixnet_tools.inference.tensorflow import TensorFlowGraph
from mixnet_tools.ir.locate import ir_model
from mixnet_tools.values import FrozenGraph
from tests.support.commands import run_ok
from tests.support.http_server import FaultyServer
from tests.support.standin import StandIn

ARCHIVE = "mixnet-l.tar.gz"


@dataclasses.dataclass(frozen=True)
class Converted:
    """mixnet-l as the commands left it in ``folder``."""

    folder: Path
    model: ModelDescriptor
    plan: ConversionPlan
    frozen: FrozenGraph


@pytest.fixture(scope="module")
def converted(standin: Callable[[str], StandIn], tmp_path_factory: pytest.TempPathFactory) -> Converted:
    """The embedded descriptor, pointed at a local server that has the stand-in, through both commands."""
    full_size = standin("l")
    models, folder = tmp_path_factory.mktemp("zoo"), tmp_path_factory.mktemp("work")
    (entry,) = zoo.select(zoo.find_models([zoo.embedded_root()]), ["mixnet-l"])
    contents = yaml.safe_load(entry.path.read_text())
    with FaultyServer() as server:
        url = server.put(f"/{ARCHIVE}", full_size.path.read_bytes())
        (file,) = contents["files"]
        file.update(size=full_size.size, checksum=full_size.sha384)
        file.update(source=f"{url}.gone", original_source=url)
        path = models / "public/mixnet-l/model.yml"
        path.parent.mkdir(parents=True)
        path.write_text(yaml.safe_dump(contents, sort_keys=False))
        shutil.copy(entry.path.with_name("labels.txt"), path.parent)
        run_ok("download", "--name", "mixnet-l", "--models_dir", models, "-o", folder)
    run_ok("convert", "--name", "mixnet-l", "--models_dir", models, "-d", folder)
    model = zoo.find_models([models])[0].load()
    plan = plan_conversion(model, folder)
    return Converted(folder, model, plan, open_source(plan).freeze())


def test_the_ir_computes_the_originals_logits(converted: Converted) -> None:
    rgb = natural_images(6, 224, 224, seed=11)
    expected = TensorFlowGraph(converted.frozen).run(rgb)
    ir = ir_model(converted.folder, "public/mixnet-l", "mixnet-l", "FP32")
    logits = OpenVinoModel(ir.xml).run(np.ascontiguousarray(rgb[..., ::-1]))
    assert logits.shape == (6, 1000)
    assert np.abs(logits - expected).max() < 1e-3
    assert (logits.argmax(1) == expected.argmax(1)).all()
    # The comparison means something: logits differ between images by far more than the tolerance.
    assert np.ptp(expected, axis=0).max() > 1
    # RGB instead of BGR is another input to the network.
    assert np.abs(OpenVinoModel(ir.xml).run(rgb) - expected).max() > 0.5


@pytest.mark.parametrize("precision", ["FP32", "FP16"])
def test_a_forgotten_reversal_fails_the_proof(
    converted: Converted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    def forgetful(model: Any, plan: ConversionPlan, *rest: Any) -> Any:
        (entry,) = plan.inputs
        return finish(model, dataclasses.replace(plan, inputs=(dataclasses.replace(entry, reverse=False),)), *rest)

    monkeypatch.setattr("mixnet_tools.conversion.convert.finish", forgetful)
    with pytest.raises(ParityError, match="does not compute what the original computes"):
        stage.convert(converted.model, converted.folder, tmp_path, ConversionOptions(precisions=(precision,)))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("precision", ["FP32", "FP16"])
def test_the_ir_carries_the_cards_names_shapes_and_layout(converted: Converted, precision: str) -> None:
    import openvino

    ir = ir_model(converted.folder, "public/mixnet-l", "mixnet-l", precision)
    model = openvino.Core().read_model(ir.xml)
    (entry,), (result,) = model.inputs, model.outputs
    assert entry.get_any_name() == "IteratorGetNext/placeholder_out_port_0"
    assert entry.get_names() == {"IteratorGetNext/placeholder_out_port_0", "IteratorGetNext:0"}
    assert entry.get_node().get_friendly_name() == "IteratorGetNext/placeholder_out_port_0"
    assert result.get_names() == {"logits", "logits:0"}  # by the card, and by the Model Optimizer
    assert result.get_any_name() == "logits"
    assert [list(entry.get_shape()), list(result.get_shape())] == [[1, 224, 224, 3], [1, 1000]]
    assert entry.get_element_type() == openvino.Type.f32
    assert entry.get_node().get_layout() == openvino.Layout("NHWC")
    assert model.get_friendly_name() == "mixnet-l"
    assert model.get_rt_info(["conversion_parameters", "reverse_input_channels"]).astype(str) == "True"
    labels = model.get_rt_info(["model_info", "labels"]).astype(str).split()
    assert len(labels) == 1000
    assert labels[2] == "great_white_shark"
    operations = Counter(operation.get_type_name() for operation in model.get_ops())
    assert not {"Gather", "Split", "Reverse", "Subtract", "Divide"} & set(operations), "the reversal is folded"
    assert operations["GroupConvolution"] > 50


def test_fp16_weights_take_half_the_space(converted: Converted) -> None:
    sizes = [ir_model(converted.folder, "public/mixnet-l", "mixnet-l", p).bin.stat().st_size for p in ("FP32", "FP16")]
    assert 0.45 < sizes[1] / sizes[0] < 0.55


def test_converting_again_in_another_process_gives_the_same_bytes(converted: Converted, tmp_path: Path) -> None:
    models = converted.model.path.parents[2]
    run_ok(
        "convert", "--name", "mixnet-l", "--models_dir", models, "-d", converted.folder, "-o", tmp_path,
        "--precisions", "FP16",
    )  # fmt: skip
    first = ir_model(converted.folder, "public/mixnet-l", "mixnet-l", "FP16")
    second = ir_model(tmp_path, "public/mixnet-l", "mixnet-l", "FP16")
    report = "conversion.json"
    assert second.xml.with_name(report).read_bytes() == first.xml.with_name(report).read_bytes()
    assert second.xml.read_bytes() == first.xml.read_bytes()
    assert second.bin.read_bytes() == first.bin.read_bytes()


def test_info_counts_the_converted_model_beside_the_card(converted: Converted) -> None:
    import json

    (info,) = json.loads(run_ok("info", "--name", "mixnet-l", "--ir_dir", converted.folder).out)
    assert info["card"] == {"gflops": 0.565, "mparams": 7.3}
    for precision in ("FP32", "FP16"):
        assert info["ir"][precision]["mparams"] == pytest.approx(7.313)
        assert info["ir"][precision]["gmacs"] == pytest.approx(0.555)
