"""``composite-model.yml``: a model of several stages, such as an encoder and a decoder, each a model of its own.

Open Model Zoo has twelve of them. The stages are folders with a model.yml, beside composite-model.yml.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import Field

from mixnet_tools.descriptors import strict_yaml
from mixnet_tools.descriptors.model_yml import Framework, TaskType, checked_name
from mixnet_tools.descriptors.strict_yaml import KeyPath, StrictModel

COMPOSITE_FILE = "composite-model.yml"


class CompositeYml(StrictModel):
    """A model of several stages. Each stage is a folder with a model.yml, beside composite-model.yml."""

    description: str
    """What the model is, in a few sentences."""
    task_type: TaskType
    """One of OMZ's words for what a model does. Example: ``action_recognition``."""
    framework: Framework
    """The framework of the published files. Example: ``tf``."""
    license: str
    """The address of the licence's text. Example: ``https://www.apache.org/licenses/LICENSE-2.0.txt``."""
    stages_order: Annotated[tuple[str, ...], Field(min_length=1)] = Field(strict=False)
    """The names of the stages' folders, in the order of their use. Example: ``[net-encoder, net-decoder]``."""


class CompositeDescriptor(CompositeYml):
    """What is known of a composite model. ``stages_order`` are the names of its stages, in the order of their use.

    ``name``, ``path``, ``subdirectory`` and ``warnings`` are as those of a
    :class:`~mixnet_tools.descriptors.model_yml.ModelDescriptor`.
    """

    name: str
    path: Path
    subdirectory: PurePosixPath
    warnings: tuple[str, ...] = ()


def load_composite(path: Path, subdirectory: PurePosixPath, stages: frozenset[str]) -> CompositeDescriptor:
    """Read the composite-model.yml at ``path``, beside which are the ``stages``.

    Raises :class:`DescriptorError` that names each wrong value, and each stage that is not there or not in the order.
    """

    def cross_check(model: CompositeYml) -> list[tuple[KeyPath, str]]:
        order = model.stages_order
        problems: list[tuple[KeyPath, str]] = [
            (("stages_order", index), f"expected a folder with model.yml beside this file, got {name!r}")
            for index, name in enumerate(order)
            if name not in stages
        ]
        problems += [(("stages_order",), f"names {name!r} twice") for name in set(order) if order.count(name) > 1]
        problems += [(("stages_order",), f"does not name the stage {name!r}") for name in sorted(stages - set(order))]
        return problems

    name = checked_name(path)
    contents, warnings = strict_yaml.validate_known(strict_yaml.read(path), CompositeYml, cross_check)
    return CompositeDescriptor(**dict(contents), name=name, path=path, subdirectory=subdirectory, warnings=warnings)
