"""Download, convert and check model-zoo models for OpenVINO.

The functions are those of the commands, by a model's name::

    import mixnet_tools

    mixnet_tools.download("mixnet-nano", output_dir="work")
    ir = mixnet_tools.convert("mixnet-nano", precision="FP16", download_dir="work")
    evaluation = mixnet_tools.evaluate("mixnet-nano", ir_dir="work")

Everything named here is imported when it is first used, so that ``import mixnet_tools`` is instant.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "1.0.0rc1"

_HOMES = {
    "mixnet_tools.accuracy.reports.accuracy_report": ("AccuracyReport",),
    "mixnet_tools.accuracy.evaluation.evaluate": ("Evaluation",),
    "mixnet_tools.accuracy.gate.verdict": ("Verdict",),
    "mixnet_tools.accuracy.preprocessing.preprocessing": ("Preprocessing",),
    "mixnet_tools.accuracy.classification.values": ("ClassScore", "Classification", "ClassifiedImage", "ModelAnswer"),
    "mixnet_tools.api.authoring.lint": ("ZooCheck", "ZooProblem", "lint_zoo"),
    "mixnet_tools.api.authoring.new": ("new_model",),
    "mixnet_tools.api.authoring.timm.new": ("new_timm_model",),
    "mixnet_tools.api.authoring.values": ("NewModel", "NewModelOptions"),
    "mixnet_tools.api.classification": ("classify",),
    "mixnet_tools.api.evaluation": ("compare_baseline", "evaluate", "evaluate_ir", "update_baseline"),
    "mixnet_tools.api.models": ("convert", "download", "find_model", "list_models"),
    "mixnet_tools.api.quantization": ("QuantizationOptions", "quantize"),
    "mixnet_tools.conversion.convert": ("ConversionOptions",),
    "mixnet_tools.downloading.context": ("DownloadOptions",),
    "mixnet_tools.descriptors.model_yml": ("ModelDescriptor",),
    "mixnet_tools.errors": (
        "ArchiveError",
        "ConversionError",
        "DatasetError",
        "DescriptorError",
        "DownloadError",
        "EvaluationError",
        "FreezeError",
        "HttpStatusError",
        "IRError",
        "IntegrityError",
        "MissingDependency",
        "MixnetToolsError",
        "OfflineError",
        "OutputError",
        "ParityError",
        "QuantizationError",
        "ResourceError",
        "UnknownModelError",
        "UnsafeModelError",
        "UnsupportedOption",
        "UsageError",
    ),
    "mixnet_tools.optimization.ir_file": ("OptimizedIR", "optimize_ir"),
    "mixnet_tools.bars": ("BarProgress",),
    "mixnet_tools.progress": ("JsonProgress", "LineProgress", "Progress"),
    "mixnet_tools.quantization.report": ("QuantizationReport",),
    "mixnet_tools.quantization.settings": ("QuantizationSettings",),
    "mixnet_tools.values": ("DownloadedFile", "DownloadedModel", "IRModel"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = ["__version__", *sorted(_HOME_OF)]  # noqa: PLE0604

if TYPE_CHECKING:
    from mixnet_tools.accuracy.classification.values import Classification as Classification
    from mixnet_tools.accuracy.classification.values import ClassifiedImage as ClassifiedImage
    from mixnet_tools.accuracy.classification.values import ClassScore as ClassScore
    from mixnet_tools.accuracy.classification.values import ModelAnswer as ModelAnswer
    from mixnet_tools.accuracy.evaluation.evaluate import Evaluation as Evaluation
    from mixnet_tools.accuracy.gate.verdict import Verdict as Verdict
    from mixnet_tools.accuracy.preprocessing.preprocessing import Preprocessing as Preprocessing
    from mixnet_tools.accuracy.reports.accuracy_report import AccuracyReport as AccuracyReport
    from mixnet_tools.api.authoring.lint import ZooCheck as ZooCheck
    from mixnet_tools.api.authoring.lint import ZooProblem as ZooProblem
    from mixnet_tools.api.authoring.lint import lint_zoo as lint_zoo
    from mixnet_tools.api.authoring.new import new_model as new_model
    from mixnet_tools.api.authoring.timm.new import new_timm_model as new_timm_model
    from mixnet_tools.api.authoring.values import NewModel as NewModel
    from mixnet_tools.api.authoring.values import NewModelOptions as NewModelOptions
    from mixnet_tools.api.classification import classify as classify
    from mixnet_tools.api.evaluation import compare_baseline as compare_baseline
    from mixnet_tools.api.evaluation import evaluate as evaluate
    from mixnet_tools.api.evaluation import evaluate_ir as evaluate_ir
    from mixnet_tools.api.evaluation import update_baseline as update_baseline
    from mixnet_tools.api.models import convert as convert
    from mixnet_tools.api.models import download as download
    from mixnet_tools.api.models import find_model as find_model
    from mixnet_tools.api.models import list_models as list_models
    from mixnet_tools.api.quantization import QuantizationOptions as QuantizationOptions
    from mixnet_tools.api.quantization import quantize as quantize
    from mixnet_tools.bars import BarProgress as BarProgress
    from mixnet_tools.conversion.options import ConversionOptions as ConversionOptions
    from mixnet_tools.descriptors.model_yml import ModelDescriptor as ModelDescriptor
    from mixnet_tools.downloading.context import DownloadOptions as DownloadOptions
    from mixnet_tools.errors import ArchiveError as ArchiveError
    from mixnet_tools.errors import ConversionError as ConversionError
    from mixnet_tools.errors import DatasetError as DatasetError
    from mixnet_tools.errors import DescriptorError as DescriptorError
    from mixnet_tools.errors import DownloadError as DownloadError
    from mixnet_tools.errors import EvaluationError as EvaluationError
    from mixnet_tools.errors import FreezeError as FreezeError
    from mixnet_tools.errors import HttpStatusError as HttpStatusError
    from mixnet_tools.errors import IntegrityError as IntegrityError
    from mixnet_tools.errors import IRError as IRError
    from mixnet_tools.errors import MissingDependency as MissingDependency
    from mixnet_tools.errors import MixnetToolsError as MixnetToolsError
    from mixnet_tools.errors import OfflineError as OfflineError
    from mixnet_tools.errors import OutputError as OutputError
    from mixnet_tools.errors import ParityError as ParityError
    from mixnet_tools.errors import QuantizationError as QuantizationError
    from mixnet_tools.errors import ResourceError as ResourceError
    from mixnet_tools.errors import UnknownModelError as UnknownModelError
    from mixnet_tools.errors import UnsafeModelError as UnsafeModelError
    from mixnet_tools.errors import UnsupportedOption as UnsupportedOption
    from mixnet_tools.errors import UsageError as UsageError
    from mixnet_tools.optimization.ir_file import OptimizedIR as OptimizedIR
    from mixnet_tools.optimization.ir_file import optimize_ir as optimize_ir
    from mixnet_tools.progress import JsonProgress as JsonProgress
    from mixnet_tools.progress import LineProgress as LineProgress
    from mixnet_tools.progress import Progress as Progress
    from mixnet_tools.quantization.report import QuantizationReport as QuantizationReport
    from mixnet_tools.quantization.settings import QuantizationSettings as QuantizationSettings
    from mixnet_tools.values import DownloadedFile as DownloadedFile
    from mixnet_tools.values import DownloadedModel as DownloadedModel
    from mixnet_tools.values import IRModel as IRModel


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'mixnet_tools' has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
