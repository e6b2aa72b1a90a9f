"""Defines what every kind of source model can do: name its files, become an ``openvino.Model``, run as the original.

A kind is a sub-class of :class:`SourceModel` in a module of its own, and a line in
:mod:`mixnet_tools.conversion.sources.kinds`. No other module asks which kind a source is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from mixnet_tools.conversion.graphs.checkpoint import AverageReport
from mixnet_tools.conversion.plan import ConversionPlan, Cut, Freezer, Weights, parse_cut
from mixnet_tools.conversion.reference.base import Reference
from mixnet_tools.conversion.sources.formats import checkpoint_without_graph, recognize
from mixnet_tools.conversion.sources.model_code import ForeignCode
from mixnet_tools.errors import FreezeError, NextStep
from mixnet_tools.inference.base import Array
from mixnet_tools.reference.job import FrameworkName
from mixnet_tools.reference.process import ReferenceProcess
from mixnet_tools.values import FrozenGraph

if TYPE_CHECKING:
    import openvino


class SourceModel(ABC):
    """The source model of one plan.

    Planning uses the class attributes and class methods, and needs no file. ``kind`` is the name in plans, messages and
    conversion.json, and ``content`` the kind of :class:`~mixnet_tools.conversion.sources.formats.Format` that its file
    has. ``framework`` is the descriptor's framework, and ``option`` the Model Optimizer's option that holds
    the path. ``freezers`` and ``weights`` are what users can choose, the default first. ``takes_constants`` says
    whether an input can be replaced by a constant. ``runs_in`` is the framework that runs the original.
    ``converted_by_original`` says that :meth:`model` needs the original that :meth:`reference` has loaded.
    """

    kind: ClassVar[str]
    content: ClassVar[str]
    framework: ClassVar[str] = "tf"
    option: ClassVar[str]
    freezers: ClassVar[tuple[Freezer, ...]] = ("openvino", "tensorflow")
    weights: ClassVar[tuple[Weights | None, ...]] = (None, "raw")
    takes_constants: ClassVar[bool] = False
    runs_in: ClassVar[FrameworkName] = "tensorflow"
    converted_by_original: ClassVar[bool] = False

    def __init__(self, plan: ConversionPlan) -> None:
        """``plan.source`` says where the model is. Nothing is read yet."""
        self.plan = plan

    @classmethod
    def path_problem(cls, path: Path) -> str | None:
        """What is wrong with ``path`` as a value of ``option``, judged by its text alone; None where nothing is."""
        return None

    @classmethod
    def parse_name(cls, text: str) -> Cut:
        """The tensor that a descriptor calls ``text``."""
        return parse_cut(text)

    @abstractmethod
    def files(self) -> tuple[Path, ...]:
        """Every file that belongs to the model. A file that must be there is listed even if it is missing."""

    @abstractmethod
    def model(self) -> openvino.Model:
        """The network with shapes, names and values as the source has them.

        Raises :class:`ConversionError` where OpenVINO cannot convert it, :class:`FreezeError` where the files are
        damaged.
        """

    @abstractmethod
    def node_names(self) -> frozenset[str]:
        """Names of the source's own operations; at least those that look as if OpenVINO made them up (``Relu_1``)."""

    @abstractmethod
    def reference(self, process: ReferenceProcess) -> Reference:
        """Load the original into ``process``, to compare with.

        Raises :class:`FreezeError` where the files are damaged, :class:`MissingDependency` where a package is missing.
        """

    def read(self) -> ConversionPlan:
        """Read the source as far as it is read before the conversion; returns the plan, its outputs completed.

        Raises :class:`FreezeError` where files are missing or damaged, and where the plan does not fit them.
        """
        self.check_files()
        return self.plan

    def own_names(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What a plan can call the inputs and the outputs; empty where the source does not declare any."""
        return (), ()

    def foreign_code(self) -> ForeignCode | None:
        """Code of others that runs where this source is converted, which needs consent; None for a source of data."""
        return None

    def notes(self) -> tuple[str, ...]:
        """What users should know about how the source was read."""
        return ()

    @property
    def dropped(self) -> int:
        """How many of the source's operations were cut away, because the outputs do not need them."""
        return 0

    def freeze(self) -> FrozenGraph:
        """The network as a TensorFlow graph without variables. Raises what :meth:`reference` raises."""
        raise FreezeError(f"{self.plan.source.path}: is not a model of TensorFlow, and cannot be frozen")

    def constants(self) -> Iterator[tuple[str, Array]]:
        """The constants in float32 that the file holds, each by its name, as far as they can be told. Takes time."""
        return iter(())

    def weights_reason(self) -> str | None:
        """Why the weights were taken that the plan names; None where there is one kind only."""
        return None

    def averages(self) -> AverageReport | None:
        """How the weights differ from their moving averages; None where they were not compared."""
        return None

    def check_files(self) -> None:
        """Raise :class:`FreezeError` where a file is missing, or is of another format than this source's."""
        path = self.plan.source.path
        if path.exists() and (found := recognize(path)) is not None and found.kind not in (self.kind, self.content):
            expected = self.kind.replace("_", " ")
            raise FreezeError(f"{path}: expected a {expected}, and this is {found.name}", hint=found.advice)
        if (found := checkpoint_without_graph(path)) is not None:
            raise FreezeError(f"{path}: no such file: there is {found.name}", hint=found.advice)
        missing = [path for path in self.files() if not path.is_file()]
        if missing:
            raise FreezeError(f"{missing[0]}: no such file", hint=self._download(force=False))

    @property
    def fetch_again(self) -> NextStep:
        """The hint where files are damaged."""
        return self._download(force=True)

    def _download(self, *, force: bool) -> NextStep:
        where = {"output_dir": self.plan.download_dir}
        return NextStep("download", self.plan.model, {**where, "force": True} if force else where)
