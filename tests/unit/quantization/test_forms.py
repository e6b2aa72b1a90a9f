"""In which form a network is quantized: what is preferred, when another form is tried, which is taken, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from mixnet_tools.ir.image_input import ImageInput
from mixnet_tools.ir.locate import ir_model
from mixnet_tools.progress import Progress
from mixnet_tools.quantization.float_layers import examine
from mixnet_tools.quantization.forms import choose_graph, draft_in_int8, graphs_of, kinds_of
from mixnet_tools.quantization.quantize import quantize
from mixnet_tools.quantization.report import QuantizationReport, trial_cells
from mixnet_tools.quantization.settings import QuantizationSettings
from mixnet_tools.quantization.source import layers, read_source
from mixnet_tools.quantization.stage import quantize_ir
from mixnet_tools.quantization.trials import QuantizationRequest
from mixnet_tools.values import CalibrationSet, Comparison, IRModel

SIDE = 8
RNG = np.random.default_rng(3)
QUICK = QuantizationSettings(fast_bias_correction=True, subset_size=4, overflow_fix="enable")


def weights(*shape: int) -> Any:
    return ops.constant(RNG.normal(0, 0.3, shape).astype(np.float32))


def mixconv(*, depthwise: bool = True) -> openvino.Model:
    """expand, a MixConv of two parts, project: a form of each kind is possible."""
    image = ops.parameter([1, 3, SIDE, SIDE], np.float32, name="image")
    image.set_layout(openvino.Layout("NCHW"))
    ones, none = [1, 1], [0, 0]
    node = ops.relu(ops.convolution(image, weights(8, 3, 1, 1), ones, none, none, ones, name="expand"))
    if depthwise:
        parts = ops.split(node, ops.constant(1), 2)
        mixed = [
            ops.group_convolution(
                parts.output(at), weights(4, 1, 1, k, k), ones, [k // 2] * 2, [k // 2] * 2, ones, name=f"mix{k}"
            )
            for at, k in enumerate((3, 5))
        ]
        node = ops.relu(ops.concat(mixed, 1))
    node = ops.convolution(node, weights(6, 8, 1, 1), ones, none, none, ones, name="project")
    return openvino.Model([ops.reduce_mean(node, ops.constant([2, 3]))], [image], "little")


def saved(folder: Path, model: openvino.Model, precision: str) -> IRModel:
    target = ir_model(folder, "public/little", "little", precision)
    target.xml.parent.mkdir(parents=True)
    openvino.save_model(model, target.xml, compress_to_fp16=precision == "FP16")
    return target


def calibrate(image: ImageInput) -> CalibrationSet:
    pictures = RNG.integers(0, 256, (4, image.height, image.width, 3)).astype(np.uint8)
    return CalibrationSet(pictures, ("a", "b", "c", "d"), "pictures", 4, "omz", ("as they are",), "00")


class Answers:
    """Measured comparisons, one after the other, of images that the differences are points of."""

    def __init__(self, *differences: int) -> None:
        self.left = list(differences)

    def prepare(self) -> None:
        """See :class:`mixnet_tools.quantization.stage.Measure`."""

    def __call__(self, ir: IRModel) -> tuple[Comparison, ...]:
        """See :class:`mixnet_tools.quantization.stage.Measure`."""
        return compared("FP32", 0), compared("FP16-INT8", self.left.pop(0))


def compared(precision: str, difference: int) -> Comparison:
    gained, lost = max(difference, 0), max(-difference, 0)
    return Comparison(precision, 100, 90 + difference, 95, gained, lost, 90, float(difference), (-9.0, 9.0), 100, None)


class Rates:
    """Measured speeds by type, in the order of the calls: of both graphs, of IRs and draft, of all IRs."""

    def __init__(self, *calls: Mapping[str, Sequence[float]]) -> None:
        self.left = list(calls)

    def __call__(self, models: Sequence[tuple[str, openvino.Model]]) -> dict[str, list[list[float]]]:
        """See :data:`mixnet_tools.quantization.throughput.MeasureRates`."""
        speeds = self.left.pop(0)
        assert {len(found) for found in speeds.values()} == {len(models)}
        return {kind: [[value] * 4 for value in found] for kind, found in speeds.items()}


def f32(*speeds: float) -> dict[str, Sequence[float]]:
    return {"f32": speeds}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> IRModel:
    return saved(tmp_path_factory.mktemp("float"), mixconv(), "FP32")


def quantized(
    source: IRModel, folder: Path, measured: Any, answers: Answers | None, **given: Any
) -> QuantizationReport:
    settings = replace(QUICK, **given.pop("settings", {}))
    target = ir_model(folder, "public/little", "little", "FP16-INT8")
    request = QuantizationRequest(source, target, (source,), settings, **given)
    return quantize_ir(request, calibrate, answers, Progress(), rates=measured)


def test_depthwise_layers_are_told_from_other_grouped_ones(source: IRModel) -> None:
    found = {layer.name: layer.depthwise for layer in layers(read_source(source).model)}
    assert found == {"expand": False, "mix3": True, "mix5": True, "project": False}


@pytest.mark.parametrize(
    ("given", "optimized", "kinds"),
    [
        ({}, [True, False], ("float", "int8")),
        ({"optimize": False}, [False], ("float", "int8")),
        ({"optimize": True}, [True], ("float", "int8")),
        ({"depthwise": "int8"}, [True, False], ("int8",)),
        ({"optimize": True, "depthwise": "float"}, [True], ("float",)),
        ({"ignore": ("mix3",)}, [True, False], ("float", "int8")),
        ({"ignore": ("expand", "project")}, [True, False], ("int8",)),  # nothing else would be left to quantize
        ({"target_device": "GPU"}, [False], ("int8",)),  # its speed is not known here
        ({"target_device": "GPU", "optimize": True, "depthwise": "float"}, [True], ("float",)),
    ],
)
def test_what_is_given_is_not_tried_otherwise(source: IRModel, given: Any, optimized: Any, kinds: Any) -> None:
    settings = replace(QUICK, **given)
    graphs = graphs_of(read_source(source), settings)
    assert [graph.optimized for graph in graphs] == optimized
    for graph in graphs:
        assert kinds_of(settings, layers(graph.source.model)) == kinds


def test_a_network_without_depthwise_layers_has_one_form(tmp_path: Path) -> None:
    (graph,) = graphs_of(read_source(saved(tmp_path, mixconv(depthwise=False), "FP32")), QUICK)
    assert graph.optimized is False
    assert kinds_of(QUICK, layers(graph.source.model)) == ("int8",)


@pytest.mark.parametrize(
    ("speeds", "optimized"),
    [
        (f32(100, 130), True),
        (f32(100, 92), True),  # as fast within chance
        (f32(100, 85), False),
        ({"f32": (100, 130), "bf16": (200, 150)}, False),  # bf16 is what applications get
        ({"f32": (100, 70), "bf16": (200, 220)}, True),
    ],
)
def test_the_optimized_graph_is_taken_unless_it_is_slower(source: IRModel, speeds: Any, optimized: bool) -> None:
    graph = choose_graph(graphs_of(read_source(source), QUICK), Rates(speeds))
    assert graph.optimized is optimized
    kind = list(speeds)[-1]
    ratio = speeds[kind][1] / speeds[kind][0]
    taken = "taken" if optimized else "not taken"
    assert graph.describe() == f"the optimized graph, in float {ratio:.2f} x as fast as the other ({kind}), was {taken}"


def test_what_is_faster_by_chance_changes_nothing(source: IRModel) -> None:
    graphs = graphs_of(read_source(source), QUICK)
    restless = {"f32": [[100.0] * 8, [60.0, 70.0, 99.0, 80.0, 120.0, 85.0, 100.0, 70.0]]}
    assert choose_graph(graphs, lambda models: restless).optimized
    assert not choose_graph(graphs, lambda models: {"f32": [[100.0] * 8, [85.0] * 7 + [300.0]]}).optimized


def test_a_draft_has_its_depthwise_layers_in_eight_bits_and_runs(source: IRModel) -> None:
    plain = read_source(source)
    made = quantize(plain, calibrate(plain.image), replace(QUICK, depthwise="float"))
    assert {layer.name for layer in examine(made, ()).in_float} == {"mix3", "mix5"}
    draft = draft_in_int8(plain, made)
    assert examine(draft, ()).in_float == ()
    assert {layer.name for layer in examine(made, ()).in_float} == {"mix3", "mix5"}, "which stays as it was"
    answer = openvino.Core().compile_model(draft, "CPU")([np.ones((1, 3, SIDE, SIDE), np.float32)])[0]
    assert np.isfinite(answer).all()


def test_float_depthwise_layers_are_taken_where_int8_is_as_fast(source: IRModel, tmp_path: Path) -> None:
    trial = {"f32": (100, 150, 160), "bf16": (160, 184, 174)}
    report = quantized(source, tmp_path, Rates({"f32": (100, 140), "bf16": (160, 176)}, trial), Answers(0))
    assert (report.settings.optimize, report.settings.depthwise, report.chosen) == (True, "float", 0)
    assert report.why == (
        "the optimized graph, in float 1.10 x as fast as the other (bf16), was taken; "
        "depthwise layers in INT8 would make it 0.95 x as fast (bf16), too little to try it; "
        "trial 1 is within 1 point of the float model's top-1"
    )
    taken, draft = trial_cells(report)
    assert taken == (
        *("1", "optimized", "float", "2", "90.00", "+0.00 (-9.00 to +9.00)"),
        *("150.0 in f32 (1.50), 184.0 in bf16 (1.15)", "yes"),
    )
    assert draft[:4] == ("draft", "optimized", "int8", "-")
    assert draft[-2:] == ("160.0 in f32 (1.60), 174.0 in bf16 (1.09)", "no")
    assert report.rows[-1].throughput == report.trials[0].throughput
    assert report.layers.by_reason() == {"depthwise in float": 2}
    assert report.layers.quantized == 3, "the expansion is in two parts"
    made = openvino.Core().read_model(report.ir.xml)
    assert "split_elimination" in made.get_rt_info(["optimization", "rewrites"]).astype(str)
    form = [made.get_rt_info(["quantization_parameters", key]).astype(str) for key in ("graph", "depthwise")]
    assert form == ["optimized", "float"]
    plain = report.to_json()
    assert plain["draft"] == asdict(report)["draft"]
    assert plain["graph_speed"] == asdict(report)["graph_speed"]
    assert [one.ratio for one in report.graph_speed] == [1.4, 1.1]


@pytest.mark.parametrize(
    ("speeds", "answers", "chosen"),
    [
        ((100, 110, 130), (0, -1), "int8"),  # both are good enough, and INT8 is much faster
        ((100, 110, 115), (0, -1), "float"),  # the draft promised too much
        ((100, 110, 130), (0, -2), "float"),  # INT8 costs too much
        ((100, 110, 130), (-2, 0), "int8"),
        ((100, 110, 130), (-2, -5), "float"),  # neither is good enough: the better one
    ],
)
def test_where_a_draft_is_much_faster_int8_is_tried_and_speed_and_accuracy_weighed(
    source: IRModel, tmp_path: Path, speeds: Any, answers: Any, chosen: str
) -> None:
    measured = Rates(f32(100, 110), f32(100, 110, 130), f32(*speeds))
    report = quantized(source, tmp_path, measured, Answers(*answers))
    assert [one.settings.depthwise for one in report.trials] == ["float", "int8"]
    assert report.settings.depthwise == chosen
    assert "would make it 1.18 x as fast (f32), so this was tried" in report.why
    assert [row[0] for row in trial_cells(report)] == ["1", "2"]
    assert report.trials[report.chosen].throughput == report.rows[-1].throughput


def test_int8_is_tried_where_float_depthwise_layers_lose_too_much(source: IRModel, tmp_path: Path) -> None:
    measured = Rates(f32(100, 110), f32(100, 110, 100), f32(100, 110, 100))
    report = quantized(source, tmp_path, measured, Answers(-7, -5))
    assert (report.chosen, report.settings.depthwise, report.passed) == (1, "int8", None)
    assert report.why.endswith(
        "none is within 1 point of the float model's top-1, and trial 2 has the most right answers"
    )


def test_without_labels_speed_alone_decides(source: IRModel, tmp_path: Path) -> None:
    measured = Rates(f32(100, 110), f32(100, 110, 130), f32(100, 110, 130))
    report = quantized(source, tmp_path, measured, None)
    assert [one.settings.depthwise for one in report.trials] == ["float", "int8"]
    assert (report.settings.depthwise, report.why.rpartition("; ")[2]) == ("int8", "accuracy was not measured")


def test_a_search_ends_with_the_other_kind_where_none_is_kept(source: IRModel, tmp_path: Path) -> None:
    fixed = frozenset({"fast_bias_correction", "overflow_fix"})
    measured = Rates(f32(100, 110), f32(100, 110, 110, 100), f32(100, 110, 110, 110))
    report = quantized(source, tmp_path, measured, Answers(-7, -5, -2), max_drop=2.0, fixed=fixed)
    assert [one.settings.depthwise for one in report.trials] == ["float", "float", "int8"]
    assert [one.settings.range_estimator for one in report.trials] == ["default", "histogram", "histogram"]
    assert (report.chosen, report.passed) == (2, True)


def test_a_search_leaves_a_layer_to_quantize(source: IRModel, tmp_path: Path) -> None:
    given = {"optimize": False, "depthwise": "float"}
    report = quantized(source, tmp_path, None, Answers(*[-9] * 4), max_drop=0.0, throughput=False, settings=given)
    assert report.passed is False
    assert all(not one.settings.ignore for one in report.trials)


def test_without_measurements_the_preferred_form_is_taken(source: IRModel, tmp_path: Path) -> None:
    report = quantized(source, tmp_path, None, None, throughput=False)
    assert (report.settings.optimize, report.settings.depthwise) == (True, "float")
    assert (report.graph_speed, report.draft, len(report.trials)) == ((), None, 1)


def test_a_graph_that_cannot_be_rewritten_is_told_where_it_was_asked_for(tmp_path: Path) -> None:
    plain = saved(tmp_path, mixconv(depthwise=False), "FP32")
    report = quantized(plain, tmp_path, None, None, throughput=False, settings={"optimize": True})
    assert report.settings.optimize is False
    assert "the graph is quantized as it is: not rewritten: no pattern matches" in report.notes
