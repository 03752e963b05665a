"""One step: what it computes, and when its metrics are read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from fastreid.utils.events import EventStorage
from torch import Tensor, nn

from datasets_ext import UserError
from idkl.engine.train_step import TrainStep


class Loader:
    device = torch.device("cpu")

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        while True:
            yield {"images": torch.ones(4, 2), "targets": torch.zeros(4)}


class Model(nn.Module):
    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, 2.0]))
        self.factor = factor
        self.metrics = {"cls_accuracy": torch.tensor(0.25)}

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        first = (batch["images"] * self.weight).sum(dim=1).mean() * self.factor
        return {"loss_a": first, "loss_b": 2 * first}


def make(factor: float = 1.0, amp: torch.dtype | None = None) -> TrainStep:
    model = Model(factor)
    return TrainStep(model, Loader(), torch.optim.SGD(model.parameters(), lr=0.1), amp)


def steps(step: TrainStep, count: int, storage: EventStorage) -> None:
    for iteration in range(count):
        step.iter = storage.iter = iteration
        step.run_step()


@pytest.mark.parametrize("amp", [None, torch.bfloat16])
def test_the_sum_of_the_terms_is_descended(amp: torch.dtype | None) -> None:
    step = make(amp=amp)
    with EventStorage() as storage:
        steps(step, 2, storage)
    # loss_a + loss_b = 3 (w1 + w2): each step takes 0.1 * 3 off both.
    assert step.model.weight.tolist() == pytest.approx([1 - 0.6, 2 - 0.6], abs=1e-5)


def test_metrics_of_every_step_are_read_at_once_and_keep_their_iteration() -> None:
    step = make()
    with EventStorage() as storage:
        steps(step, 3, storage)
        assert storage.latest() == {}
        step.write_metrics()
        assert [(v, i) for v, i in storage.history("loss_a").values()] == [
            (pytest.approx(value), iteration) for iteration, value in enumerate((3.0, 2.4, 1.8))
        ]
        assert storage.latest()["total_loss"] == (pytest.approx(5.4), 2)
        assert storage.latest()["cls_accuracy"][0] == 0.25 and storage.latest()["images_per_second"][0] > 0
        assert storage.iter == 2


def test_a_broken_loss_is_named_with_its_iteration() -> None:
    step = make()
    with EventStorage() as storage:
        steps(step, 2, storage)
        step.model.factor = float("nan")
        step.iter = storage.iter = 7
        step.run_step()
        with pytest.raises(UserError, match="^loss_a, loss_b became infinite or NaN at iteration 7"):
            step.write_metrics()


def test_no_scaler_without_cuda() -> None:
    assert make(amp=torch.float16).grad_scaler is None
