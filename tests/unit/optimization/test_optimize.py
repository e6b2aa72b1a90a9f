"""Rewrites of MixConv graphs: what matches computes the same, what does not is left alone."""

from __future__ import annotations

import functools
import json
import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mixnet_tools.errors import IRError, OutputError, UsageError
from mixnet_tools.inference.throughput import Speedup, measure_speedup
from mixnet_tools.optimization import rewrites
from mixnet_tools.optimization.ir_file import optimize_ir
from mixnet_tools.optimization.kernels import kind_of, request_kernels, reread
from mixnet_tools.optimization.nodes import constant_value
from mixnet_tools.optimization.optimize import Optimized, optimize
from mixnet_tools.optimization.proof import find_mismatch
from mixnet_tools.optimization.rewrites import REWRITES, rewrite
from tests.support.mixconv import NAMES, build, outputs

FASTER, SLOWER = Speedup((10.0, 10.0), (12.0, 13.0)), Speedup((10.0, 10.0, 10.0), (9.0, 9.9, 20.0))


def kinds(model: Any) -> Counter[str]:
    return Counter(node.get_type_name() for node in model.get_ops())


def largest_difference(model: Any, other: Any) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(outputs(model), outputs(other), strict=True))


def rewritten(model: Any, *names: str) -> tuple[Any, dict[str, int]]:
    changed = model.clone()
    return changed, rewrite(changed, names or tuple(REWRITES))


@pytest.mark.parametrize("activation", ["swish", "relu"])
@pytest.mark.parametrize(
    ("parts", "groups", "expected"),
    [
        ((6, 6), 1, {"Convolution": 2}),
        ((5, 4, 3), 1, {"Convolution": 3}),
        ((6, 6), 2, {"Convolution": 2, "Split": 1}),
        ((4, 4, 4), 2, {"Convolution": 2, "Split": 1, "GroupConvolution": 3 + 1}),
        ((7, 5), 2, {"Convolution": 2, "Split": 1}),  # the first goes across: dense
        ((4, 8), 4, {}),  # across unevenly, in more groups than a dense one is worth
    ],
)
def test_a_split_moves_into_the_weights(
    parts: tuple[int, ...], groups: int, expected: dict[str, int], activation: str
) -> None:
    model = build(parts, groups=groups, activation=activation)
    changed, counts = rewritten(model, "split_elimination")
    found = kinds(changed)
    if parts == (4, 8):
        # Six channels in groups of three: the first part takes one and a third group.
        assert not counts
        assert found == kinds(model)
    else:
        assert counts == {"split_elimination": 1}
        assert not found["VariadicSplit"]
        assert {kind: found[kind] for kind in expected} == expected
    assert largest_difference(model, changed) < 1e-5


def test_what_follows_the_concat_moves_into_the_branches() -> None:
    model = build((5, 4, 3))
    changed, counts = rewritten(model, "branch_fusion")
    assert counts == {"branch_fusion": 1}
    assert not kinds(changed)["Multiply"], "the scale is part of the weights"
    assert changed.output(0).get_node().input_value(0).get_node().get_type_name() == "Concat"
    assert largest_difference(model, changed) < 1e-5


def test_the_mean_is_subtracted_before_the_transpose() -> None:
    model = build(transposed=True)
    changed, counts = rewritten(model, "transpose_sinking")
    assert counts == {"transpose_sinking": 1}
    (transpose,) = (node for node in changed.get_ops() if node.get_type_name() == "Transpose")
    assert transpose.input_value(0).get_node().get_type_name() == "Add"
    assert transpose.output(0).get_target_inputs().pop().get_node().get_type_name() == "Convolution"
    assert largest_difference(model, changed) < 1e-5


def test_fp16_weights_are_sliced_as_well() -> None:
    model = build((6, 6), groups=2, weights=np.float16)
    changed, counts = rewritten(model)
    assert counts == {"split_elimination": 1, "branch_fusion": 1}
    assert largest_difference(model, changed) < 1e-5


def in_eight_bits(model: Any) -> None:
    """Store the weights of the expansion as NNCF does: eight bits, widened, times a scale for each output."""
    from openvino import opset13 as ops

    (expansion,) = (node for node in model.get_ops() if kind_of(node) == "pointwise" or is_grouped(node))
    shape = list(expansion.input_value(1).get_shape())
    rng = np.random.default_rng(5)
    stored = ops.constant(rng.integers(-127, 128, shape).astype(np.int8))
    scales = rng.uniform(0.01, 0.02, (*shape[:-3], 1, 1, 1)).astype(np.float32)
    expansion.input(1).replace_source_output(ops.multiply(ops.convert(stored, "f32"), scales).output(0))


