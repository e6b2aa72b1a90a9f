"""Reads ONNX files. Tensors have names without ports, in which colons mean nothing."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.conversion.plan import ConversionPlan, Cut
from mixnet_tools.conversion.reference.base import Reference
from mixnet_tools.conversion.reference.child import ChildReference
from mixnet_tools.conversion.sources.base import SourceModel
from mixnet_tools.conversion.sources.openvino_frontend import convert_file, has_outputs, names_in
from mixnet_tools.errors import ConversionError, EvaluationError, MissingDependency, MixnetToolsError
from mixnet_tools.reference.onnx_file import external_files, job_for, read

if TYPE_CHECKING:
    import onnx
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
        """See :meth:`SourceModel.files`: the file, and those that hold weights apart."""
        path = self.plan.source.path
        return path, *(path.parent / name for name in self._external)

    def read(self) -> ConversionPlan:
        """See :meth:`SourceModel.read`."""
        self.check_files()
        self._parsed  # noqa: B018 - reads the file, and refuses what is unsafe
        return self.plan

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
        path = self.plan.source.path
        return ChildReference(*job_for(self.plan.model, path, read(path), [cut.text for cut in self.plan.outputs]))

    @property
    def _external(self) -> tuple[str, ...]:
        """Files with weights, as far as the file says. Reading the source says what is wrong with it."""
        try:
            return self._neighbours() if self._parsed is None else external_files(self._parsed)
        except MixnetToolsError:
            return ()

    def _neighbours(self) -> tuple[str, ...]:
        """Without the package onnx: files in the model's folder whose names occur in it. Those with weights do."""
        path = self.plan.source.path
        if not path.is_file():
            return ()
        contents = path.read_bytes()
        return tuple(
            sorted(
                entry.relative_to(path.parent).as_posix()
                for entry in path.parent.rglob("*")
                if entry.is_file() and entry != path and entry.name.encode() in contents
            )
        )

    @cached_property
    def _parsed(self) -> onnx.ModelProto | None:
        """The file without its external data; None where the package onnx is not installed, or the file is missing."""
        if not self.plan.source.path.is_file():
            return None
        try:
            return read(self.plan.source.path)
        except MissingDependency:
            return None
        except EvaluationError as error:
            raise ConversionError(str(error), hint=self.fetch_again) from error
