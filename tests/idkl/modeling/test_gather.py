"""Gathering over processes that this one plays by turns: order, gradients, types."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from idkl.modeling import gather
from idkl.modeling.gather import gather_batch
from idkl.modeling.head import IdentityOutput, IDKLOutput


class Processes:
    """Stands in for torch.distributed: process ``rank`` of those whose messages are known."""

    def __init__(self, count: int) -> None:
        self.rank = 0
        self.messages: list[list[Tensor]] = [[] for _ in range(count)]
        self._next = 0

    def get_world_size(self) -> int:
        return len(self.messages)

    def get_rank(self) -> int:
        return self.rank

    def all_gather(self, parts: list[Tensor], own: Tensor) -> None:
        sent = self.messages[self.rank]
        if self._next == len(sent):
            sent.append(own.clone())
        for part, messages in zip(parts, self.messages, strict=True):
            part.copy_(messages[self._next] if len(messages) > self._next else torch.zeros_like(own))
        self._next += 1

    def play(self, rank: int) -> None:
        self.rank, self._next = rank, 0


def outputs_of(rows: Tensor) -> IDKLOutput:
    """An output whose every tensor follows from ``rows [B, 3]``, with and without what may be missing."""
    shared = IdentityOutput(rows * 2, rows[:, :2] + 1, rows[:, :2].to(torch.bfloat16))
    specific = IdentityOutput(rows * 3, rows[:, 1:], rows[:, 1:])
    return IDKLOutput(shared, specific, None, [rows[:, :2] * 5], [])


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Processes]:
    made = Processes(3)
    monkeypatch.setattr(gather, "dist", made)
    yield made


def share(batch: Tensor, rank: int, count: int) -> Tensor:
    return torch.cat([half.chunk(count)[rank] for half in batch.chunk(2)])


def test_every_process_has_the_batch_of_one(processes: Processes) -> None:
    rows = torch.randn(12, 3)
    targets, modalities = torch.tensor([5, 5, 2, 2, 7, 7] * 2), torch.tensor([0] * 6 + [1] * 6)
    whole = outputs_of(rows)
    for rank in (0, 1, 2, 0, 1, 2):  # once to send, once to receive
        processes.play(rank)
        own = [share(values, rank, 3) for values in (rows, targets, modalities)]
        found, *labels = gather_batch(outputs_of(own[0]), own[1], own[2])
    assert torch.equal(labels[0], targets) and torch.equal(labels[1], modalities)
    assert found.purifier is None and found.discriminators == []
    assert torch.equal(found.confusers[0], whole.confusers[0])
    for one, other in ((found.shared, whole.shared), (found.specific, whole.specific)):
        for name in ("feature", "logits", "margin_logits"):
            a, b = getattr(one, name), getattr(other, name)
            assert torch.equal(a, b) and a.dtype == b.dtype and a.is_contiguous()


@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 2**31))
def test_the_gradient_is_that_of_the_own_rows_times_the_processes(count: int, half: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    batch = torch.randn(2 * half * count, 3, generator=generator, dtype=torch.float64)
    weights = torch.randn(len(batch), len(batch), generator=generator, dtype=torch.float64)

    def loss(rows: Tensor) -> Tensor:
        return (weights * (rows @ rows.T)).sum()

    expected = batch.clone().requires_grad_()
    loss(expected).backward()
    processes = Processes(count)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gather, "dist", processes)
        for rank in (*range(count), *range(count)):
            processes.play(rank)
            own = share(batch, rank, count).requires_grad_()
            labels = torch.zeros(len(own), dtype=torch.int64)
            gathered, _, _ = gather_batch(
                IDKLOutput(*[IdentityOutput(own, own, own)] * 2, None, [], []), labels, labels
            )
            loss(gathered.shared.feature).backward()
            found = own.grad
    assert expected.grad is not None and found is not None
    assert torch.allclose(found, count * share(expected.grad, count - 1, count), atol=1e-12)


def test_what_no_loss_uses_gets_no_gradient(processes: Processes) -> None:
    used, unused = (torch.ones(4, 3, requires_grad=True) for _ in range(2))
    output = IDKLOutput(IdentityOutput(used, used, used), IdentityOutput(unused, unused, unused), None, [], [])
    labels = torch.zeros(4, dtype=torch.int64)
    gather_batch(output, labels, labels)[0].shared.feature.sum().backward()
    assert torch.equal(used.grad, torch.full((4, 3), 3.0)) and unused.grad is None  # type: ignore[arg-type]
