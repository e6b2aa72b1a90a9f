"""What is fuzzed: a function that reads files of somebody else, and files to begin with."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from hypothesis import strategies as st

from mixnet_tools.cli import main
from mixnet_tools.errors import MixnetToolsError
from tests.fuzz.mutation import Draw, Mutate, some

Files = Mapping[str, bytes]
"""Contents of files by their path below the folder ``given``."""

CODES = (0, 1, 2, 3)
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What a terminal takes as an order, or turns text around by."""
MIB = 1 << 20


class Finding(Exception):
    """Something that must not happen. The text is the same for the same fault, ``detail`` is of this example."""

    def __init__(self, text: str, detail: str = "") -> None:
        super().__init__(text)
        self.detail = detail


@dataclass(frozen=True)
class Place:
    """The folders of one example: ``given`` has its files; ``out`` and ``scratch`` are empty, and may be written to."""

    root: Path

    @property
    def given(self) -> Path:
        return self.root / "given"

    @property
    def out(self) -> Path:
        return self.root / "out"

    @property
    def scratch(self) -> Path:
        return self.root / "scratch"


@dataclass(frozen=True)
class Target:
    """Reads ``seeds``, of which files are changed whose names match a pattern of ``inside``: by that function.

    ``run`` does what a user does with such files. It raises :class:`MixnetToolsError` or OSError where it refuses them,
    and :class:`Finding` where a wrong result came out. ``examples`` is the number in a short run. ``memory`` are the
    bytes, ``seconds`` the time that one example may take. ``starts_processes``: the product does, on purpose. Findings
    that begin with a text of ``not_promised`` are counted apart: docs/security.md says so.
    """

    name: str
    seeds: Callable[[], Sequence[Files]]
    inside: Mapping[str, Mutate | None]
    run: Callable[[Place], None]
    examples: int = 100
    memory: int = 512 * MIB
    seconds: float = 60
    starts_processes: bool = False
    not_promised: tuple[str, ...] = ()
    warm: list[Sequence[Files]] = field(default_factory=list, compare=False)

    def strategy(self) -> st.SearchStrategy[Files]:
        """Changed files."""
        if not self.warm:
            self.warm.append(self.seeds())
        seeds = self.warm[0]

        @st.composite
        def changed(draw: Draw) -> Files:
            files = dict(draw(st.sampled_from(seeds)))
            names = [name for name in files if self._inside(name)]
            name = draw(st.sampled_from(names))
            files[name] = some(draw, files[name], self._inside(name)[0])
            return files

        return changed()

    def _inside(self, name: str) -> list[Mutate | None]:
        return [mutate for pattern, mutate in self.inside.items() if fnmatchcase(name, pattern)]


def command(name: str, *arguments: str | Path) -> tuple[int, str]:
    """``mixnet NAME ARGUMENTS`` in this process; returns exit code and stdout. Raises what the command reports.

    :class:`Finding` where the exit code is not a documented one, or a message is not fit for a terminal.
    """
    out, err = io.StringIO(), io.StringIO()
    caught: list[Exception] = []
    original = main._print_error

    def keep(args: object, error: Exception) -> None:
        caught.append(error)
        original(args, error)  # type: ignore[arg-type]

    main._print_error = keep
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code: object = main.run(name, [str(one) for one in arguments], f"mixnet {name}")
            except SystemExit as stop:
                code = stop.code or 0
    finally:
        main._print_error = original
    if caught and not isinstance(caught[0], MixnetToolsError | OSError):
        raise caught[0]
    text = out.getvalue() + err.getvalue()
    if raw := _CONTROL.search(text):
        raise Finding("a control character in the messages", repr(text[max(0, raw.start() - 200) : raw.end() + 50]))
    if code not in CODES:
        raise Finding(f"exit code {code}", text)
    if "Traceback" in text or "fault of mixnet_tools" in text:
        raise Finding("a traceback, or a fault of mixnet_tools, in the messages", text)
    if code in (1, 2) and "error" not in text:
        raise Finding("a failure without an error message", text)
    if caught:
        raise caught[0]
    assert isinstance(code, int)
    return code, out.getvalue()
