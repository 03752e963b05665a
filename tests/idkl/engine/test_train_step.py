"""One step: what it computes, and when its metrics are read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from fastreid.utils.events import EventStorage
from torch import Tensor, nn

from idkl.engine.train_step import OnNonFinite, TrainStep

PATHS = ["a.jpg", "b.jpg"]


class Loader:
    device = torch.device("cpu")

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        while True:
            yield {"images": torch.ones(4, 2), "targets": torch.zeros(4), "img_paths": PATHS}


class Model(nn.Module):
    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, 2.0]))
        self.register_buffer("seen", torch.tensor(0))
        self.factor = factor
        self.breaks_gradient = False
        self.metrics = {"cls_accuracy": torch.tensor(0.25)}

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        first = (batch["images"] * self.weight).sum(dim=1).mean() * self.factor
        self.seen += 1
        second = 2 * first
        if self.breaks_gradient:  # the root's slope at 0 is infinite
            second = second + (first - first.detach()).sqrt()
        return {"loss_a": first, "loss_b": second}


Told = list[tuple[int, list[str], list[str]]]


class NonFiniteError(Exception):
    pass


def refuse(*told: object) -> None:
    raise NonFiniteError(told)


def make(
    factor: float = 1.0, amp: torch.dtype | None = None, looks: bool = False, on_nonfinite: OnNonFinite = refuse
) -> TrainStep:
    model = Model(factor)
    return TrainStep(model, Loader(), torch.optim.SGD(model.parameters(), lr=0.1), amp, on_nonfinite, looks)


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


def test_the_gradients_norm_is_recorded() -> None:
    step = make()
    with EventStorage() as storage:
        steps(step, 1, storage)
        step.write_metrics()
        assert storage.latest()["grad_norm"][0] == pytest.approx(3 * 2**0.5)


def test_without_looks_a_broken_loss_is_found_when_metrics_are_written() -> None:
    step = make()
    with EventStorage() as storage:
        steps(step, 2, storage)
        step.model.factor = float("nan")
        step.iter = storage.iter = 7
        step.run_step()
        with pytest.raises(NonFiniteError) as error:
            step.write_metrics()
    assert error.value.args == ((7, ["loss_a", "loss_b"], PATHS),)


@pytest.mark.parametrize("looks", [False, True])
def test_a_broken_gradient_of_finite_losses(looks: bool) -> None:
    step = make(looks=looks)
    step.model.breaks_gradient = True
    with EventStorage() as storage:
        step.iter = storage.iter = 3
        with pytest.raises(NonFiniteError) as error:
            step.run_step()
            step.write_metrics()
    assert error.value.args == ((3, ["the gradient of loss_b" if looks else "the gradient"], PATHS),)


def test_a_skipped_step_leaves_weights_statistics_and_metrics_as_they_were() -> None:
    told: Told = []
    step = make(looks=True, on_nonfinite=lambda *args: told.append(args))
    with EventStorage() as storage:
        steps(step, 1, storage)
        before = {name: value.clone() for name, value in step.model.state_dict().items()}
        step.model.factor = float("inf")
        step.iter = storage.iter = 1
        step.run_step()
        assert told == [(1, ["loss_a", "loss_b"], PATHS)]
        after = step.model.state_dict()
        assert all(torch.equal(after[name], value) for name, value in before.items())
        step.model.factor = 1.0
        step.iter = storage.iter = 2
        step.run_step()
        step.write_metrics()
        assert [iteration for _, iteration in storage.history("loss_a").values()] == [0, 2]
        assert after["seen"] == 2 and not torch.equal(after["weight"], before["weight"])


def test_a_loss_scale_goes_on_after_a_skipped_step() -> None:
    step = make(looks=True, on_nonfinite=lambda *_: None)
    step.grad_scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    with EventStorage() as storage:
        step.model.factor = float("inf")
        steps(step, 1, storage)
        assert step.model.weight.tolist() == [1, 2]
        step.model.factor = 1.0
        steps(step, 1, storage)
    assert step.model.weight.tolist() == pytest.approx([1 - 0.3, 2 - 0.3])


def test_no_scaler_without_cuda() -> None:
    assert make(amp=torch.float16).grad_scaler is None
