"""What computes, in one line."""

from __future__ import annotations

import pytest
import torch

from idkl.device import describe_device, synchronize


def test_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    line = describe_device(torch.device("cpu"))
    assert line.endswith(f" CPU, 3 threads, torch {torch.__version__}")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert ", 1 thread, " in describe_device(torch.device("cpu"))


def test_a_gpu_is_named_and_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Some GPU")
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    assert describe_device(torch.device("cuda")).startswith(f"Some GPU, torch {torch.__version__}, CUDA ")
    synchronize(torch.device("cuda"))
    synchronize(torch.device("cpu"))
    assert waited == [torch.device("cuda")]
