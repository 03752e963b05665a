"""Checkpoint files: their format, reading them safely, and which of a run folder are sound."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from datasets_ext.errors import UserError
from datasets_ext.files import write_atomically

from ..modeling.weights import read_torch_file

# Raised when what a checkpoint holds changes in a way that older code would read wrongly.
FORMAT_VERSION = 1
_VERSION = "format_version"


def write_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain values, whole or not at all. torch's files are zip archives with a checksum (CRC-32) of
    every part, which :func:`read_checkpoint` looks at.

    Raises:
        UserError: ``path`` cannot be written.
    """
    write_atomically(path, lambda file: _save({_VERSION: FORMAT_VERSION, **content}, file))


def read_checkpoint(path: str) -> dict[str, Any]:
    """Read a checkpoint as a dict with ``"model"``, a state dict; a bare state dict is taken as one.

    Nothing but tensors and plain values is unpickled. Files of fast-reid and of torch itself are taken, too, and names
    that begin with ``module.``, as a model wrapped for several GPUs has them.

    Raises:
        UserError: the file is missing or no checkpoint, or of a later format.
        DamagedFileError: it is truncated, or its checksums say that it was changed.
    """
    checkpoint = read_torch_file(path, "checkpoint")
    if isinstance(checkpoint, dict) and "model" not in checkpoint:
        checkpoint = {"model": checkpoint}
    weights = checkpoint["model"] if isinstance(checkpoint, dict) else None
    if not isinstance(weights, dict) or not weights or not all(isinstance(value, Tensor) for value in weights.values()):
        raise UserError(f"checkpoint {path} holds no state dict of tensors under 'model': take another one")
    version = checkpoint.get(_VERSION, 0)
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise UserError(
            f"checkpoint {path} has format {version}, but this version reads up to {FORMAT_VERSION}: update the project"
        )
    checkpoint["model"] = {str(name).removeprefix("module."): value for name, value in weights.items()}
    return checkpoint


def run_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a run folder."""
    return sorted(folder.glob("model_*.pth"))


def newest_sound(folder: Path) -> tuple[Path, int] | None:
    """The checkpoint of a run folder with the most iterations that can be read whole, and their number."""
    sound: list[tuple[int, Path]] = []
    for path in run_checkpoints(folder):
        try:
            iteration = read_checkpoint(str(path)).get("iteration")
        except UserError:
            continue
        if isinstance(iteration, int):
            sound.append((iteration, path))
    return max(sound)[::-1] if sound else None


def _save(content: dict[str, Any], file: BinaryIO) -> None:
    try:
        torch.save(content, file)
    except RuntimeError as error:  # so torch reports a full disk
        raise OSError(errno.EIO, str(error).splitlines()[0]) from error
