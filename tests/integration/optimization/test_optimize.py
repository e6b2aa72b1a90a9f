"""mixnet-convert --optimize and --tune: the published form of each MixNet, still what TensorFlow computes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mixnet_tools.conversion.comparison_inputs import natural_images
from mixnet_tools.conversion.convert import convert
from mixnet_tools.conversion.options import ConversionOptions
from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.inference.openvino import OpenVinoModel
from mixnet_tools.inference.tensorflow import TensorFlowGraph
from mixnet_tools.inference.throughput import Speedup
from mixnet_tools.ir.locate import ir_model
from mixnet_tools.optimization import optimize as module
from mixnet_tools.optimization.rewrites import rewrite
from mixnet_tools.optimization.tuning import Tuned
from mixnet_tools.values import FrozenGraph
from tests.support import graphs
from tests.support.commands import run_failing, run_ok
from tests.support.standin import StandIn


@pytest.fixture
def always_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decisions must not depend on what else the machine does."""
    _measure(monkeypatch, 1.5)


def _measure(monkeypatch: pytest.MonkeyPatch, ratio: float) -> None:
    def tuned(model: Any) -> Tuned:
        names = [n.get_friendly_name() for n in model.get_ops() if n.get_type_name() == "GroupConvolution"]
        return Tuned(model, "tuned", dict.fromkeys(names, "jit_avx2"), ratio, "a processor", "2026")

    original = module.optimize

    def optimize(model: Any, **options: Any) -> module.Optimized:
        return original(model, **options, measure=lambda base, other: Speedup((1.0,), (ratio,)), tuner=tuned)

    monkeypatch.setattr("mixnet_tools.optimization.optimize.optimize", optimize)


@pytest.mark.parametrize("variant", ["s", "m", "l"])
def test_every_rewrite_keeps_the_logits(variant: str, standin: Callable[[str], StandIn], tmp_path: Path) -> None:
    import openvino

    folder = graphs.unpacked(tmp_path, standin(variant), 224)
    options = ConversionOptions(precisions=("FP32",), verify=False, keep_frozen=True)
    done = convert(folder.descriptor, folder.root, folder.root, options)
    assert done.frozen
    (entry,), (output,) = done.plan.inputs, done.plan.outputs
    frozen = FrozenGraph(
        folder.name, done.frozen.read_bytes(), (f"{entry.cut.placeholder}:0",), (output.tensor,), (1, 224, 224, 3)
    )
    rgb = natural_images(3, 224, 224, seed=12)
    expected = TensorFlowGraph(frozen).run(rgb)
    bgr = np.ascontiguousarray(rgb[..., ::-1])
    model = openvino.Core().read_model(done.irs[0].ir.xml)
    splits = Counter(node.get_type_name() for node in model.get_ops())["VariadicSplit"]
    for name, count in {"split_elimination": splits, "branch_fusion": splits, "transpose_sinking": 1}.items():
        assert rewrite(model, (name,)) == {name: count}  # one after the other, each seen for itself
        openvino.save_model(model, tmp_path / "rewritten.xml", compress_to_fp16=False)
        found = OpenVinoModel(tmp_path / "rewritten.xml").run(bgr)
        assert np.abs(found - expected).max() < 1e-3
        assert (found.argmax(1) == expected.argmax(1)).all()
    assert not Counter(node.get_type_name() for node in model.get_ops())["VariadicSplit"]
    assert np.ptp(expected, axis=0).max() > 1


@pytest.mark.usefixtures("always_faster")
def test_converting_twice_gives_the_same_bytes_and_says_what_was_done(
    nano: ModelDescriptor, nano_dir: Path, tmp_path: Path
) -> None:
    import openvino

    files = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        done = convert(nano, nano_dir, folder, ConversionOptions(optimize=True))
        assert all(parity.passed for one in done.irs for parity in one.parity)
        files.append(
            [path.read_bytes() for one in done.irs for path in (one.ir.xml, one.ir.bin)]
            + [one.ir.xml.with_name("conversion.json").read_bytes() for one in done.irs]
        )
    assert files[0] == files[1]
    ir = ir_model(tmp_path / "a", "public/mixnet-nano", "mixnet-nano", "FP16")
    said = openvino.Core().read_model(ir.xml).get_rt_info(["optimization", "rewrites"]).astype(str)
    assert said.startswith("split_elimination ")
    report = json.loads(ir.xml.with_name("conversion.json").read_text())
    assert report["optimization"] == {"rewrites": said}


