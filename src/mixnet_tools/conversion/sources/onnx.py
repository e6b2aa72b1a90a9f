"""Reads ONNX files. Tensors have names without ports, in which colons mean nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.conversion.plan import Cut
from mixnet_tools.conversion.reference.base import Reference
from mixnet_tools.conversion.reference.in_process import onnx_reference
from mixnet_tools.conversion.sources.base import SourceModel
from mixnet_tools.conversion.sources.openvino_frontend import convert_file, has_outputs, names_in
from mixnet_tools.errors import ConversionError

if TYPE_CHECKING:
    import openvino


class OnnxSource(SourceModel):
    """An ``.onnx`` file."""

    kind = "onnx"
    framework = "onnx"
    option = "input_model"
    freezers = ("openvino",)

    @classmethod
    def parse_name(cls, text: str) -> Cut:
        """See :meth:`SourceModel.parse_name`."""
        return Cut(text, text, "node", 0)

    def files(self) -> tuple[Path, ...]:
        """See :meth:`SourceModel.files`."""
        return (self.plan.source.path,)

    def model(self) -> openvino.Model:
        """See :meth:`SourceModel.model`. OpenVINO takes the file's own outputs only."""
        model = convert_file(self, self.plan.source.path)
        outputs = [cut.text for cut in self.plan.outputs]
        if outputs and not has_outputs(model, outputs):
            available = sorted(name for result in model.outputs for name in result.get_names())
            missing = ", ".join(sorted(set(outputs) - set(available))) or "fewer than all"
            raise ConversionError(
                f"{self.plan.source.path}: expected outputs of the ONNX model ({', '.join(available)}), got {missing}"
            )
        return model

    def node_names(self) -> frozenset[str]:
        """See :meth:`SourceModel.node_names`."""
        return names_in(self.plan.source.path)

    def reference(self) -> Reference:
        """See :meth:`SourceModel.reference`."""
        return onnx_reference(self.plan.source.path, [cut.text for cut in self.plan.outputs])
