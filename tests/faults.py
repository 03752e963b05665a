"""Kills a small training at random points, resumes it, and compares its end with that of one that was never stopped.

    python -m tests.faults --points 40

prints where each run was killed and whether its weights, results and records came out the same to the bit.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from datasets_ext import files
from datasets_ext.generated import generate_sysu
from idkl.engine import checkpoint, train_step
from idkl.engine.stopping import STOPPED
from idkl.engine.trainer import Trainer
from tests.runs import records, train, weights

OPTIONS = (
    *("SOLVER.MAX_EPOCH", "3", "SOLVER.CHECKPOINT_ITERS", "2", "TEST.EVAL_PERIOD", "1", "SEED", "4"),
    *(
        "MODEL.BACKBONE.DEPTH",
        "10x",
        "MODEL.IDKL.STAGES",
        "(3, 4)",
        "SOLVER.WARMUP_ITERS",
        "5",
        "TEST.RERANK.ENABLED",
        "False",
    ),
)
# Depend on the clock.
TIMES = {"time", "data_time", "images_per_second"}


@dataclass(frozen=True)
class Point:
    """Where a run was hit: the event before it, and what it had to end with."""

    event: str
    delay: float  # seconds after the event
    signal: int

    def __str__(self) -> str:
        return f"{signal.Signals(self.signal).name} {1000 * self.delay:.0f} ms after {self.event}"


def reference(folder: Path) -> list[str]:
    """Run to the end, undisturbed; returns the events on the way."""
    child, events = _start(folder)
    seen = events.readlines()
    assert _wait(child) == 0, (folder / "log.txt").read_text()[-2000:]
    return [event.strip() for event in seen]


def hit_and_resume(folder: Path, seen: list[str], rng: random.Random, number: int) -> tuple[Point, int]:
    """Start a run, hit it somewhere, and resume it to the end.

    Args:
        seen: the events of a whole run.
        number: one of the signals; SIGTERM asks for a stop.

    Returns:
        Where it was hit, and the status it ended with (negative: killed by that signal).
    """
    index = rng.randrange(len(seen))
    point = Point(seen[index], rng.choice([0.0, rng.uniform(0, 0.1)]), number)
    child, events = _start(folder)
    for _ in range(index + 1):
        events.readline()
    time.sleep(point.delay)
    with suppress(ProcessLookupError):
        os.kill(child, number)
    status = _wait(child)
    child, events = _start(folder, "--resume")
    events.read()
    assert _wait(child) == 0, (folder / "log.txt").read_text()[-2000:]
    return point, status


def same_end(expected: Path, folder: Path) -> list[str]:
    """What differs between the ends of two runs."""
    differences = []
    for name in ("model_final", "model_best"):
        ours, theirs = weights(folder, name), weights(expected, name)
        differences += [f"{name} {key}" for key in theirs if not torch.equal(ours[key], theirs[key])]
    for name in ("results.json",):
        if (folder / name).read_bytes() != (expected / name).read_bytes():
            differences.append(name)
    if _timeless(folder) != _timeless(expected):
        differences.append("metrics.json")
    optimizers = [torch.load(path / "model_final.pth", weights_only=True)["optimizer"] for path in (folder, expected)]
    for index, state in optimizers[1]["state"].items():
        if any(not torch.equal(optimizers[0]["state"][index][key], value) for key, value in state.items()):
            differences.append(f"optimizer state {index}")
    if leftovers := [path.name for path in folder.iterdir() if path.name.endswith(".tmp")]:
        differences.append(f"leftovers {leftovers}")
    return differences


def _timeless(folder: Path) -> list[dict[str, float]]:
    return [{key: value for key, value in line.items() if key not in TIMES} for line in records(folder)]


def _start(folder: Path, *flags: str) -> tuple[int, Any]:
    """A run in a process forked from this one, which has everything imported; and the stream of its events."""
    read, write = os.pipe()

    def run() -> None:
        os.close(read)
        folder.mkdir(exist_ok=True)
        for number in (1, 2):
            os.dup2(os.open(folder / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
        _report_events(lambda event: os.write(write, f"{event}\n".encode()))
        train(folder, *flags, *OPTIONS)

    child = _fork(run)
    os.close(write)
    return child, os.fdopen(read)


def forked(run: Callable[[], Any]) -> int:
    """Call ``run`` in a process of its own; its exit status, or minus the signal that killed it."""
    return _wait(_fork(run))


def _fork(run: Callable[[], Any]) -> int:
    sys.stdout.flush()
    if child := os.fork():
        return child
    status = 1
    try:
        run()
        status = 0
    except SystemExit as error:
        status = int(error.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def _report_events(report: Callable[[str], Any]) -> None:
    """Let this process say what it is at."""

    def told(owner: Any, name: str, event: Callable[..., str]) -> None:
        plain = getattr(owner, name)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            report(event(*args))
            result = plain(*args, **kwargs)
            report(f"the end of {event(*args)}")
            return result

        setattr(owner, name, classmethod(lambda _, *a, **k: wrapped(*a, **k)) if name == "evaluate" else wrapped)

    told(train_step.TrainStep, "run_step", lambda step: f"step {step.iter}")
    told(train_step.TrainStep, "_update", lambda step: f"the update of step {step.iter}")
    told(Trainer, "evaluate", lambda *_: "an evaluation")
    told(checkpoint, "write_checkpoint", lambda path, _: f"the write of {path.name}")
    told(files.os, "fsync", lambda _: "a sync")
    told(files.os, "replace", lambda _, path: f"the renaming to {path.name}")


def _wait(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        generate_sysu(root / "SYSU-MM01", ids=12, images=2, seed=7)
        os.environ["FASTREID_DATASETS"] = name
        seen = reference(root / "reference")
        failures = 0
        for number in range(args.points):
            folder = root / f"run{number}"
            kind = signal.SIGTERM if number % 4 == 3 else signal.SIGKILL
            point, status = hit_and_resume(folder, seen, rng, kind)
            differences = same_end(root / "reference", folder)
            failures += bool(differences)
            end = {0: "had ended", STOPPED: "stopped as asked"}.get(status, f"ended with {status}")
            print(f"{number + 1:3d}  {point}; {end}; {', '.join(differences) or 'the same end'}", flush=True)
    print(f"{args.points} points, {failures} with another end")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