def is_grouped(node: Any) -> bool:
    return node.get_type_name() == "GroupConvolution" and kind_of(node) is None


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("parts", [(6, 6), (5, 4, 3), (7, 5)])
@pytest.mark.parametrize("obstacle", ["", "quantizer"])
def test_weights_of_eight_bits_are_sliced_with_their_scale(parts: Any, groups: int, obstacle: str) -> None:
    model = build(parts, groups=groups, obstacle=obstacle)
    in_eight_bits(model)
    changed, counts = rewritten(model, "split_elimination")
    assert counts == {"split_elimination": 1}
    assert largest_difference(model, changed) < 1e-5
    made = [node.input_value(1).get_node() for node in changed.get_ops() if kind_of(node) == "pointwise"]
    assert len(made) + sum(map(is_grouped, changed.get_ops())) == len(parts)
    for weights in made:
        stored = weights.input_value(0).get_node().input_value(0)
        assert (weights.get_type_name(), stored.get_element_type().get_type_name()) == ("Multiply", "i8")


@pytest.mark.parametrize("obstacle", ["second reader", "other axis"])
def test_a_split_that_is_not_of_the_form_stays(obstacle: str) -> None:
    model = build(obstacle=obstacle)
    changed, counts = rewritten(model, "split_elimination")
    assert not counts
    assert kinds(changed) == kinds(model)


def test_only_pointwise_convolutions_are_sliced() -> None:
    _, counts = rewritten(build(kernel=3), "split_elimination")
    assert not counts


def test_a_concat_that_others_read_stays() -> None:
    _, counts = rewritten(build(obstacle="second reader of the concat"), "branch_fusion")
    assert not counts


def test_names_layout_and_rt_info_survive_and_names_are_the_same_each_time() -> None:
    import openvino

    models = [rewritten(build((4, 4, 4), groups=2, transposed=True))[0] for _ in range(2)]
    (entry,), (result,) = models[0].inputs, models[0].outputs
    assert entry.get_names() == NAMES
    assert entry.get_node().get_layout() == openvino.Layout("NHWC")
    assert result.get_names() == {"answer"}
    assert result.get_node().input_value(0).get_node().get_friendly_name() == "answer"
    assert models[0].get_rt_info(["section", "key"]).astype(str) == "kept"
    # Names of the source end in running numbers of the process here: what is added to them is the same.
    names = [[re.sub(r"_\d+", "", node.get_friendly_name()) for node in model.get_ordered_ops()] for model in models]
    assert names[0] == names[1]
    assert any("part" in name for name in names[0])
    unique = [node.get_friendly_name() for node in models[0].get_ordered_ops()]
    assert len(unique) == len(set(unique))


def test_rewriting_is_kept_where_it_is_faster() -> None:
    model = build(transposed=True)
    done = optimize(model, measure=lambda base, other: FASTER)
    assert done.rewrites == {"split_elimination": 1, "branch_fusion": 1, "transpose_sinking": 1}
    assert done.ratio == pytest.approx(1.25)
    text = done.model.get_rt_info(["optimization", "rewrites"]).astype(str)
    assert text == "split_elimination 1, branch_fusion 1, transpose_sinking 1"
    assert not model.has_rt_info(["optimization"]), "the input stays as it is"
    assert kinds(model)["VariadicSplit"] == 1


def test_where_it_is_not_faster_the_input_is_kept() -> None:
    model = build()
    done = optimize(model, measure=lambda base, other: SLOWER)
    assert done.model is model
    assert (done.rewrites, done.describe()) == ({}, {})
    assert "not faster here" in done.notes[0]
    assert not model.has_rt_info(["optimization"])


@pytest.mark.parametrize(("obstacle", "words"), [("quantizer", "quantized"), ("other axis", "not rewritten")])
def test_quantized_models_and_others_are_left_alone(obstacle: str, words: str) -> None:
    from openvino import Model
    from openvino import opset13 as ops

    if obstacle == "quantizer":
        model = build(obstacle=obstacle)
    else:
        image = ops.parameter([1, 4, 3, 3], np.float32)
        model = Model([ops.result(ops.relu(image))], [image])

    def never(base: Any, other: Any) -> Speedup:
        raise AssertionError("there is nothing to measure")

    done: Optimized = optimize(model, measure=never)
    assert done.model is model
    assert words in done.notes[0]


def test_a_tuned_model_is_left_alone() -> None:
    model = build((6, 6))
    request_kernels(model, {node.get_friendly_name(): "jit_avx2" for node in model.get_ops() if kind_of(node)})
    done = optimize(reread(model), tuning=True, measure=lambda base, other: FASTER)
    assert done.notes == ("not optimized: the model was tuned already; convert it anew",)
    assert not done.describe()


