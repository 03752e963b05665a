"""What is measured on a GPU, and the table that shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from fastreid.config import CfgNode
from tabulate import tabulate

from .ceilings import Ceilings


@dataclass(frozen=True)
class Row:
    """One line of the table; None where a column has nothing to say."""

    part: str
    what: str
    seconds: float | None = None
    images_per_second: float | None = None
    ratio: float | None = None  # how many times the images per second, or the speed, of the part's first line
    peak_gib: float | None = None
    counted_gib: float | None = None
    matmul_share: float | None = None
    copy_share: float | None = None
    remark: str = ""


@dataclass(frozen=True)
class Plan:
    """What the parts measure.

    Attributes:
        cfg: with the device in MODEL.DEVICE.
        ceilings: of the device, in all precisions.
        warmup, steps: of training.
    """

    cfg: CfgNode
    ceilings: Ceilings
    warmup: int
    steps: int

    @property
    def device(self) -> torch.device:
        return torch.device(self.cfg.MODEL.DEVICE)


def format_markdown(rows: Sequence[Row]) -> str:
    """A table in Markdown, a line a row."""

    def show(value: float | None, form: str) -> str:
        return "" if value is None else format(value, form)

    lines = [
        (
            r.part,
            r.what,
            show(r.seconds, ".4f"),
            show(r.images_per_second, ".0f"),
            show(r.ratio, ".2f"),
            show(r.peak_gib, ".2f"),
            show(r.counted_gib, ".2f"),
            show(r.matmul_share, ".0%"),
            show(r.copy_share, ".0%"),
            r.remark.replace("|", "/"),
        )
        for r in rows
    ]
    headers = (
        *("part", "what", "s", "images / s", "times the first", "peak GiB", "counted GiB"),
        *("of matmul", "of copy", "remark"),
    )
    return tabulate(lines, headers, tablefmt="github", disable_numparse=True)
