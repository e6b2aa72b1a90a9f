"""Every failure that mixnet_tools knows, as one tree.

::

    MixnetToolsError
    ├── UsageError             the request itself is wrong (command line, arguments of the Python API)
    ├── DescriptorError        model.yml, accuracy-check.yml, or a zoo that holds them
    │   └── UnknownModelError  a name or pattern that matches no model
    ├── DownloadError          a file of a model could not be fetched
    │   ├── HttpStatusError    a server answered, but not with the file
    │   ├── IntegrityError     the bytes are not those that the descriptor names
    │   └── OfflineError       no source could be reached
    ├── ArchiveError           an archive that is broken or unsafe to unpack
    ├── ConversionError        a model could not be turned into an IR
    │   ├── FreezeError        the source model could not be read, cut or frozen
    │   ├── UnsupportedOption  a descriptor asks for something this converter does not do
    │   └── ParityError        the IR does not compute what the source model computes
    ├── UnsafeModelError       a model file would do more than compute
    ├── QuantizationError      an IR could not be quantized
    ├── DatasetError           images or annotations that cannot be used
    ├── OutputError            a result that cannot be written
    ├── EvaluationError        a model could not be run, or its accuracy not be measured
    │   └── IRError            an IR is missing, cannot be read, or has not the form that is needed
    ├── ResourceError          memory, threads or processes that are not to be had
    └── MissingDependency      an optional package is not installed

A message says what went wrong, where (file and key, or URL), what was expected and what was found. ``hint`` says what
to try next.

Where the caller can change something, message and hint name the parameter of the Python API in backquotes:
```max_bad```, or ```verify=False``` with a value. Where another function of the API must be called first, the hint is
a :class:`NextStep`. The command line turns both into the user's own options and commands
(:mod:`mixnet_tools.cli.common.hints`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike, fspath
from typing import Any, Literal

Field = str | PathLike[str] | bool
"""The value of a parameter that a :class:`NextStep` names."""


class NextStep(str):
    """The function of the Python API to call next. As text it is that call, in Python.

    ``stage`` is the function, ``model`` its first argument (None: it takes none), and ``fields`` its other arguments by
    name.

    >>> NextStep("download", "mixnet-l", {"output_dir": "work"})
    "mixnet_tools.download('mixnet-l', output_dir='work')"
    """

    stage: str
    model: str | None
    fields: Mapping[str, str | bool]

    def __new__(
        cls,
        stage: Literal["list_models", "download", "convert", "evaluate", "quantize", "classify"],
        model: str | None = None,
        fields: Mapping[str, Field] | None = None,
    ) -> NextStep:
        """Create the hint to call ``stage``."""
        plain = {name: one if isinstance(one, bool) else fspath(one) for name, one in (fields or {}).items()}
        arguments = [repr(model)] if model is not None else []
        arguments += [f"{name}={value!r}" for name, value in plain.items()]
        step = super().__new__(cls, f"mixnet_tools.{stage}({', '.join(arguments)})")
        step.stage, step.model, step.fields = stage, model, plain
        return step

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self.stage, self.model, self.fields


class MixnetToolsError(Exception):
    """A known failure. ``str(error)`` is the message, ``error.hint`` what to try next (or None)."""

    default_hint: str | None = None

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint if hint is not None else self.default_hint

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the error without its constructor, whose parameters differ from class to class."""
        return _rebuilt, (type(self), self.args, self.__dict__)


def _rebuilt(kind: type[MixnetToolsError], args: tuple[object, ...], state: dict[str, object]) -> MixnetToolsError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class UsageError(MixnetToolsError):
    """The request cannot be carried out as it was written; the command line exits with 2."""


class DescriptorError(MixnetToolsError):
    """A descriptor is missing, malformed, or asks for something unsafe."""


class UnknownModelError(DescriptorError):
    """No model of the zoo has this name or matches this pattern."""

    default_hint = NextStep("list_models")


class DownloadError(MixnetToolsError):
    """A file of a model could not be fetched from any of its sources."""


class HttpStatusError(DownloadError):
    """A server answered with an error. ``status`` is the HTTP status code."""

    def __init__(self, message: str, *, status: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class IntegrityError(DownloadError):
    """The size or the digest of a file is not the descriptor's."""


class OfflineError(DownloadError):
    """No source could be reached at all (no route, no name service, refused connections)."""


class ArchiveError(MixnetToolsError):
    """An archive cannot be read, or one of its entries must not be unpacked."""


class ConversionError(MixnetToolsError):
    """A downloaded model could not be converted to OpenVINO IR."""


class FreezeError(ConversionError):
    """The source model (meta graph, checkpoint) could not be read, cut or frozen."""


class UnsupportedOption(ConversionError):
    """A descriptor carries a conversion option that this converter does not execute."""


class ParityError(ConversionError):
    """The outputs of the converted model differ from the original's by more than the tolerance."""


class UnsafeModelError(MixnetToolsError):
    """Running a model would touch files, the network, other processes or Python. Nothing of it was run."""


class QuantizationError(MixnetToolsError):
    """An IR cannot be quantized: it is no IR, or is quantized already, or the quantizer failed."""


class DatasetError(MixnetToolsError):
    """An image folder or its annotations are missing, empty, unreadable or inconsistent."""


class OutputError(MixnetToolsError):
    """A result cannot be written, or a page not be served: no permission, no space, or something else in its place."""


class EvaluationError(MixnetToolsError):
    """A model could not be run, or its accuracy not be measured."""


class IRError(EvaluationError):
    """An IR is missing, cannot be read, or has not the form that is needed (one image input, one output)."""


class ResourceError(MixnetToolsError):
    """A step needs more memory, threads or processes than this process can get."""

    default_hint = "close other programs, or allow more memory and threads (`ulimit`, or the container's limits)"


class MissingDependency(MixnetToolsError):
    """A package that this step needs is not installed."""


def first_line(error: BaseException) -> str:
    """Take the first line of another package's ``error``; its type's name where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def last_line(error: BaseException) -> str:
    """Take the last line, which names the cause where C++ stacks messages; otherwise as :func:`first_line`."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]


def listed(names: Iterable[str]) -> str:
    """A few names for a message.

    >>> listed(["a", "b", "c", "d", "e", "f", "g"])
    'a, b, c, d, e and 2 more'
    """
    every = list(names)
    return ", ".join(every[:5]) + (f" and {len(every) - 5} more" if len(every) > 5 else "")
