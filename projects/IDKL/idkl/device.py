"""A device as a benchmark sees it: its name, and waiting for it."""

from __future__ import annotations

import platform

import torch


def describe_device(device: torch.device) -> str:
    """One line: what computes, and with which torch."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}, CUDA {torch.version.cuda}"
    threads = torch.get_num_threads()
    return f"{platform.machine()} CPU, {threads} thread{'s' * (threads > 1)}, torch {torch.__version__}"


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all it was told; a CPU has already."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
