"""`mixnet optimize` takes any IR: it is changed where that is proved, and else copied to the byte with a reason."""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mixnet_tools.inference.generated_inputs import make_inputs, numbers_of
from mixnet_tools.inference.throughput import Speedup, measure_speedup
from mixnet_tools.optimization import ir_file
from mixnet_tools.optimization.optimize import optimize
from mixnet_tools.optimization.tuning import tune
from tests.support.commands import run_ok
from tests.support.mixconv import INPUTS, SIDE, build

FASTER = Speedup((10.0, 10.0), (12.0, 13.0))
"""Decisions must not depend on what else the machine does."""


@pytest.fixture(autouse=True)
def always_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(base: Any, other: Any) -> Speedup:
        measure_speedup(base, other, rounds=1, seconds=0.001)  # both can be measured
        return FASTER

    tuner = functools.partial(tune, measure=measure)
    monkeypatch.setattr(ir_file, "optimize", functools.partial(optimize, measure=measure, tuner=tuner))


def _saved(model: Any, folder: Path, *, half: bool = False) -> Path:
    import openvino

    openvino.save_model(model, folder / "block.xml", compress_to_fp16=half)
    return folder / "block.xml"


def _answers(xml: Path, largest: float = 1.0) -> list[np.ndarray[Any, Any]]:
    import openvino

    core = openvino.Core()
    core.set_property({"ENABLE_MMAP": False})
    model = core.read_model(xml)
    request = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()
    answers = []
    for seed in range(3):  # in turn, on one request: what a state holds comes from the one before
        request.infer(dict(enumerate(make_inputs(model, seed, largest))))
        answers += [numbers_of(tensor) for tensor in request.output_tensors]
    return answers


def _constants(xml: Path) -> Counter[str]:
    """The number of elements of the constants of each type in the IR."""
    import openvino

    found: Counter[str] = Counter()
    for node in openvino.Core().read_model(xml).get_ops():
        if node.get_type_name() == "Constant":
            found[node.get_element_type().get_type_name()] += int(np.prod(tuple(node.output(0).shape)))
    return found


