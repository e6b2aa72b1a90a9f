"""Surveys a model that nothing describes yet: settles its inputs and outputs, and converts it once to see that it can.

The model is opened as the conversion opens it: the same checks come before any framework sees it, and nothing of it is
run. So what a survey finds is what a descriptor may say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mixnet_tools.conversion.plan import CHANNELS, Constant, ConversionPlan, InputPlan, Source
from mixnet_tools.conversion.preprocessing import finish
from mixnet_tools.conversion.sources.base import SourceModel
from mixnet_tools.conversion.sources.graph_source import GraphSource
from mixnet_tools.conversion.sources.kinds import KINDS, open_source
from mixnet_tools.conversion.survey.graph_ends import ANSWERS, find_ends
from mixnet_tools.conversion.survey.locate import IR, FoundModel
from mixnet_tools.conversion.survey.ports import Port, Settled, classes_of, settle
from mixnet_tools.errors import (
    ConversionError,
    FreezeError,
    NextStep,
    UnsafeModelError,
    UsageError,
    listed,
)
from mixnet_tools.inference.openvino import port_named
from mixnet_tools.ir.image_input import sizes_of
from mixnet_tools.ir.inspect import NARROW_TYPES, describe
from mixnet_tools.ir.read import read_ir

if TYPE_CHECKING:
    import openvino

Values = tuple[float, float, float]


@dataclass(frozen=True)
class Wishes:
    """What the caller knows of the model. None and empty: to be found out.

    ``size`` is the height and width of its images in pixels, ``layout`` NCHW or NHWC. ``inputs`` and ``outputs`` are
    names in the descriptor's notation. ``rgb`` says that the model takes RGB, not BGR. ``mean`` is subtracted and the
    result divided by ``std``, both on the scale 0 to 255, in the order of the model's channels.
    """

    size: tuple[int, int] | None = None
    layout: str | None = None
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    signature: str | None = None
    tags: tuple[str, ...] | None = None
    rgb: bool = True
    mean: Values | None = None
    std: Values | None = None


@dataclass(frozen=True)
class SurveyedInput:
    """An input: what the model says of it, and what it is settled to. ``plan`` is how it is converted."""

    port: Port
    settled: Settled
    plan: InputPlan


@dataclass(frozen=True)
class Survey:
    """What was found out.

    ``outputs`` are those that a descriptor names; ``output_notes`` say how they were chosen. ``constants`` are inputs
    that get a value. ``classes`` is the number of classes of a classifier, or None. ``precision`` is that of an IR,
    and ``says_bgr`` whether it says that it takes BGR. ``takes_values`` says whether mean and std are part of the
    converted model.
    """

    found: FoundModel
    inputs: tuple[SurveyedInput, ...]
    outputs: tuple[Port, ...]
    output_notes: tuple[str, ...] = ()
    constants: tuple[Constant, ...] = ()
    classes: int | None = None
    precision: str | None = None
    says_bgr: bool = False
    takes_values: bool = field(default=False)

    @property
    def image(self) -> SurveyedInput | None:
        """The one image input; None where there is none, or where there are several."""
        images = [entry for entry in self.inputs if entry.settled.is_image]
        return images[0] if len(images) == 1 else None

    @property
    def has_measured_original(self) -> bool:
        """Whether the original can be measured beside the converted model: TensorFlow takes NHWC on processors."""
        channels_first = any(entry.settled.layout == "NCHW" for entry in self.inputs)
        return self.found.kind != IR and not (self.found.framework == "tf" and channels_first)

    @property
    def is_classifier(self) -> bool:
        """Whether it takes one image and nothing else, and answers with a score for each of several classes."""
        return len(self.inputs) == 1 and self.image is not None and (self.classes or 0) > 1


def survey(name: str, found: FoundModel, wishes: Wishes) -> Survey:
    """Survey ``found``, which is to be called ``name``.

    Raises :class:`ConversionError` and its kinds where it cannot be converted, :class:`UnsafeModelError` where it would
    do more than compute, :class:`IRError` for a broken IR, and :class:`UsageError` where ``wishes`` do not fit it.
    """
    try:
        return _survey_ir(found, wishes) if found.kind == IR else _survey_source(name, found, wishes)
    except (ConversionError, UnsafeModelError) as error:
        if isinstance(error.hint, NextStep):  # which is to download it again: it was not downloaded
            raise type(error)(str(error), hint="export the model anew, or copy it again") from error
        raise


def _survey_ir(found: FoundModel, wishes: Wishes) -> Survey:
    if wishes.inputs or wishes.outputs or wishes.signature or wishes.tags:
        raise UsageError(
            f"{found.path}: an IR is taken as it is",
            hint="`inputs`, `outputs`, `signature` and `tags` are for models to convert: leave them out",
        )
    description = describe(found.path)
    ports = [Port(one.names[0] if one.names else "", one.shape, one.element_type) for one in description.inputs]
    outputs = tuple(Port(one.names[0] if one.names else "", one.shape, one.element_type) for one in description.outputs)
    known = [one.layout or wishes.layout for one in description.inputs]
    inputs = [
        _surveyed(port, settle(port, "NCHW", wishes.size, layout if layout in ("NCHW", "NHWC") else None), Wishes())
        for port, layout in zip(ports, known, strict=True)
    ]
    classes = classes_of(outputs[0].shape) if len(outputs) == 1 else None
    precision = _precision(read_ir(found.path))
    # OpenVINO's Model API gives BGR to an IR that it knows how to open, unless the IR asks for something else.
    said = {key: value.lower() for key, value in description.rt_info.items()}
    asks = said.get("model_info.reverse_input_channels", "") in ("yes", "true", "1")
    bgr = "model_info.model_type" in said and not asks
    return Survey(found, tuple(inputs), outputs, classes=classes, precision=precision, says_bgr=bgr)


def _precision(model: openvino.Model) -> str:
    """The folder in which an IR of these weights belongs."""
    sizes: dict[str, int] = {}
    for operation in model.get_ops():
        if operation.get_type_name() == "Constant":
            kind = operation.get_element_type().get_type_name()
            sizes[kind] = sizes.get(kind, 0) + operation.get_byte_size()
    narrow = any(one.get_type_name() == "FakeQuantize" for one in model.get_ops())
    narrow = narrow or sum(sizes.get(kind, 0) for kind in NARROW_TYPES) > sizes.get("f32", 0) + sizes.get("f16", 0)
    plain = "FP16" if sizes.get("f16", 0) > sizes.get("f32", 0) else "FP32"
    return f"{plain}-INT8" if narrow else plain


def _survey_source(name: str, found: FoundModel, wishes: Wishes) -> Survey:
    plan = ConversionPlan(name, Source(found.kind, found.path), (), (), signature=wishes.signature, tags=wishes.tags)
    kind = KINDS[found.kind]
    constants: tuple[Constant, ...] = ()
    notes: tuple[str, ...] = ()
    if issubclass(kind, GraphSource):
        ends = find_ends(kind(plan).graph(), wishes.inputs, wishes.outputs)
        ports, constants, notes = ends.inputs, ends.constants, ends.notes
        cuts = tuple(kind.parse_name(text) for text in ends.outputs)
        inputs = tuple(_settled(kind, port, "NHWC", wishes) for port in ports)
        # The plan has shapes here: a graph that is cut keeps none.
        plan = replace(plan, inputs=tuple(entry.plan for entry in inputs), outputs=cuts, constants=constants)
        source, model = _converted(plan)
    else:
        cuts = tuple(kind.parse_name(text) for text in wishes.outputs)
        begins = tuple(InputPlan(kind.parse_name(text)) for text in wishes.inputs)
        source, model = _converted(replace(plan, inputs=begins, outputs=cuts))
        usual = "NCHW" if kind.framework == "onnx" else "NHWC"
        own_inputs, own_outputs = source.own_names()
        inputs = tuple(_settled(kind, port, usual, wishes) for port in _ports(model.inputs, own_inputs))
        plan = replace(source.plan, inputs=tuple(entry.plan for entry in inputs))
        cuts = cuts or tuple(kind.parse_name(text) for text in own_outputs)
    if not inputs:
        raise FreezeError(
            f"{found.path}: the model has no input", hint="name the tensor that images enter through: `inputs`"
        )
    model = _finished(model, replace(plan, outputs=cuts), source, inputs)
    outputs, more = _chosen(_ports(model.outputs, [cut.label for cut in cuts]), inputs, given=bool(wishes.outputs))
    classes = classes_of(outputs[0].shape) if len(outputs) == 1 else None
    values = any(entry.plan.mean or entry.plan.scale for entry in inputs)
    return Survey(found, inputs, outputs, (*notes, *more), constants, classes, takes_values=values)


def _converted(plan: ConversionPlan) -> tuple[SourceModel, openvino.Model]:
    source = open_source(plan)
    try:
        source.read()
        return source, source.model()
    except FreezeError as error:
        raise FreezeError(str(error), hint=_in_own_words(error.hint)) from error


def _in_own_words(hint: str | None) -> str | None:
    """``hint`` for somebody who has no descriptor yet."""
    if hint is None or isinstance(hint, NextStep):
        return hint
    return "name the tensor that images enter through: `inputs`" if "input_info" in hint else hint


def _finished(
    model: openvino.Model, plan: ConversionPlan, source: SourceModel, inputs: Sequence[SurveyedInput]
) -> openvino.Model:
    try:
        return finish(model, plan, source.node_names(), {})
    except ConversionError as error:
        assumed = [note for entry in inputs for note in entry.settled.notes]
        hint = f"{assumed[0]}: `size` and `layout` say what is right" if assumed else error.hint
        raise type(error)(str(error), hint=hint) from error


def _ports(ports: Sequence[openvino.Output], names: Sequence[str]) -> tuple[Port, ...]:
    """``ports`` by the ``names`` that the plan has for them, else by their own."""
    found = {name: port_named(ports, name) for name in names}
    named = {_id_of(port): name for name, port in found.items() if port is not None}
    return tuple(_port(port, named.get(_id_of(port))) for port in ports)


def _id_of(port: openvino.Output) -> str:
    """What tells a port from the others of its model."""
    return str(port.get_node().get_friendly_name())


def _port(port: openvino.Output, name: str | None) -> Port:
    sizes = sizes_of(port)
    own = min(sorted(port.get_names()), key=len, default="")
    kind = port.get_element_type().get_type_name()
    return Port(name or own, None if sizes is None else tuple(sizes), kind)


def _settled(kind: type[SourceModel], port: Port, usual: str, wishes: Wishes) -> SurveyedInput:
    return _surveyed(port, settle(port, usual, wishes.size, wishes.layout), wishes, kind)


def _surveyed(port: Port, settled: Settled, wishes: Wishes, kind: type[SourceModel] = SourceModel) -> SurveyedInput:
    plan = InputPlan(kind.parse_name(port.name), settled.shape, settled.layout)
    if not settled.is_image:
        return SurveyedInput(port, settled, plan)
    colour = settled.channels == CHANNELS
    plan = replace(plan, reverse=colour and wishes.rgb)
    if port.element_type.startswith(("f", "bf")):
        mean, std = (_values(values, colour=colour) for values in (wishes.mean, wishes.std))
        return SurveyedInput(port, settled, replace(plan, mean=mean, scale=std))
    if wishes.mean or wishes.std:
        text = f"takes {port.element_type}: mean and std are left out, for the model does that itself"
        settled = replace(settled, notes=(*settled.notes, text))
    return SurveyedInput(port, settled, plan)


def _values(values: Values | None, *, colour: bool) -> tuple[float, ...]:
    """Mean or std as a plan has them: one number where all are the same, or where there is one channel."""
    if values is None:
        return ()
    if len(set(values)) == 1:
        return values[:1]
    return values if colour else (round(sum(values) / len(values), 4),)


def _chosen(
    outputs: tuple[Port, ...], inputs: Sequence[SurveyedInput], *, given: bool
) -> tuple[tuple[Port, ...], tuple[str, ...]]:
    """The outputs to convert: of several, the one answer of a classifier, if the input is one image."""
    scores = [port for port in outputs if (classes_of(port.shape) or 0) > 1]
    is_image = len(inputs) == 1 and inputs[0].settled.is_image
    if given or len(outputs) == 1 or not is_image or not scores:
        return outputs, ()
    named = (port for word in ANSWERS for port in scores if port.name.lower() == word)
    taken = next(named, scores[0])
    others = listed(port.name for port in outputs if port is not taken)
    why = "the first" if taken is scores[0] else "chosen by its name: one"
    return (taken,), (f"{why} with a score for each of several classes; the others are {others}",)
