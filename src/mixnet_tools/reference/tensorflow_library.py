"""TensorFlow's C library by ctypes: graphs, sessions and tensors, without importing the Python package.

The functions are the stable C API of ``tensorflow/c/c_api.h``; the library lies inside the installed package.
``import tensorflow`` takes seconds and hundreds of megabytes, loading the library a fraction of a second.
"""

from __future__ import annotations

import contextlib
import ctypes as c
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]
Pointer = c.c_void_p

STRING = 7
TYPES: Mapping[int, npt.DTypeLike] = MappingProxyType(
    {
        1: np.float32, 2: np.float64, 3: np.int32, 4: np.uint8, 5: np.int16, 6: np.int8, 8: np.complex64,
        9: np.int64, 10: np.bool_, 17: np.uint16, 18: np.complex128, 19: np.float16, 22: np.uint32, 23: np.uint64,
    }
)  # fmt: skip
"""numpy's types by the numbers of ``tensorflow/core/framework/types.proto``. bfloat16 (14) comes from ml_dtypes."""

_BFLOAT16 = 14
_STRING_BYTES = 24  # sizeof(TF_TString)


class LibraryNotUsable(Exception):
    """The C library is not where it is expected, or lacks a function."""


class TensorFlowFailure(Exception):
    """TensorFlow refused what it was asked for, in its own words."""


class _Buffer(c.Structure):
    _fields_ = (("data", Pointer), ("length", c.c_size_t), ("free", Pointer))


class _Port(c.Structure):
    _fields_ = (("operation", Pointer), ("index", c.c_int))


_BUFFERS, _PORTS, _MANY = c.POINTER(_Buffer), c.POINTER(_Port), c.POINTER(Pointer)
_SIGNATURES: Mapping[str, tuple[object, ...]] = MappingProxyType(
    {
        "TF_Version": (c.c_char_p,),
        "TF_NewStatus": (Pointer,),
        "TF_GetCode": (c.c_int, Pointer),
        "TF_Message": (c.c_char_p, Pointer),
        "TF_NewGraph": (Pointer,),
        "TF_NewBufferFromString": (_BUFFERS, c.c_char_p, c.c_size_t),
        "TF_DeleteBuffer": (None, _BUFFERS),
        "TF_NewImportGraphDefOptions": (Pointer,),
        "TF_DeleteImportGraphDefOptions": (None, Pointer),
        "TF_GraphImportGraphDef": (None, Pointer, _BUFFERS, Pointer, Pointer),
        "TF_NewSessionOptions": (Pointer,),
        "TF_DeleteSessionOptions": (None, Pointer),
        "TF_SetConfig": (None, Pointer, c.c_char_p, c.c_size_t, Pointer),
        "TF_NewSession": (Pointer, Pointer, Pointer, Pointer),
        "TF_GraphOperationByName": (Pointer, Pointer, c.c_char_p),
        "TF_OperationNumOutputs": (c.c_int, Pointer),
        "TF_OperationOutputType": (c.c_int, _Port),
        "TF_AllocateTensor": (Pointer, c.c_int, c.POINTER(c.c_int64), c.c_int, c.c_size_t),
        "TF_DeleteTensor": (None, Pointer),
        "TF_TensorType": (c.c_int, Pointer),
        "TF_NumDims": (c.c_int, Pointer),
        "TF_Dim": (c.c_int64, Pointer, c.c_int),
        "TF_TensorData": (Pointer, Pointer),
        "TF_TensorByteSize": (c.c_size_t, Pointer),
        "TF_StringInit": (None, Pointer),
        "TF_StringCopy": (None, Pointer, c.c_char_p, c.c_size_t),
        "TF_StringDealloc": (None, Pointer),
        "TF_SessionRun": (
            None, Pointer, Pointer, _PORTS, _MANY, c.c_int, _PORTS, _MANY, c.c_int, _MANY, c.c_int, Pointer, Pointer,
        ),
    }
)  # fmt: skip
"""Function: (result, *arguments)."""


class Library:
    """The loaded library. Raises :class:`LibraryNotUsable` where it cannot be loaded."""

    def __init__(self) -> None:
        spec = find_spec("tensorflow")  # of a top-level package, which imports nothing
        if spec is None or not spec.submodule_search_locations:
            raise LibraryNotUsable("TensorFlow is not installed")
        folder = Path(spec.submodule_search_locations[0])
        try:
            c.CDLL(str(folder / "libtensorflow_framework.so.2"))
            self.c = c.CDLL(str(folder / "libtensorflow_cc.so.2"))
            for name, (result, *arguments) in _SIGNATURES.items():
                function = getattr(self.c, name)
                function.restype, function.argtypes = result, arguments
        except (OSError, AttributeError) as error:
            raise LibraryNotUsable(str(error)) from error
        self.version: str = self.c.TF_Version().decode()


