"""What is told of a machine, from what Linux says of its processor."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixnet_tools.inference import machine
from mixnet_tools.threads import processors

SERVER = """processor\t: 0
model name\t: Intel(R)  Xeon(R) Platinum 8481C
flags\t\t: fpu fma avx avx2 avx512f avx512_vnni avx512_bf16 amx_tile amx_int8 avx512_fp16

processor\t: 1
model name\t: another
flags\t\t: fpu
"""
ARM = "processor\t: 0\nFeatures\t: fp asimd sve i8mm bf16\nCPU part\t: 0xd40\n"


@pytest.mark.parametrize(
    ("text", "sets", "vnni"),
    [
        (SERVER, ("AVX2", "AVX-512", "VNNI", "bfloat16", "float16", "AMX"), True),
        (SERVER.replace("512_vnni", "_vnni"), ("AVX2", "AVX-512", "VNNI", "bfloat16", "float16", "AMX"), True),
        ("model name : Old\nflags : fpu avx2\n", ("AVX2",), False),
        (ARM, ("bfloat16", "NEON", "I8MM", "SVE"), True),  # nothing is known of VNNI there
        ("", (), True),
    ],
)
def test_a_processor_is_told_by_its_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, sets: tuple[str, ...], vnni: bool
) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(text)
    monkeypatch.setattr(machine, "CPUINFO", path)
    found = machine.this_machine.__wrapped__()
    assert found.instruction_sets == sets
    assert machine.has_vnni() is vnni
    assert found.processor
    assert found.processors == processors()
    if text == SERVER:
        assert found.processor == "Intel(R) Xeon(R) Platinum 8481C"


def test_a_machine_without_cpuinfo_has_a_name_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "gone")
    found = machine.this_machine.__wrapped__()
    assert (bool(found.processor), found.instruction_sets, machine.has_vnni()) == (True, (), True)
