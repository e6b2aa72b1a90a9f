"""Applies the rewrites to a model, in their order, by OpenVINO's pass manager."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from mixnet_tools.optimization import branches, splits, transposes

if TYPE_CHECKING:
    import openvino

REWRITES: Mapping[str, tuple[tuple[str, ...], Callable[[openvino.Node], bool]]] = MappingProxyType(
    {module.NAME: (module.ROOTS, module.rewrite) for module in (splits, branches, transposes)}
)
"""The rewrites by name: the types of operation at which its pattern is looked for, and the function that rewrites.

The function gets such an operation, and returns whether the pattern matched.
"""

BEFORE_QUANTIZATION = (branches.NAME, transposes.NAME)
"""The rewrites that are for a model that is to be quantized. They take operations away that would need quantizers."""

AFTER_QUANTIZATION = (splits.NAME,)
"""Those that are for the quantized model. Before, parts of a convolution would get corrections of their own."""


def rewrite(model: openvino.Model, names: tuple[str, ...] = tuple(REWRITES)) -> dict[str, int]:
    """Apply the rewrites called ``names`` to ``model``, in place. Returns how often each one matched, if it did.

    Names, layouts and rt_info of the model, its inputs and outputs stay. An exception in a rewrite is raised here, and
    leaves ``model`` half rewritten.
    """
    from openvino.passes import Manager

    counts = dict.fromkeys(names, 0)
    raised: list[BaseException] = []
    manager = Manager()
    passes = [_matcher_pass(name, counts, raised) for name in names]  # the manager does not keep them alive
    for one in passes:
        manager.register_pass(one)
    manager.run_passes(model)
    if raised:
        raise raised[0]
    if any(counts.values()):
        model.validate_nodes_and_infer_types()
    return {name: count for name, count in counts.items() if count}


def is_quantized(model: openvino.Model) -> bool:
    """Whether ``model`` computes with integers: it would need other rewrites and other kernels."""
    return any(operation.get_type_name() == "FakeQuantize" for operation in model.get_ops())


def _matcher_pass(name: str, counts: dict[str, int], raised: list[BaseException]) -> openvino.passes.MatcherPass:
    """A pass that applies the rewrite ``name``, and keeps in ``counts`` and ``raised`` what came of it."""
    from openvino.passes import Matcher, MatcherPass, WrapType

    roots, change = REWRITES[name]

    class Pass(MatcherPass):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.register_matcher(Matcher(WrapType(list(roots)), name), self.matched)

        def matched(self, matcher: Matcher) -> bool:
            if raised:
                return False
            try:
                changed = change(matcher.get_match_root())
            except BaseException as error:  # KeyboardInterrupt too: OpenVINO would make a RuntimeError of it
                raised.append(error)
                return False
            counts[name] += changed
            return changed

    return Pass()
