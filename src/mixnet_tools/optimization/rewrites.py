"""The portable rewrites, in their order, applied to a model by OpenVINO's pass manager."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from mixnet_tools.optimization import branches, splits, transposes

REWRITES: Mapping[str, tuple[tuple[str, ...], Callable[[Any], bool]]] = MappingProxyType(
    {module.NAME: (module.ROOTS, module.rewrite) for module in (splits, branches, transposes)}
)
"""By name: the types of operation at which a pattern is looked for, and what changes the graph where it is found."""


def rewrite(model: Any, names: tuple[str, ...] = tuple(REWRITES)) -> dict[str, int]:
    """Apply the rewrites called ``names`` to ``model``, in place; returns how often each matched (never: absent).

    Names, layouts and rt_info of inputs, outputs and model stay; a model that nothing matches stays as it is. What is
    raised in a rewrite is raised here, and leaves ``model`` in between.
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


def is_quantized(model: Any) -> bool:
    """Whether ``model`` was made for integers: its rewrites and primitives would be others."""
    return any(operation.get_type_name() == "FakeQuantize" for operation in model.get_ops())


def _matcher_pass(name: str, counts: dict[str, int], raised: list[BaseException]) -> Any:
    from openvino.passes import Matcher, MatcherPass, WrapType

    roots, change = REWRITES[name]

    class Pass(MatcherPass):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.register_matcher(Matcher(WrapType(list(roots)), name), self.matched)

        def matched(self, matcher: Any) -> bool:
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
