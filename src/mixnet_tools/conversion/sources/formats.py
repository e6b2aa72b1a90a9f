"""Recognizes model files by their content, whatever they are called, and says how each becomes one that converts."""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mixnet_tools.conversion.graphs.graph_file import TEXT

_HEAD = 4096
"""Bytes of a file that are looked at."""

_CHECKPOINT_INDEX = struct.pack("<Q", 0xDB4775248B80FB57)
"""The end of a TensorFlow checkpoint's index (LevelDB's table format)."""

_OBJECT_GRAPH = b"_CHECKPOINTABLE_OBJECT_GRAPH"
"""The name of a value that only checkpoints of TensorFlow 2 have."""

_KERAS = (
    "export it as a SavedModel with the Keras that wrote it, in Python, and name the folder in --saved_model_dir: "
    "keras.saving.load_model('{name}', compile=False).export('saved_model')"
)
_TORCH = (
    "export it to ONNX with the model's own Python code, and set framework: onnx: "
    "torch.onnx.export(model, torch.zeros(1, 3, 224, 224), '{stem}.onnx')"
)
_TORCHSCRIPT = "a TorchScript archive, which is a program"
_TORCHSCRIPT_ADVICE = (
    "save its weights alone, in Python: torch.save(torch.jit.load('{name}').state_dict(), '{stem}-weights.pth')"
)
TORCH_WEIGHTS = (
    "a PyTorch file", "a PyTorch file of the older kind", "a Python pickle, which is a program",
    "weights in safetensors, without a graph",
)  # fmt: skip
"""Names of the formats that may hold the weights of a PyTorch module. Whether a pickle holds weights only is seen when
it is read.
"""
_UNPACK = "have the descriptor unpack it: postprocessing, $type: unpack_archive, and name the file inside"


@dataclass(frozen=True)
class Format:
    """A format of files: the ``kind`` of source that reads it (``ir``: it needs none; None: none does), its ``name``
    for a message with an article, and ``advice``, which says what to type.
    """

    kind: str | None
    name: str
    advice: str

    @property
    def is_no_model(self) -> bool:
        """Whether the file only stands for a model, or is what a server sent instead of it."""
        return self.name in ("a pointer of Git LFS, not the model", "a web page, not a model")

    @property
    def advice_without_descriptor(self) -> str:
        """``advice`` for somebody who has only the file: it names no key and no argument of a descriptor."""
        if self.advice == _UNPACK:
            return "unpack it, and give the model's own file or folder"
        text = self.advice.replace("and name the folder in --saved_model_dir", "and give that folder")
        text = re.sub(r"name its meta graph: --input_meta_graph=\S+ if it has none, ", "", text)
        return text.replace(", and set framework: onnx:", ", and give that file:")


def recognize(path: Path) -> Format | None:
    """The format of the file or folder at ``path``, or None where it is none of those that are known."""
    if path.is_dir():
        return _folder(path)
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
        stream.seek(max(0, stream.seek(0, 2) - len(_CHECKPOINT_INDEX)))
        end = stream.read()
    if head.startswith(b"PK\x03\x04"):
        return _zip(path)
    for matches, found in _FORMATS:
        if matches(head, end):
            return _for(found, path)
    return None


def checkpoint_without_graph(meta: Path) -> Format | None:
    """What to do where ``meta`` is missing because TensorFlow 2 wrote the checkpoint beside it; else None."""
    index = meta.with_suffix(".index")
    if meta.exists() or not index.is_file() or _OBJECT_GRAPH not in index.read_bytes():
        return None
    return Format(None, "a checkpoint of TensorFlow 2 without its graph", _EXPORT)


def archive_format(path: Path) -> str | None:
    """The format of the archive at ``path``, as a descriptor's unpack_archive calls it; None where it is no archive."""
    found = recognize(path)
    if found is None or found.advice != _UNPACK:
        return None
    with path.open("rb") as stream:
        head = stream.read(8)
    return next((name for start, name in _ARCHIVES if head.startswith(start)), "tar")


_ARCHIVES = (
    (b"PK", "zip"), (b"\x1f\x8b", "gztar"), (b"BZh", "bztar"), (b"\xfd7zXZ\0", "xztar"), (b"\x28\xb5\x2f\xfd", "zst"),
)  # fmt: skip
"""What archives begin with. A tar that is not compressed begins with the name of a file."""


def _for(found: Format, path: Path) -> Format:
    return Format(found.kind, found.name, found.advice.format(name=path.name, stem=path.stem, folder=path.parent.name))


def _folder(path: Path) -> Format | None:
    graph = path / "saved_model.pb"
    if graph.is_file():
        inside = recognize(graph)
        if inside is None or inside.kind == "saved_model":
            return Format("saved_model", "a SavedModel's folder", f"name it: --saved_model_dir=$dl_dir/{path.name}")
        return Format(inside.kind, f"a folder whose {graph.name} is {inside.name}", inside.advice)
    if (path / "model.weights.h5").is_file() or (path / "keras_metadata.pb").is_file():
        return _for(Format(None, "an unpacked Keras model", _KERAS), path)
    return None


