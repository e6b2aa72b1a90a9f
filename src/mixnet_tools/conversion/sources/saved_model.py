"""Reads SavedModels of TensorFlow 1 and 2. Names are those of the signature ``serving_default``."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.conversion.graphs.saved_model_file import (
    GRAPH_FILE,
    INITIALIZER,
    assets,
    initializer,
    read_meta_graph,
)
from mixnet_tools.conversion.plan import ConversionPlan
from mixnet_tools.conversion.reference.base import Reference
from mixnet_tools.conversion.reference.child import graph_reference
from mixnet_tools.conversion.sources.base import SourceModel
from mixnet_tools.conversion.sources.openvino_frontend import convert_file, has_outputs, names_in, write
from mixnet_tools.errors import EvaluationError, FreezeError, listed
from mixnet_tools.inference.openvino import port_named
from mixnet_tools.reference.frozen_signature import FrozenSignature, answer_of, freezing_job
from mixnet_tools.reference.job import Job, Restore
from mixnet_tools.reference.process import ReferenceProcess, start
from mixnet_tools.reference.reachable import purposes_of, refuse_unsafe
from mixnet_tools.values import FrozenGraph

if TYPE_CHECKING:
    import openvino
    from tensorboard.compat.proto.meta_graph_pb2 import MetaGraphDef, SignatureDef

SIGNATURE = "serving_default"


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
        model = convert_file(self, self.plan.source.path)
        outputs = [cut.node for cut in self.plan.outputs]
        if outputs and not has_outputs(model, outputs):  # some lie inside the graph
            model = convert_file(self, self.plan.source.path, outputs)
        return model

    def node_names(self) -> frozenset[str]:
        """See :meth:`SourceModel.node_names`."""
        return names_in(self.plan.source.path / GRAPH_FILE)

    def read(self) -> ConversionPlan:
        """See :meth:`SourceModel.read`."""
        self.check_files()
        self._job  # noqa: B018 - refuses what is unsafe
        return self.plan

    def reference(self, process: ReferenceProcess) -> Reference:
        """See :meth:`SourceModel.reference`."""
        job, meta = self._job
        return graph_reference(process, job, meta.graph_def)

    @cached_property
    def _job(self) -> tuple[Job, MetaGraphDef]:
        """The signature as a job: restored by the SavedModel's own saver, then initialized.

        Raises :class:`UnsafeModelError` where any of that would do more than compute.
        """
        folder = self.plan.source.path
        meta = read_meta_graph(folder, self.fetch_again)
        signature = self._signature_of(meta)
        inputs = {name: info.name for name, info in signature.inputs.items()}
        outputs = {name: info.name for name, info in signature.outputs.items()}
        planned = {entry.cut.text: self._tensor("input", entry.cut.node, inputs) for entry in self.plan.inputs}
        others = {name: tensor for name, tensor in sorted(inputs.items()) if tensor not in planned.values()}
        wanted = {cut.text: self._tensor("output", cut.node, outputs) for cut in self.plan.outputs}
        init, prefix = initializer(meta), folder / "variables" / "variables"
        restore = None
        if meta.saver_def.restore_op_name and prefix.with_name("variables.index").is_file():
            operation = meta.saver_def.restore_op_name.partition(":")[0]
            restore = Restore(operation, meta.saver_def.filename_tensor_name, str(prefix.absolute()))
        job = Job(
            name=self.plan.model,
            framework="tensorflow",
            inputs={**planned, **others},
            outputs=wanted or dict(sorted(outputs.items())),
            restore=restore,
            initializers=(init,) if init else (),
            assets=assets(meta, folder.absolute()),
            readable=(str(folder.resolve()),),
            weights=sum(path.stat().st_size for path in self.files()),
        )
        refuse_unsafe(meta.graph_def, purposes_of(job), str(folder / GRAPH_FILE))
        return job, meta

    def _signature_of(self, meta: MetaGraphDef) -> SignatureDef:
        if SIGNATURE in meta.signature_def:
            return meta.signature_def[SIGNATURE]
        available = listed(name for name in meta.signature_def if name != INITIALIZER) or "none"
        raise FreezeError(f"{self.plan.source.path}: no signature {SIGNATURE!r}; available: {available}")

    def freeze(self) -> FrozenGraph:
        """See :meth:`SourceModel.freeze`."""
        self.read()
        signature = self._signature
        outputs = [cut.node for cut in self.plan.outputs] or list(signature.outputs)
        return FrozenGraph(
            name=self.plan.model,
            graph_def=signature.graph_def,
            inputs=tuple(self._tensor("input", name, signature.inputs) for name in self._inputs()),
            outputs=tuple(self._tensor("output", name, signature.outputs) for name in outputs),
            input_shape=self.plan.first_shape,
        )

    def _frozen_model(self) -> openvino.Model:
        """The model with weights as TensorFlow reads them, its tensors called as in the signature."""
        frozen = self.freeze()
        with tempfile.TemporaryDirectory(prefix="mixnet-tools-") as scratch:
            model = convert_file(self, write(Path(scratch) / "frozen.pb", frozen.graph_def))
        signature = self._signature
        for ports, names in ((model.inputs, signature.inputs), (model.outputs, signature.outputs)):
            for name, tensor in names.items():
                if port := port_named(ports, tensor):
                    port.get_tensor().set_names({name})
        return model

    def _inputs(self) -> list[str]:
        """All inputs by their names in the signature, the planned ones first."""
        planned = [entry.cut.node for entry in self.plan.inputs]
        return planned + [name for name in self._signature.inputs if name not in planned]

    def _tensor(self, role: str, name: str, known: Mapping[str, str]) -> str:
        if name not in known:
            raise FreezeError(f"{self.plan.source.path}: no {role} {name!r}; available: {listed(known)}")
        return known[name]

    @cached_property
    def _signature(self) -> FrozenSignature:
        """The signature without variables, made by TensorFlow in a process with few rights."""
        folder = self.plan.source.path
        size = sum(path.stat().st_size for path in self.files())
        job = freezing_job(self.plan.model, folder, SIGNATURE, size)
        with start(job, b"", package=True) as process:
            try:
                return answer_of(process)
            except EvaluationError as error:
                raise FreezeError(f"{folder}: cannot load the SavedModel: {error}", hint=self.fetch_again) from error
