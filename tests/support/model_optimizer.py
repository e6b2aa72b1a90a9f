"""What the Model Optimizer 2024.6 did with the models of others: recorded, since it no longer runs on current OpenVINO.

``python -m tests.support.model_optimizer MO FOLDER`` makes each model in FOLDER and runs MO (the program ``mo`` of
openvino-dev 2024.6, in an environment of its own) as omz_converter ran it.
"""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from tests.support import outside_onnx, outside_tensorflow
from tests.support.graphs import ModelFolder
from tests.support.outside import OutsideModel

Make = Callable[[Path], OutsideModel]

CONVERTS: Mapping[str, bool] = {
    "a_chosen_signature": True,
    "averages_by_the_saver": True,
    "behind_a_crop": True,
    "behind_a_decoder": True,
    "behind_a_resize": True,
    "bfloat16": True,
    "captured_by_a_branch": True,
    "captured_by_a_call": True,
    "captured_by_a_loop": True,
    "chosen_tags": True,
    "float16": True,
    "folded_functional_output": True,
    "folded_output": True,
    "for_training_and_serving": True,
    "half": True,
    "inner_input": True,
    "inner_output": True,
    "inner_output_by_node": True,
    "keys_of_the_signature": True,
    "keys_that_are_nodes_too": True,
    "layer_of_keras": False,
    "masked_class": True,
    "nodes_behind_the_signature": False,
    "one_described_input": True,
    "one_of_two_outputs": True,
    "open_outputs": True,
    "outputs_in_another_order": True,
    "partitioned_variables": False,
    "pattern_in_the_path": True,
    "quantized": True,
    "random_operation": True,
    "tensors_behind_the_signature": False,
    "the_only_signature": True,
    "two_inputs": True,
    "weights_apart": True,
    "without_tags": True,
}
"""Whether the Model Optimizer wrote an IR. Whether it was a right one, it did not say."""

REFUSED_BY_US: Mapping[str, str] = {
    "random_operation": "no two runs of the original are the same, so that no IR can be proved (without proof it is "
    "converted)",
}
"""Kinds that the Model Optimizer converted and that are refused here, with the reason."""


def kinds() -> dict[str, Make]:
    """Every kind of model of others, by its name."""
    return {
        name: made
        for module in (outside_tensorflow, outside_onnx)
        for name, made in inspect.getmembers(module, inspect.isfunction)
        if made.__module__ == module.__name__
        and not name.startswith("_")
        and inspect.signature(made).return_annotation == "OutsideModel"
    }


def command(folder: ModelFolder, program: str, output: Path) -> list[str]:
    """The Model Optimizer's command line for ``folder``, as omz_converter made it."""
    described = yaml.safe_load(folder.path.read_text())
    inputs = described["input_info"]
    names, shapes = (",".join(str(one[key]).replace(" ", "") for one in inputs) for key in ("name", "shape"))
    layouts = ",".join(f"{one['name']}({one['layout']})" for one in inputs)
    own = [argument.replace("$dl_dir", str(folder.files)) for argument in described["model_optimizer_args"]]
    own = [argument for argument in own if not argument.startswith("--saved_model_signature")]
    return [
        program, f"--framework={described['framework']}", f"--output_dir={output}", "--model_name=outside",
        f"--input={names}", f"--input_shape={shapes}", f"--layout={layouts}", *own,
    ]  # fmt: skip


def main() -> None:
    """Print what the Model Optimizer does with each kind."""
    program, root = sys.argv[1], Path(sys.argv[2])
    for name, make in sorted(kinds().items()):
        folder = make(root / name).folder
        done = subprocess.run(command(folder, program, root / name / "irs"), capture_output=True, check=False)
        print(f'    "{name}": {done.returncode == 0},', flush=True)


if __name__ == "__main__":
    main()