def _zip(path: Path) -> Format:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        names = []
    if "config.json" in names and any(name.endswith(".weights.h5") for name in names):
        return _for(Format(None, "a Keras model (.keras)", _KERAS), path)
    if any(name.endswith("/constants.pkl") for name in names):
        return _for(Format(None, _TORCHSCRIPT, _TORCHSCRIPT_ADVICE), path)
    if any(name.endswith("/data.pkl") for name in names):
        return _for(Format(None, "a PyTorch file", _TORCH), path)
    if any(name.endswith("saved_model.pb") for name in names):
        return Format(None, "a zip archive with a SavedModel", _UNPACK)
    return Format(None, "a zip archive", _UNPACK)


def _starts(*beginnings: bytes) -> Callable[[bytes, bytes], bool]:
    return lambda head, _: head.startswith(beginnings)


def _is_onnx(head: bytes, _: bytes) -> bool:
    """A ModelProto: its field 1 is the version of the format (3 or more in all that are in use), others follow."""
    return len(head) > 2 and head[0] == 0x08 and 2 <= head[1] < 0x40 and head[2] in b"\x12\x1a\x22\x28\x32\x3a\x42"


def _is_graph(head: bytes, _: bytes) -> bool:
    """A GraphDef begins with a node (field 1), which begins with its name (field 1, printable)."""
    match = re.match(rb"\x0a(?:[\x80-\xff]*[\x00-\x7f])\x0a[\x01-\x7f]([\x21-\x7e])", head, re.DOTALL)
    return match is not None


_EXPORT = (
    "export the model as a SavedModel where its Python code is, and name the folder in --saved_model_dir: "
    "model.export('saved_model'), or tf.saved_model.save(model, 'saved_model')"
)
_FORMATS: tuple[tuple[Callable[[bytes, bytes], bool], Format], ...] = (
    (lambda head, _: not head.strip(b"\0"), Format(
        None, "empty, or holds zeros only", "export the model anew")),
    (_starts(b"\x89HDF\r\n\x1a\n"), Format(None, "a Keras model in HDF5 (.h5)", _KERAS)),
    (lambda head, _: head[4:8] == b"TFL3", Format(
        None, "a TensorFlow Lite model (.tflite)", "OpenVINO converts it by itself: ovc {name}")),
    (_starts(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"), Format(None, "a PyTorch file of the older kind", _TORCH)),
    (lambda head, _: len(head) > 2 and head[0] == 0x80 and 2 <= head[1] <= 5, Format(
        None, "a Python pickle, which is a program", _TORCH)),
    (lambda head, _: head[8:10] == b'{"' and head[7:8] == b"\0", Format(
        None, "weights in safetensors, without a graph", _TORCH)),
    (lambda head, end: end == _CHECKPOINT_INDEX, Format(
        None, "the index of a TensorFlow checkpoint, without a graph",
        "name its meta graph: --input_meta_graph=$dl_dir/{stem}.meta; if it has none, " + _EXPORT)),
    (lambda head, _: head[:2] == b"\x08\x01" and head[2:3] == b"\x12", Format(
        "saved_model", "the graph of a SavedModel", "name its folder: --saved_model_dir=$dl_dir")),
    (_is_onnx, Format("onnx", "an ONNX model", "set framework: onnx, and name it in --input_model=$dl_dir/{name}")),
    (_starts(b"version https://git-lfs"), Format(
        None, "a pointer of Git LFS, not the model", "fetch the file that it stands for: git lfs pull")),
    (lambda head, _: re.match(rb"\s*<(?:!doctype\s+html|html)", head, re.IGNORECASE) is not None, Format(
        None, "a web page, not a model", "give the descriptor a source that answers with the file itself")),
    (lambda head, _: b"<net " in head and re.match(rb"\s*<\?xml|\s*<net ", head) is not None, Format(
        "ir", "an OpenVINO IR already", "set framework: dldt, without model_optimizer_args: it needs no conversion")),
    (lambda head, _: re.match(rb"\s*(?:name:\s*\"|layer\s*\{|layers\s*\{)", head) is not None, Format(
        None, "a Caffe model", "convert it to ONNX first: OpenVINO reads no Caffe since 2024.0")),
    (_starts(b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"7z\xbc\xaf", b"\x28\xb5\x2f\xfd"), Format(
        None, "a compressed archive", _UNPACK)),
    (lambda head, _: head[257:262] == b"ustar", Format(None, "a tar archive", _UNPACK)),
    (lambda head, _: TEXT.match(head) is not None, Format(
        "graph", "a TensorFlow graph as text", "name it in --input_model=$dl_dir/{name}")),
    (_is_graph, Format("graph", "a TensorFlow graph", "set framework: tf, and name it: --input_model=$dl_dir/{name}")),
)  # fmt: skip
"""What each format is recognized by, from its first bytes and its last eight. The first that fits counts."""
