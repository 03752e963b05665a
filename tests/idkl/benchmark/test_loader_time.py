"""The loader's benchmark: every line is measured at the config's setting, and nothing is left behind."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from fastreid.config import CfgNode

from idkl.benchmark import loader_time
from idkl.benchmark.loader_time import LoaderTime, format_loader_times, time_loader


@pytest.fixture(autouse=True)
def _folders(datasets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTREID_DATASETS", str(datasets))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.mark.parametrize("workers", [0, 1])
def test_every_line_is_measured(cfg: CfgNode, workers: int, tmp_path: Path) -> None:
    cfg.DATALOADER.NUM_WORKERS = workers
    cfg.freeze()
    results = time_loader(cfg, 1, 2)
    assert [r.what for r in results] == ["decoding", "from the cache", "augmentation alone"]
    assert [r.workers for r in results] == [workers, workers, 0]
    assert all(r.images_per_second > 0 and r.images_per_cpu_second > 0 for r in results)
    assert cfg.DATALOADER.CACHE == "" and os.listdir(tmp_path) == [] and multiprocessing.active_children() == []


def test_a_cache_of_the_config_is_used_and_stays(cfg: CfgNode, tmp_path: Path) -> None:
    cfg.DATALOADER.CACHE = str(tmp_path / "cache")
    time_loader(cfg, 0, 1)
    assert os.listdir(tmp_path) == ["cache"] and len(os.listdir(tmp_path / "cache")) == 1


@pytest.mark.parametrize(("workers", "expected"), [(0, (1, 5)), (2, (2, 6))])
def test_as_many_batches_from_each_worker(
    cfg: CfgNode, monkeypatch: pytest.MonkeyPatch, workers: int, expected: tuple[int, int]
) -> None:
    asked = []

    def count(make_batch: Callable[[], object], warmup: int, batches: int, cfg: CfgNode) -> tuple[float, float]:
        asked.append((warmup, batches))
        return 0.5, 0.25

    monkeypatch.setattr(loader_time, "_measure", count)
    cfg.DATALOADER.NUM_WORKERS = workers
    results = time_loader(cfg, 1, 5)
    assert asked == [expected, (1, 5)] * 2 + [(1, 5)] * 2
    assert [(r.images_per_second, r.images_per_cpu_second) for r in results] == [(2.0, 4.0)] * 3


def test_seconds_are_those_of_an_image_after_the_warm_up(cfg: CfgNode, monkeypatch: pytest.MonkeyPatch) -> None:
    now = {"wall": 0.0, "cpu": 0.0}
    monkeypatch.setattr("time.perf_counter", lambda: now["wall"])
    monkeypatch.setattr("time.process_time", lambda: now["cpu"])
    durations = iter([100.0, 100.0, 6.0, 2.0])

    def make_batch() -> None:
        seconds = next(durations)
        now["wall"] += seconds
        now["cpu"] += seconds / 2

    assert loader_time._measure(make_batch, 2, 2, cfg) == (0.5, 0.25)  # 8 s, 2 batches of 8 images


def test_the_table() -> None:
    lines = format_loader_times([LoaderTime("decoding", 2, 1234.4, 600.6)]).splitlines()
    assert lines[0].split("  ")[0] == "training images" and lines[-1].split() == ["decoding", "2", "1234", "601"]
