"""Loaders: fields, order, seeds that no number of workers changes, and errors that end in one line."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fastreid.config import CfgNode
from fastreid.utils import comm

from datasets_ext import ImageRecord, UserError
from datasets_ext.dataset import generators_kept, seed_generators
from datasets_ext.generated import generate_regdb
from datasets_ext.loaders import build_test_loader, build_train_loader, load_dataset


@pytest.fixture(autouse=True)
def _datasets(datasets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTREID_DATASETS", str(datasets))


def batches(cfg: CfgNode, count: int, epoch: int = 0, **options: Any) -> list[dict[str, Any]]:
    loader, _ = build_train_loader(cfg, seed=11)
    loader.batch_sampler.start_at(epoch)
    return list(islice(loader, count))


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return all(torch.equal(a[k], b[k]) if isinstance(a[k], torch.Tensor) else a[k] == b[k] for k in a)


def test_a_training_batch(cfg: CfgNode) -> None:
    batch = batches(cfg, 1)[0]
    assert set(batch) == {"images", "targets", "camids", "modalities", "img_paths"}
    assert batch["images"].shape == (8, 3, 64, 32) and batch["images"].dtype == torch.float32
    assert 1 < batch["images"].max() <= 255 and batch["images"].min() >= 0
    assert batch["modalities"].tolist() == [0] * 4 + [1] * 4
    assert torch.equal(batch["targets"][:4], batch["targets"][4:])
    infrared = [any(f"cam{c}/" in path for c in (3, 6)) for path in batch["img_paths"]]
    assert infrared == [False] * 4 + [True] * 4


@pytest.mark.parametrize("sampler", ["CrossModalityIdentitySampler", "NaiveIdentitySampler"])
def test_workers_change_nothing_over_the_end_of_an_epoch(cfg: CfgNode, sampler: str) -> None:
    cfg.merge_from_list(["DATALOADER.SAMPLER_TRAIN", sampler, "INPUT.REA.ENABLED", True, "INPUT.REA.PROB", 0.5])
    loader, per_epoch = build_train_loader(cfg, seed=11)
    augmentation = loader.dataset.augmentation
    assert augmentation.crop and augmentation.flip and augmentation.erasing
    alone = batches(cfg, per_epoch + 2)
    cfg.DATALOADER.NUM_WORKERS = 2
    assert all(same(a, b) for a, b in zip(alone, batches(cfg, per_epoch + 2), strict=True))


def test_a_run_goes_on_in_mid_epoch_with_the_batches_it_would_have_had(cfg: CfgNode) -> None:
    _, per_epoch = build_train_loader(cfg, seed=11)
    stream = batches(cfg, per_epoch + 3)
    cfg.DATALOADER.NUM_WORKERS = 2
    loader, _ = build_train_loader(cfg, seed=11)
    loader.batch_sampler.start_at(0, per_epoch - 1)
    assert all(same(a, b) for a, b in zip(stream[per_epoch - 1 :], islice(loader, 4), strict=True))


def test_an_epoch_can_be_started_at(cfg: CfgNode) -> None:
    _, per_epoch = build_train_loader(cfg, seed=11)
    stream = batches(cfg, per_epoch + 2)
    assert all(same(a, b) for a, b in zip(stream[per_epoch:], batches(cfg, 2, epoch=1), strict=True))


def test_the_seed_matters(cfg: CfgNode) -> None:
    other, _ = build_train_loader(cfg, seed=12)
    assert not same(next(iter(other)), batches(cfg, 1)[0])


def test_drawing_leaves_the_callers_random_states_alone(cfg: CfgNode) -> None:
    def draws() -> list[float]:
        return [random.random(), np.random.rand(), torch.rand(1).item()]

    seed_generators(3)
    expected = draws()
    seed_generators(0)
    plain = draws()
    seed_generators(0)
    with generators_kept():
        seed_generators(3)
        assert draws() == expected
    batches(cfg, 1)
    assert draws() == plain


def test_the_test_loader_gives_query_then_gallery_once_and_in_order(cfg: CfgNode) -> None:
    data = load_dataset("SYSU_MM01")
    cfg.TEST.IMS_PER_BATCH = 7
    loader, root = build_test_loader(cfg, "SYSU_MM01")
    seen = [(path, pid) for b in loader for path, pid in zip(b["img_paths"], b["targets"].tolist(), strict=True)]
    assert seen == [(record[0], record[1]) for record in (*data.query, *data.gallery)]
    assert root == data.dataset_root


@pytest.mark.parametrize(("processes", "size"), [(2, 7), (3, 16), (4, 1000)])
def test_processes_share_out_the_test_batches(
    cfg: CfgNode, processes: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg.TEST.IMS_PER_BATCH = size
    whole = [batch["img_paths"] for batch in build_test_loader(cfg, "SYSU_MM01")[0]]
    monkeypatch.setattr(comm, "get_world_size", lambda: processes)
    shares = []
    for rank in range(processes):
        monkeypatch.setattr(comm, "get_rank", lambda rank=rank: rank)
        loader, _ = build_test_loader(cfg, "SYSU_MM01")
        shares.append([batch["img_paths"] for batch in loader])
        assert len(loader) == len(shares[-1]) <= -(-len(whole) // processes)
    assert shares[0] and [paths for share in shares for paths in share] == whole


@pytest.mark.parametrize("name", ["NaiveIdentitySampler", "BalancedIdentitySampler", "TrainingSampler"])
def test_fast_reids_own_samplers(cfg: CfgNode, name: str) -> None:
    cfg.DATALOADER.SAMPLER_TRAIN = name
    np.random.seed(0)
    assert [len(batch["targets"]) for batch in batches(cfg, 3)] == [8, 8, 8]


def test_incomplete_identities_are_reported_and_left_out(
    cfg: CfgNode, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    data = load_dataset("SYSU_MM01")
    lonely = ImageRecord(data.train[0][0], 9999, 1, 0)
    monkeypatch.setattr("datasets_ext.loaders.load_dataset", lambda *_, **__: data)
    identities = len({record[1] for record in data.train})
    data._train = [*data.train, lonely]
    loader, _ = build_train_loader(cfg, seed=0)
    assert loader.dataset.num_classes == identities
    assert "1 training identities have images in one modality only and are left out: 9999" in caplog.text
    data._train = [lonely]
    with pytest.raises(UserError, match="no training identity of .* both modalities"):
        build_train_loader(cfg, seed=0)


@pytest.fixture
def broken_image(cfg: CfgNode) -> Iterator[Path]:
    path = Path(load_dataset("SYSU_MM01").query[1][0])
    content = path.read_bytes()
    path.write_bytes(content[:100])
    yield path
    path.write_bytes(content)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_unreadable_image_is_named_in_one_line(cfg: CfgNode, broken_image: Path, workers: int) -> None:
    cfg.DATALOADER.NUM_WORKERS = workers
    loader, _ = build_test_loader(cfg, "SYSU_MM01")
    with pytest.raises(UserError) as error:
        list(loader)
    message = str(error.value)
    assert message.startswith(f"image {broken_image} cannot be read (") and "\n" not in message


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("DATASETS.NAMES", ("Market1501",), "Market1501 is not a visible-infrared dataset.*SYSU_MM01"),
        ("DATASETS.NAMES", ("SYSU_MM01", "SYSU_MM01"), "exactly one dataset"),
        ("DATASETS.SPLIT", 0, "DATASETS.SPLIT is 0: splits are numbered from 1"),
        ("DATALOADER.SAMPLER_TRAIN", "NoSampler", "NoSampler is unknown: choose from"),
        ("INPUT.PADDING.MODE", "white", "INPUT is not possible: .*constant, edge, reflect or symmetric"),
    ],
)
def test_wrong_names(cfg: CfgNode, key: str, value: object, message: str) -> None:
    cfg.merge_from_list([key, value])
    with pytest.raises(UserError, match=message):
        build_train_loader(cfg, seed=0)


def test_the_split_of_the_config_trains_and_tests(
    cfg: CfgNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate_regdb(tmp_path / "RegDB", ids=6, images=2, seed=1)
    monkeypatch.setenv("FASTREID_DATASETS", str(tmp_path))
    cfg.merge_from_list(["DATASETS.NAMES", ("RegDB",), "DATASETS.SPLIT", 3])
    data = load_dataset("RegDB", 3)
    assert data.split == 3 and load_dataset("RegDB").split == 1
    loader, _ = build_train_loader(cfg, seed=0)
    assert loader.dataset.img_items == data.train != load_dataset("RegDB").train
    loader, root = build_test_loader(cfg, "RegDB")
    assert loader.dataset.img_items == [*data.query, *data.gallery] and root == tmp_path / "RegDB"


def test_a_dataset_of_one_split_ignores_it(cfg: CfgNode) -> None:
    cfg.DATASETS.SPLIT = 4
    loader, _ = build_test_loader(cfg, "SYSU_MM01")
    data = load_dataset("SYSU_MM01")
    assert data.split is None and loader.dataset.img_items == [*data.query, *data.gallery]


@pytest.mark.parametrize(("batch", "instances"), [(9, 4), (4096, 4), (8, 0)])
def test_numbers_with_which_fast_reids_sampler_would_hang(cfg: CfgNode, batch: int, instances: int) -> None:
    cfg.merge_from_list(
        [
            *("DATALOADER.SAMPLER_TRAIN", "NaiveIdentitySampler"),
            *("SOLVER.IMS_PER_BATCH", batch, "DATALOADER.NUM_INSTANCE", instances),
        ]
    )
    with pytest.raises(UserError, match="NaiveIdentitySampler"):
        build_train_loader(cfg, seed=0)
