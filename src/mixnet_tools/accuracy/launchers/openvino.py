"""Running an IR over batches of images on an OpenVINO device: as many at once as it wants, fed without a pause.

Images go to the device as they are prepared, 8-bit where they are 8-bit: the conversion to floats happens there.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mixnet_tools.accuracy.launchers.base import CHANNELS, Array, Digest, RunnerInfo
from mixnet_tools.errors import EvaluationError, last_line
from mixnet_tools.files.digest import digest_of
from mixnet_tools.inference.openvino import FLOAT32_ONLY
from mixnet_tools.optimization.tuning import Tuned, tuned_elsewhere
from mixnet_tools.values import IRModel

PATIENCE = 5.0
"""Seconds after which a missing answer is looked into (a slow device is waited for, a failed one is not)."""


class OpenVinoRunner:
    """An IR on a device, computed in float32 whatever its weights are.

    The IR has one input, an image with the layout that the IR names (where it names none, the dimension of size 3 tells
    NHWC from NCHW), and one output [1, classes].
    """

    def __init__(
        self,
        ir: IRModel,
        device: str = "CPU",
        *,
        threads: int | None = None,
        tune: Callable[[Any, str], Tuned] | None = None,
    ) -> None:
        """Load ``ir`` for ``device`` (``CPU``, ``GPU``, ``AUTO``, ...).

        ``threads`` is the number of processors to compute with, when this process does not have the machine to itself
        (default: all). ``tune`` (:func:`mixnet_tools.optimization.tuning.tune`) looks for faster kernels, where given.
        Raises :class:`EvaluationError` that names the file where it cannot be read or is no such
        classifier, and names the available devices where ``device`` is none of them.
        """
        import openvino

        self._core, self._ir, self._device = openvino.Core(), ir, device
        _check_device(self._core, device)
        if threads:
            # Other processes of this machine have the other processors: pinned threads would meet on the same one.
            self._core.set_property("CPU", {"INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False})
        with _loading(ir, device):
            self._model, self._channels_first, self._info = _read(self._core, ir, device)
            if tune:
                tuned = tune(self._model, device)
                self._model = tuned.model
                self._info = replace(self._info, remarks=(*self._info.remarks, tuned.note))
            self._load(np.uint8)

    @property
    def info(self) -> RunnerInfo:
        """What this is."""
        return self._info

    def run(self, batch: npt.NDArray[np.generic]) -> Array:
        """See :meth:`Runner.run`."""
        return self.start(batch)()

    def start(self, batch: npt.NDArray[np.generic]) -> Callable[[], Array]:
        """See :meth:`Runner.start`. Where all requests are busy, waits for one of them."""
        if batch.dtype not in (np.uint8, np.float32):
            batch = batch.astype(np.float32)
        if batch.dtype != self._element:
            self.settle()
            self._load(batch.dtype.type)
        images = np.ascontiguousarray(batch.transpose(0, 3, 1, 2) if self._channels_first else batch)
        job = _Job(images, self._info.classes)
        for index in range(len(images)):
            # The request reads the job's image without a copy; the job, its userdata, keeps that alive.
            with self._named():
                self._queue.start_async({0: images[index : index + 1]}, userdata=(job, index), share_inputs=True)
        return lambda: self._answer(job)

    def settle(self) -> None:
        """See :meth:`Runner.settle`."""
        with contextlib.suppress(RuntimeError):
            self._queue.wait_all()

    def _answer(self, job: _Job) -> Array:
        while not job.done.wait(PATIENCE):
            with self._named():
                self._queue.wait_all()
        return job.logits

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """A failed inference shows in a later call to the queue, as a RuntimeError."""
        try:
            yield
        except RuntimeError as error:
            raise EvaluationError(f"{self._ir.xml}: OpenVINO cannot run this IR: {last_line(error)}") from error

    def _load(self, element: type[np.generic]) -> None:
        """Compile for images of ``element``, uint8 or float32."""
        import openvino
        from openvino.preprocess import PrePostProcessor

        model = self._model.clone()
        if element is np.uint8 and model.input(0).get_element_type() != openvino.Type.u8:
            outside = PrePostProcessor(model)
            outside.input(0).tensor().set_element_type(openvino.Type.u8)
            model = outside.build()
        config = {"PERFORMANCE_HINT": "THROUGHPUT", **FLOAT32_ONLY}
        self._element = np.dtype(element)
        self._queue: Any = openvino.AsyncInferQueue(self._core.compile_model(model, self._device, config))
        self._queue.set_callback(_store)


def read_info(ir: IRModel, device: str) -> RunnerInfo:
    """What :class:`OpenVinoRunner` would be, for a ``device`` that this machine need not have; nothing is compiled.

    Raises :class:`EvaluationError` where ``ir`` cannot be read or is no such classifier.
    """
    import openvino

    with _loading(ir, device):
        return _read(openvino.Core(), ir, device)[2]


def require_device(device: str) -> str:
    """That OpenVINO has ``device`` here; returns the name of the processor behind it, as far as it is known.

    Raises :class:`EvaluationError` that names the available devices where it has not.
    """
    import openvino

    core = openvino.Core()
    _check_device(core, device)
    with contextlib.suppress(RuntimeError):
        return str(core.get_property(device, "FULL_DEVICE_NAME")).strip()
    return device


@contextlib.contextmanager
def _loading(ir: IRModel, device: str) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise EvaluationError(
            f"{ir.xml}: OpenVINO cannot load this IR on {device}: {last_line(error)}",
            hint=f"convert the model again: mixnet-convert --name {ir.name}",
        ) from error


def _read(core: Any, ir: IRModel, device: str) -> tuple[Any, bool, RunnerInfo]:
    """The model with a batch of 1, whether its channels come before height and width, and what is known of it."""
    model = core.read_model(ir.xml)
    channels_first, height, width = _image_input(model, ir.xml)
    classes = _classes(model.output(0).get_partial_shape(), ir.xml)
    digests = tuple(Digest(path.name, digest_of(path)) for path in (ir.xml, ir.bin))
    remark = tuned_elsewhere(model)
    info = RunnerInfo(
        "openvino", ir.precision, device, height, width, classes, digests, remarks=(remark,) if remark else ()
    )
    return model, channels_first, info


class _Job:
    """A batch on its way: its images, its answers, and whether all of them are there."""

    def __init__(self, images: npt.NDArray[Any], classes: int) -> None:
        self.images = images
        self.logits = np.full((len(images), classes), np.nan, dtype=np.float32)
        self.done = threading.Event()
        self._left, self._lock = len(images), threading.Lock()

    def one_more(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self.done.set()


def _store(request: Any, userdata: tuple[_Job, int]) -> None:
    job, index = userdata
    job.logits[index] = request.get_output_tensor(0).data.reshape(-1)
    job.one_more()


def _check_device(core: Any, device: str) -> None:
    wanted = device.partition(":")[0].partition(".")[0]
    available = core.available_devices
    known = {name.partition(".")[0] for name in available} | {"AUTO", "MULTI", "HETERO", "BATCH"}
    if wanted not in known:
        raise EvaluationError(
            f"OpenVINO has no device {device!r} here; available: {', '.join(available)}",
            hint="--device CPU, or AUTO to let OpenVINO choose",
        )


def _image_input(model: Any, xml: Path) -> tuple[bool, int, int]:
    """(whether channels come before height and width, height, width) of the one input; makes its batch 1."""
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise EvaluationError(
            f"{xml}: expected a classifier with one input and one output, "
            f"got {len(model.inputs)} and {len(model.outputs)}"
        )
    shape = model.input(0).get_partial_shape()
    sizes = [dimension.get_length() if dimension.is_static else -1 for dimension in shape]
    named = model.get_parameters()[0].layout
    layout = named.to_string().strip("[]").replace(",", "")
    if named.empty:
        layout = "NCHW" if len(sizes) == 4 and sizes[1] == CHANNELS and sizes[3] != CHANNELS else "NHWC"
    if sorted(layout) != sorted("NHWC") or len(sizes) != 4:
        raise EvaluationError(f"{xml}: expected an image input of layout NHWC or NCHW, got {layout} {shape}")
    size = dict(zip(layout, sizes, strict=True))
    if layout not in ("NHWC", "NCHW") or size["C"] != CHANNELS or size["H"] < 1 or size["W"] < 1:
        raise EvaluationError(
            f"{xml}: expected an image input of fixed size with {CHANNELS} channels, got {layout} {shape}"
        )
    if size["N"] != 1:
        model.reshape([1, *sizes[1:]])
    return layout == "NCHW", size["H"], size["W"]


def _classes(shape: Any, xml: Path) -> int:
    if shape.is_dynamic:
        raise EvaluationError(f"{xml}: the output's shape is open: {shape}; expected [1, classes]")
    return int(np.prod([dimension.get_length() for dimension in shape]))