@pytest.mark.usefixtures("always_faster")
def test_a_tuned_ir_says_on_which_processor(nano: ModelDescriptor, nano_dir: Path, tmp_path: Path) -> None:
    done = convert(nano, nano_dir, tmp_path, ConversionOptions(precisions=("FP32",), optimize=True, tune=True))
    assert done.irs[0].parity[0].passed
    report = json.loads(done.irs[0].ir.xml.with_name("conversion.json").read_text())["optimization"]
    assert (report["tuned_on"], report["tuned_openvino_version"], report["tuned_ratio"]) == (
        "a processor", "2026", "1.500",
    )  # fmt: skip
    assert "PrimitivesPriority" in done.irs[0].ir.xml.read_text()


def test_what_is_not_faster_is_the_plain_ir(
    nano: ModelDescriptor, nano_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _measure(monkeypatch, 0.9)
    done = convert(nano, nano_dir, tmp_path, ConversionOptions(optimize=True, verify=False))
    assert done.optimized
    assert "not faster here" in done.optimized.notes[0]
    for one in done.irs:
        plain = ir_model(nano_dir, "public/mixnet-nano", "mixnet-nano", one.ir.precision)
        assert one.ir.bin.read_bytes() == plain.bin.read_bytes()
        assert one.ir.xml.read_bytes() == plain.xml.read_bytes()


def test_the_command_line_says_what_came_of_it(nano_dir: Path, tmp_path: Path) -> None:
    words = ("convert", "--name", "mixnet-nano", "-d", nano_dir, "-o", tmp_path, "--precisions", "FP32", "--json")
    (model,) = json.loads(run_ok(*words, "--optimize").out)["models"]
    assert model["optimization"]["rewriting_ratio"] > 0
    assert "rewritten" in model["optimization"]["notes"][0]


def test_any_ir_is_optimized_on_the_command_line(nano_dir: Path, tmp_path: Path) -> None:
    source = ir_model(nano_dir, "public/mixnet-nano", "mixnet-nano", "FP16").xml
    target = tmp_path / "fast" / "net.xml"
    done = json.loads(run_ok("optimize", source, "-o", target, "--json").out)
    assert done["xml"] == str(target)
    assert done["rewriting_ratio"] > 0
    assert done["notes"]
    assert {path.name for path in target.parent.iterdir()} == {"net.xml", "net.bin", "net.optimization.json"}
    rng = np.random.default_rng(3)
    images = rng.uniform(0, 255, (4, 64, 64, 3)).astype(np.float32)
    expected, found = (OpenVinoModel(path).run(images) for path in (source, target))
    assert np.abs(found - expected).max() < 0.05  # FP16, of logits of some tens
    assert np.ptp(expected) > 1
    plain = run_ok("optimize", source, "-o", target).out
    assert str(target) in plain


def test_wrong_usage_of_optimize(nano_dir: Path, tmp_path: Path) -> None:
    source = ir_model(nano_dir, "public/mixnet-nano", "mixnet-nano", "FP16").xml
    assert "itself" in run_failing("optimize", source, "-o", source, code=2)
    assert "nothing would be done" in run_failing("optimize", source, "-o", tmp_path / "a.xml", "--no_rewrite", code=2)
    assert "no such file" in run_failing("optimize", tmp_path / "b.xml", "-o", tmp_path / "a.xml")
    assert not list(tmp_path.iterdir())


def test_a_check_may_be_tuned(nano_dir: Path) -> None:
    """Whether a kernel is faster depends on the machine; the answers do not."""
    words = ("check", "--name", "mixnet-nano", "-d", nano_dir, "--launcher", "openvino", "--num_images", "40", "-q")
    plain, tuned = (json.loads(run_ok(*words, "--json", *more).out)["reports"][0] for more in ((), ("--tune",)))
    for one, other in zip(plain["results"], tuned["results"], strict=True):
        assert (one["top1"], one["top5"], one["digests"]) == (other["top1"], other["top5"], other["digests"])
    assert len(tuned["notes"]) == len(plain["notes"]) + 2
    assert all("tuned" in note for note in tuned["notes"][:2])
