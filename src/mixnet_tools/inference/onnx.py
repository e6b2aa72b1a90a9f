"""Runs an ONNX file in ONNX Runtime on the CPU, in a child process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.inference.child import ChildModel
from mixnet_tools.reference.onnx_cut import cut, find_ends, is_whole
from mixnet_tools.reference.onnx_file import job_for, read

if TYPE_CHECKING:
    import onnx


class OnnxModel(ChildModel):
    """An ONNX file."""

    def __init__(
        self,
        path: Path,
        outputs: Sequence[str] = (),
        threads: int | None = None,
        parsed: onnx.ModelProto | None = None,
    ) -> None:
        """Load ``path``, or what was ``parsed`` from it by :func:`mixnet_tools.reference.onnx_file.read`.

        ``outputs`` are the tensors to compute (default: those that the file declares), ``threads`` is the number of
        processors to compute with (default: all). Raises :class:`EvaluationError` where the file cannot be loaded,
        :class:`UnsafeModelError` where it needs more than computation, :class:`MissingDependency` where ONNX Runtime is
        not installed.
        """
        model = parsed or read(path)
        ends = find_ends(model, (), outputs)
        whole = model if is_whole(model, ends) else cut(model, ends, {})
        super().__init__(*job_for(path.name, path, whole, ends, threads))
