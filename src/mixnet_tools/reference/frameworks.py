"""A loaded original behind one interface, inside the child process: TensorFlow's C library or package, ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from mixnet_tools.reference.frozen_signature import SignatureFreezer
from mixnet_tools.reference.job import FrameworkName, Job
from mixnet_tools.reference.tensorflow_library import Library, LibraryNotUsable, Session

Array = npt.NDArray[np.generic]


class Original(Protocol):
    """A model that was loaded and can run."""

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        """The outputs of the job, in its order, for an array for each of its inputs, by the job's names."""


@runtime_checkable
class Exportable(Original, Protocol):
    """A model that can become an IR here, where its framework is."""

    def export(self, folder: str) -> None:
        """Write ``model.xml`` and ``model.bin``, which are in ``folder``."""


class Framework(Protocol):
    """A framework whose libraries are loaded. No model was read yet. ``software`` says what it is, for people."""

    package: str
    version: str
    software: str

    def load(self, job: Job, model: bytes) -> Original:
        """The model ``model`` of ``job``, with its weights."""


def prepare(name: FrameworkName, *, package: bool = False) -> Framework:
    """Load the libraries of the framework ``name``, of TensorFlow the C library or the Python ``package``.

    Raises ImportError where they are not installed.
    """
    if name == "onnx":
        return _OnnxRuntime()
    if name == "pytorch":
        from mixnet_tools.reference.pytorch.framework import PyTorch

        return PyTorch()
    if not package:
        try:
            return _TensorFlowLibrary(Library())
        except LibraryNotUsable:
            pass  # another platform, or another layout of the package: its Python side does the same
    return _TensorFlowPackage()


Run = Callable[[Mapping[str, Any], tuple[str, ...], tuple[str, ...]], list[Array]]
"""(tensor -> value, tensors to fetch, operations to run) -> the fetched tensors."""


class _TensorFlowLibrary:
    def __init__(self, library: Library) -> None:
        self._library = library
        self.package, self.version = "tensorflow", library.version
        self.software = f"TensorFlow {self.version}, its C library"

    def load(self, job: Job, model: bytes) -> Original:
        return _Graph(Session(self._library, model, job.threads, rewrite=job.rewrite).run, job)


class _TensorFlowPackage:
    def __init__(self) -> None:
        import tensorflow

        self._tensorflow = tensorflow
        self.package, self.version = "tensorflow", str(tensorflow.__version__)
        self.software = f"TensorFlow {self.version}, its Python package"

    def load(self, job: Job, model: bytes) -> Original:
        tensorflow = self._tensorflow
        if job.freeze is not None:
            return SignatureFreezer(tensorflow, job)
        graph_def = tensorflow.compat.v1.GraphDef.FromString(model)
        graph = tensorflow.Graph()
        with graph.as_default():
            tensorflow.graph_util.import_graph_def(graph_def, name="")
        threads = job.threads or 0
        config = tensorflow.compat.v1.ConfigProto(
            allow_soft_placement=True, intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads
        )
        config.graph_options.rewrite_options.disable_meta_optimizer = not job.rewrite
        session = tensorflow.compat.v1.Session(graph=graph, config=config)

        def run(feeds: Mapping[str, Any], fetches: tuple[str, ...], targets: tuple[str, ...]) -> list[Array]:
            values = session.run([[*fetches], [graph.get_operation_by_name(name) for name in targets]], {
                graph.get_tensor_by_name(name): value for name, value in feeds.items()
            })  # fmt: skip
            return [np.asarray(value) for value in values[0]]

        return _Graph(run, job)


class _Graph:
    """A TensorFlow graph whose variables have their values."""

    def __init__(self, run: Run, job: Job) -> None:
        self._run, self._job = run, job
        if job.restore is not None:
            run({job.restore.filename_tensor: job.restore.prefix}, (), (job.restore.operation,))
        for operation in job.initializers:
            run(dict(job.assets), (), (operation,))

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        named = {self._job.inputs[name]: array for name, array in feeds.items()}
        return self._run(named, tuple(self._job.outputs.values()), ())


class _OnnxRuntime:
    def __init__(self) -> None:
        import onnxruntime

        onnxruntime.disable_telemetry_events()
        self._onnxruntime = onnxruntime
        self.package, self.version = "onnxruntime", str(onnxruntime.__version__)
        self.software = f"ONNX Runtime {self.version}"

    def load(self, job: Job, model: bytes) -> Original:
        options = self._onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if job.threads:
            options.intra_op_num_threads = job.threads
        if job.external_data:
            options.add_session_config_entry("session.model_external_initializers_file_folder_path", job.external_data)
        session = self._onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return _OnnxSession(session, job)


_ONNX_TYPES: dict[str, npt.DTypeLike] = {
    "tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8, "tensor(int8)": np.int8, "tensor(int32)": np.int32, "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}  # fmt: skip


class _OnnxSession:
    def __init__(self, session: Any, job: Job) -> None:
        self._session, self._job = session, job
        self._types = {entry.name: _ONNX_TYPES.get(entry.type) for entry in session.get_inputs()}

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        named = {self._job.inputs[name]: array for name, array in feeds.items()}
        cast = {name: array.astype(self._types.get(name) or array.dtype) for name, array in named.items()}
        outputs = self._session.run(list(self._job.outputs.values()), cast)
        return [np.asarray(output) for output in outputs]