class Session:
    """A graph in a session on the CPU. Its memory is freed when the process ends."""

    def __init__(self, library: Library, graph_def: bytes, threads: int | None, *, rewrite: bool = True) -> None:
        """Import a serialized GraphDef; compute with ``threads`` processors (None: all).

        TensorFlow may ``rewrite`` the graph into a faster one before its first run.

        Raises :class:`TensorFlowFailure` where TensorFlow refuses the graph.
        """
        self._c = library.c
        self._status = self._c.TF_NewStatus()
        self._graph = self._c.TF_NewGraph()
        buffer = self._c.TF_NewBufferFromString(graph_def, len(graph_def))
        options = self._c.TF_NewImportGraphDefOptions()
        self._c.TF_GraphImportGraphDef(self._graph, buffer, options, self._status)
        self._c.TF_DeleteImportGraphDefOptions(options)
        self._c.TF_DeleteBuffer(buffer)
        self._check()
        options = self._c.TF_NewSessionOptions()
        config = _config(threads, rewrite=rewrite)
        self._c.TF_SetConfig(options, config, len(config), self._status)
        self._check()
        self._session = self._c.TF_NewSession(self._graph, options, self._status)
        self._c.TF_DeleteSessionOptions(options)
        self._check()

    def run(
        self, feeds: Mapping[str, Array | str], fetches: Sequence[str] = (), targets: Sequence[str] = ()
    ) -> list[Array]:
        """Feed tensors by name (``images:0``), run the operations ``targets``, return the tensors ``fetches``.

        Arrays are cast to the type of the tensor that they are fed to; text is fed as a scalar string. Raises
        :class:`TensorFlowFailure` where a name is unknown or the computation fails.
        """
        given = [self._port(name) for name in feeds]
        wanted = [self._port(name) for name in fetches]
        operations = [self._operation(name) for name in targets]
        with contextlib.ExitStack() as stack:
            tensors = [
                stack.enter_context(self._tensor(value, self._c.TF_OperationOutputType(port)))
                for port, value in zip(given, feeds.values(), strict=True)
            ]
            results = (Pointer * max(1, len(wanted)))()
            self._c.TF_SessionRun(
                self._session, None,
                _array(_Port, given), _array(Pointer, tensors), len(given),
                _array(_Port, wanted), results, len(wanted),
                _array(Pointer, operations), len(operations),
                None, self._status,
            )  # fmt: skip
            self._check()
            return [self._taken(results[index] or 0) for index in range(len(wanted))]

    def _operation(self, name: str) -> int:
        found: int | None = self._c.TF_GraphOperationByName(self._graph, name.encode())
        if not found:
            raise TensorFlowFailure(f"the graph has no operation {name!r}")
        return found

    def _port(self, name: str) -> _Port:
        operation, _, index = name.rpartition(":") if ":" in name else (name, "", "0")
        port = _Port(self._operation(operation), int(index))
        if port.index >= self._c.TF_OperationNumOutputs(port.operation):
            raise TensorFlowFailure(f"the operation {operation!r} has no output {index}")
        return port

    @contextlib.contextmanager
    def _tensor(self, value: Array | str, kind: int):  # type: ignore[no-untyped-def]
        if isinstance(value, str):
            tensor = self._c.TF_AllocateTensor(STRING, None, 0, _STRING_BYTES)
            text = value.encode("utf-8", "surrogateescape")
            self._c.TF_StringInit(self._c.TF_TensorData(tensor))
            self._c.TF_StringCopy(self._c.TF_TensorData(tensor), text, len(text))
        else:
            array = np.ascontiguousarray(value, dtype=dtype_of(kind)).reshape(np.shape(value))
            sizes = (c.c_int64 * max(1, array.ndim))(*array.shape)
            tensor = self._c.TF_AllocateTensor(kind, sizes, array.ndim, array.nbytes)
            c.memmove(self._c.TF_TensorData(tensor), array.ctypes.data, array.nbytes)
        try:
            yield tensor
        finally:
            self._c.TF_DeleteTensor(tensor)

    def _taken(self, tensor: int) -> Array:
        """A copy of the tensor, which is freed."""
        try:
            kind = self._c.TF_TensorType(tensor)
            shape = [self._c.TF_Dim(tensor, axis) for axis in range(self._c.TF_NumDims(tensor))]
            size = self._c.TF_TensorByteSize(tensor)
            data = c.string_at(self._c.TF_TensorData(tensor), size) if size else b""
            return np.frombuffer(data, dtype_of(kind)).reshape(shape)
        finally:
            self._c.TF_DeleteTensor(tensor)

    def _check(self) -> None:
        if self._c.TF_GetCode(self._status):
            raise TensorFlowFailure(self._c.TF_Message(self._status).decode(errors="replace"))


def _array(kind: type, values: Sequence[object]) -> object:
    return (kind * len(values))(*values) if values else None  # type: ignore[operator]


def dtype_of(kind: int) -> np.dtype[np.generic]:
    """numpy's type for TensorFlow's number of a type. Raises :class:`TensorFlowFailure` where it is none of numbers."""
    if kind == _BFLOAT16:
        return dtype_called("bfloat16")
    if kind not in TYPES:
        raise TensorFlowFailure(f"tensors of TensorFlow's type {kind} are not numbers")
    return np.dtype(TYPES[kind])


def number_of(dtype: np.dtype[np.generic]) -> int:
    """TensorFlow's number of numpy's type."""
    if dtype.name == "bfloat16":
        return _BFLOAT16
    return next(number for number, known in TYPES.items() if np.dtype(known) == dtype)


def dtype_called(name: str) -> np.dtype[np.generic]:
    """numpy's type by its name, bfloat16 among them."""
    if name == "bfloat16":
        import ml_dtypes  # noqa: F401 - numpy knows the name from here on

    return np.dtype(name)


def _config(threads: int | None, *, rewrite: bool) -> bytes:
    """A serialized ``ConfigProto``: allow_soft_placement (field 7), both numbers of threads (fields 2 and 5), and
    disable_meta_optimizer (19) of rewrite_options (10) of graph_options (10).
    """
    config = bytes([7 << 3, 1])
    if threads:
        config += bytes([2 << 3, min(threads, 127), 5 << 3, min(threads, 127)])
    if not rewrite:
        disabled = bytes([0x80 | (19 << 3 & 0x7F), 19 << 3 >> 7, 1])
        options = bytes([10 << 3 | 2, len(disabled)]) + disabled
        config += bytes([10 << 3 | 2, len(options)]) + options
    return config
