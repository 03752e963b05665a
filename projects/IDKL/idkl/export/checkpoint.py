"""From a checkpoint to a checked file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from fastreid.config import CfgNode
from torch import Tensor, nn

from datasets_ext.files import check_writable, write_atomically

from ..engine.main import load_model
from ..evaluation.evaluator import FlipTest
from .agreement import Agreement, check_agreement
from .description import describe, image_size
from .embedder import Embedder
from .formats import format_of
from .latency import Latency, time_embedding


@dataclass(frozen=True)
class Exported:
    """What was written and how it compares with the model."""

    description: dict[str, str]
    bytes: int
    parameters: int  # trained values in the file
    of: int  # in the checkpoint
    checks: list[Agreement]
    unchecked: str  # why test images could not be compared; "" where they were
    latencies: list[Latency]  # none where not asked for


@torch.inference_mode()
def export_checkpoint(cfg: CfgNode, output: Path, *, timed: bool) -> Exported:
    """Write the part of ``MODEL.WEIGHTS`` that embeds images to a file, if that embeds as the model does.

    Args:
        cfg: complete and checked, with ``MODEL.DEVICE`` cpu and ``MODEL.COMPILE`` False.
        output: its ending chooses the format; written whole or not at all.
        timed: measure the file beside torch, with as many threads.

    Raises:
        UserError: the checkpoint, the format or the path is wrong, or the file does not embed as the model does.
    """
    chosen, size = format_of(output), image_size(cfg)
    check_writable(output)
    model = load_model(cfg).eval()
    total = _count(model)
    tested = FlipTest(model) if cfg.TEST.FLIP.ENABLED else model
    embedder = Embedder(model, cfg.TEST.FLIP.ENABLED)
    example = torch.rand(2, 3, *size) * 255
    dimensions = embedder(example).shape[1]
    description = describe(cfg, dimensions)
    with torch.inference_mode(False):  # whose tensors cannot be traced
        content = chosen.make(embedder, torch.zeros(2, 3, *size), description)
    found = chosen.open(content, torch.get_num_threads())

    def expected(images: Tensor) -> Tensor:
        return F.normalize(tested({"images": images.clone()}))  # fast-reid's Baseline normalises its input in place

    checks, unchecked = check_agreement(cfg, expected, found, size)
    write_atomically(output, lambda file: file.write(content))
    latencies = time_embedding({"torch": embedder, chosen.runtime: found}, size) if timed else []
    return Exported(description, len(content), _count(embedder), total, checks, unchecked, latencies)


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
