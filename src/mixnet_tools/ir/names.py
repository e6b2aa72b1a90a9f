"""Names of layers that do not depend on how much the process has done before."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import openvino


def settle_names(model: openvino.Model, is_given: Callable[[str], bool], marker: str = "") -> None:
    """Replace the names that OpenVINO made up for layers of ``model`` by ``<type><marker>_<index>``.

    OpenVINO calls a layer without a name ``Relu_2134``. Its number counts everything that the process has built, so
    that equal models would be saved as unequal files. The index counts the layers of this model. Names that do not end
    in a number stay, and so do those that ``is_given`` says were given to a layer on purpose.
    """
    for index, operation in enumerate(model.get_ordered_ops()):
        name = operation.get_friendly_name()
        if re.search(r"_\d+$", name) and not is_given(name):
            operation.set_friendly_name(f"{operation.get_type_name()}{marker}_{index}")
