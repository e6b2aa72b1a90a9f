"""Runs an IR over batches of images on an OpenVINO device, which is given as many images at once as it asks for.

Images of 8 bits go to the device as they are: it converts them to floats.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mixnet_tools.accuracy.launchers.base import Array, Digest, RunnerInfo
from mixnet_tools.errors import EvaluationError, IRError, ResourceError, last_line
from mixnet_tools.files.digest import digest_of
from mixnet_tools.inference import InferencePrecision
from mixnet_tools.inference.openvino import PRECISION_HINT
from mixnet_tools.ir.core import openvino_core
from mixnet_tools.ir.digests import compare_with_reports
from mixnet_tools.ir.image_input import ImageInput, count_classes, read_image_input, set_batch
from mixnet_tools.ir.read import read_ir
from mixnet_tools.optimization.tuning import Tuned, tuned_elsewhere
from mixnet_tools.values import IRModel

if TYPE_CHECKING:
    import openvino

PATIENCE = 5.0
"""Seconds without an answer after which the queue is asked whether it failed. A device that is slow is waited for."""


AGAIN = "convert the model again, if mixnet_tools wrote this IR"


class OpenVinoRunner:
    """An IR on a device, computed in float32 whatever its weights are stored in, unless another precision is asked for.

    The IR has one image input (:func:`mixnet_tools.ir.image_input.read_image_input`) and one output [N, classes]. It is
    run on one image at a time, whatever its batch is.
    """

    def __init__(
        self,
        ir: IRModel,
        device: str = "CPU",
        *,
        threads: int | None = None,
        tune: Callable[[openvino.Model, str], Tuned] | None = None,
        inference_precision: InferencePrecision = "f32",
        one_by_one: bool = False,
    ) -> None:
        """Load ``ir`` for ``device`` (``CPU``, ``GPU``, ``AUTO``, ...).

        ``threads`` is the number of processors to compute with, where this process does not have the machine to itself
        (default: all). ``tune`` looks for faster kernels (:func:`mixnet_tools.optimization.tuning.tune`; default: none
        are looked for). ``inference_precision`` is what floats are computed in. ``one_by_one`` makes the
        answer to a single image quick, instead of those to many. Raises :class:`IRError` where the IR is missing,
        unreadable or no image classifier, :class:`EvaluationError` where there is no such ``device`` here, or it cannot
        load the IR or compute in that precision.
        """
        self._core, self._ir, self._device = openvino_core(ir.xml), ir, device
        self._config = {"PERFORMANCE_HINT": "LATENCY" if one_by_one else "THROUGHPUT"}
        if inference_precision != "default":
            self._config[PRECISION_HINT] = inference_precision
        _check_device(self._core, device)
        if threads:
            # Other processes of this machine have the other processors: pinned threads would meet on the same one.
            self._core.set_property("CPU", {"INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False})
        self._model, self._image, self._info = _read(self._core, ir, device)
        if tune:
            with self._loading():
                tuned = tune(self._model, device)
            self._model = tuned.model
            self._info = replace(self._info, remarks=(*self._info.remarks, tuned.note))
        self._load(np.uint8)
        self._info = replace(
            self._info,
            inference_precision=self._computed_in(inference_precision),
            would_choose=_own_choice(self._core, device),
        )

    @property
    def info(self) -> RunnerInfo:
        """See :attr:`Runner.info`."""
        return self._info

    def run(self, batch: npt.NDArray[np.generic]) -> Array:
        """See :meth:`Runner.run`."""
        return self.start(batch)()

    def start(self, batch: npt.NDArray[np.generic]) -> Callable[[], Array]:
        """See :meth:`Runner.start`. Waits where the device is busy with as many images as it takes."""
        if batch.dtype not in (np.uint8, np.float32):
            batch = batch.astype(np.float32)
        if batch.dtype != self._element:
            self.settle()
            self._load(batch.dtype.type)
        images = self._image.arrange(batch)
        job = _Job(images, self._info.classes)
        for index in range(len(images)):
            # The request reads the job's image without a copy; the job, its userdata, keeps that alive.
            with self._running():
                self._queue.start_async({0: images[index : index + 1]}, userdata=(job, index), share_inputs=True)
        return lambda: self._answer(job)

    def settle(self) -> None:
        """See :meth:`Runner.settle`."""
        with contextlib.suppress(RuntimeError):
            self._queue.wait_all()

    def _answer(self, job: _Job) -> Array:
        while not job.done.wait(PATIENCE):
            with self._running():
                self._queue.wait_all()
        return job.logits

    @contextlib.contextmanager
    def _loading(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise EvaluationError(
                f"{self._ir.xml}: OpenVINO cannot load this IR on {self._device}: {last_line(error)}",
                hint=AGAIN,
            ) from error

    @contextlib.contextmanager
    def _running(self) -> Iterator[None]:
        """Name the IR in the RuntimeError by which the queue tells, in a later call, that an inference failed."""
        try:
            yield
        except RuntimeError as error:
            raise EvaluationError(f"{self._ir.xml}: OpenVINO cannot run this IR: {last_line(error)}") from error

    def _computed_in(self, wanted: InferencePrecision) -> str:
        """The precision that the device computes in; a processor that has not the one that is wanted takes f32."""
        try:
            found = str(self._compiled.get_property(PRECISION_HINT).get_type_name())
        except RuntimeError:  # AUTO and its kind: there is a device behind them
            return wanted
        if wanted not in ("default", found):
            raise EvaluationError(
                f"{self._ir.xml}: {self._device} cannot compute in {wanted}, but in {found}",
                hint=f"`inference_precision={found}`, or default for what OpenVINO chooses here",
            )
        return found

    def _load(self, element: type[np.generic]) -> None:
        """Compile for images of ``element``, uint8 or float32."""
        import openvino
        from openvino.preprocess import PrePostProcessor

        with self._loading():
            model = self._model.clone()
            if element is np.uint8 and model.input(0).get_element_type() != openvino.Type.u8:
                outside = PrePostProcessor(model)
                outside.input(0).tensor().set_element_type(openvino.Type.u8)
                model = outside.build()
            self._element = np.dtype(element)
            self._compiled = self._core.compile_model(model, self._device, self._config)
            self._queue = openvino.AsyncInferQueue(self._compiled)
            self._queue.set_callback(_store)


def read_info(ir: IRModel, device: str) -> RunnerInfo:
    """Read what an :class:`OpenVinoRunner` of ``ir`` would be, on a ``device`` that this machine need not have.

    Nothing is compiled. Raises :class:`IRError` where ``ir`` is missing, unreadable or no image classifier.
    """
    return _read(openvino_core(ir.xml), ir, device)[2]


def require_device(device: str) -> str:
    """Check that OpenVINO has ``device`` here. Returns the name of the processor behind it, as far as it is known.

    Raises :class:`EvaluationError` that names the available devices where it has not.
    """
    core = openvino_core()
    _check_device(core, device)
    with contextlib.suppress(RuntimeError):
        return str(core.get_property(device, "FULL_DEVICE_NAME")).strip()
    return device


def _read(core: openvino.Core, ir: IRModel, device: str) -> tuple[openvino.Model, ImageInput, RunnerInfo]:
    """The model with a batch of 1, its image input, and what is known of it."""
    model = read_ir(ir.xml, core, hint=AGAIN)
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise IRError(
            f"{ir.xml}: expected a classifier with one input and one output, "
            f"got {len(model.inputs)} and {len(model.outputs)}"
        )
    image = read_image_input(model, ir.xml)
    set_batch(model, image, 1, ir.xml)
    classes, shape = count_classes(model), model.output(0).get_partial_shape()
    if classes is None or math.prod(shape.to_shape()) != classes:
        raise IRError(f"{ir.xml}: expected an output of fixed shape [1, classes], got {shape}")
    digests = tuple(Digest(path.name, digest_of(path)) for path in (ir.xml, ir.bin))
    integrity, warning = compare_with_reports(ir.xml, {digest.what: digest.sha256 for digest in digests})
    remark = tuned_elsewhere(model)
    info = RunnerInfo(
        "openvino",
        ir.precision,
        device,
        image.height,
        image.width,
        classes,
        digests,
        remarks=(remark,) if remark else (),
        integrity=integrity,
        warning=warning,
        channels=image.channels,
    )
    return model, image, info


class _Job:
    """A batch on its way: its images, its logits, and an event that tells when all of them are there."""

    def __init__(self, images: npt.NDArray[np.generic], classes: int) -> None:
        self.images = images
        self.logits = np.full((len(images), classes), np.nan, dtype=np.float32)
        self.done = threading.Event()
        self._left, self._lock = len(images), threading.Lock()

    def one_more(self) -> None:
        """Count an image whose logits are there."""
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self.done.set()


def _store(request: openvino.InferRequest, userdata: tuple[_Job, int]) -> None:
    """Copy the logits of a finished request to their place in its job."""
    job, index = userdata
    job.logits[index] = request.get_output_tensor(0).data.reshape(-1)
    job.one_more()


def _own_choice(core: openvino.Core, device: str) -> str | None:
    """What OpenVINO computes floats in where nobody says otherwise, as far as that follows from what a device can."""
    if device != "CPU":
        return None
    return "bf16" if "BF16" in core.get_property(device, "OPTIMIZATION_CAPABILITIES") else "f32"


def _check_device(core: openvino.Core, device: str) -> None:
    wanted = device.partition(":")[0].partition(".")[0]
    available = core.available_devices
    if not available:
        raise ResourceError("OpenVINO finds no device at all, not even the CPU: most likely its memory ran out")
    known = {name.partition(".")[0] for name in available} | {"AUTO", "MULTI", "HETERO", "BATCH"}
    if wanted not in known:
        raise EvaluationError(
            f"OpenVINO has no device {device!r} here; available: {', '.join(available)}",
            hint="`device=CPU`, or AUTO to let OpenVINO choose",
        )
