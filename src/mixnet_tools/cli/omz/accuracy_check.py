"""Recognizes the command line of Open Model Zoo's accuracy_check, and answers with the command that measures the same.

``-s``, ``-d`` and ``--annotations`` are options here too, and mean something else there. So what is typed with an
option of accuracy_check alone is not run.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from mixnet_tools.cli.common.options import find_entries
from mixnet_tools.cli.common.parser import Parser
from mixnet_tools.cli.omz.options import dataset_below
from mixnet_tools.errors import DescriptorError, UsageError
from mixnet_tools.ir.locate import IR_PRECISIONS

_OPTIONS = (
    "-c/--config", "-m/--models", "-a", "-e/--extensions", "--definitions", "-td/--target_devices",
    "-tf/--target_framework", "-tt/--target_tags", "-tb/--target_backends", "-ss/--subsample_size", "--shuffle",
    "-C/--converted_models", "-l/--log_file", "-dc/--device_config", "-am/--affinity_map", "--model_attributes",
    "--input_precision", "--layout", "--store_subset", "--subset_file", "--sub_evaluation", "--profiler_logs_dir",
    "--profile_report_type", "--progress", "--progress_interval", "--ignore_result_formatting",
    "--ignore_metric_reference", "--stored_predictions", "--csv_result", "--intermediate_metrics_results",
    "--metrics_interval", "--store_only", "--cpu_extensions_mode", "--ie_preprocessing", "--model_is_blob",
    "--model_type", "--async_mode", "--num_requests", "--undefined_shapes_resolving_policy",
    "--inference_precision_hint", "--use_new_api",
)  # fmt: skip
"""The options of accuracy_check that mixnet-check does not have. Any number of values may follow each."""

_LAUNCHERS = {"openvino": "openvino", "dlsdk": "openvino", "tf": "tf", "tf2": "tf", "onnx_runtime": "onnx"}
"""Our name of a launcher, by accuracy_check's name of the framework."""

_ZOO_FOLDERS = ("public", "intel")
_CONFIG = "accuracy-check.yml"


def add_accuracy_check(parser: Parser) -> None:
    """Add the options, without a word in the help."""
    for spellings in _OPTIONS:
        names = spellings.split("/")
        parser.add_argument(*names, dest=_field(names), nargs="*", help=argparse.SUPPRESS)


def refuse_accuracy_check(args: argparse.Namespace) -> None:
    """Raise :class:`UsageError`, with the new command as the hint, where an option of accuracy_check was given."""
    given = [spellings for spellings in _OPTIONS if getattr(args, _field(spellings.split("/"))) is not None]
    if given:
        verb = "is an option" if len(given) == 1 else "are options"
        raise UsageError(
            f"{', '.join(given)} {verb} of accuracy_check, and {args.parser.prog} has others", hint=_new_command(args)
        )


def _field(names: list[str]) -> str:
    return f"accuracy_check_{names[-1].strip('-')}"


def _values(args: argparse.Namespace, option: str) -> list[str]:
    return getattr(args, f"accuracy_check_{option}") or []


def _new_command(args: argparse.Namespace) -> str:
    """The command with all that can be translated. What only accuracy_check needs is left out."""
    config = next((Path(text) for text in _values(args, "config")), None)
    models = [_model_folder(Path(text)) for text in _values(args, "models")]
    name = _name(config, [found for _, found, _ in models if found])
    words = ["--name", name]
    if config is not None and (root := _zoo_of(args, config, name)):
        words += ["--models_dir", str(root)]
    frameworks = [_LAUNCHERS[one] for one in _values(args, "target_framework") if one in _LAUNCHERS]
    if models:
        words += ["--ir_dir", str(models[0][0] or "DIR")]
        frameworks = frameworks or ["openvino"]
    if frameworks:
        words += ["--launcher", ",".join(dict.fromkeys(frameworks))]
    if precisions := [precision for _, _, precision in models if precision]:
        words += ["--precisions", ",".join(dict.fromkeys(precisions))]
    if args.source is not None:
        words += ["-s", str(dataset_below(Path(args.source)))]
    if devices := [part for text in _values(args, "target_devices") for part in text.split(",") if part]:
        words += ["--devices" if len(devices) > 1 else "--device", ",".join(devices)]
    if (counts := _values(args, "subsample_size")) and counts[0].isdecimal() and int(counts[0]):
        words += ["--num_images", counts[0]]
    gaps = ["NAME is in the list of --print_all"] if name == "NAME" else []
    gaps += [f"the IR has to be in DIR/public/{name}/<precision>"] if "DIR" in words else []
    advice = f"{args.parser.prog} {shlex.join(words)}"
    return f"{advice} ({'; '.join(gaps)})" if gaps else advice


def _name(config: Path | None, names: list[str]) -> str:
    """The model: of a zoo's accuracy-check.yml, or of the IRs; a copy of the file elsewhere says the least."""
    folder = config.absolute().parent if config is not None and config.name == _CONFIG else None
    in_zoo = folder is not None and ((folder / "model.yml").is_file() or folder.parent.name in _ZOO_FOLDERS)
    if folder is not None and (in_zoo or not names):
        return folder.name
    return names[0] if names else "NAME"


def _model_folder(path: Path) -> tuple[Path | None, str | None, str | None]:
    """Of a folder with an IR: the folder that mixnet-convert wrote to, the model, the precision; None: unknown."""
    folder = path.parent if path.suffix == ".xml" else path
    precision = folder.name if folder.name in IR_PRECISIONS else None
    if precision:
        folder = folder.parent
    if folder.absolute().parent.name in _ZOO_FOLDERS:
        shown = folder if len(folder.parts) > 1 else folder.absolute()
        return shown.parent.parent, folder.name, precision
    return None, folder.name if precision else None, precision


def _zoo_of(args: argparse.Namespace, config: Path, name: str) -> Path | None:
    """The zoo that holds ``config``, where the model is in none that is looked at without being named."""
    if not (config.parent / "model.yml").is_file():
        return None
    try:
        known = {entry.name for entry in find_entries(args)}
    except DescriptorError:
        known = set()
    folder = config.parent.parent
    return None if name in known else folder.parent if folder.name in _ZOO_FOLDERS else folder
