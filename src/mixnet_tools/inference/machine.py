"""Describes the machine at hand: its processor, and the instruction sets that inference gains by."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mixnet_tools.threads import processors

CPUINFO = Path("/proc/cpuinfo")

_INSTRUCTION_SETS = (
    ("AVX2", ("avx2",)),
    ("AVX-512", ("avx512f",)),
    ("VNNI", ("avx512_vnni", "avx_vnni")),
    ("bfloat16", ("avx512_bf16", "amx_bf16", "bf16")),
    ("float16", ("avx512_fp16", "amx_fp16", "fphp")),
    ("AMX", ("amx_tile",)),
    ("NEON", ("asimd",)),
    ("I8MM", ("i8mm",)),
    ("SVE", ("sve",)),
)
"""What people call an instruction set, and the flags of Linux that stand for it. bfloat16 and float16 are arithmetic in
these types; I8MM multiplies matrices of eight bits on ARM."""


@dataclass(frozen=True)
class Machine:
    """The machine that a program ran on.

    ``processor`` is its name as the maker writes it. ``processors`` counts those that the program may use.
    ``instruction_sets`` are those of them that inference gains by, such as ``AVX2`` and ``VNNI``. ``system`` is the
    operating system with its version.
    """

    processor: str
    processors: int
    instruction_sets: tuple[str, ...]
    system: str

    @property
    def processor_with_sets(self) -> str:
        """The processor with its instruction sets: what the last digits of an answer may depend on.

        >>> Machine("EPYC 7B13", 2, ("AVX2", "VNNI"), "Linux 6.1").processor_with_sets
        'EPYC 7B13 (AVX2, VNNI)'
        """
        return f"{self.processor} ({', '.join(self.instruction_sets)})" if self.instruction_sets else self.processor

    def describe(self) -> str:
        """Describe the machine in one line, for people.

        >>> Machine("EPYC 7B13", 2, ("AVX2",), "Linux 6.1").describe()
        'EPYC 7B13, 2 processors, AVX2'
        >>> Machine("Old", 1, (), "Linux 6.1").describe()
        'Old, 1 processor'
        """
        count = f"{self.processors} processor{'' if self.processors == 1 else 's'}"
        return ", ".join([self.processor, count, *self.instruction_sets])


@cache
def this_machine() -> Machine:
    """Describe the machine that this process runs on."""
    fields = _cpuinfo()
    name = fields.get("model name") or fields.get("Model") or platform.processor() or platform.machine()
    return Machine(
        processor=" ".join(name.split()),
        processors=processors(),
        instruction_sets=instruction_sets((fields.get("flags") or fields.get("Features") or "").split()),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
    )


def has_vnni() -> bool:
    """Whether this processor adds products of eight bits without saturation (True where that cannot be told)."""
    flags = _cpuinfo().get("flags")
    return flags is None or "VNNI" in instruction_sets(flags.split())


def instruction_sets(flags: Iterable[str]) -> tuple[str, ...]:
    """The names of the instruction sets that Linux's ``flags`` stand for.

    >>> instruction_sets(["fma", "avx2", "avx512f", "avx512_vnni"])
    ('AVX2', 'AVX-512', 'VNNI')
    """
    known = set(flags)
    return tuple(name for name, signs in _INSTRUCTION_SETS if known.intersection(signs))


def _cpuinfo() -> dict[str, str]:
    """The fields of the first processor in :data:`CPUINFO`; none where there is no such file."""
    try:
        text = CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    pairs = [line.partition(":") for line in text.splitlines() if ":" in line]
    fields: dict[str, str] = {}
    for name, _, value in pairs:
        fields.setdefault(name.strip(), value.strip())
    return fields