def test_numbers_that_numpy_does_not_have_are_left_alone() -> None:
    import openvino
    from openvino import opset13 as ops

    value = ops.constant(np.ones((1, 2), np.float32), dtype=openvino.Type.bf16)
    assert constant_value(value.output(0)) is None
    assert constant_value(ops.convert(value, "f32").output(0)) is None
    assert constant_value(ops.convert(ops.constant(np.ones(2, np.float16)), "f32").output(0)) is not None


def test_an_error_in_a_rewrite_costs_no_conversion(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(split: Any) -> bool:
        raise ValueError("a fault")

    monkeypatch.setattr(rewrites, "REWRITES", {"split_elimination": (("opset1.VariadicSplit",), failing)})
    monkeypatch.setattr("mixnet_tools.optimization.optimize.rewrite", lambda m, _: rewrite(m, ("split_elimination",)))
    model = build()
    assert optimize(model).notes == ("not rewritten: ValueError: a fault",)

    def interrupted(split: Any) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(rewrites, "REWRITES", {"split_elimination": (("opset1.VariadicSplit",), interrupted)})
    with pytest.raises(KeyboardInterrupt):
        optimize(model)


def test_what_is_faster_beyond_chance() -> None:
    assert FASTER.faster
    assert not SLOWER.faster
    assert not Speedup((1.0,) * 4, (1.01,) * 4).faster, "a model beside itself differs as much"
    assert not Speedup((1.0,) * 4, (0.9, 0.95, 1.2, 1.3)).faster, "a quarter of the rounds say no"


def classifier(finish: Callable[[Any], Any]) -> Any:
    from openvino import Model
    from openvino import opset13 as ops

    image = ops.parameter([1, 3], np.float32)
    return Model([ops.result(finish(image))], [image])


def test_the_proof() -> None:
    from openvino import opset13 as ops

    def times(factor: float) -> Any:
        return classifier(lambda image: ops.multiply(image, np.float32(factor)))

    assert find_mismatch(times(2), times(2)) is None
    assert "differ by" in str(find_mismatch(times(2), times(2.001)))
    assert find_mismatch(times(2), times(2.001), tolerance=0.01) is None
    mask = np.array([0, 0, -1e9], np.float32)  # of one class, which must not make the others' range

    def masked(factor: float) -> Any:
        return classifier(lambda image: ops.add(ops.multiply(image, np.float32(factor)), mask))

    assert find_mismatch(masked(2), masked(2)) is None
    assert "differ by" in str(find_mismatch(masked(2), masked(2.001)))
    nan = classifier(lambda image: ops.log(ops.negative(image)))
    assert "NaN or infinite" in str(find_mismatch(times(1), nan))
    assert "nothing can be proved" in str(find_mismatch(nan, nan))
    flat = classifier(lambda image: ops.multiply(image, np.float32(0)))
    assert "nothing can be proved" in str(find_mismatch(flat, flat))
    open_shape = classifier(lambda image: ops.non_zero(ops.floor_mod(ops.floor(image), np.float32(2))))
    assert find_mismatch(open_shape, open_shape) is None
    assert "shape" in str(find_mismatch(times(1), classifier(lambda image: ops.reduce_sum(image, np.array([1])))))


def test_an_open_shape_is_left_alone() -> None:
    model = build()
    model.reshape([-1, *model.input(0).shape[1:]])
    assert "no fixed shape" in optimize(model, tuning=True).notes[0]


def test_an_ir_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import openvino

    source, target = tmp_path / "block.xml", tmp_path / "out" / "fast.xml"
    openvino.save_model(build((6, 6), groups=2), source, compress_to_fp16=True)
    faster = functools.partial(optimize, measure=lambda base, other: FASTER)
    monkeypatch.setattr("mixnet_tools.optimization.ir_file.optimize", faster)
    done = optimize_ir(source, target)
    assert done.changed
    written = openvino.Core().read_model(target)
    assert not kinds(written)["VariadicSplit"]
    assert largest_difference(openvino.Core().read_model(source), written) < 1e-2  # FP16
    assert target.with_suffix(".bin").stat().st_size < 1.1 * source.with_suffix(".bin").stat().st_size, "still FP16"
    report = json.loads((target.parent / "fast.optimization.json").read_text())
    assert (report["changed"], report["rewriting_ratio"]) == (True, 1.25)


def test_an_ir_that_cannot_be_made_faster_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import openvino

    source, target = tmp_path / "block.xml", tmp_path / "copy.xml"
    openvino.save_model(build((6, 6)), source, compress_to_fp16=False)
    slower = functools.partial(optimize, measure=lambda base, other: SLOWER)
    monkeypatch.setattr("mixnet_tools.optimization.ir_file.optimize", slower)
    done = optimize_ir(source, target)
    assert not done.changed
    assert "not faster here" in done.result.notes[0]
    for suffix in (".xml", ".bin"):
        assert target.with_suffix(suffix).read_bytes() == source.with_suffix(suffix).read_bytes()


def test_what_half_precision_would_spoil_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import openvino

    source, target = tmp_path / "block.xml", tmp_path / "copy.xml"
    openvino.save_model(build((6, 6)), source, compress_to_fp16=True)
    faster = functools.partial(optimize, measure=lambda base, other: FASTER)
    monkeypatch.setattr("mixnet_tools.optimization.ir_file.optimize", faster)
    monkeypatch.setattr("mixnet_tools.optimization.ir_file.FP16_TOLERANCE", 1e-9)
    done = optimize_ir(source, target)
    assert not done.changed
    assert "not kept: stored as FP16, the result would differ by" in done.result.notes[-1]
    assert target.read_bytes() == source.read_bytes()


def test_a_single_half_does_not_make_all_weights_halves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import openvino
    from openvino import opset13 as ops

    model = build((6, 6))
    joined = next(node for node in model.get_ops() if node.get_type_name() == "Concat")
    half = ops.convert(ops.constant(np.full((1, 12, 1, 1), 0.5, np.float16)), "f32")
    readers = list(joined.output(0).get_target_inputs())
    extra = ops.add(joined, half)
    for reader in readers:
        reader.replace_source_output(extra.output(0))
    openvino.save_model(model, tmp_path / "mixed.xml", compress_to_fp16=False)
    faster = functools.partial(optimize, measure=lambda base, other: FASTER)
    monkeypatch.setattr("mixnet_tools.optimization.ir_file.optimize", faster)
    done = optimize_ir(tmp_path / "mixed.xml", tmp_path / "out.xml")
    assert done.changed
    assert done.target.precision == "FP32"


def test_folders_of_the_user_are_left_alone(tmp_path: Path) -> None:
    import openvino

    openvino.save_model(build((6, 6)), tmp_path / "block.xml")
    for name in ("out.bin", ".staging-mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "precious.txt").write_text("x")
        os.utime(tmp_path / name, (0, 0))
    with pytest.raises(OutputError, match=r"out\.bin: is a folder"):
        optimize_ir(tmp_path / "block.xml", tmp_path / "out.xml")
    optimize_ir(tmp_path / "block.xml", tmp_path / "fine.xml")
    assert (tmp_path / "out.bin/precious.txt").is_file()
    assert (tmp_path / ".staging-mine/precious.txt").is_file()
    with pytest.raises(OutputError, match=r"block\.xml.*cannot be written to"):
        optimize_ir(tmp_path / "block.xml", tmp_path / "block.xml" / "out.xml")


def test_what_is_no_ir_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.xml").write_text("<net")
    (tmp_path / "broken.bin").write_bytes(b"")
    out = tmp_path / "out.xml"
    with pytest.raises(IRError, match=r"broken\.xml: cannot be read"):
        optimize_ir(tmp_path / "broken.xml", out)
    with pytest.raises(IRError, match=r"missing\.xml: no such file"):
        optimize_ir(tmp_path / "missing.xml", out)
    with pytest.raises(UsageError, match="the IR to optimize itself"):
        optimize_ir(tmp_path / "broken.xml", tmp_path / "." / "broken.xml")
    with pytest.raises(UsageError, match=r"expected an \.xml file"):
        optimize_ir(tmp_path / "broken.xml", tmp_path / "out.bin")
    assert not out.exists()


def test_a_rewrite_with_a_fault_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Any] = []

    def faulty(concat: Any) -> bool:
        """Exchange the first two branches."""
        first, second = concat.input_value(0), concat.input_value(1)
        if done:
            return False
        done.append(concat)
        concat.input(0).replace_source_output(second)
        concat.input(1).replace_source_output(first)
        return True

    monkeypatch.setattr(rewrites, "REWRITES", {"faulty": (("opset1.Concat",), faulty)})
    monkeypatch.setattr("mixnet_tools.optimization.optimize.rewrite", lambda model, _: rewrite(model, ("faulty",)))
    model = build((6, 6))
    found = optimize(model, measure=lambda base, other: FASTER)
    assert found.model is model
    assert not found.rewrites
    assert "not rewritten: the result would differ by" in found.notes[0]


def test_measuring_is_paired_and_in_turn() -> None:
    speedup = measure_speedup(build(), build(), rounds=3, seconds=0.001)
    assert len(speedup.base) == len(speedup.other) == 3
    assert min(speedup.base + speedup.other) > 0
    assert SLOWER.ratio == pytest.approx(0.99)
