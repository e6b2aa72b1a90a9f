"""Write conversion/graphs/output_types.json: of which types the outputs of TensorFlow's operations are.

    python -m scripts.list_output_types

It needs TensorFlow, whose own list of operations it reads. Run it again for operations of a newer version.
"""

from __future__ import annotations

import json
from pathlib import Path

OUTPUT = Path(__file__).parents[1] / "src/mixnet_tools/conversion/graphs/output_types.json"


def main() -> None:
    """Write the file."""
    from tensorflow.core.framework import op_def_pb2
    from tensorflow.python.client import pywrap_tf_session

    operations = op_def_pb2.OpList()
    operations.ParseFromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
    lines = [
        f"{json.dumps(one.name)}: {json.dumps(described)}"
        for one in sorted(operations.op, key=lambda one: one.name)
        if (described := describe(one)) is not None
    ]
    OUTPUT.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def describe(operation: object) -> list[str] | None:
    """A text for each output of ``operation``, None where all are of the type that the attribute T or dtype names.

    ``3`` is a type by its number, ``T`` an attribute that holds the type, ``T=1`` such an attribute with its default,
    ``T*N`` as many outputs as the attribute N says, ``Tout*`` an attribute with a list of types.
    """
    defaults = {
        attribute.name: attribute.default_value.type
        for attribute in operation.attr  # type: ignore[attr-defined]
        if attribute.type == "type" and attribute.HasField("default_value")
    }
    outputs = []
    for output in operation.output_arg:  # type: ignore[attr-defined]
        if output.type_list_attr:
            text = f"{output.type_list_attr}*"
        elif output.type_attr:
            default = defaults.get(output.type_attr)
            text = output.type_attr + (f"={default}" if default else "")
        else:
            text = str(output.type)
        outputs.append(f"{text}*{output.number_attr}" if output.number_attr else text)
    return None if set(outputs) <= {"T"} or outputs == ["dtype"] else outputs


if __name__ == "__main__":
    main()
