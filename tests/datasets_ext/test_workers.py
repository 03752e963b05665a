"""Workers that die, disks that are stuck, images that go: one line, in time, whatever the number of workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from torchvision import transforms as T

from datasets_ext import ImageRecord, UserError
from datasets_ext.augmentation import Augmentation, to_pixels
from datasets_ext.batches import DeviceLoader
from datasets_ext.cache import open_cache
from datasets_ext.dataset import CrossModalityDataset
from datasets_ext.image import read_image
from datasets_ext.workers import DrawnBatches, leave_signals
from tests.small import REPOSITORY

Read = Callable[[str], Any]


@pytest.fixture
def images(tmp_path: Path) -> list[str]:
    """24 small images."""
    paths = [str(tmp_path / f"{number:02d}.png") for number in range(24)]
    for number, path in enumerate(paths):
        T.functional.to_pil_image(torch.full((3, 4, 4), number, dtype=torch.uint8)).save(path)
    return paths


def loader(paths: list[str], read: Read, workers: int, timeout: float = 0) -> DeviceLoader:
    """Batches of four."""
    records = [ImageRecord(path, number, 0, 0) for number, path in enumerate(paths)]
    dataset = CrossModalityDataset(records, T.Compose([to_pixels]), Augmentation(), False, read, None, visible=None)
    batches = [list(range(first, first + 4)) for first in range(0, len(paths), 4)]
    made: DataLoader[Any] = DataLoader(
        dataset,
        batch_sampler=DrawnBatches(batches),  # type: ignore[arg-type]
        num_workers=workers,
        timeout=timeout / 2,
        worker_init_fn=leave_signals,
    )
    return DeviceLoader(made, torch.device("cpu"))


def at(path: str, act: Callable[[], object]) -> Read:
    """Reads, and does ``act`` once ``path`` is to be read."""

    def read(wanted: str) -> Any:
        if wanted == path:
            act()
        return read_image(wanted)

    return read


def message(batches: DeviceLoader) -> str:
    with pytest.raises(UserError) as error:
        list(batches)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "is killed by signal: Killed"),
        (lambda: os.kill(os.getpid(), signal.SIGSEGV), "is killed by signal: Segmentation fault"),
        (lambda: os._exit(3), "exited unexpectedly"),
    ],
)
def test_a_worker_that_dies_is_named(images: list[str], act: Callable[[], object], reason: str) -> None:
    found = message(loader(images, at(images[13], act), workers=2))
    assert found.startswith("the loader's worker (pid")
    assert reason in found and "NUM_WORKERS 0 reads without" in found


def test_a_worker_that_dies_during_a_step_is_named_there(images: list[str]) -> None:
    batches = iter(loader(images, at(images[13], lambda: os._exit(3)), workers=2))
    next(batches)
    with pytest.raises(
        UserError, match=r"the loader's worker \(pid \d+\) exited unexpectedly with exit code 3"
    ) as error:
        time.sleep(10)  # the step: it ends when the worker does
    assert "\n" not in str(error.value)
    batches.close()


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("damage", [lambda p: os.unlink(p), lambda p: os.truncate(p, 20), lambda p: os.truncate(p, 0)])
def test_an_image_that_goes_or_breaks_in_mid_epoch_is_named(
    images: list[str], workers: int, damage: Callable[[str], None]
) -> None:
    batches = iter(loader(images, read_image, workers))
    assert next(batches)["images"][3, 0, 0, 0] == 3
    damage(images[23])
    with pytest.raises(UserError, match=f"image {images[23]} (is gone|cannot be read)") as error:
        list(batches)
    assert "\n" not in str(error.value)


def test_a_stuck_disk_is_named_after_a_warning(images: list[str], caplog: pytest.LogCaptureFixture) -> None:
    stuck = loader(images, at(images[5], lambda: time.sleep(2.5)), workers=2, timeout=0.8)
    names = f"the images {images[4]}, {images[5]}, {images[6]} and 1 more"
    assert message(stuck).startswith(f"no batch came for 0.8 seconds; it has {names}: see whether their disk")
    (warning,) = [record.getMessage() for record in caplog.records]
    assert warning == f"No batch came for 0.4 seconds; waiting for {names}"


@pytest.mark.parametrize("workers", [0, 2])
def test_a_slow_disk_is_waited_for(images: list[str], workers: int) -> None:
    slow = loader(images, at(images[5], lambda: time.sleep(0.6)), workers, timeout=1.0 if workers else 0)
    assert torch.cat([batch["images"] for batch in slow])[:, 0, 0, 0].tolist() == list(range(24))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_cache_file_that_goes_stays_readable_and_one_that_is_cut_is_named(
    images: list[str], tmp_path: Path, workers: int
) -> None:
    cache, _ = open_cache(tmp_path / "cache", tmp_path, images, T.Compose([T.Resize([4, 4])]))
    (file,) = (tmp_path / "cache").iterdir()
    batches = iter(loader(images, cache.read, workers))
    first = next(batches)
    os.truncate(file, 128 + 20 * 48 + 10)
    with pytest.raises(UserError, match=f"image cache {file} is damaged at {images[20]}: .* delete it") as error:
        list(batches)
    assert "\n" not in str(error.value) and first["images"][3, 0, 0, 0] == 3


PROGRAM = """
import sys, time
from datasets_ext.errors import run_program
from tests.datasets_ext.test_workers import at, loader
paths = sys.argv[1:]
run_program(lambda: list(loader(paths, at(paths[9], lambda: time.sleep(1000)), 2, 0.6)))
"""


def test_a_program_with_a_worker_that_never_comes_back_ends_with_one_line(images: list[str]) -> None:
    command = [sys.executable, "-c", PROGRAM, *images]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    lines = [line for line in done.stderr.splitlines() if "aiting for the images" not in line]
    assert done.returncode == 2 and len(lines) == 1 and lines[0].startswith("error: no batch came"), done.stderr


def test_signals_to_all_processes_are_the_main_ones_alone(images: list[str]) -> None:
    """Ctrl-C and a scheduler's SIGTERM reach the workers, too; the main process decides what comes of it."""

    def shout() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(os.getpid(), number)

    batches = loader(images, at(images[9], shout), workers=2)
    assert len(list(batches)) == 6


def test_the_order_of_batches_that_wait(images: list[str]) -> None:
    drawn = DrawnBatches([[0], [1], [2]])
    stream = iter(drawn)
    assert [next(stream), next(stream)] == [[0], [1]] and list(drawn.waiting) == [[0], [1]] and len(drawn) == 3
    assert next(iter(drawn)) == [0] and list(drawn.waiting) == [[0]]  # a new pass
    assert np.array_equal(list(drawn), [[0], [1], [2]])
