"""Reads PyTorch modules: a function of a Python module makes them, a file holds their weights.

Their code runs in the child process only, which also makes the IR of them and runs them as the original.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.conversion.plan import ConversionPlan, Cut
from mixnet_tools.conversion.reference.base import Reference
from mixnet_tools.conversion.reference.child import ChildReference
from mixnet_tools.conversion.sources.base import SourceModel
from mixnet_tools.conversion.sources.formats import TORCH_WEIGHTS, recognize
from mixnet_tools.conversion.sources.model_code import ForeignCode, is_module_of, python_files
from mixnet_tools.conversion.sources.pytorch_arguments import is_of_known_package, paths_in
from mixnet_tools.errors import ConversionError, EvaluationError, FreezeError
from mixnet_tools.ir.core import openvino_core
from mixnet_tools.reference.job import Job, TorchModule
from mixnet_tools.reference.process import ReferenceProcess
from mixnet_tools.reference.pytorch.framework import packed

if TYPE_CHECKING:
    import openvino


class PyTorchSource(SourceModel):
    """A ``torch.nn.Module``."""

    kind = "pytorch"
    content = "pytorch"
    framework = "pytorch"
    option = "input_model"
    freezers = ("openvino",)
    runs_in = "pytorch"
    converted_by_original = True

    def __init__(self, plan: ConversionPlan) -> None:
        """See :class:`SourceModel`."""
        super().__init__(plan)
        self._process: ReferenceProcess | None = None
        self._names: frozenset[str] = frozenset()

    @classmethod
    def parse_name(cls, text: str) -> Cut:
        """See :meth:`SourceModel.parse_name`."""
        return Cut(text, text, "node", 0)

    def files(self) -> tuple[Path, ...]:
        """See :meth:`SourceModel.files`: weights, files that parameters name, and the Python files of the model."""
        weights = (Path(self._said.weights),) if self._said.weights else ()
        return tuple(dict.fromkeys((*weights, *self._named, *self._code)))

    def check_files(self) -> None:
        """See :meth:`SourceModel.check_files`."""
        weights = Path(self._said.weights) if self._said.weights else None
        if weights is not None and not weights.is_file():
            raise FreezeError(f"{weights}: no such file", hint=self._download(force=False))
        for path in (weights, *self._named):
            found = recognize(path) if path else None
            if found is not None and (found.is_no_model or (path == weights and found.name not in TORCH_WEIGHTS)):
                raise FreezeError(f"{path}: expected weights of PyTorch, and this is {found.name}", hint=found.advice)

    def foreign_code(self) -> ForeignCode | None:
        """See :meth:`SourceModel.foreign_code`."""
        if self._code:
            return ForeignCode(files=self._code)
        return None if is_of_known_package(self._said) else ForeignCode(package=self._said.module.partition(".")[0])

    def notes(self) -> tuple[str, ...]:
        """See :meth:`SourceModel.notes`."""
        if self._said.weights or self._named:
            return ()
        return ("warning: no file of weights is named: the module has those that its code makes",)

    def reference(self, process: ReferenceProcess) -> Reference:
        """See :meth:`SourceModel.reference`."""
        self._process = process
        files = self.files()
        job = Job(
            name=self.plan.model,
            framework="pytorch",
            inputs={one.name: one.name for one in self._said.inputs},
            outputs={cut.text: cut.text for cut in self.plan.outputs},
            readable=tuple(str(path) for path in files),
            weights=sum(path.stat().st_size for path in files),
            module=self._said,
            foreign=self.foreign_code() is not None,
        )
        return ChildReference(process, job, packed({str(path): data for path, data in self._code.items()}))

    def model(self) -> openvino.Model:
        """See :meth:`SourceModel.model`. The child process makes it: call :meth:`reference` first."""
        assert self._process is not None
        try:
            description, weights = self._process.export()
        except EvaluationError as error:
            raise ConversionError(str(error), hint=error.hint) from error
        try:
            model = openvino_core().read_model(description, weights)
        except RuntimeError as error:
            raise ConversionError(
                f"{self.plan.model}: OpenVINO cannot read what it made of the module: {error}"
            ) from error
        names = [operation.get_friendly_name() for operation in model.get_ordered_ops()]
        self._names = frozenset(name.partition(":")[0] for name in names if ":" in name)
        return model

    def node_names(self) -> frozenset[str]:
        """See :meth:`SourceModel.node_names`. Names of layers have colons, which no name has that OpenVINO makes up."""
        return self._names

    @property
    def _said(self) -> TorchModule:
        assert self.plan.module is not None
        return self.plan.module

    @cached_property
    def _code(self) -> dict[Path, bytes]:
        """The Python files of the model's folders; none where the module is one of an installed package.

        They are read once: what is hashed, agreed to and run are the same bytes.
        """
        folders = [Path(folder) for folder in self._said.folders]
        files = python_files(folders)
        if not is_module_of(self._said.module, files, folders):
            return {}
        return {path: _read(path) for path in files}

    @cached_property
    def _named(self) -> tuple[Path, ...]:
        """The files that parameters name, also those in folders that they name."""
        found = []
        for text in paths_in(self._said):
            path = Path(text)
            if path.is_absolute() and path.is_file():
                found.append(path)
            elif path.is_absolute() and path.is_dir() and path.is_relative_to(self.plan.download_dir.absolute()):
                found += sorted(file for file in path.rglob("*") if file.is_file())
        return tuple(found)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FreezeError(f"{path}: cannot be read: {error.strerror or error}") from error
