"""``model.yml`` as a frozen, typed value.

The format is Open Model Zoo's: its files load here unchanged, and ours load there. Checked here, and not there, are
colliding file names, paths that leave the model's folder, malformed sizes and digests. An unknown key is a warning.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from mixnet_tools.descriptors import strict_yaml
from mixnet_tools.descriptors.regular_expression import MAX_PATTERN, compilable
from mixnet_tools.descriptors.strict_yaml import KeyPath, StrictModel
from mixnet_tools.errors import DescriptorError
from mixnet_tools.files.shown import redact

MODEL_FILE = "model.yml"
ACCURACY_FILE = "accuracy-check.yml"
PRECISIONS = ("FP32", "FP16")
"""The precisions that conversion can write."""

DIGEST_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}

TASK_TYPES = frozenset(
    (
        "action_recognition",
        "background_matting",
        "classification",
        "colorization",
        "detection",
        "face_recognition",
        "feature_extraction",
        "head_pose_estimation",
        "human_pose_estimation",
        "image_inpainting",
        "image_processing",
        "image_translation",
        "instance_segmentation",
        "machine_translation",
        "monocular_depth_estimation",
        "named_entity_recognition",
        "noise_suppression",
        "object_attributes",
        "optical_character_recognition",
        "place_recognition",
        "question_answering",
        "salient_object_detection",
        "semantic_segmentation",
        "sound_classification",
        "speech_recognition",
        "style_transfer",
        "text_prediction",
        "text_to_speech",
        "time_series",
        "token_recognition",
    )
)

_NAME = re.compile(r"[0-9a-zA-Z._-]+")


def safe_relative_path(text: str) -> str:
    """``text``, if it is a relative path to a place inside a folder on every platform. Raises ValueError if not.

    >>> safe_relative_path("FP16/net.xml")
    'FP16/net.xml'
    >>> safe_relative_path("../net.xml")
    Traceback (most recent call last):
    ValueError: expected a path inside the model's folder
    """
    parts = text.split("/")
    if text.startswith("/") or "\\" in text or ":" in parts[0] or ".." in parts:
        raise ValueError("expected a path inside the model's folder")
    if any(part in ("", ".") or len(part.encode()) > 255 or not part.isprintable() for part in parts):
        raise ValueError("expected a plain relative path (no empty or '.' parts, no control characters)")
    return text


def _check_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        # Only reading the port parses it: "http://host:x/" is refused here.
        usable = parts.scheme in ("http", "https", "file") and (parts.scheme == "file" or bool(parts.hostname))
        _ = parts.port
    except ValueError:
        usable = False
    if not usable or not text.isprintable() or " " in text:
        raise ValueError("expected an http://, https:// or file:// URL")
    return text


def _check_checksum(text: str) -> str:
    algorithm, _, digest = text.rpartition(":")
    algorithm = algorithm.lower() or "sha384"
    if algorithm not in DIGEST_LENGTHS:
        raise ValueError(f"expected a digest algorithm of {', '.join(DIGEST_LENGTHS)}")
    if not re.fullmatch(rf"[0-9a-fA-F]{{{DIGEST_LENGTHS[algorithm]}}}", digest):
        raise ValueError(
            f"expected {DIGEST_LENGTHS[algorithm]} hex digits ({algorithm}), found {len(digest)} characters"
        )
    return f"{algorithm}:{digest.lower()}"


def _source_from_string(value: object) -> object:
    return {"$type": "http", "url": value} if isinstance(value, str) else value


def one_of_task_types(text: str) -> str:
    """``text``, if it is a task type. Raises ValueError if not."""
    if text not in TASK_TYPES:
        raise ValueError("expected a task type of Open Model Zoo (such as 'classification')")
    return text


Framework = Literal["dldt", "onnx", "pytorch", "tf"]
RelativePath = Annotated[str, AfterValidator(safe_relative_path)]


class HttpSource(StrictModel):
    """A file behind a URL (http, https or file)."""

    type: Literal["http"] = Field(alias="$type")
    url: Annotated[str, AfterValidator(_check_url)]

    def __str__(self) -> str:
        return redact(self.url)


class GoogleDriveSource(StrictModel):
    """A file on Google Drive, by its id."""

    type: Literal["google_drive"] = Field(alias="$type")
    id: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]+$")]

    def __str__(self) -> str:
        return f"google_drive:{self.id}"


class FileSource(StrictModel):
    """A file beside the descriptor: ``path`` is relative to the folder of model.yml. OMZ does not have this kind."""

    type: Literal["file"] = Field(alias="$type")
    path: RelativePath

    def __str__(self) -> str:
        return f"file beside model.yml: {self.path}"


Source = Annotated[
    Annotated[HttpSource | GoogleDriveSource | FileSource, Field(discriminator="type")],
    BeforeValidator(_source_from_string),
]


class ModelFile(StrictModel):
    """A file to download. ``checksum`` has the form ``<algorithm>:<lower-case hex>``."""

    name: RelativePath
    size: Annotated[int, Field(ge=0, le=1 << 50)]
    checksum: Annotated[str, AfterValidator(_check_checksum)]
    source: Source
    original_source: Source | None = None

    @property
    def algorithm(self) -> str:
        """Name of the digest algorithm, as :mod:`hashlib` knows it."""
        return self.checksum.partition(":")[0]

    @property
    def digest(self) -> str:
        """The expected digest in lower-case hex."""
        return self.checksum.partition(":")[2]

    @property
    def sources(self) -> tuple[HttpSource | GoogleDriveSource | FileSource, ...]:
        """The sources of the file, in the order to try."""
        return (self.source,) if self.original_source is None else (self.source, self.original_source)


class UnpackArchive(StrictModel):
    """Unpack ``file`` into the folder that holds it."""

    type: Literal["unpack_archive"] = Field(alias="$type")
    format: Literal["zip", "tar", "gztar", "bztar", "xztar", "zst"]
    file: RelativePath


class RegexReplace(StrictModel):
    """Replace ``pattern`` in the text file ``file``, ``count`` times (0: everywhere)."""

    type: Literal["regex_replace"] = Field(alias="$type")
    file: RelativePath
    pattern: Annotated[str, Field(max_length=MAX_PATTERN), AfterValidator(compilable)]
    replacement: Annotated[str, Field(max_length=MAX_PATTERN)]
    count: Annotated[int, Field(ge=0)] = 0


Postprocessing = Annotated[UnpackArchive | RegexReplace, Field(discriminator="type")]


class InputInfo(StrictModel):
    """A model input: ``name`` in Model Optimizer's notation (``node``, ``node:output_port``, ``input_port:node``)."""

    name: Annotated[str, Field(min_length=1)]
    shape: Annotated[tuple[int, ...], Field(min_length=1)] | None = Field(default=None, strict=False)
    layout: str | None = None


