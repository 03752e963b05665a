"""An embedder as torch's exported program, which torch.export.load reads without this project.

TorchScript, which had this place, is deprecated; torch.export is what torch names as its successor.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import torch
from torch import Tensor

from .embedder import Embedder

METADATA = "description.json"  # the file's entry: torch.export.load(path, extra_files={METADATA: ""})


def to_program(embedder: Embedder, images: Tensor, description: dict[str, str]) -> bytes:
    """The content of a ``.pt2`` file with the description as an entry.

    Args:
        embedder: on the CPU.
        images: float32 [2, 3, H, W], of any content. The batch stays open, height and width do not.
    """
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(embedder, (images,), dynamic_shapes={"images": {0: batch}}, strict=False)
    for node in program.graph.nodes:  # which lines of which files of this machine it came from
        node.meta.pop("stack_trace", None)
        node.meta.pop("nn_module_stack", None)
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={METADATA: json.dumps(description, indent=1)})
    return buffer.getvalue()


def open_program(content: bytes, threads: int) -> Callable[[Tensor], Tensor]:
    """A function from images to embeddings that runs the file in torch on the CPU, with the threads torch has."""
    return torch.export.load(io.BytesIO(content)).module()
