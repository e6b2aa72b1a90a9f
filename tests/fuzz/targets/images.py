"""Images, and the data sets that hold them."""

from __future__ import annotations

import io
import tempfile
from functools import cache, partial
from pathlib import Path

import numpy as np
from PIL import Image

from mixnet_tools.accuracy.datasets.dataset import open_dataset
from mixnet_tools.accuracy.datasets.exclusions import Exclusions
from mixnet_tools.accuracy.datasets.filters import exclude, with_real_labels
from mixnet_tools.accuracy.datasets.forms import parquet
from mixnet_tools.accuracy.datasets.forms.base import Wanted
from mixnet_tools.accuracy.datasets.image_bytes import open_image
from mixnet_tools.accuracy.preprocessing.decode import decode
from mixnet_tools.accuracy.preprocessing.grey import Library
from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location
from tests.fuzz.containers import packed, record_changes, records, tar_changes
from tests.fuzz.mutation import json_changes, message_of, png_changes
from tests.fuzz.target import Files, Finding, Place, Target
from tests.support.forms import name_of, write_devkit
from tests.support.images import pattern

_MODES = ("RGB", "L", "CMYK", "P", "RGBA", "1", "I;16")
_FORMATS = {
    "jpg": ("JPEG", ("RGB", "L", "CMYK")),
    "png": ("PNG", ("RGB", "L", "P", "RGBA", "1", "I;16")),
    "webp": ("WEBP", ("RGB", "RGBA")),
    "bmp": ("BMP", ("RGB", "L", "P", "1")),
    "gif": ("GIF", ("P",)),
    "tiff": ("TIFF", ("RGB", "L", "CMYK", "I;16")),
    "ppm": ("PPM", ("RGB", "L")),
}


def _image(kind: str, mode: str, side: int = 24) -> bytes:
    pixels = pattern(side, side + 3)
    image = Image.fromarray(pixels)
    image = Image.fromarray(pixels[..., 0].astype(np.uint16) << 8) if mode == "I;16" else image.convert(mode)
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(stream, kind, **({"exif": exif} if kind in ("JPEG", "WEBP", "PNG", "TIFF") else {}))
    return stream.getvalue()


@cache
def _images() -> tuple[Files, ...]:
    return tuple(
        {f"image.{suffix}": _image(kind, mode)} for suffix, (kind, modes) in _FORMATS.items() for mode in modes
    )


def _decode(place: Place) -> None:
    (path,) = place.given.iterdir()
    libraries: tuple[Library | None, ...] = (None, "opencv", "pillow")
    for library in libraries:
        found = decode(path, grey_reader=library)
        if found.image.mode != ("L" if library else "RGB"):
            raise Finding("decoded to other channels", found.image.mode)
        found.image.tobytes()


def _example(data: bytes, label: int, name: str) -> bytes:
    """A tf.train.Example."""
    features = []
    for key, field in (
        ("image/encoded", (1, 2, message_of([(1, 2, data)]))),
        ("image/class/label", (3, 2, message_of([(1, 2, bytes([label]))]))),
        ("image/filename", (1, 2, message_of([(1, 2, name.encode())]))),
    ):
        features.append((1, 2, message_of([(1, 2, key.encode()), (2, 2, message_of([field]))])))
    return message_of([(1, 2, message_of(features))])


@cache
def _tfrecords() -> tuple[Files, ...]:
    image = _image("JPEG", "RGB", 8)
    body = records([_example(image, label, f"{label}.jpg") for label in (1, 2, 3)])
    return ({"set/validation-00000-of-00001": body},)


@cache
def _parquet() -> tuple[Files, ...]:
    import pyarrow
    from pyarrow import parquet as writer

    image = _image("PNG", "RGB", 8)
    rows = [{"bytes": image, "path": f"{number}.png"} for number in range(6)]
    table = pyarrow.table({"image": rows, "label": list(range(6))})
    seeds = []
    for compression in ("none", "snappy", "zstd"):
        stream = io.BytesIO()
        writer.write_table(table, stream, row_group_size=3, compression=compression)
        seeds.append({"set/validation.parquet": stream.getvalue()})
    return tuple(seeds)


@cache
def _folders() -> tuple[Files, ...]:
    image = _image("JPEG", "RGB", 8)
    flat = {f"set/{number}.jpg": image for number in range(3)} | {"set/val.txt": b"0.jpg 0\n1.jpg 1\n2.jpg 2\n"}
    return (flat,)


@cache
def _webdataset() -> tuple[Files, ...]:
    import tarfile

    image = _image("JPEG", "RGB", 8)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for number in range(3):
            for name, data in ((f"{number}.cls", str(number).encode()), (f"{number}.jpg", image)):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return ({"set/a-000000.tar": stream.getvalue()},)


@cache
def _labels() -> tuple[Files, ...]:
    """Files that say more of a data set: ReaL's labels, a list of images to leave out, ImageNet's devkit."""
    image = _image("JPEG", "RGB", 8)
    with tempfile.TemporaryDirectory() as folder:
        devkit = write_devkit(Path(folder) / "ILSVRC2012_devkit_t12.tar.gz", [2, 0, 1], 5).read_bytes()
    images = {f"set/{name_of(number)}": image for number in (1, 2, 3)}
    more = {"set/val.txt": "".join(f"{name_of(number)} 0\n" for number in (1, 2, 3)).encode()}
    return (
        {**images, **more, "real.json": b"[[1], [2, 3], []]", "excluded.txt": b"1\nILSVRC2012_val_00000003.JPEG\n"},
        {**images, "set/ILSVRC2012_devkit_t12.tar.gz": devkit},
    )


def _open_labelled(place: Place) -> None:
    devkit = place.given / "set/ILSVRC2012_devkit_t12.tar.gz"
    annotations = Location.parse(str(devkit)) if devkit.is_file() else None
    found = open_dataset(Location.parse(str(place.given / "set")), Wanted(annotations))
    if annotations is None:
        with_real_labels(found, place.given / "real.json")
        exclude(found, Exclusions(place.given / "excluded.txt"))


def _open(place: Place) -> None:
    """As mixnet-check does: a broken image is counted, a broken data set refused."""
    parquet.forget()
    found = open_dataset(Location.parse(str(place.given / "set")))
    for image in found.images:
        if image.label < 0:
            raise Finding("a negative label")
        try:
            decode(open_image(image), name=image.where)
        except DatasetError:
            continue


TARGETS = (
    Target("image", _images, {"*.png": png_changes, "*": None}, _decode, examples=300),
    Target("TFRecord", _tfrecords, {"*": record_changes}, _open, examples=100),
    Target("Parquet", _parquet, {"*": None}, _open, examples=100),
    Target("WebDataset", _webdataset, {"*": tar_changes}, _open, examples=80),
    Target(
        "labels",
        _labels,
        {"real.json": json_changes, "*.txt": None, "*.gz": partial(packed, suffix=".gz")},
        _open_labelled,
        examples=80,
    ),
    Target("annotations", _folders, {"*.txt": None}, _open, examples=80),
)
