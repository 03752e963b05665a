"""Train and test loaders for cross-modality data, on a CPU or a GPU."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from fastreid.config import CfgNode
from fastreid.data.datasets import DATASET_REGISTRY
from fastreid.data.transforms import build_transforms
from fastreid.utils import comm
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler

from .augmentation import split_transforms
from .batches import DeviceLoader, SeededBatchSampler
from .cache import open_cache
from .channel_exchange import ChannelExchange
from .cross_modality import CrossModalityImageDataset, datasets_root
from .dataset import CrossModalityDataset
from .errors import UserError
from .image import read_image
from .records import ImageRecord, keep_cross_modality
from .replayed_sampler import build_fastreid_sampler
from .sampler import SAMPLER_REGISTRY, EpochSampler
from .workers import DrawnBatches, leave_signals

logger = logging.getLogger(__name__)


def build_train_loader(cfg: CfgNode, *, seed: int, combineall: bool = False) -> tuple[DeviceLoader, int]:
    """The endless training loader of ``DATASETS.NAMES`` with the sampler that ``DATALOADER.SAMPLER_TRAIN`` names.

    Identities without images in both modalities are reported and left out.

    Returns:
        The loader and the number of its batches that make an epoch.

    Raises:
        UserError: unknown names, or numbers that make no batch.
    """
    records, data = _training_records(cfg, combineall)
    dataset = _dataset(cfg, records, data, is_train=True)
    world_size = comm.get_world_size()
    sampler = _build_sampler(cfg, dataset, seed)
    batch_sampler = SeededBatchSampler(sampler, cfg.SOLVER.IMS_PER_BATCH // world_size, seed)
    return _device_loader(cfg, dataset, batch_sampler), sampler.batches_per_epoch


def build_test_loader(cfg: CfgNode, dataset_name: str) -> tuple[DeviceLoader, Path]:
    """The loader over a dataset's query images, then its gallery images, each once and in order.

    Several processes share out its batches, of ``TEST.IMS_PER_BATCH`` images: each takes as many that follow one
    another, the first process the first ones. A process may be left without any, but never the main one.

    Returns:
        The loader and the dataset's folder.
    """
    data = load_dataset(dataset_name, cfg.DATASETS.SPLIT)
    if comm.is_main_process():
        data.show_test()
    dataset = _dataset(cfg, data.query + data.gallery, data, is_train=False)
    batches = list(BatchSampler(SequentialSampler(dataset), cfg.TEST.IMS_PER_BATCH, drop_last=False))
    share = -(-len(batches) // comm.get_world_size())
    own = batches[comm.get_rank() * share : (comm.get_rank() + 1) * share]
    return _device_loader(cfg, dataset, own), data.dataset_root


def load_dataset(name: str, split: int = 1, **kwargs: Any) -> CrossModalityImageDataset:
    """The dataset of this registry name from the datasets' root.

    Args:
        name: of its class.
        split: which of its splits, from 1; a dataset with only one ignores it.

    Raises:
        UserError: it is no visible-infrared dataset, it or the split is not there, or its files are not in order.
    """
    known = DATASET_REGISTRY._obj_map
    cross_modality = [key for key, value in known.items() if issubclass(value, CrossModalityImageDataset)]
    if name not in cross_modality:
        raise UserError(f"dataset {name} is not a visible-infrared dataset known here: choose from {cross_modality}")
    if split < 1:
        raise UserError(f"DATASETS.SPLIT is {split}: splits are numbered from 1")
    return known[name](root=datasets_root(), split=split, **kwargs)


def _dataset(
    cfg: CfgNode, records: list[ImageRecord], data: CrossModalityImageDataset, is_train: bool
) -> CrossModalityDataset:
    """The torch dataset of ``records``, some of the images of ``data``."""
    try:
        transforms = build_transforms(cfg, is_train)
    except ValueError as error:
        raise UserError(f"the config's INPUT is not possible: {error}") from None
    transform, augmentation = split_transforms(transforms)
    read: Callable[[str], Any] = read_image
    if cfg.DATALOADER.CACHE:
        paths = [record[0] for record in records]
        cache, transform = open_cache(Path(cfg.DATALOADER.CACHE), data.dataset_root, paths, transform)
        read = cache.read
    exchange = cfg.INPUT.CHANNEL_EXCHANGE
    return CrossModalityDataset(
        records,
        transform,
        augmentation,
        relabel=is_train,
        read=read,
        split=data.split,
        visible=ChannelExchange(exchange) if is_train and exchange > 0 else None,
    )


def _training_records(cfg: CfgNode, combineall: bool) -> tuple[list[ImageRecord], CrossModalityImageDataset]:
    """The images to train with, and their dataset."""
    if len(cfg.DATASETS.NAMES) != 1:
        raise UserError(f"DATASETS.NAMES {list(cfg.DATASETS.NAMES)}: training takes exactly one dataset")
    data = load_dataset(cfg.DATASETS.NAMES[0], cfg.DATASETS.SPLIT, combineall=combineall)
    if comm.is_main_process():
        data.show_train()
    records, incomplete = keep_cross_modality(data.train)
    if not records:
        raise UserError(f"no training identity of {data.dataset_root} has images in both modalities")
    if incomplete and comm.is_main_process():
        logger.warning(
            "%d training identities have images in one modality only and are left out: %s",
            len(incomplete),
            ", ".join(map(str, incomplete)),
        )
    return records, data


def _build_sampler(cfg: CfgNode, dataset: CrossModalityDataset, seed: int) -> EpochSampler:
    name = cfg.DATALOADER.SAMPLER_TRAIN
    if name not in SAMPLER_REGISTRY._obj_map:
        return build_fastreid_sampler(cfg, dataset, seed)
    sizes = cfg.SOLVER.IMS_PER_BATCH, cfg.DATALOADER.NUM_INSTANCE
    return SAMPLER_REGISTRY.get(name)(dataset.img_items, *sizes, seed, comm.get_rank(), comm.get_world_size())


def _device_loader(
    cfg: CfgNode, dataset: CrossModalityDataset, batch_sampler: BatchSampler | list[list[int]]
) -> DeviceLoader:
    device = torch.device(cfg.MODEL.DEVICE)
    workers = cfg.DATALOADER.NUM_WORKERS
    # Workers live as long as a pass: training is one. Those of a test loader start again with each evaluation, in some
    # 30 ms each; kept, each would hold 20 MB between evaluations.
    loader: DataLoader[Any] = DataLoader(
        dataset,
        batch_sampler=DrawnBatches(batch_sampler),
        num_workers=workers,
        timeout=cfg.DATALOADER.TIMEOUT / 2 if workers > 0 else 0,  # without workers nobody is there to look at a clock
        worker_init_fn=leave_signals,
        pin_memory=device.type == "cuda",
        prefetch_factor=cfg.DATALOADER.PREFETCH_FACTOR if workers > 0 else None,
        generator=torch.Generator(),  # else starting the loader would draw from the run's own random state
    )
    return DeviceLoader(loader, device)