class _ModelYml(StrictModel):
    description: str
    task_type: Annotated[str, AfterValidator(one_of_task_types)]
    files: tuple[ModelFile, ...] = Field(strict=False)
    postprocessing: tuple[Postprocessing, ...] = Field(default=(), strict=False)
    input_info: tuple[InputInfo, ...] = Field(default=(), strict=False)
    conversion_to_onnx_args: tuple[str, ...] | None = Field(default=None, strict=False)
    model_optimizer_args: tuple[str, ...] | None = Field(default=None, strict=False)
    framework: Framework
    license: str
    model_info: dict[str, Any] | None = None
    quantizable: bool = False
    quantized: Literal["INT8"] | None = None


class ModelDescriptor(_ModelYml):
    """Everything that is known of a model before a download.

    ``name`` is the name of the folder with model.yml, ``path`` is that file. ``subdirectory`` is that folder relative
    to its zoo's root (``public/mixnet-l``): every output folder has the model in a folder of this name. ``warnings``
    name the keys of the file that are unknown, and were ignored.
    """

    name: str
    path: Path
    subdirectory: PurePosixPath
    warnings: tuple[str, ...] = ()

    @property
    def directory(self) -> Path:
        """The folder of model.yml, with the model's card and other files."""
        return self.path.parent

    @property
    def accuracy_path(self) -> Path:
        """Where the model's accuracy-check.yml is, if it has one."""
        return self.directory / ACCURACY_FILE

    @property
    def precisions(self) -> tuple[str, ...]:
        """The precisions of the model's IRs, downloaded or converted, sorted."""
        if self.model_optimizer_args is None:
            folders = (file.name.split("/") for file in self.files)
            return tuple(sorted({parts[0] for parts in folders if len(parts) == 2 and parts[0].startswith("FP")}))
        return tuple(sorted(PRECISIONS))  # of quantized models too: what is not INT8 in them is written so

    @property
    def download_size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)


def load_descriptor(path: Path, subdirectory: PurePosixPath) -> ModelDescriptor:
    """Read the model.yml at ``path``. Raises :class:`DescriptorError` that names each wrong value."""
    name = checked_name(path)
    document = strict_yaml.read(path)
    said_by_folder = [key for key in ("name", "subdirectory") if key in document.data]
    if said_by_folder:  # refused there too
        raise DescriptorError(document.problem((said_by_folder[0],), "is said by the folder: remove this key"))
    contents, warnings = strict_yaml.validate_known(document, _ModelYml, _cross_check)
    return ModelDescriptor(**dict(contents), name=name, path=path, subdirectory=subdirectory, warnings=warnings)


def checked_name(path: Path) -> str:
    """The name of the folder that holds the descriptor ``path``. Raises :class:`DescriptorError` for an odd one."""
    name = path.parent.resolve().name
    if not _NAME.fullmatch(name):
        raise DescriptorError(
            f"{path}: the folder's name is the model's name: expected letters, digits, '.', '_' and '-', got {name!r}"
        )
    return name


def _cross_check(model: _ModelYml) -> list[tuple[KeyPath, str]]:
    problems: list[tuple[KeyPath, str]] = []
    seen: dict[str, int] = {}
    for index, file in enumerate(model.files):
        folded = file.name.casefold()
        if folded in seen:
            problems.append((("files", index, "name"), f"{file.name!r} names the same file as files[{seen[folded]}]"))
        seen.setdefault(folded, index)
    for index, file in enumerate(model.files):
        parents = (str(parent) for parent in PurePosixPath(file.name.casefold()).parents)
        for parent in parents:
            if parent in seen:
                problems.append((("files", index, "name"), f"needs a folder where files[{seen[parent]}] is a file"))
    if model.framework == "dldt" and model.model_optimizer_args is not None:
        problems.append(
            (("model_optimizer_args",), "a model that is IR already (framework: dldt) has nothing to convert")
        )
    if model.framework != "dldt" and model.model_optimizer_args is None:
        problems.append((("model_optimizer_args",), f"is required for framework {model.framework!r}, and missing"))
    if (model.framework == "pytorch") != bool(model.conversion_to_onnx_args):
        expected = "is required" if model.framework == "pytorch" else "is not allowed"
        problems.append((("conversion_to_onnx_args",), f"{expected} for framework {model.framework!r}"))
    return problems
