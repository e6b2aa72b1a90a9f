"""Quantizing small models in this process: names, layouts, layers left in float, refusals, silence."""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from mixnet_tools.errors import IRError, MissingDependency, QuantizationError, UsageError
from mixnet_tools.ir.image_input import ImageInput
from mixnet_tools.ir.locate import ir_model
from mixnet_tools.quantization.float_layers import examine
from mixnet_tools.quantization.nncf_quietly import import_nncf, quiet
from mixnet_tools.quantization.quantize import quantize
from mixnet_tools.quantization.settings import QuantizationSettings
from mixnet_tools.quantization.source import layers, read_source
from mixnet_tools.quantization.throughput import beside_the_first, measure_rates, to_time
from mixnet_tools.values import CalibrationSet, IRModel

SIDE = 16
RNG = np.random.default_rng(7)
PICTURES = RNG.integers(0, 256, (6, SIDE, SIDE, 3)).astype(np.uint8)
FAST = QuantizationSettings(fast_bias_correction=True, subset_size=6, overflow_fix="enable")
"""So that every processor computes the same: without it, sums of products of eight bits saturate on some."""


def conv(node: Any, inputs: int, outputs: int, name: str, size: int = 1) -> Any:
    kernel = RNG.normal(0, 0.3, (outputs, inputs, size, size)).astype(np.float32)
    made = ops.convolution(node, ops.constant(kernel), [1, 1], [0, 0], [0, 0], [1, 1], name=name)
    return ops.add(made, ops.constant(RNG.normal(0, 0.1, (1, outputs, 1, 1)).astype(np.float32)))


def network(layout: str = "NHWC") -> Any:
    """stem, a squeeze-and-excitation block, dense: with rt_info and two names for the input."""
    shape = [1, SIDE, SIDE, 3] if layout == "NHWC" else [1, 3, SIDE, SIDE]
    image = ops.parameter(shape, np.float32, name="image")
    first = ops.transpose(image, ops.constant([0, 3, 1, 2])) if layout == "NHWC" else image
    node = ops.relu(conv(ops.multiply(first, ops.constant(np.float32(0.01))), 3, 8, "stem", 3))
    pooled = ops.reduce_mean(node, ops.constant([2, 3]), True)
    squeezed = ops.swish(conv(pooled, 8, 4, "se/reduce"))
    node = ops.multiply(node, ops.sigmoid(conv(squeezed, 4, 8, "se/expand")))
    node = ops.relu(conv(node, 8, 8, "middle"))
    flat = ops.reduce_mean(node, ops.constant([2, 3]))
    logits = ops.matmul(flat, ops.constant(RNG.normal(0, 1, (8, 4)).astype(np.float32)), False, False, name="dense")
    model = openvino.Model([logits], [image], "little")
    model.get_parameters()[0].set_layout(openvino.Layout(layout))
    model.input(0).set_names({"image:0", "picture"})
    model.output(0).set_names({"logits"})
    model.set_rt_info("Classification", ["model_info", "model_type"])
    return model


def save(folder: Path, model: Any, precision: str = "FP16") -> IRModel:
    target = ir_model(folder, "public/little", "little", precision)
    target.xml.parent.mkdir(parents=True)
    openvino.save_model(model, target.xml, compress_to_fp16=precision != "FP32")
    return target


def calibration() -> CalibrationSet:
    names = tuple(f"{index}.png" for index in range(len(PICTURES)))
    return CalibrationSet(PICTURES, names, "pictures", 6, "omz", ("as they are",), "00")


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("precision", ["FP32", "FP16"])
def test_names_layout_and_rt_info_are_kept(tmp_path: Path, layout: str, precision: str) -> None:
    source = read_source(save(tmp_path, network(layout), precision))
    assert source.image == ImageInput("NCHW" if layout == "NCHW" else "NHWC", 1, SIDE, SIDE)
    quantized = quantize(source, calibration(), FAST)
    saved = save(tmp_path, quantized, "FP16-INT8")
    found = openvino.Core().read_model(saved.xml)
    assert found.input(0).get_names() == {"image:0", "picture"}
    assert found.output(0).get_names() == {"logits"}
    assert found.get_parameters()[0].get_layout() == openvino.Layout(layout)
    assert found.get_friendly_name() == "little"
    assert found.get_rt_info(["model_info", "model_type"]).astype(str) == "Classification"
    assert found.get_rt_info(["quantization_parameters", "source_precision"]).astype(str) == precision
    assert found.get_rt_info(["quantization_parameters", "calibration_images"]).astype(str) == "6"
    counts = examine(found, ())
    assert counts.quantized == 3
    pattern = "NNCF's pattern: squeeze and excitation"
    assert [(layer.name, layer.reason) for layer in counts.in_float] == [("se/reduce", pattern), ("se/expand", pattern)]
    assert counts.by_reason() == {pattern: 2}
    # The source was not touched, and what it became computes nearly the same.
    assert "FakeQuantize" not in {one.get_type_name() for one in source.model.get_ops()}
    feed = PICTURES[:1].astype(np.float32)
    feed = feed.transpose(0, 3, 1, 2) if layout == "NCHW" else feed
    answers = [openvino.Core().compile_model(one, "CPU")(feed)[0] for one in (source.model, found)]
    assert np.abs(answers[0] - answers[1]).max() < 0.1 * np.abs(answers[0]).max() + 0.05


