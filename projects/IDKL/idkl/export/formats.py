"""The formats of an export by the ending of the file's name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from datasets_ext.errors import UserError

from .embedder import Embedder
from .onnx_file import open_onnx, to_onnx
from .torch_file import open_program, to_program

Embed = Callable[[Tensor], Tensor]  # images [B, 3, H, W] to embeddings [B, D]


@dataclass(frozen=True)
class Format:
    """How a file of one format is made and run; see the two modules."""

    runtime: str  # what runs it here
    make: Callable[[Embedder, Tensor, dict[str, str]], bytes]
    open: Callable[[bytes, int], Embed]
    needs: Sequence[str] = ()  # packages of the extra `export`


FORMATS = {
    ".onnx": Format("onnxruntime", to_onnx, open_onnx, ("onnx", "onnxruntime", "onnxscript")),
    ".pt2": Format("torch.export", to_program, open_program),
}


def format_of(path: Path) -> Format:
    """The format that a file's ending names.

    Raises:
        UserError: there is none, or what it needs is not installed.
    """
    if path.suffix not in FORMATS:
        raise UserError(f"--output {path} must end in one of {', '.join(FORMATS)}: the ending chooses the format")
    chosen = FORMATS[path.suffix]
    for package in chosen.needs:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise UserError(
                f"{path.suffix} needs {package} ({error}): pip install {' '.join(chosen.needs)}, or write a .pt2 file"
            ) from None
    return chosen
