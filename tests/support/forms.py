"""One small labelled set written in every form that mixnet-check reads."""

from __future__ import annotations

import io
import json
import struct
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mixnet_tools.accuracy.datasets.dataset import ImageDataset, open_dataset
from mixnet_tools.accuracy.datasets.forms.base import Wanted
from mixnet_tools.files.location import Location
from tests.support.tensorflow_import import import_tensorflow


def open_at(
    place: str | Path | Location,
    annotations: str | Path | None = None,
    first_label: int | None = None,
    **wanted: Any,
) -> ImageDataset:
    """The data set at a path or URL."""
    source = place if isinstance(place, Location) else Location.parse(place)
    return open_dataset(source, Wanted(Location.parse_optional(annotations), first_label, **wanted))


def name_of(number: int) -> str:
    """The name of ImageNet's validation image ``number``, counted from 1."""
    return f"ILSVRC2012_val_{number:08}.JPEG"


def write_flat(folder: Path, images: Sequence[tuple[bytes, int]]) -> Path:
    folder.mkdir(parents=True)
    for number, (data, _) in enumerate(images, 1):
        (folder / name_of(number)).write_bytes(data)
    lines = (f"{name_of(number)} {label}\n" for number, (_, label) in enumerate(images, 1))
    (folder / "val.txt").write_text("".join(lines))
    return folder


def write_tar(path: Path, members: Sequence[tuple[str, bytes]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, data in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def write_imagenet_tar(folder: Path, images: Sequence[tuple[bytes, int]], classes: int) -> Path:
    """ILSVRC2012_img_val.tar, and the devkit beside it with class numbers in an order of its own."""
    path = write_tar(
        folder / "ILSVRC2012_img_val.tar", [(name_of(number), data) for number, (data, _) in enumerate(images, 1)]
    )
    write_devkit(folder / "ILSVRC2012_devkit_t12.tar.gz", [label for _, label in images], classes)
    return path


def write_devkit(path: Path, labels: Sequence[int], classes: int) -> Path:
    from scipy.io import savemat

    wnids = [f"n{1000 + 7 * label:08}" for label in range(classes)]  # label = place in sorted order
    own_order = np.random.default_rng(1).permutation(classes)  # the devkit's ID 1 is label own_order[0]
    assert own_order.tolist() != list(range(classes))
    id_of = {int(label): place + 1 for place, label in enumerate(own_order)}
    kind = [("ILSVRC2012_ID", "f8"), ("WNID", "O"), ("num_children", "f8")]
    rows = [(place + 1, wnids[label], 0) for place, label in enumerate(own_order)]
    rows += [(classes + 1, "n00000001", classes)]  # an inner node of WordNet's tree
    meta: Any = io.BytesIO()  # SciPy writes to streams, whatever its stubs say
    savemat(meta, {"synsets": np.array(rows, dtype=kind)})
    truth = "".join(f"{id_of[label]}\n" for label in labels).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, data in (("meta.mat", meta.getvalue()), ("ILSVRC2012_validation_ground_truth.txt", truth)):
            entry = tarfile.TarInfo(f"ILSVRC2012_devkit_t12/data/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def write_tfrecords(
    folder: Path,
    images: Sequence[tuple[bytes, int]],
    first_labels: dict[str, int],
    synsets: Sequence[str] | None = None,
) -> Path:
    """Two files, written by TensorFlow itself; ``first_labels``: which features hold labels, counting from what.

    ``synsets`` are the WordNet ids of the images.
    """
    tensorflow = import_tensorflow()
    folder.mkdir(parents=True)
    half = len(images) // 2
    for index, part in enumerate((images[:half], images[half:])):
        with tensorflow.io.TFRecordWriter(str(folder / f"validation-{index:05}-of-00002")) as writer:
            for number, (data, label) in enumerate(part, 1 + index * half):
                train = tensorflow.train
                features = {
                    "image/filename": train.Feature(bytes_list=train.BytesList(value=[name_of(number).encode()])),
                    "image/height": train.Feature(int64_list=train.Int64List(value=[20])),
                    "image/object/bbox/xmin": train.Feature(float_list=train.FloatList(value=[0.25, 0.5])),
                    "image/encoded": train.Feature(bytes_list=train.BytesList(value=[data])),
                }
                for feature, first in first_labels.items():
                    features[feature] = train.Feature(int64_list=train.Int64List(value=[label + first]))
                if synsets is not None:
                    wordnet_id = train.BytesList(value=[synsets[number - 1].encode()])
                    features["image/class/synset"] = train.Feature(bytes_list=wordnet_id)
                example = train.Example(features=train.Features(feature=features))
                writer.write(example.SerializeToString())
    return folder


def write_parquet(folder: Path, images: Sequence[tuple[bytes, int]]) -> Path:
    """Two files with small row groups, of the hub's form."""
    import pyarrow
    from pyarrow import parquet

    folder.mkdir(parents=True)
    half = len(images) // 2
    for index, part in enumerate((images[:half], images[half:])):
        rows = [{"bytes": data, "path": name_of(number)} for number, (data, _) in enumerate(part, 1 + index * half)]
        table = pyarrow.table({"image": rows, "label": [label for _, label in part]})
        parquet.write_table(table, folder / f"validation-{index:05}-of-00002.parquet", row_group_size=7)
    return folder


def write_webdataset(folder: Path, images: Sequence[tuple[bytes, int]]) -> Path:
    """Two files, with other annotations beside the labels."""
    half = len(images) // 2
    for index, part in enumerate((images[:half], images[half:])):
        members = []
        for number, (data, label) in enumerate(part, 1 + index * half):
            stem = name_of(number).removesuffix(".JPEG")
            members += [(f"{stem}.cls", str(label).encode()), (f"{stem}.json", json.dumps({"n": number}).encode())]
            members += [(f"{stem}.jpg", data)]
        write_tar(folder / f"set-{index:06}.tar", members)
    return folder


def torn(path: Path, size: int) -> Path:
    """``path``, cut to ``size`` bytes."""
    path.write_bytes(path.read_bytes()[:size])
    return path


def record_header(length: int) -> bytes:
    """The first 12 bytes of a TFRecord with a wrong checksum."""
    return struct.pack("<QI", length, 12345)