@pytest.mark.parametrize("batch", [4, -1])
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_an_ir_of_another_batch_keeps_it_and_computes_the_same(tmp_path: Path, layout: str, batch: int) -> None:
    model = network(layout)
    single = read_source(save(tmp_path / "single", model))
    model.reshape([batch, *model.input(0).shape[1:]])
    source = read_source(save(tmp_path / "batch", model))
    assert (source.image.batch, list(source.model.input(0).shape)) == (batch, source.image.shape(1))
    quantized = openvino.Core().read_model(save(tmp_path, quantize(source, calibration(), FAST), "FP16-INT8").xml)
    assert quantized.input(0).get_partial_shape()[0] == openvino.Dimension(batch)
    batched = openvino.Core().compile_model(quantized, "CPU")
    alone = openvino.Core().compile_model(quantize(single, calibration(), FAST), "CPU")
    images = source.image.arrange(PICTURES[:4].astype(np.float32))
    expected = np.concatenate([alone(image[np.newaxis])[0] for image in images])
    np.testing.assert_allclose(batched(images)[0], expected, atol=1e-3)


def test_ignored_layers_stay_in_float_and_say_why(tmp_path: Path) -> None:
    source = read_source(save(tmp_path, network()))
    settings = QuantizationSettings(fast_bias_correction=True, subset_size=6, ignore=("st*", "dense"))
    counts = examine(quantize(source, calibration(), settings), ["stem", "dense"])
    assert counts.quantized == 1
    assert counts.by_reason() == {"--ignore": 2, "NNCF's pattern: squeeze and excitation": 2}


def test_a_layer_without_quantizer_and_pattern_is_called_so() -> None:
    counts = examine(network(), ())
    assert {layer.name: layer.reason for layer in counts.in_float}["middle"] == "NNCF put no quantizer here"
    assert counts.quantized == 0


def test_an_unknown_name_to_ignore_is_refused_with_the_nearest(tmp_path: Path) -> None:
    source = read_source(save(tmp_path, network()))
    with pytest.raises(UsageError, match="`ignore=stam`: the model has no layer of this name") as caught:
        quantize(source, calibration(), QuantizationSettings(ignore=("stam",)))
    assert caught.value.hint == "did you mean stem?"


def test_a_quantized_model_is_refused(tmp_path: Path) -> None:
    source = read_source(save(tmp_path / "float", network()))
    again = save(tmp_path / "again", quantize(source, calibration(), FAST))
    with pytest.raises(QuantizationError, match=r"again.*little\.xml: is quantized already"):
        read_source(again)


def test_eight_bit_weights_without_quantizers_are_refused_too(tmp_path: Path) -> None:
    image = ops.parameter([1, SIDE, SIDE, 3], np.float32)
    packed = ops.convert(ops.constant(np.ones((3, 4), np.int8)), np.float32)
    model = openvino.Model([ops.matmul(image, packed, False, False, name="mix")], [image], "little")
    with pytest.raises(QuantizationError, match=r"is quantized already \(the weights of mix\)"):
        read_source(save(tmp_path, model))


def test_a_missing_or_broken_ir_is_named(tmp_path: Path) -> None:
    with pytest.raises(IRError, match=r"little\.xml: no such file"):
        read_source(ir_model(tmp_path, "public/little", "little", "FP16"))
    broken = save(tmp_path, network())
    broken.xml.write_text("<net")
    with pytest.raises(IRError, match=r"little\.xml: cannot be read"):
        read_source(broken)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ([1, 8], "expected an image input of fixed size with 3 channels"),
        ([1, SIDE, -1, 3], "expected an image input of fixed size"),
        ([1, SIDE, SIDE, 4], "expected an image input of fixed size"),
    ],
)
def test_what_is_no_image_model_is_refused(tmp_path: Path, shape: list[int], message: str) -> None:
    image = ops.parameter(openvino.PartialShape(shape), np.float32)
    model = openvino.Model(
        [ops.matmul(image, ops.constant(np.ones((shape[-1], 2), np.float32)), False, False)], [image]
    )
    with pytest.raises(IRError, match=message):
        read_source(save(tmp_path, model))


def test_a_model_without_layers_is_refused(tmp_path: Path) -> None:
    image = ops.parameter([1, SIDE, SIDE, 3], np.float32)
    with pytest.raises(QuantizationError, match="there is nothing to quantize"):
        read_source(save(tmp_path, openvino.Model([ops.relu(image)], [image], "little")))


def test_layers_are_listed_in_the_order_of_the_computation() -> None:
    assert [layer.name for layer in layers(network())] == ["stem", "se/reduce", "se/expand", "middle", "dense"]


def test_without_nncf_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(MissingDependency, match="quantization needs NNCF, which is not installed") as caught:
        import_nncf()
    assert caught.value.hint == "pip install 'mixnet-tools[int8]'"


def test_nncf_is_silent_and_its_logger_is_put_back(capfd: pytest.CaptureFixture[str]) -> None:
    import_nncf()
    logger = logging.getLogger("nncf")
    before = (list(logger.handlers), logger.propagate)
    with quiet() as heard:
        print("a bar")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        logger.warning("ranges")
        logger.warning("ranges")
        logger.info("done")
    assert heard == ["ranges"]
    assert (list(logger.handlers), logger.propagate) == before
    assert capfd.readouterr() == ("", "")


def test_throughput_is_a_ratio_of_the_two(tmp_path: Path) -> None:
    irs = [save(tmp_path, network(), precision) for precision in ("FP32", "FP16")]
    rates = measure_rates([to_time(ir) for ir in irs], rounds=2, seconds=0.01)
    found = beside_the_first(rates, "FP32", ["FP16"])
    assert len(found) == 1
    assert found[0][0].computed_in == "f32"
    for one in found[0]:
        assert (one.baseline, one.precision, one.rounds) == ("FP32", "FP16", 2)
        assert one.low <= one.ratio <= one.high
        assert min(one.fps, one.baseline_fps) > 0
