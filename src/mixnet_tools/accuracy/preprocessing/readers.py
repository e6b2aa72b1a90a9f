"""The readers of Open Model Zoo's accuracy-check.yml as frozen, typed values."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field

from mixnet_tools.descriptors.known_keys import require_known_type
from mixnet_tools.descriptors.strict_yaml import StrictModel


class OpenCvReader(StrictModel):
    """OpenCV's ``imread``: BGR, or one channel with the flag ``gray``. It turns images as their EXIF data asks."""

    type: Literal["opencv_imread"]
    """``opencv_imread``."""
    reading_flag: Literal["color", "gray"] = "color"
    """``color`` gives three channels, ``gray`` one."""

    def __str__(self) -> str:
        return self.type


class PillowReader(StrictModel):
    """Pillow: RGB. With ``to_rgb: false`` images keep the channels that their files have. It turns no image."""

    type: Literal["pillow_imread"]
    """``pillow_imread``."""
    to_rgb: bool = True
    """Whether every image becomes RGB. With ``false``, a model of one channel gets grey images."""


class ScipyReader(StrictModel):
    """What SciPy's ``imread`` was: as Pillow with ``to_rgb: false``, and palettes are colours."""

    type: Literal["scipy_imread"]
    """``scipy_imread``."""


_Name = Literal["opencv_imread", "pillow_imread", "scipy_imread"]
_TYPES = get_args(_Name)


def _as_mapping(value: object) -> object:
    """A reader that is written as its name alone, as a mapping."""
    value = {"type": value} if isinstance(value, str) else value
    require_known_type(value, _TYPES, "reader")
    return value


_Mapping = Annotated[OpenCvReader | PillowReader | ScipyReader, Field(discriminator="type")]
Reader = Annotated[_Mapping, BeforeValidator(_as_mapping, json_schema_input_type=_Name | _Mapping)]
"""A reader that accuracy-check.yml may have: its name, or a mapping with its ``type`` and options."""

Reads = Literal["colour", "grey", "as stored"]
"""The channels that a reader gives: three, one, or those of the file."""


def reads_of(reader: OpenCvReader | PillowReader | ScipyReader) -> Reads:
    """The channels that ``reader`` gives."""
    if isinstance(reader, OpenCvReader):
        return "grey" if reader.reading_flag == "gray" else "colour"
    return "colour" if isinstance(reader, PillowReader) and reader.to_rgb else "as stored"
