"""Choosing kernels for a CPU: from what was measured to what is asked for. Nothing here depends on real times."""

from __future__ import annotations

from typing import Any

import pytest

from mixnet_tools.inference.throughput import Speedup
from mixnet_tools.optimization.kernels import FAMILIES, applied_kernels, is_tuned, kind_of, priority, slow_convolutions
from mixnet_tools.optimization.optimize import optimize
from mixnet_tools.optimization.tuning import Layers, choose, run_trials, tune
from tests.support.mixconv import build, outputs

FASTER, SLOWER = Speedup((10.0,), (11.0,)), Speedup((10.0,), (9.0,))


def depthwise(model: Any) -> str:
    return next(str(node.get_friendly_name()) for node in model.get_ops() if kind_of(node) == "depthwise")


def one_better(model: Any) -> dict[str, Layers]:
    """A trial in which one depthwise convolution is faster on another kernel."""
    name = depthwise(model)
    return {"": {name: (10.0, "brgconv_avx2_dw")}, "jit_avx2": {name: (6.0, "jit_avx2_dw")}}


def test_a_kernel_is_chosen_when_it_is_clearly_faster() -> None:
    tried: dict[str, Layers] = {
        "": {"a": (10.0, "x"), "b": (10.0, "x"), "c": (10.0, "x")},
        "jit_avx512": {"a": (6.0, "y"), "b": (9.9, "y")},
        "jit_avx2": {"a": (5.0, "z")},
    }
    assert choose(tried) == {"a": "jit_avx2"}


def test_kinds_of_convolution() -> None:
    found = [kind_of(node) for node in build((6, 6)).get_ops()]
    assert (found.count("pointwise"), found.count("depthwise")) == (1, 2)
    assert set(map(kind_of, build((6, 6), groups=2, kernel=3).get_ops())) == {None, "depthwise"}


def test_a_request_names_the_other_kernels_after_its_own() -> None:
    assert priority("depthwise", "jit_avx2").split(",") == [
        "cpu:jit_avx2_dw", "cpu:brgconv_avx512_dw", "cpu:jit_avx512_dw", "cpu:brgconv_avx2_dw",
    ]  # fmt: skip


def test_reference_kernels_are_seen() -> None:
    assert slow_convolutions({"a": "jit_gemm", "b": "ref_any", "c": "brgconv_avx2", "d": "ref"}) == {"a", "b", "d"}


def test_the_faster_kernels_are_requested_and_applied() -> None:
    import numpy as np

    model = build((6, 6))
    tuned = tune(model, trial=one_better, measure=lambda base, other: FASTER)
    assert tuned.families == {depthwise(model): "jit_avx2"}
    assert tuned.ratio == pytest.approx(1.1)
    assert tuned.cpu in tuned.note
    assert np.abs(outputs(model)[0] - outputs(tuned.model)[0]).max() < 1e-5
    assert is_tuned(tuned.model)
    assert not is_tuned(model), "the input stays as it is"
    again = tune(tuned.model, trial=never, measure=never)
    assert again.model is tuned.model
    assert "already" in again.note


def test_a_tuned_model_says_where() -> None:
    model = build((6, 6))
    done = optimize(
        model,
        rewriting=False,
        tuning=True,
        tuner=lambda m: tune(m, trial=one_better, measure=lambda base, other: FASTER),
    )
    assert done.model.get_rt_info(["optimization", "tuned_ratio"]).astype(str) == "1.100"
    assert set(done.describe()) == {"tuned_convolutions", "tuned_on", "tuned_openvino_version", "tuned_ratio"}
    assert not model.has_rt_info(["optimization"])


def never(*_: Any) -> Any:
    raise AssertionError("there is nothing to try")


@pytest.mark.parametrize(
    ("model", "device", "words"),
    [
        (build(), "GPU", "not for GPU"),
        (build(obstacle="quantizer"), "CPU", "quantized"),
    ],
)
def test_what_cannot_be_tuned_is_left_alone(model: Any, device: str, words: str) -> None:
    tuned = tune(model, device, trial=never, measure=never)
    assert tuned.model is model
    assert words in tuned.note


def test_what_is_not_faster_is_left_alone() -> None:
    model = build()
    tuned = tune(model, trial=one_better, measure=lambda base, other: SLOWER)
    assert tuned.model is model
    assert (tuned.families, tuned.ratio) == ({}, 0.9)
    assert "not faster here" in tuned.note
    assert tune(model, trial=lambda m: {"": {}}, measure=never).model is model


def test_a_reference_kernel_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    found = iter([{"a": "ref_any", "b": "jit_gemm"}, {"a": "brgconv_avx2", "b": "jit_gemm"}])  # tuned, and as it was
    monkeypatch.setattr("mixnet_tools.optimization.tuning.applied_kernels", lambda compiled: next(found))
    tuned = tune(build(), trial=one_better, measure=never)
    assert "reference kernel" in tuned.note
    assert not tuned.families


def test_trials_time_every_convolution_and_count_only_what_was_applied() -> None:
    import openvino

    model = build((6, 6))
    tried = run_trials(model, rounds=1)
    own = applied_kernels(openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}))
    assert len(tried[""]) == 3
    assert set(tried) <= {"", *FAMILIES}
    for family, layers in tried.items():
        for name, (_, kernel) in layers.items():
            assert not family or (kernel.startswith(family) and kernel != own[name])