COMPRESSED = ("u8", "i8", "u4", "i4")
KINDS: dict[str, Callable[[], Any]] = {
    **{f"input {kind}": functools.partial(build, element=kind, transposed=True) for kind in
       ("bf16", "f16", "f64", "boolean", "u4", "i4", "u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64")},
    **{f"kernels {kind}": functools.partial(build, compressed=kind, transposed=True) for kind in COMPRESSED},
    "kernels f16": functools.partial(build, weights=np.float16, transposed=True),
    "bf16 and u4": functools.partial(build, compressed="u4", element="bf16", transposed=True),
    "state": functools.partial(build, state=True),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_proved_is_rewritten(kind: str, tmp_path: Path) -> None:
    import openvino

    source, target = _saved(KINDS[kind](), tmp_path, half=kind == "kernels f16"), tmp_path / "fast.xml"
    done = ir_file.optimize_ir(source, target)
    assert done.changed, done.result.notes
    assert "transpose_sinking" in done.result.rewrites or kind == "state"
    before, after = (openvino.Core().read_model(path) for path in (source, target))
    for one, other in zip((*before.inputs, *before.outputs), (*after.inputs, *after.outputs), strict=True):
        assert (one.element_type, one.partial_shape, one.names) == (
            other.element_type,
            other.partial_shape,
            other.names,
        )
    stored = [_constants(path) for path in (source, target)]
    for small in COMPRESSED:
        assert stored[0][small] == stored[1][small], "what is compressed stays so"
    tolerance = 0.02 if kind == "kernels f16" else 1e-4
    for one, other in zip(_answers(source), _answers(target), strict=True):
        assert np.abs(one - other).max() <= tolerance * np.ptp(one)
        assert kind == "state" or np.ptp(one) > 0


def _two_of_each() -> Any:
    """Two inputs of other types and two outputs, of which one is an integer."""
    import openvino
    from openvino import opset13 as ops

    block = build(transposed=True)
    (answer,), image = block.outputs, block.inputs[0].get_node()
    offset = ops.parameter([1], openvino.Type.i16, name="offset")
    scores = ops.add(answer.get_node().input_value(0), ops.convert(offset, "f32"))
    best = ops.topk(ops.reduce_mean(scores, np.array([2, 3])), np.int64(1), 1, "max", "value", index_element_type="i32")
    return openvino.Model([ops.result(scores), ops.result(best.output(1))], [image, offset], "two")


def test_several_inputs_and_outputs(tmp_path: Path) -> None:
    source = _saved(_two_of_each(), tmp_path)
    done = ir_file.optimize_ir(source, tmp_path / "fast.xml", tuning=True)
    assert done.result.rewrites["split_elimination"] == 1, done.result.notes
    for one, other in zip(_answers(source), _answers(done.target.xml), strict=True):
        assert np.allclose(one, other, rtol=1e-4, atol=1e-4)


def _behind(finish: Callable[[Any], Any]) -> Any:
    """The block, and ``finish`` of what it answers."""
    import openvino

    block = build()
    return openvino.Model([finish(block.outputs[0].get_node().input_value(0))], [block.inputs[0].get_node()], "behind")


def _open(*sizes: int) -> Any:
    model = build()
    model.reshape(list(sizes))
    return model


def _any_rank() -> Any:
    import openvino
    from openvino import opset13 as ops

    image = ops.parameter(openvino.PartialShape.dynamic(), np.float32)
    return openvino.Model([ops.result(ops.relu(image))], [image], "any rank")


def _text() -> Any:
    import openvino
    from openvino import opset13 as ops
    from openvino import opset15

    block, text = build(), ops.parameter([2], openvino.Type.string, name="text")
    packed = opset15.string_tensor_unpack(text)
    result = ops.result(ops.convert(packed.output(1), "f32"))
    return openvino.Model([block.outputs[0].get_node(), result], [block.inputs[0].get_node(), text], "text")


def _nan() -> Any:
    from openvino import opset13 as ops

    return _behind(lambda answer: ops.log(ops.subtract(ops.negative(ops.abs(answer)), np.float32(1))))


LEFT: dict[str, tuple[Callable[[], Any], str]] = {
    "INT8": (functools.partial(build, obstacle="quantizer"), "quantized"),
    "any batch": (functools.partial(_open, -1, INPUTS, SIDE, SIDE), "no fixed shape"),
    "any size": (functools.partial(_open, 1, INPUTS, -1, -1), "no fixed shape"),
    "any rank": (_any_rank, "no fixed shape"),
    "always NaN": (_nan, "NaN or infinity, so that nothing can be proved"),
    "text": (_text, "takes text"),
}


@pytest.mark.parametrize("tuning", [False, True])
@pytest.mark.parametrize("kind", LEFT)
def test_what_cannot_be_proved_is_copied_to_the_byte(kind: str, tuning: bool, tmp_path: Path) -> None:
    make, words = LEFT[kind]
    source, target = _saved(make(), tmp_path), tmp_path / "copy.xml"
    done = ir_file.optimize_ir(source, target, tuning=tuning)
    assert not done.changed
    assert words in done.result.notes[0]
    assert all("\n" not in note for note in done.result.notes)
    for suffix in (".xml", ".bin"):
        assert target.with_suffix(suffix).read_bytes() == source.with_suffix(suffix).read_bytes()


def test_what_is_nan_for_large_inputs_is_proved_by_small_ones(tmp_path: Path) -> None:
    from openvino import opset13 as ops

    def finish(answer: Any) -> Any:
        return ops.result(ops.log(ops.subtract(np.float32(10), ops.reduce_max(ops.abs(answer), np.array([1, 2, 3])))))

    done = ir_file.optimize_ir(_saved(_behind(finish), tmp_path), tmp_path / "fast.xml")
    assert done.changed, done.result.notes
    assert np.isnan(_answers(done.target.xml, 255.0)).all()
    assert np.isfinite(_answers(done.target.xml, 1.0)).all()


@pytest.mark.parametrize("element", ["bf16", "i16"])
def test_any_input_on_the_command_line(element: str, tmp_path: Path) -> None:
    """In a process of its own, with real trials and measurements."""
    source, target = _saved(build(element=element), tmp_path), tmp_path / "fast.xml"
    done = json.loads(run_ok("optimize", source, "-o", target, "--tune", "--json").out)
    assert done["rewriting_ratio"] > 0
    assert len(done["notes"]) == 2
    assert "cannot" not in " ".join(done["notes"])
    assert done["changed"] or target.read_bytes() == source.read_bytes()
