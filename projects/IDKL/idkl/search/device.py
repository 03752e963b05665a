"""A GPU for faiss, where there is one and it knows the index."""

from __future__ import annotations

from typing import Any

import faiss

from datasets_ext.errors import UserError

DEVICES = ("auto", "cpu", "cuda")


def check_device(device: str) -> None:
    """Raise UserError if ``device`` is cuda and faiss has no GPU."""
    if device == "cuda" and faiss.get_num_gpus() == 0:
        raise UserError("--device cuda: faiss sees no GPU on this machine; give --device cpu, or leave it out")


def to_gpu(index: Any, device: str) -> Any | None:
    """A copy of ``index`` on the first GPU; None where it stays on the CPU.

    auto: there is no GPU, or faiss has no such index there (pq; codes longer than 96 bytes; too little memory).

    Raises:
        UserError: ``device`` is cuda and the index cannot be there.
    """
    check_device(device)
    if device == "cpu" or faiss.get_num_gpus() == 0:
        return None
    try:
        return faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, index)
    except RuntimeError as error:
        if device == "auto":
            return None
        reason = str(error).splitlines()[-1][-200:]
        raise UserError(
            f"--device cuda: faiss cannot keep the index on the GPU ({reason}): give --device cpu"
        ) from error
