"""Lists the kinds of source model that can be converted. A new kind is a line here."""

from __future__ import annotations

from mixnet_tools.conversion.plan import ConversionPlan
from mixnet_tools.conversion.sources.base import SourceModel
from mixnet_tools.conversion.sources.frozen_graph import FrozenGraphSource
from mixnet_tools.conversion.sources.meta_graph import MetaGraphSource
from mixnet_tools.conversion.sources.onnx import OnnxSource
from mixnet_tools.conversion.sources.pytorch import PyTorchSource
from mixnet_tools.conversion.sources.saved_model import SavedModelSource

KINDS: dict[str, type[SourceModel]] = {
    one.kind: one for one in (MetaGraphSource, FrozenGraphSource, SavedModelSource, OnnxSource, PyTorchSource)
}


def open_source(plan: ConversionPlan) -> SourceModel:
    """The source model that ``plan`` names. Nothing is read yet."""
    return KINDS[plan.source.kind](plan)
