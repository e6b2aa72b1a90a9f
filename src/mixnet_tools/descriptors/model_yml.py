"""``model.yml`` as a frozen, typed value.

The format is Open Model Zoo's: its files load here unchanged, and ours load there. Checked here, and not there, are
colliding file names, paths that leave the model's folder, malformed sizes and digests. An unknown key is a warning.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from mixnet_tools.descriptors import strict_yaml
from mixnet_tools.descriptors.file_entries import ModelFile, Postprocessing
from mixnet_tools.descriptors.strict_yaml import KeyPath, StrictModel
from mixnet_tools.errors import DescriptorError

MODEL_FILE = "model.yml"
ACCURACY_FILE = "accuracy-check.yml"
PRECISIONS = ("FP32", "FP16")
"""The precisions that conversion can write."""

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


def one_of_task_types(text: str) -> str:
    """``text``, if it is a task type. Raises ValueError if not."""
    if text not in TASK_TYPES:
        near = get_close_matches(text[:100], sorted(TASK_TYPES), n=1)
        offer = f"did you mean {near[0]!r}?" if near else "such as 'classification'"
        raise ValueError(f"expected a task type of Open Model Zoo ({offer})")
    return text


Framework = Literal["dldt", "onnx", "pytorch", "tf"]
TaskType = Annotated[
    str, AfterValidator(one_of_task_types), WithJsonSchema({"type": "string", "enum": sorted(TASK_TYPES)})
]


_Fact = str | int | float | bool


class InputInfo(StrictModel):
    """A model input."""

    name: Annotated[str, Field(min_length=1)]
    """The input's name in Model Optimizer's notation: ``node``, ``node:output_port`` or ``input_port:node``. Names of
    signatures, tensors and Keras layers are understood as well. Example: ``IteratorGetNext:0``.
    """
    shape: Annotated[tuple[int, ...], Field(min_length=1)] | None = Field(default=None, strict=False)
    """Its dimensions in the original model, in the order of ``layout``; -1 stays open. Without it, the model's own
    shape is used. Example: ``[1, 224, 224, 3]``.
    """
    layout: str | None = None
    """A letter for each dimension: N batch, C channels, H height, W width. Channel order, mean and scale need it.
    Example: ``NHWC``.
    """


class ModelYml(StrictModel):
    """A model: where its files are, how they are converted, and what it takes in."""

    description: str
    """What the model is, in a few sentences. ``<https://...>`` is a link."""
    task_type: TaskType
    """One of OMZ's words for what a model does. Example: ``classification``."""
    files: tuple[ModelFile, ...] = Field(strict=False)
    """The files to download. Two names that differ only in case are refused: on some disks they are one file."""
    postprocessing: tuple[Postprocessing, ...] = Field(default=(), strict=False)
    """What is done with downloaded files, in this order. Each entry has the key ``$type`` (below)."""
    input_info: tuple[InputInfo, ...] = Field(default=(), strict=False)
    """The model's inputs. Inputs that are not named here keep their names and shapes."""
    conversion_to_onnx_args: tuple[str, ...] | None = Field(default=None, strict=False)
    """For PyTorch models: how the module is made, in the arguments of OMZ's export to ONNX. No ONNX file is made of it.
    Example: ``[--import-module=torchvision.models, --model-name=resnet18, --weights=$dl_dir/net.pth]``.
    """
    model_optimizer_args: tuple[str, ...] | None = Field(default=None, strict=False)
    """How the model is converted, in the options of OpenVINO's Model Optimizer. ``$dl_dir`` stands for the folder of
    the model's downloaded files, ``$conv_dir`` for that of converted ones, ``$config_dir`` for that of model.yml. A
    model with ``framework: dldt`` has none. Example: ``[--input_model=$dl_dir/net.onnx, --reverse_input_channels]``.
    """
    framework: Framework
    """The framework of the published files. ``dldt`` means that they are OpenVINO IR. Example: ``tf``."""
    license: str
    """The address of the licence's text. Example: ``https://www.apache.org/licenses/LICENSE-2.0.txt``."""
    model_info: dict[str, _Fact | Annotated[tuple[_Fact, ...], Field(strict=False)]] | None = None
    """Facts for Model API, which are written into the IR: ``labels``, ``model_type``, ``resize_type`` and so on. They
    replace what mixnet-convert writes by itself. Example: ``{model_type: Classification}``.
    """
    quantizable: bool = False
    """Whether OMZ's quantizer took the model. Nothing here depends on it: mixnet-quantize takes every classifier."""
    quantized: Literal["INT8"] | None = None
    """``INT8`` where the published weights are quantized already."""


class ModelDescriptor(ModelYml):
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
    contents, warnings = strict_yaml.validate_known(document, ModelYml, _cross_check)
    return ModelDescriptor(**dict(contents), name=name, path=path, subdirectory=subdirectory, warnings=warnings)


def checked_name(path: Path) -> str:
    """The name of the folder that holds the descriptor ``path``. Raises :class:`DescriptorError` for an odd one."""
    name = path.parent.resolve().name
    if not _NAME.fullmatch(name):
        raise DescriptorError(
            f"{path}: the folder's name is the model's name: expected letters, digits, '.', '_' and '-', got {name!r}"
        )
    return name


def _cross_check(model: ModelYml) -> list[tuple[KeyPath, str]]:
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
