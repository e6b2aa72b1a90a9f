"""The architecture of MixNet (Tan & Le, BMVC 2019) as tables: S, M and L of the paper, and nano of this zoo."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class BlockArgs:
    """One row of a MixNet table: ``repeats`` inverted residual blocks.

    Blocks after the first have stride 1, and ``out_channels`` as their input. A row with ``se_ratio`` has
    squeeze-and-excitation and swish. A row without it has ReLU.
    """

    kernels: tuple[int, ...]
    expand_groups: int
    project_groups: int
    stride: int
    expand_ratio: int
    in_channels: int
    out_channels: int
    se_ratio: float | None = None
    repeats: int = 1


@dataclass(frozen=True)
class MixNetSpec:
    """A whole network: stem width, rows, head width, input side and number of classes."""

    name: str
    stem: int
    rows: tuple[BlockArgs, ...]
    head: int = 1536
    resolution: int = 224
    num_classes: int = 1000

    def blocks(self) -> tuple[BlockArgs, ...]:
        """All blocks, one after the other."""
        blocks: list[BlockArgs] = []
        for row in self.rows:
            blocks.append(replace(row, repeats=1))
            rest = replace(row, repeats=1, stride=1, in_channels=row.out_channels)
            blocks.extend([rest] * (row.repeats - 1))
        return tuple(blocks)


def round_channels(channels: float) -> int:
    """The multiple of 8 nearest to ``channels``, never below 90 % of it."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def widen(spec: MixNetSpec, factor: float, name: str) -> MixNetSpec:
    """Make stem and blocks of ``spec`` ``factor`` times as wide. The head keeps its width."""

    def scale(channels: int) -> int:
        return round_channels(channels * factor)

    rows = tuple(
        replace(row, in_channels=scale(row.in_channels), out_channels=scale(row.out_channels)) for row in spec.rows
    )
    return replace(spec, name=name, stem=scale(spec.stem), rows=rows)


MIXNET_S = MixNetSpec(
    "mixnet-s",
    16,
    (
        BlockArgs((3,), 1, 1, 1, 1, 16, 16),
        BlockArgs((3,), 2, 2, 2, 6, 16, 24),
        BlockArgs((3,), 2, 2, 1, 3, 24, 24),
        BlockArgs((3, 5, 7), 1, 1, 2, 6, 24, 40, 0.5),
        BlockArgs((3, 5), 2, 2, 1, 6, 40, 40, 0.5, repeats=3),
        BlockArgs((3, 5, 7), 1, 2, 2, 6, 40, 80, 0.25),
        BlockArgs((3, 5), 1, 2, 1, 6, 80, 80, 0.25, repeats=2),
        BlockArgs((3, 5, 7), 2, 2, 1, 6, 80, 120, 0.5),
        BlockArgs((3, 5, 7, 9), 2, 2, 1, 3, 120, 120, 0.5, repeats=2),
        BlockArgs((3, 5, 7, 9, 11), 1, 1, 2, 6, 120, 200, 0.5),
        BlockArgs((3, 5, 7, 9), 1, 2, 1, 6, 200, 200, 0.5, repeats=2),
    ),
)
MIXNET_M = MixNetSpec(
    "mixnet-m",
    24,
    (
        BlockArgs((3,), 1, 1, 1, 1, 24, 24),
        BlockArgs((3, 5, 7), 2, 2, 2, 6, 24, 32),
        BlockArgs((3,), 2, 2, 1, 3, 32, 32),
        BlockArgs((3, 5, 7, 9), 1, 1, 2, 6, 32, 40, 0.5),
        BlockArgs((3, 5), 2, 2, 1, 6, 40, 40, 0.5, repeats=3),
        BlockArgs((3, 5, 7), 1, 1, 2, 6, 40, 80, 0.25),
        BlockArgs((3, 5, 7, 9), 2, 2, 1, 6, 80, 80, 0.25, repeats=3),
        BlockArgs((3,), 1, 1, 1, 6, 80, 120, 0.5),
        BlockArgs((3, 5, 7, 9), 2, 2, 1, 3, 120, 120, 0.5, repeats=3),
        BlockArgs((3, 5, 7, 9), 1, 1, 2, 6, 120, 200, 0.5),
        BlockArgs((3, 5, 7, 9), 1, 2, 1, 6, 200, 200, 0.5, repeats=3),
    ),
)
MIXNET_L = widen(MIXNET_M, 1.3, "mixnet-l")
MIXNET_NANO = MixNetSpec(
    "mixnet-nano",
    16,
    (
        BlockArgs((3,), 1, 1, 1, 1, 16, 16),
        BlockArgs((3, 5), 2, 2, 2, 4, 16, 24),
        BlockArgs((3,), 2, 2, 1, 3, 24, 24),
        BlockArgs((3, 5, 7), 1, 1, 2, 4, 24, 32, 0.5),
        BlockArgs((3, 5), 2, 2, 1, 4, 32, 32, 0.5, repeats=2),
        BlockArgs((3, 5, 7, 9), 1, 2, 2, 4, 32, 48, 0.25),
        BlockArgs((3, 5, 7, 9), 2, 2, 1, 3, 48, 48, 0.5, repeats=2),
    ),
    head=160,
    resolution=64,
    num_classes=30,
)
VARIANTS: dict[str, MixNetSpec] = {"s": MIXNET_S, "m": MIXNET_M, "l": MIXNET_L, "nano": MIXNET_NANO}


def split_channels(channels: int, groups: int) -> list[int]:
    """Split ``channels`` into ``groups`` even parts; the first takes the remainder."""
    part = channels // groups
    return [channels - part * (groups - 1)] + [part] * (groups - 1)


def se_channels(block: BlockArgs) -> int:
    """The channels inside a block's squeeze-and-excitation; 0 where the block has none."""
    return max(1, int(block.in_channels * block.se_ratio)) if block.se_ratio else 0
