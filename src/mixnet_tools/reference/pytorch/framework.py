"""A PyTorch module as an original that runs, and that becomes an IR where it is, by OpenVINO's own converter."""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mixnet_tools.errors import first_line
from mixnet_tools.reference.export_place import NAMES
from mixnet_tools.reference.job import Job, Refused, TorchModule
from mixnet_tools.reference.pytorch.build import build
from mixnet_tools.reference.pytorch.code import import_from

if TYPE_CHECKING:
    import openvino
    import torch

Array = npt.NDArray[np.generic]


class PyTorch:
    """See :class:`mixnet_tools.reference.frameworks.Framework`."""

    def __init__(self) -> None:
        """Import PyTorch and OpenVINO. Raises ImportError."""
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment] # it would start a process
        import openvino  # noqa: F401
        import torch

        tempfile.gettempdir()  # packages ask for it, and it tries whether it can be written to
        self.package, self.version = "torch", str(torch.__version__)
        self.software = f"PyTorch {self.version}"

    def load(self, job: Job, model: bytes) -> TorchOriginal:
        """The module of ``job``, whose Python files are ``model`` (see :func:`packed`)."""
        said = job.module
        assert said is not None
        warnings.simplefilter("ignore")
        if model:
            import_from(unpacked(model), said.folders)
        return TorchOriginal(build(said), said, tuple(job.outputs.values()))


def packed(files: Mapping[str, bytes]) -> bytes:
    """Python files as they travel: path -> contents. Empty for none."""
    return json.dumps({path: data.decode("latin-1") for path, data in files.items()}).encode() if files else b""


def unpacked(data: bytes) -> dict[str, bytes]:
    """The files that :func:`packed` wrote."""
    return {path: text.encode("latin-1") for path, text in json.loads(data).items()}


class TorchOriginal:
    """A module that was built, and has run once on zeros."""

    def __init__(self, module: torch.nn.Module, said: TorchModule, wanted: tuple[str, ...]) -> None:
        """``wanted`` are the outputs that are asked for, by the names that ``said`` gives them."""
        import torch

        self._module, self._said = module, said
        self._examples = tuple(torch.zeros(one.shape, dtype=getattr(torch, one.dtype)) for one in said.inputs)
        count = len(self._computed(self._examples))
        if count < len(said.outputs):
            names = ", ".join(said.outputs)
            raise Refused(f"expected {len(said.outputs)} outputs ({names}), and the module returns {count}",
                          "look at output-names in conversion_to_onnx_args")  # fmt: skip
        self._wanted = [said.outputs.index(name) for name in wanted]

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        """See :class:`mixnet_tools.reference.frameworks.Original`."""
        import torch

        inputs = tuple(
            torch.from_numpy(feeds[one.name]).to(getattr(torch, one.dtype)) for one in self._said.inputs
        )  # fmt: skip
        outputs = self._computed(inputs)
        return [_as_array(outputs[index]) for index in self._wanted]

    def export(self, folder: str) -> None:
        """See :class:`mixnet_tools.reference.frameworks.Exportable`. Inputs and outputs have the names of the job."""
        import openvino
        import torch

        module = _flat(self._module) if self._is_nested else self._module
        shapes = [openvino.PartialShape(list(one.shape)) for one in self._said.inputs]
        try:
            with torch.no_grad():
                model = openvino.convert_model(module, example_input=self._examples, input=shapes)
        except Exception as error:
            raise Refused(f"OpenVINO cannot convert the module: {_reason(error)}") from error
        self._name(model)
        model = openvino.Model([model.get_results()[index] for index in self._wanted], model.get_sinks(),
                               model.get_parameters(), self._said.function)  # fmt: skip
        description, weights = (str(Path(folder) / name) for name in NAMES)
        openvino.serialize(model, description, weights)

    def _name(self, model: openvino.Model) -> None:
        said = self._said
        if len(model.inputs) != len(said.inputs) or len(model.outputs) < len(said.outputs):
            raise Refused(
                f"expected {len(said.inputs)} inputs and {len(said.outputs)} outputs, and the converted module has "
                f"{len(model.inputs)} and {len(model.outputs)}",
                "look at input-names and output-names in conversion_to_onnx_args",
            )
        for port, one in zip(model.inputs, said.inputs, strict=True):
            port.get_tensor().set_names({one.name})
        for port in model.outputs:
            port.get_tensor().set_names(set())
        for port, name in zip(model.outputs, said.outputs, strict=False):
            port.get_tensor().add_names({name})

    def _computed(self, inputs: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
        import torch

        try:
            with torch.no_grad():
                answer = self._module(*inputs)
        except Exception as error:
            shapes = ", ".join(f"{one.name} {list(one.shape)} {one.dtype}" for one in self._said.inputs)
            raise Refused(
                f"the module cannot compute with {shapes}: {type(error).__name__}: {first_line(error)[:400]}",
                "look at input-shape, input-names and inputs-dtype in conversion_to_onnx_args",
            ) from error
        self._is_nested = not (
            isinstance(answer, torch.Tensor)
            or (type(answer) in (tuple, list) and all(isinstance(one, torch.Tensor) for one in answer))
        )
        return _flattened(answer)


def _flattened(answer: object) -> list[torch.Tensor]:
    """The tensors in what a module returned, in order: a tensor, or lists and mappings of such."""
    import torch

    if isinstance(answer, torch.Tensor):
        return [answer]
    if isinstance(answer, Mapping):
        answer = list(answer.values())
    if isinstance(answer, (tuple, list)):
        return [tensor for one in answer for tensor in _flattened(one)]
    if answer is None:
        return []
    raise Refused(f"expected tensors, and the module returns {type(answer).__name__}")


def _flat(module: torch.nn.Module) -> torch.nn.Module:
    """``module``, returning its tensors as one tuple."""
    import torch

    class Flat(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return tuple(_flattened(self.module(*inputs)))

    return Flat().eval()


def _as_array(tensor: torch.Tensor) -> Array:
    import torch

    values = tensor.detach().cpu()
    array: Array = (values.float() if values.dtype == torch.bfloat16 else values).contiguous().numpy()
    return array


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines.sort(key=lambda line: "No conversion rule" not in line)
    return " / ".join(lines[:3])[:600] or type(error).__name__
