"""How fast the training loader is, decoding and from the cache, and how fast a batch is augmented."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import torch
from fastreid.config import CfgNode
from tabulate import tabulate
from torch.utils.data import default_collate

from datasets_ext.batches import DeviceLoader
from datasets_ext.loaders import build_train_loader


@dataclass(frozen=True)
class LoaderTime:
    """One measured way of the images to the device, or the last part of it."""

    what: str
    workers: int  # processes that load; 0: the one that trains does it
    images_per_second: float
    images_per_cpu_second: float  # of one core, which then does all the work of workers and device


def time_loader(cfg: CfgNode, warmup: int, batches: int) -> list[LoaderTime]:
    """Measure the batches of ``cfg``'s training dataset at its size, batch, workers and device.

    The loader decodes every image, then takes them from a cache: that of ``DATALOADER.CACHE``, else one in the
    system's folder for temporary files that is gone afterwards. At last a batch is augmented again and again.

    Args:
        cfg: complete and checked (see :mod:`idkl.engine.setup`).
        warmup: batches before the measured ones.
        batches: measured ones. The batches of several workers arrive together, so both are rounded up to as many from
            each.

    Raises:
        UserError: the dataset is not there or not in order, or the cache cannot be written.
    """
    cfg = cfg.clone()
    cfg.defrost()
    with tempfile.TemporaryDirectory() as folder:
        results = []
        for what, cache in (("decoding", ""), ("from the cache", cfg.DATALOADER.CACHE or folder)):
            cfg.DATALOADER.CACHE = cache
            results.append(_time_batches(what, cfg, warmup, batches))
        results.append(_time_augmentation(cfg, warmup, batches))
    return results


def format_loader_times(results: list[LoaderTime]) -> str:
    """A text table, a line a measurement."""
    rows = [(r.what, r.workers, f"{r.images_per_second:.0f}", f"{r.images_per_cpu_second:.0f}") for r in results]
    return tabulate(rows, ("training images", "workers", "images / s", "images / CPU s"), disable_numparse=True)


def _time_batches(what: str, cfg: CfgNode, warmup: int, batches: int) -> LoaderTime:
    workers = cfg.DATALOADER.NUM_WORKERS
    seconds, _ = _draw(cfg, workers, warmup, batches)
    with _one_thread():
        _, cpu_seconds = _draw(cfg, 0, warmup, batches)
    return LoaderTime(what, workers, 1 / seconds, 1 / cpu_seconds)


def _draw(cfg: CfgNode, workers: int, warmup: int, batches: int) -> tuple[float, float]:
    """Seconds and this process's CPU seconds an image of the training loader."""
    own = cfg.clone()
    own.DATALOADER.NUM_WORKERS = workers
    each = max(workers, 1)
    with closing(iter(_loader(own))) as stream:  # closing ends the workers
        return _measure(lambda: next(stream), -(-max(warmup, 1) // each) * each, -(-batches // each) * each, own)


def _time_augmentation(cfg: CfgNode, warmup: int, batches: int) -> LoaderTime:
    loader = _loader(cfg)
    batch = default_collate(loader.dataset.__getitems__(next(iter(loader.batch_sampler))))
    images, draws = batch["images"].to(loader.device), batch["draws"].to(loader.device)

    def augment() -> None:
        loader.dataset.augmentation.apply(images, draws)

    seconds, _ = _measure(augment, warmup, batches, cfg)
    with _one_thread():
        _, cpu_seconds = _measure(augment, warmup, batches, cfg)
    return LoaderTime("augmentation alone", 0, 1 / seconds, 1 / cpu_seconds)


def _loader(cfg: CfgNode) -> DeviceLoader:
    return build_train_loader(cfg, seed=0, combineall=cfg.DATASETS.COMBINEALL)[0]


@contextmanager
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other would count as work of the CPU."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _measure(make_batch: Callable[[], object], warmup: int, batches: int, cfg: CfgNode) -> tuple[float, float]:
    """Seconds and this process's CPU seconds an image; waiting for a GPU is no work of the CPU."""
    is_cuda = torch.device(cfg.MODEL.DEVICE).type == "cuda"
    for _ in range(warmup):
        make_batch()
    if is_cuda:
        torch.cuda.synchronize()
    start, cpu_start = time.perf_counter(), time.process_time()
    for _ in range(batches):
        make_batch()
    cpu_seconds = time.process_time() - cpu_start
    if is_cuda:
        torch.cuda.synchronize()
    images = batches * cfg.SOLVER.IMS_PER_BATCH
    return (time.perf_counter() - start) / images, cpu_seconds / images
