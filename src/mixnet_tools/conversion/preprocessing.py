"""Gives a converted model the plan's shapes, preprocessing, names and rt_info.

It knows OpenVINO's preprocessing and naming. :mod:`mixnet_tools.ir.save` writes the model to files, and
:mod:`mixnet_tools.conversion.parity` looks whether it computes the right thing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mixnet_tools.conversion.plan import ConversionPlan, InputPlan
from mixnet_tools.conversion.sources.openvino_frontend import first_lines
from mixnet_tools.errors import ConversionError
from mixnet_tools.inference.openvino import listed, port_named
from mixnet_tools.ir.names import settle_names

if TYPE_CHECKING:
    import openvino


def finish(
    model: openvino.Model, plan: ConversionPlan, node_names: frozenset[str], metadata: Mapping[str, Mapping[str, str]]
) -> openvino.Model:
    """Shape, preprocess, name and describe ``model``; returns the finished one.

    ``node_names`` are the names that come from the source; others are OpenVINO's and made reproducible. ``metadata``
    becomes rt_info, by section. Outputs may have open shapes: how many boxes are found, for example. Raises
    :class:`ConversionError` where an input or output is missing, or an input's shape is open.
    """
    inputs = {entry: _find(model.inputs, entry.cut.placeholder, plan, "input") for entry in plan.inputs}
    shapes = {port: list(entry.shape) for entry, port in inputs.items() if entry.shape}
    try:
        if shapes:
            model.reshape(shapes)
        model = _preprocessed(model, plan, inputs)
    except (RuntimeError, TypeError) as error:
        raise ConversionError(f"{plan.model}: input_info does not fit the model: {first_lines(error)}") from error
    model = _ordered(model, plan)
    settle_names(model, lambda name: name.partition(":")[0] in node_names)
    _name(model, plan)
    for port in model.inputs:
        if port.get_partial_shape().is_dynamic:
            raise ConversionError(
                f"{plan.model}: the shape of {port.get_any_name()!r} stays open: {port.get_partial_shape()}",
                hint="give the input's shape in the descriptor's input_info",
            )
    for section, values in metadata.items():
        model.set_rt_info(dict(values), [section])
    return model


def _find(ports: Sequence[openvino.Output], name: str, plan: ConversionPlan, role: str) -> openvino.Output:
    port = port_named(ports, name)
    if port is None:
        raise ConversionError(f"{plan.model}: the model has no {role} {name!r}; available: {listed(ports)}")
    return port


def _preprocessed(
    model: openvino.Model, plan: ConversionPlan, inputs: Mapping[InputPlan, openvino.Output]
) -> openvino.Model:
    """Reversal, then mean, then scale, as the Model Optimizer applied them; OpenVINO folds them where that is exact."""
    import openvino

    preprocess = openvino.preprocess
    prepost = preprocess.PrePostProcessor(model)
    indices = {entry: list(model.inputs).index(port) for entry, port in inputs.items()}
    for entry, index in indices.items():
        port = prepost.input(index)
        if entry.element_type:
            port.tensor().set_element_type(getattr(openvino.Type, entry.element_type))
            if entry.mean or entry.scale:  # which are for floating-point numbers
                port.preprocess().convert_element_type(model.input(index).get_element_type())
        if entry.layout:
            port.tensor().set_layout(openvino.Layout(entry.layout))
            port.model().set_layout(openvino.Layout(entry.layout))
        if entry.reverse:
            port.tensor().set_color_format(preprocess.ColorFormat.BGR)
            port.preprocess().convert_color(preprocess.ColorFormat.RGB)
        if entry.mean:
            port.preprocess().mean(entry.mean[0] if len(entry.mean) == 1 else list(entry.mean))
        if entry.scale:
            port.preprocess().scale(entry.scale[0] if len(entry.scale) == 1 else list(entry.scale))
    return prepost.build()


def _ordered(model: openvino.Model, plan: ConversionPlan) -> openvino.Model:
    """``model`` with its inputs and outputs in the order in which the descriptor names them."""
    import openvino

    present = list(model.get_parameters())
    named = [_find(model.inputs, entry.cut.placeholder, plan, "input").get_node() for entry in plan.inputs]
    parameters = named + [parameter for parameter in present if parameter not in named]
    results = [_find(model.outputs, cut.tensor, plan, "output").get_node() for cut in plan.outputs]
    results = results or list(model.get_results())
    if parameters == present and results == list(model.get_results()):
        return model
    return openvino.Model(results, model.get_sinks(), parameters, plan.model)


def _name(model: openvino.Model, plan: ConversionPlan) -> None:
    """Give tensors and their layers exactly the documented names; OpenVINO's own carry port suffixes.

    A tensor of TensorFlow also keeps its name there and in the Model Optimizer's IR, with its port (``logits:0``).
    OpenVINO's ``any_name`` is the first in the order of text, and so the documented one.

    Everything is found before anything is renamed, for a name may be another tensor's already. Raises
    :class:`ConversionError` where two outputs are one tensor.
    """
    inputs = [(_find(model.inputs, entry.cut.placeholder, plan, "input"), entry) for entry in plan.inputs]
    outputs = [(_find(model.outputs, cut.tensor, plan, "output"), cut.label) for cut in plan.outputs]
    with_ports = {cut.label: {cut.tensor} for cut in plan.outputs}
    for port, entry in inputs:
        own = {entry.cut.tensor} & port.get_names()  # ONNX has no ports
        port.get_tensor().set_names({entry.cut.placeholder, *entry.aliases, *own})
        port.get_node().set_friendly_name(entry.cut.placeholder)
    for port, label in outputs:
        source = port.get_node().input_value(0)
        shared = [other for twin, other in outputs if twin.get_node().input_value(0) == source]
        if len(shared) > 1:  # an IR cannot tell them apart
            raise ConversionError(f"{plan.model}: the outputs {' and '.join(shared)} are one and the same tensor")
        kept = port.get_names() if source.get_node().get_type_name() == "Parameter" else set()
        own = with_ports[label] & port.get_names()
        port.get_tensor().set_names({label, *own, *kept})
        port.get_node().set_friendly_name(f"{label}/sink_port_0")
        if source.get_node().get_output_size() == 1 and source.get_node().get_type_name() not in (
            "Parameter",
            "Constant",
        ):
            source.get_node().set_friendly_name(label)
    documented = {entry.cut.placeholder for _, entry in inputs} | {label for _, label in outputs}
    for port in (*model.inputs, *model.outputs):
        names = port.get_names()
        if not names & documented and len(names) == 1 and next(iter(names)).endswith(":0"):
            port.get_tensor().set_names({*names, next(iter(names)).removesuffix(":0")})
    model.set_friendly_name(plan.model)
