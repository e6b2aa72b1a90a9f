"""Quantizes an ``openvino.Model`` with a quantization calibration set, by NNCF. The same input gives the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mixnet_tools.errors import QuantizationError, UsageError, last_line
from mixnet_tools.files.digest import digest_of
from mixnet_tools.ir.image_input import set_batch
from mixnet_tools.ir.names import settle_names
from mixnet_tools.quantization.nncf_quietly import import_nncf, quiet
from mixnet_tools.quantization.settings import Layer, QuantizationSettings
from mixnet_tools.quantization.source import SourceModel, finished, layers
from mixnet_tools.values import CalibrationSet

if TYPE_CHECKING:
    import openvino


def quantize(source: SourceModel, calibration: CalibrationSet, settings: QuantizationSettings) -> openvino.Model:
    """Quantize ``source`` to INT8. Its names, layout, batch and rt_info are kept; rt_info also says what was done.

    Raises :class:`UsageError` where a name to ignore is no layer of the model, :class:`MissingDependency` without NNCF,
    :class:`QuantizationError` where NNCF fails.
    """
    nncf = import_nncf()
    known = layers(source.model)
    names = names_in_float(known, settings)

    def as_input(image: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        return source.image.arrange(image[np.newaxis].astype(np.float32))

    advanced = nncf.AdvancedQuantizationParameters(overflow_fix=nncf.OverflowFix[settings.overflow_fix.upper()])
    if settings.range_estimator != "default":
        from nncf.quantization.range_estimator import RangeEstimatorParametersSet

        advanced.activations_range_estimator_params = getattr(
            RangeEstimatorParametersSet, settings.range_estimator.upper()
        )
    model = source.model.clone()
    try:
        with quiet():
            quantized = nncf.quantize(
                model,
                nncf.Dataset(calibration.images, as_input),
                preset=nncf.QuantizationPreset[settings.preset.upper()],
                target_device=nncf.TargetDevice[settings.target_device],
                subset_size=len(calibration.images),
                fast_bias_correction=settings.fast_bias_correction,
                ignored_scope=nncf.IgnoredScope(names=list(names)) if names else None,
                advanced_parameters=advanced,
            )
    except MemoryError:
        raise
    except Exception as error:  # NNCF's own errors, RuntimeErrors of OpenVINO, ... share no base class
        raise QuantizationError(f"{source.ir.xml}: NNCF cannot quantize this model: {last_line(error)}") from error
    for port, original in zip([*quantized.inputs, *quantized.outputs], [*model.inputs, *model.outputs], strict=True):
        if port.get_names() != original.get_names():
            port.set_names(original.get_names())
    if settings.optimize:
        quantized = finished(quantized)
    set_batch(quantized, source.image, source.image.batch, source.ir.xml)
    own = {operation.get_friendly_name() for operation in source.model.get_ops()}
    # NNCF names what it adds after a layer, with a slash (conv/fq_weights_1); what it does not name, OpenVINO numbers.
    settle_names(quantized, lambda name: name in own or "/" in name, marker="_int8")
    _sign(quantized, source, calibration, settings)
    return quantized


def names_in_float(known: Sequence[Layer], settings: QuantizationSettings) -> tuple[str, ...]:
    """The names out of ``known`` of the layers that ``settings`` leave in float: see :func:`ignored_names`."""
    return ignored_names([layer.name for layer in known], (*settings.ignore, *depthwise_names(known, settings)))


def depthwise_names(known: Sequence[Layer], settings: QuantizationSettings) -> tuple[str, ...]:
    """The names out of ``known`` of the depthwise layers that ``settings`` leave in float."""
    return tuple(layer.name for layer in known if layer.depthwise) if settings.depthwise == "float" else ()


def ignored_names(known: Sequence[str], patterns: Sequence[str]) -> tuple[str, ...]:
    """Find the names out of ``known`` that ``patterns`` (names, or shell patterns) mean, in the order of ``known``.

    Raises :class:`UsageError` where one means none, and where together they mean all.

    >>> ignored_names(["stem/conv", "block/conv", "head/conv", "head/dense"], ["head/*", "stem/conv"])
    ('stem/conv', 'head/conv', 'head/dense')
    """
    chosen: set[str] = set()
    for pattern in patterns:
        found = {pattern} & set(known) or {name for name in known if fnmatchcase(name, pattern)}
        if not found:
            near = get_close_matches(pattern, known, n=1)
            raise UsageError(
                f"`ignore={pattern}`: the model has no layer of this name",
                hint=f"did you mean {near[0]}?" if near else f"names are such as {known[0]}, and * stands for any part",
            )
        chosen |= found
    if chosen and len(chosen) == len(known):
        raise UsageError("all layers are to stay in float", hint="name fewer in `ignore`, or give `depthwise=int8`")
    return tuple(name for name in known if name in chosen)


def _sign(
    model: openvino.Model, source: SourceModel, calibration: CalibrationSet, settings: QuantizationSettings
) -> None:
    """Write into rt_info what NNCF does not: the source, and the quantization calibration set."""
    from mixnet_tools import __version__

    values = {
        "source_precision": source.ir.precision,
        "source_xml": f"sha256:{digest_of(source.ir.xml)}",
        "source_bin": f"sha256:{digest_of(source.ir.bin)}",
        "calibration_images": str(len(calibration.images)),
        "calibration_fingerprint": f"sha256:{calibration.fingerprint}",
        "seed": str(settings.seed),
        "graph": "optimized" if settings.optimize else "as it is",
        "depthwise": "float" if settings.depthwise == "float" else "int8",
        "profile": calibration.profile,
        "mixnet_tools_version": __version__,
    }
    for key, value in values.items():
        model.set_rt_info(value, ["quantization_parameters", key])
