"""Takes from a TensorFlow graph the part that is converted: cut at the plan's inputs, pruned to its outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mixnet_tools.conversion.graphs import surgery, variables
from mixnet_tools.conversion.plan import ConversionPlan, Cut
from mixnet_tools.errors import FreezeError

if TYPE_CHECKING:
    from tensorboard.compat.proto.graph_pb2 import GraphDef


@dataclass(frozen=True)
class InferenceGraph:
    """A graph that was cut and pruned, and what was cut away.

    ``placeholders`` are the node names of the inputs, ``outputs`` the tensor names of the outputs, in the plan's
    order. ``node_names`` are all names of the source graph. ``dropped`` counts the nodes that were cut away, and
    ``dropped_inputs`` names the operations that fed the cut tensors.
    """

    graph: GraphDef
    placeholders: tuple[str, ...]
    outputs: tuple[str, ...]
    node_names: frozenset[str]
    dropped: int
    dropped_inputs: tuple[str, ...]


def inference_graph(plan: ConversionPlan, graph: GraphDef) -> InferenceGraph:
    """Cut and prune ``graph`` as ``plan`` says. Its variables stay variables.

    Raises :class:`FreezeError` where an input or output does not exist or does not fit.
    """
    names = frozenset(node.name for node in graph.node)
    before = {node.name: node for node in graph.node}
    inputs = plan.inputs
    outputs = [cut.node for cut in plan.outputs] or _leaves(graph)
    cut = graph
    for entry in inputs:
        cut = surgery.insert_placeholder(cut, entry.cut, len(entry.shape) if entry.shape else None)
    for constant in plan.constants:
        cut = surgery.fold_placeholder(cut, constant)
    pruned = surgery.prune(cut, outputs)
    planned = tuple(entry.cut.placeholder for entry in inputs)
    others = [node for node in pruned.node if node.op in surgery.PLACEHOLDER_OPS and node.name not in planned]
    # Where the plan names inputs, a scalar beside them (is_training) is one that must get a value.
    placeholders = planned + tuple(node.name for node in others if not planned or surgery.rank(node))
    surgery.check_closed(pruned, placeholders)
    pruned, tensors = surgery.expose(pruned, plan.outputs or [Cut(name, name, "node", 0) for name in outputs])
    fed_by = [before[entry.cut.node].op for entry in inputs if entry.cut.node in before]
    return InferenceGraph(
        graph=pruned,
        placeholders=placeholders,
        outputs=tensors,
        node_names=names,
        dropped=len(graph.node) + sum(name not in names for name in placeholders) - len(pruned.node),
        dropped_inputs=tuple(op for op in fed_by if op not in surgery.PLACEHOLDER_OPS),
    )


def _leaves(graph: GraphDef) -> list[str]:
    """The nodes that nothing reads: the outputs of a graph that declares none."""
    read = {surgery.tensor(name)[0] for node in graph.node for name in node.input}
    skipped = variables.VARIABLE_OPS | {"Const", "NoOp", "Assert"}
    leaves = [node.name for node in graph.node if node.name not in read and node.op not in skipped]
    if not leaves:
        raise FreezeError("the graph has no output", hint="name it in model_optimizer_args: --output=<node>")
    return leaves
