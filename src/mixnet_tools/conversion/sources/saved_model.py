"""Reads SavedModels of TensorFlow 1 and 2: one graph, chosen by its tags, and one signature of it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.conversion.graphs.checkpoint import read_checkpoint
from mixnet_tools.conversion.graphs.saved_model_file import (
    GRAPH_FILE,
    OUTPUT,
    SavedModel,
    assets,
    choose_graph,
    initializer,
    read_saved_model,
    with_one_signature,
)
from mixnet_tools.conversion.graphs.signature import Ends, choose_signature, find_ends
from mixnet_tools.conversion.plan import ConversionPlan
from mixnet_tools.conversion.reference.base import Reference
from mixnet_tools.conversion.reference.child import graph_reference
from mixnet_tools.conversion.sources.base import SourceModel
from mixnet_tools.conversion.sources.openvino_frontend import convert_file, names_in, restore_output_names, write
from mixnet_tools.errors import EvaluationError, FreezeError, listed
from mixnet_tools.files.links import stand_in
from mixnet_tools.inference.openvino import port_named
from mixnet_tools.reference.frozen_signature import FrozenSignature, answer_of, freezing_job
from mixnet_tools.reference.job import Job, Restore
from mixnet_tools.reference.process import ReferenceProcess, start
from mixnet_tools.reference.reachable import purposes_of, refuse_unsafe
from mixnet_tools.values import FrozenGraph

if TYPE_CHECKING:
    import openvino
    from tensorboard.compat.proto.meta_graph_pb2 import MetaGraphDef


class SavedModelSource(SourceModel):
    """A SavedModel's folder."""

    kind = "saved_model"
    content = "saved_model"
    option = "saved_model_dir"

    def files(self) -> tuple[Path, ...]:
        """See :meth:`SourceModel.files`: what loaders read. Other files in the folder have no part in the model."""
        folder = self.plan.source.path
        found = {entry for part in ("*.pb", "variables/**/*", "assets/**/*") for entry in folder.glob(part)}
        return tuple(sorted({entry for entry in found if entry.is_file()} | {folder / GRAPH_FILE}))

    def model(self) -> openvino.Model:
        """See :meth:`SourceModel.model`."""
        if self.plan.freezer == "tensorflow":
            return self._frozen_model()
        folder, ends = self.plan.source.path, self._ends
        with tempfile.TemporaryDirectory(prefix="mixnet-tools-") as scratch:
            # OpenVINO reads serving_default of the graph that is tagged for serving, from a path that has no commas.
            place = Path(scratch)
            write(place / GRAPH_FILE, with_one_signature(self._saved, self._meta, ends.signature))
            for part in ("variables", "assets"):
                if (folder / part).is_dir():
                    stand_in(place / part, folder / part)
            model = convert_file(self, place)
        restore_output_names(model)
        self._name_ports(model, ends.inputs, {name: key + OUTPUT for name, key in ends.outputs.items()})
        return model

    def _name_ports(self, model: openvino.Model, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> None:
        """Call the ports that have names of the model's (the values of ``inputs`` and ``outputs``) as the plan does."""
        labels = {entry.cut.text: entry.cut.placeholder for entry in self.plan.inputs}
        labels |= {cut.text: cut.tensor for cut in self.plan.outputs}
        for ports, names in ((model.inputs, inputs), (model.outputs, outputs)):
            found = {name: port_named(ports, given) for name, given in names.items()}  # before any has another name
            for name, port in found.items():
                if port is not None:
                    port.get_tensor().set_names({name, labels.get(name, name)})

    def node_names(self) -> frozenset[str]:
        """See :meth:`SourceModel.node_names`."""
        return names_in(self.plan.source.path / GRAPH_FILE)

    def own_names(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """See :meth:`SourceModel.own_names`."""
        return tuple(self._ends.inputs), tuple(self._ends.outputs)

    def read(self) -> ConversionPlan:
        """See :meth:`SourceModel.read`."""
        self.check_files()
        if self._variables.with_name("variables.index").is_file():
            read_checkpoint(self._variables, self.fetch_again)  # OpenVINO crashes on some that are damaged
        self._job  # noqa: B018 - refuses what is unsafe
        return self.plan

    def reference(self, process: ReferenceProcess) -> Reference:
        """See :meth:`SourceModel.reference`."""
        job, meta = self._job
        return graph_reference(process, job, meta.graph_def)

    @property
    def _variables(self) -> Path:
        """The path that the names of the checkpoint's files begin with."""
        return self.plan.source.path / "variables" / "variables"

    @cached_property
    def _saved(self) -> SavedModel:
        return read_saved_model(self.plan.source.path, self.fetch_again)

    @cached_property
    def _meta(self) -> MetaGraphDef:
        with self._naming_the_folder():
            return choose_graph(self._saved, self.plan.tags)

    @cached_property
    def _key(self) -> str:
        """The key of the signature."""
        with self._naming_the_folder():
            return choose_signature(self._meta, self.plan.signature)

    @cached_property
    def _ends(self) -> Ends:
        inputs = tuple(entry.cut.text for entry in self.plan.inputs)
        with self._naming_the_folder():
            return find_ends(self._meta, self._key, inputs, tuple(cut.text for cut in self.plan.outputs))

    @contextlib.contextmanager
    def _naming_the_folder(self) -> Iterator[None]:
        try:
            yield
        except FreezeError as error:
            raise FreezeError(f"{self.plan.source.path}: {error}", hint=error.hint) from error

    @cached_property
    def _job(self) -> tuple[Job, MetaGraphDef]:
        """The signature as a job: restored by the SavedModel's own saver, then initialized.

        Raises :class:`UnsafeModelError` where any of that would do more than compute.
        """
        folder, meta, ends = self.plan.source.path, self._meta, self._ends
        init, prefix = initializer(meta), self._variables
        restore = None
        if meta.saver_def.restore_op_name and prefix.with_name("variables.index").is_file():
            operation = meta.saver_def.restore_op_name.partition(":")[0]
            restore = Restore(operation, meta.saver_def.filename_tensor_name, str(prefix.absolute()))
        job = Job(
            name=self.plan.model,
            framework="tensorflow",
            inputs=ends.tensors(ends.inputs, "inputs"),
            outputs=ends.tensors(ends.outputs, "outputs"),
            restore=restore,
            initializers=(init,) if init else (),
            assets=assets(meta, folder.absolute()),
            readable=(str(folder.resolve()),),
            weights=sum(path.stat().st_size for path in self.files()),
        )
        refuse_unsafe(meta.graph_def, purposes_of(job), str(folder / GRAPH_FILE))
        return job, meta

    def freeze(self) -> FrozenGraph:
        """See :meth:`SourceModel.freeze`."""
        self.read()
        frozen, ends = self._signature, self._ends
        return FrozenGraph(
            name=self.plan.model,
            graph_def=frozen.graph_def,
            inputs=tuple(self._frozen_tensor(key, frozen.inputs) for key in ends.inputs.values()),
            outputs=tuple(self._frozen_tensor(key, frozen.outputs) for key in ends.outputs.values()),
            input_shape=self.plan.first_shape,
        )

    def _frozen_model(self) -> openvino.Model:
        """The model with weights as TensorFlow reads them, its tensors called as in the plan."""
        frozen, ends = self.freeze(), self._ends
        with tempfile.TemporaryDirectory(prefix="mixnet-tools-") as scratch:
            model = convert_file(self, write(Path(scratch) / "frozen.pb", frozen.graph_def))
        restore_output_names(model)
        self._name_ports(
            model,
            dict(zip(ends.inputs, frozen.inputs, strict=True)),
            dict(zip(ends.outputs, frozen.outputs, strict=True)),
        )
        return model

    def _frozen_tensor(self, key: str, known: Mapping[str, str]) -> str:
        if key not in known:
            raise FreezeError(
                f"{self.plan.source.path}: {key!r} is inside the graph, and TensorFlow freezes whole signatures "
                f"({listed(known)})",
                hint="let OpenVINO read the weights: leave out `freezer` and `keep_frozen`",
            )
        return known[key]

    @cached_property
    def _signature(self) -> FrozenSignature:
        """The signature without variables, made by TensorFlow in a process with few rights."""
        folder, tags = self.plan.source.path, tuple(self._meta.meta_info_def.tags)
        size = sum(path.stat().st_size for path in self.files())
        job = freezing_job(self.plan.model, folder, self._key, tags, size)
        with start(job, b"", package=True) as process:
            try:
                return answer_of(process)
            except EvaluationError as error:
                raise FreezeError(f"{folder}: cannot load the SavedModel: {error}", hint=self.fetch_again) from error
