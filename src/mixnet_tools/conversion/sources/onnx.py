"""Reads ONNX files. Tensors have names without ports, in which colons mean nothing."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.conversion.plan import ConversionPlan, Cut
from mixnet_tools.conversion.reference.base import Reference
from mixnet_tools.conversion.reference.child import ChildReference
from mixnet_tools.conversion.sources.base import SourceModel
from mixnet_tools.conversion.sources.openvino_frontend import convert_file, names_in, write
from mixnet_tools.errors import ConversionError, EvaluationError, FreezeError, MissingDependency, MixnetToolsError
from mixnet_tools.inference.base import Array
from mixnet_tools.inference.openvino import port_named
from mixnet_tools.reference.onnx_cut import Ends, cut, find_ends, is_whole
from mixnet_tools.reference.onnx_file import constants, external_files, job_for, locations_in, read
from mixnet_tools.reference.process import ReferenceProcess

if TYPE_CHECKING:
    import onnx
    import openvino


class OnnxSource(SourceModel):
    """An ``.onnx`` file."""

    kind = "onnx"
    content = "onnx"
    framework = "onnx"
    option = "input_model"
    freezers = ("openvino",)
    runs_in = "onnx"

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
        self._ends  # noqa: B018 - reads the file, refuses what is unsafe, and finds the plan's names in it
        return self.plan

    def model(self) -> openvino.Model:
        """See :meth:`SourceModel.model`. OpenVINO gets the file itself where the plan begins and ends as it does."""
        path = self.plan.source.path
        if self._ends is None or self._is_whole:  # it is None without the package onnx
            model = convert_file(self, path)
        else:
            with tempfile.TemporaryDirectory(prefix="mixnet-tools-") as scratch:
                folder = Path(scratch)
                for name in self._external:
                    place = folder / name
                    place.parent.mkdir(parents=True, exist_ok=True)
                    # OpenVINO follows no link that leaves the model's folder.
                    shutil.copyfile(path.parent / name, place)
                model = convert_file(self, write(folder / "model.onnx", self._cut.SerializeToString()))
        if self._ends is not None:
            self._name_ports(model, self._ends)
        return model

    @staticmethod
    def _name_ports(model: openvino.Model, ends: Ends) -> None:
        """Call inputs and outputs as the plan does, where that is not the value's own name."""
        for ports, names in ((model.inputs, ends.inputs), (model.outputs, ends.outputs)):
            for name, value in names.items():
                port = port_named(ports, value)
                if port is not None and name != value:
                    port.get_tensor().add_names({name})

    def node_names(self) -> frozenset[str]:
        """See :meth:`SourceModel.node_names`."""
        return names_in(self.plan.source.path)

    def own_names(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """See :meth:`SourceModel.own_names`."""
        return ((), ()) if self._ends is None else (tuple(self._ends.inputs), tuple(self._ends.outputs))

    def constants(self) -> Iterator[tuple[str, Array]]:
        """See :meth:`SourceModel.constants`."""
        if self._parsed is not None:
            yield from constants(self._parsed, self.plan.source.path.parent)

    def reference(self, process: ReferenceProcess) -> Reference:
        """See :meth:`SourceModel.reference`."""
        path = self.plan.source.path
        model = read(path) if self._parsed is None else self._cut
        ends = self._ends or find_ends(model, *self._names)
        return ChildReference(process, *job_for(self.plan.model, path, model, ends))

    @property
    def _names(self) -> tuple[list[str], list[str]]:
        return [entry.cut.text for entry in self.plan.inputs], [cut.text for cut in self.plan.outputs]

    @cached_property
    def _ends(self) -> Ends | None:
        """Where the plan begins and ends; None where the package onnx is not installed."""
        if self._parsed is None:
            return None
        try:
            return find_ends(self._parsed, *self._names)
        except FreezeError as error:
            raise FreezeError(f"{self.plan.source.path}: {error}", hint=error.hint) from error

    @property
    def _is_whole(self) -> bool:
        return self._parsed is not None and self._ends is not None and is_whole(self._parsed, self._ends)

    @cached_property
    def _cut(self) -> onnx.ModelProto:
        """The part that the plan takes of the file."""
        model, ends = self._parsed, self._ends
        if model is None or ends is None or self._is_whole:
            return model or read(self.plan.source.path)
        shapes = {ends.inputs[entry.cut.text]: entry.shape for entry in self.plan.inputs if entry.shape}
        return cut(model, ends, shapes)

    @property
    def _external(self) -> tuple[str, ...]:
        """Files with weights, as far as the file says. Reading the source says what is wrong with it."""
        try:
            if self._parsed is not None:
                return external_files(self._parsed)
        except MixnetToolsError:
            return ()
        path = self.plan.source.path
        names = locations_in(path.read_bytes()) if path.is_file() else ()
        return tuple(name for name in names if (path.parent / name).is_file())

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
