"""The parts of a cluster run that need no cluster: addresses, shards, the queue, parcels, errors that travel."""

from __future__ import annotations

import pickle
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mixnet_tools import errors
from mixnet_tools.accuracy.cluster import parcels
from mixnet_tools.accuracy.cluster.address import parse_address
from mixnet_tools.accuracy.cluster.dask_quietly import import_distributed
from mixnet_tools.accuracy.cluster.shards import Shard, ShardQueue, died, packed, sent, unpacked
from mixnet_tools.accuracy.datasets.image import LabelledImage, Span
from mixnet_tools.accuracy.evaluation.loop import MeasuredBatch, SeenImage
from mixnet_tools.accuracy.predictions.values import Answers
from mixnet_tools.errors import (
    DatasetError,
    EvaluationError,
    HttpStatusError,
    MissingDependency,
    MixnetToolsError,
    UnknownModelError,
    UsageError,
)
from mixnet_tools.files.location import Location
from tests.support.colour_model import write_ir


@pytest.mark.parametrize(
    "text", ["", "local:0", "local:", "local:x", "localhost", "tcp://h", "http://h:1", "tcp://h:1/x"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_address(text)
    assert "--cluster" in str(caught.value)
    assert caught.value.hint is not None


@pytest.mark.parametrize("text", ["local", "local:12", "tcp://[::1]:8786", "tls://host.example:1"])
def test_an_address_says_what_was_written(text: str) -> None:
    assert str(parse_address(text)) == text


@pytest.mark.parametrize("size", [1, 7, 50, 1000])
def test_every_image_goes_out_once(size: int) -> None:
    queue, seen, again = ShardQueue([50, 0, 13], size), [], 0
    while queue:
        shard = queue.pop()
        if len(shard) > 1 and again < 9:
            again += 1
            queue.put_back(shard.split())
            continue
        seen += [(shard.group, place) for place in range(shard.start, shard.stop)]
    assert sorted(seen) == [(0, place) for place in range(50)] + [(2, place) for place in range(13)]
    with pytest.raises(IndexError):
        queue.pop()


def test_two_splits_lead_to_single_images() -> None:
    parts = [single for part in Shard(0, 0, 128).split() for single in part.split()]
    assert [len(part) for part in parts] == [1] * 128
    assert [part.start for part in parts] == list(range(128))


def images(count: int, folder: Path) -> list[LabelledImage]:
    return [LabelledImage(f"{number}.jpg", Location(folder / f"{number}.jpg"), number) for number in range(count)]


def test_answers_come_back_as_they_were() -> None:
    whole = images(5, Path("set"))
    rng = np.random.default_rng(2)
    answers = [Answers(rng.integers(0, 9, (size, 5)), rng.random((size, 5))) for size in (2, 2)]
    problem = DatasetError(f"{Path('set').absolute()}/1.jpg: cannot be decoded", hint="try")
    seen = [SeenImage(one, ("grey",) if number == 4 else (), None) for number, one in enumerate(whole)]
    seen[1] = replace(seen[1], problem=problem)
    batches = [MeasuredBatch(tuple(seen[:3]), (answers[0],)), MeasuredBatch(tuple(seen[3:]), (answers[1],))]
    found = unpacked(pickle.loads(pickle.dumps(packed(batches, 1))), whole)
    assert [one.image for one in found.images] == whole
    assert [one.image_notes for one in found.images] == [(), (), (), (), ("grey",)]
    back = found.images[1].problem
    assert isinstance(back, DatasetError)
    assert (str(back), back.hint) == ("set/1.jpg: cannot be decoded", "try")  # the path as it was given
    assert (found.answers[0].classes == np.concatenate([one.classes for one in answers])).all()
    assert (found.answers[0].scores == np.concatenate([one.scores for one in answers])).all()


def test_a_shard_without_a_good_image() -> None:
    (one,) = images(1, Path("set"))
    bad = SeenImage(one, (), EvaluationError("set/0.jpg: too small"))
    found = unpacked(packed([MeasuredBatch((bad,), ())], 3), [one])
    assert isinstance(found.images[0].problem, EvaluationError)
    assert found.answers == ()
    assert "the worker died" in str(unpacked(died(one), [one]).images[0].problem)


def test_images_travel_with_absolute_paths_and_without_labels() -> None:
    given = [LabelledImage("a.jpg", Location(Path("set.tar")), 7, Span(512, 20), (7, 8))]
    absolute = Location(Path("set.tar").absolute())
    assert pickle.loads(sent(given)) == (LabelledImage("a.jpg", absolute, 0, Span(512, 20)),)


def every_error() -> list[type[MixnetToolsError]]:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, MixnetToolsError)]
    assert len(kinds) > 15
    return kinds


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_errors_travel_with_all_that_they_say(kind: type[MixnetToolsError]) -> None:
    more: dict[str, Any] = {"status": 404} if kind is HttpStatusError else {}
    error = kind("what", hint="try", **more)
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is kind
    assert (str(back), back.hint, vars(back)) == ("what", "try", vars(error))
    without = pickle.loads(pickle.dumps(UnknownModelError("x")))
    assert without.hint == UnknownModelError.default_hint


def test_a_model_is_the_same_on_both_ends_or_refused(tmp_path: Path) -> None:
    ir = write_ir(tmp_path / "here")
    packed_model = parcels.pack_ir(ir, "GPU.1")  # a device that only workers need to have
    assert packed_model.parcel.info.device == "GPU.1"
    parcel = pickle.loads(pickle.dumps(packed_model.parcel))
    assert parcels.found_at_client_path(parcel) == (ir.xml, ir.bin)
    data = packed_model.data()
    paths = parcels.unpack(parcel, data, tmp_path / "there")
    assert [path.read_bytes() for path in paths] == [ir.xml.read_bytes(), ir.bin.read_bytes()]
    on_cpu = replace(parcel, info=replace(parcel.info, device="CPU"))
    assert parcels.load(on_cpu, paths, 1).info == on_cpu.info
    with pytest.raises(EvaluationError, match="damaged on their way"):
        parcels.unpack(parcel, (data[0], data[1] + b"x"), tmp_path / "there")
    ir.bin.write_bytes(data[1] + b"x")
    assert parcels.found_at_client_path(parcel) is None
    with pytest.raises(EvaluationError, match=r"\.bin: was changed while the evaluation ran"):
        packed_model.data()
    with pytest.raises(EvaluationError, match="was changed while the evaluation ran"):
        parcels.load(on_cpu, (ir.xml, ir.bin), 1)


def test_without_dask_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingDependency) as caught:
        import_distributed()
    assert caught.value.hint == "pip install 'mixnet-tools[cluster]'"
