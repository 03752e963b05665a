"""A run that is asked to stop saves what it did, says where, and goes on as if nothing had been."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from idkl.engine import stopping
from idkl.engine.stopping import STOPPED, StopRequest, StopRequestedError, on_signals
from idkl.engine.train_step import TrainStep
from idkl.engine.trainer import Trainer
from tests.faults import forked, same_end
from tests.runs import train

OPTIONS = (
    *("SOLVER.MAX_EPOCH", "2", "TEST.EVAL_PERIOD", "1", "TEST.RERANK.ENABLED", "False", "SEED", "4"),
    *("MODEL.BACKBONE.DEPTH", "10x", "TEST.PICTURES", "False"),
)


@pytest.fixture(autouse=True)
def _datasets(datasets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTREID_DATASETS", str(datasets))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, datasets: Path) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASTREID_DATASETS", str(datasets))
        train(folder, *OPTIONS, "TEST.EVAL_START", "True")
    return folder


def signalling(plain: Callable[..., Any], number: int, call: int, when: str) -> Callable[..., Any]:
    """``plain``, in whose given call (from 0) this process gets a signal, before or after what it does."""
    calls = iter(range(1000))

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        is_hit = next(calls) == call
        if is_hit and when == "before":
            os.kill(os.getpid(), number)
        result = plain(*args, **kwargs)
        if is_hit and when == "after":
            os.kill(os.getpid(), number)
        return result

    return wrapped


@pytest.mark.parametrize(
    ("owner", "name", "number", "call", "when", "saved"),
    [
        (TrainStep, "run_step", signal.SIGTERM, 2, "before", "model_iter0000003.pth"),
        (TrainStep, "run_step", signal.SIGINT, 8, "after", "model_iter0000009.pth"),
        (TrainStep, "run_step", signal.SIGHUP, 7, "after", "model_iter0000008.pth"),  # the last one of the epoch
        (Trainer, "_evaluate_untrained", signal.SIGTERM, 0, "before", "model_iter0000000.pth"),
        (Trainer, "_evaluate_and_keep", signal.SIGTERM, 1, "after", "model_iter0000016.pth"),
    ],
)
def test_stopped_saved_and_gone_on_with(
    owner: type,
    name: str,
    number: int,
    call: int,
    when: str,
    saved: str,
    undisturbed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    handler = signal.getsignal(number)
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, signalling(getattr(owner, name), number, call, when))
        with pytest.raises(SystemExit) as stopped:
            train(tmp_path, *OPTIONS, "TEST.EVAL_START", "True")
    assert stopped.value.code == STOPPED == 75 and signal.getsignal(number) is handler
    assert (tmp_path / "last_checkpoint").read_text() == saved
    assert f"saved {tmp_path / saved}: --resume goes on from there" in capsys.readouterr().out
    torch.manual_seed(99)
    train(tmp_path, "--resume", *OPTIONS, "TEST.EVAL_START", "True")
    assert same_end(undisturbed, tmp_path) == []


def test_a_second_signal_ends_at_once() -> None:
    def wait() -> None:
        with StopRequest().listening():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(stopping.SAME + 0.1)
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)

    assert forked(wait) == -signal.SIGTERM


def test_the_same_wish_sent_twice_counts_once() -> None:
    received: list[str] = []
    with on_signals(lambda _: received.append("first"), lambda _: received.append("second")):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            os.kill(os.getpid(), number)
    assert received == ["first"]


@pytest.fixture
def _hang_up_ignored() -> Iterator[None]:
    old = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGHUP, old)


@pytest.mark.usefixtures("_hang_up_ignored")
def test_what_nohup_ignores_stays_ignored() -> None:
    request = StopRequest()
    with request.listening():
        os.kill(os.getpid(), signal.SIGHUP)
    assert request.received is None and not request.agreed()


def test_only_what_may_be_interrupted_is() -> None:
    request = StopRequest()
    with request.listening():
        with pytest.raises(StopRequestedError), request.interruptible():
            os.kill(os.getpid(), signal.SIGTERM)
            raise AssertionError("not interrupted")
        with pytest.raises(StopRequestedError), request.interruptible():
            raise AssertionError("begun although a stop was asked for")
        assert request.agreed()
