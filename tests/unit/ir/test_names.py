"""Names that OpenVINO numbers are replaced by names that depend on the model alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mixnet_tools.ir.names import settle_names

if TYPE_CHECKING:
    import openvino


def model() -> openvino.Model:
    import openvino
    from openvino import opset13 as ops

    image = ops.parameter([1, 3], np.float32, name="image")
    node = ops.relu(ops.relu(image), name="stem/Relu_1")
    return openvino.Model([ops.result(ops.tanh(node), name="answer")], [image])


def test_equal_models_get_equal_names() -> None:
    first, second = model(), model()
    names = []
    for one in (first, second):
        settle_names(one, lambda name: name.startswith("stem/"), marker="_made")
        names.append([operation.get_friendly_name() for operation in one.get_ordered_ops()])
    assert names[0] == names[1] == ["image", "Relu_made_1", "stem/Relu_1", "Tanh_made_3", "answer"]
