"""What a model leaves open is settled, and every assumption has a note."""

from __future__ import annotations

import pytest

from mixnet_tools.conversion.plan import InputPlan, parse_cut
from mixnet_tools.conversion.survey.ports import Port, settle
from mixnet_tools.conversion.survey.survey import SurveyedInput, _chosen
from mixnet_tools.errors import UsageError

ASSUMED_SIZE = "the model leaves the size of its images open; 224 x 224 is assumed"


@pytest.mark.parametrize(
    ("sizes", "usual", "shape", "layout", "notes"),
    [
        ((1, 3, 32, 32), "NHWC", (1, 3, 32, 32), "NCHW", ()),
        ((-1, 32, 32, 3), "NCHW", (1, 32, 32, 3), "NHWC", ()),
        ((-1, 3, -1, -1), "NHWC", (1, 3, 224, 224), "NCHW", (ASSUMED_SIZE,)),
        ((-1, 1, 28, 28), "NHWC", (1, 1, 28, 28), "NCHW", ()),
        ((8, 3, 32, 32), "NCHW", (8, 3, 32, 32), "NCHW", ("the model takes 8 images at a time",)),
        ((1, 3, 32, 3), "NCHW", (1, 3, 32, 3), "NCHW", ("NCHW is assumed: the sizes fit both layouts",)),
        (
            (-1, -1, 32, 32), "NCHW", (1, 3, 32, 32), "NCHW",
            ("NCHW and three channels are assumed, for the model leaves the channels open",),
        ),
        (
            (1, 64, 7, 7), "NCHW", (1, 64, 7, 7), None,
            ("the sizes are not those of an image (1x64x7x7): they have no layout here",),
        ),
        ((-1, 10), "NCHW", (1, 10), None, ()),
        ((-1, 3, -1), "NCHW", (1, 3, 1), None, ("the model leaves sizes open (?x3x?); 1 is assumed for each",)),
    ],
)  # fmt: skip
def test_sizes_tell_the_layout(
    sizes: tuple[int, ...], usual: str, shape: tuple[int, ...], layout: str | None, notes: tuple[str, ...]
) -> None:
    settled = settle(Port("data", sizes, "f32"), usual)
    assert (settled.shape, settled.layout, settled.notes) == (shape, layout, notes)


def test_an_open_number_of_sizes_is_taken_for_an_image() -> None:
    settled = settle(Port("data", None, "f32"), "NHWC", (64, 48))
    assert (settled.shape, settled.layout, settled.sides) == ((1, 64, 48, 3), "NHWC", (64, 48))
    assert settled.notes[0].startswith("the model leaves its shape open")
    assert settle(Port("data", None, "string"), "NHWC").shape is None


def test_the_caller_may_know_better_but_not_against_the_model() -> None:
    open_port, fixed = Port("data", (-1, -1, -1, -1), "f32"), Port("data", (1, 3, 32, 32), "f32")
    assert settle(open_port, "NCHW", (8, 9), "NHWC").shape == (1, 8, 9, 3)
    assert settle(fixed, "NCHW", (32, 32)).notes == ()
    with pytest.raises(UsageError, match="takes images of 32x32"):
        settle(fixed, "NCHW", (32, 33))


@pytest.mark.parametrize(
    ("names", "taken"), [("features scores sum", "scores"), ("495 496 sum", "495"), ("a sum b", "a")]
)
def test_of_several_outputs_the_one_called_like_an_answer_is_taken(names: str, taken: str) -> None:
    image = Port("image", (1, 3, 8, 8), "f32")
    inputs = [SurveyedInput(image, settle(image, "NCHW"), InputPlan(parse_cut("image")))]
    outputs = tuple(Port(name, (1, 1 if name == "sum" else 10), "f32") for name in names.split())
    (chosen,), (note,) = _chosen(outputs, inputs, given=False)
    assert chosen.name == taken
    assert "a score for each of several classes; the others are" in note
