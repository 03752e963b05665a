"""Augmentation of a batch: what fast-reid's own steps make of each image, bit by bit, on any device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from fastreid.config import CfgNode, get_cfg
from fastreid.data.transforms import ToTensor, build_transforms
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor
from torchvision import transforms as T

from datasets_ext import UserError
from datasets_ext.augmentation import Augmentation, split_transforms, to_pixels
from datasets_ext.dataset import generators_kept, seed_generators

probabilities = st.sampled_from([0.0, 0.5, 1.0])


def config(*options: object) -> CfgNode:
    cfg = get_cfg()
    cfg.merge_from_list(["INPUT.SIZE_TRAIN", [24, 12], *options])
    return cfg


def noise(count: int, seed: int) -> list[Image.Image]:
    rng = np.random.default_rng(seed)
    return [Image.fromarray(rng.integers(0, 256, (*rng.integers(14, 40, 2), 3), dtype=np.uint8)) for _ in range(count)]


def one_by_one(cfg: CfgNode, images: list[Image.Image], seed: int, train: bool = True) -> Tensor:
    """The naive reference: fast-reid's steps on one image after the other, each with a seed of its own."""
    steps = build_transforms(cfg, train).transforms
    outcome = []
    for place, image in enumerate(images):
        seed_generators(seed + place)
        value: Any = image
        for step in steps:
            if isinstance(step, ToTensor):
                value = torch.from_numpy(np.array(value)).permute(2, 0, 1).float()
            else:
                value = step(value)
        outcome.append(value)
    return torch.stack(outcome)


def together(cfg: CfgNode, images: list[Image.Image], seed: int, train: bool = True) -> Tensor:
    """As a worker and a device do it."""
    transform, augmentation = split_transforms(build_transforms(cfg, train))
    pixels, draws = [], []
    for place, image in enumerate(images):
        seed_generators(seed + place)
        pixels.append(transform(image))
        draws.append(augmentation.draw(*pixels[-1].shape[1:]))
    return augmentation.apply(torch.stack(pixels), torch.stack(draws))


def check(cfg: CfgNode, seed: int, count: int = 4, train: bool = True) -> None:
    images = noise(count, seed)
    with generators_kept():
        expected, got = one_by_one(cfg, images, seed, train), together(cfg, images, seed, train)
    assert got.dtype == torch.float32 and got.is_contiguous() and torch.equal(got, expected)


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    padding=st.one_of(st.none(), st.integers(0, 30)),
    flip=st.one_of(st.none(), probabilities),
    erasing=st.one_of(st.none(), probabilities),
    value=st.lists(st.floats(0, 255), min_size=3, max_size=3),
    seed=st.integers(0, 2**62),
)
def test_padding_cropping_flipping_and_erasing(
    size: tuple[int, int],
    padding: int | None,
    flip: float | None,
    erasing: float | None,
    value: list[float],
    seed: int,
) -> None:
    cfg = config("INPUT.SIZE_TRAIN", list(size), "INPUT.REA.VALUE", value)
    for node, field, number in (
        (cfg.INPUT.PADDING, "SIZE", padding),
        (cfg.INPUT.FLIP, "PROB", flip),
        (cfg.INPUT.REA, "PROB", erasing),
    ):
        node.ENABLED = number is not None
        node[field] = number if number is not None else node[field]
    check(cfg, seed)


ALL = [f"INPUT.{step}.ENABLED" for step in ("PADDING", "FLIP", "REA")]
SURE = [word for key in ALL for word in (key, True)] + ["INPUT.FLIP.PROB", 0.5, "INPUT.REA.PROB", 1.0]


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**62))
@pytest.mark.parametrize(
    "options",
    [
        ["INPUT.CJ.ENABLED", True, "INPUT.CJ.PROB", 1.0],
        ["INPUT.AUGMIX.ENABLED", True, "INPUT.AUGMIX.PROB", 0.7],
        ["INPUT.AUTOAUG.ENABLED", True, "INPUT.AUTOAUG.PROB", 0.7],
        ["INPUT.CROP.ENABLED", True, "INPUT.CROP.SIZE", [20, 10]],
        ["INPUT.PADDING.MODE", "reflect"],
        ["INPUT.SIZE_TRAIN", [12]],  # the shorter side: images of several sizes until they are cropped
    ],
)
def test_every_other_switch_of_fastreid_goes_on_working(options: list[object], seed: int) -> None:
    check(config(*SURE, *options), seed)


def test_a_random_patch_of_fastreid_goes_on_working(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = config(*SURE)
    cfg = config(*SURE, "INPUT.RPT.ENABLED", True, "INPUT.RPT.PROB", 1.0)
    check(cfg, 0, count=102)  # patches come from the 100th image on
    with generators_kept():
        assert not torch.equal(together(cfg, noise(102, 0), 0)[-1], together(plain, noise(102, 0), 0)[-1])


@pytest.mark.parametrize("crop", [False, True])
def test_test_images(crop: bool) -> None:
    check(config("INPUT.CROP.ENABLED", crop, "INPUT.CROP.SIZE", [10, 8], *SURE), 3, train=False)


def test_a_worker_of_the_shipped_settings_only_resizes() -> None:
    transform, augmentation = split_transforms(build_transforms(config(*SURE)))
    assert [type(step) for step in transform.transforms[:-1]] == [T.Resize] and transform.transforms[-1] is to_pixels
    (image,) = noise(1, 0)
    pixels = transform(image)
    assert pixels.dtype == torch.uint8 and pixels.shape == (3, 24, 12) and pixels.is_contiguous()
    assert augmentation.draw(24, 12).shape == (7,)


def test_what_is_drawn() -> None:
    augmentation = Augmentation(T.RandomCrop((24, 12), padding=3), T.RandomHorizontalFlip(0.25), T.RandomErasing(0.5))
    with generators_kept():
        seed_generators(0)
        draws = torch.stack([augmentation.draw(24, 12) for _ in range(4000)])
    top, left, flip, row, column, height, width = draws.T
    for offset in (top, left):
        assert offset.unique().tolist() == list(range(7))
        assert all(abs((offset == value).double().mean() - 1 / 7) < 0.03 for value in range(7))
    assert flip.unique().tolist() == [0, 1] and abs(flip.double().mean() - 0.25) < 0.03
    erased = height > 0
    assert abs(erased.double().mean() - 0.5) < 0.03
    assert (row + height <= 24).all() and (column + width <= 12).all() and (height < 24).all() and (width < 12).all()
    share = (height * width)[erased] / (24 * 12)
    assert 0 < share.min() < 0.05 and 0.29 < share.max() < 0.37  # 0.02 to 0.33, but for rounding


def test_where_no_rectangle_fits_nothing_is_erased() -> None:
    augmentation = Augmentation(erasing=T.RandomErasing(1.0, scale=(1.0, 1.0), ratio=(1.0, 1.0), value=[9, 9, 9]))
    with generators_kept():
        assert augmentation.draw(8, 8).tolist() == [0] * 7


def test_a_hand_worked_batch() -> None:
    augmentation = Augmentation(
        T.RandomCrop((2, 3), padding=1), T.RandomHorizontalFlip(), T.RandomErasing(value=[7.5, 8, 9])
    )
    image = torch.tensor([[1, 2, 3], [4, 5, 6]], dtype=torch.uint8).expand(2, 3, 2, 3)
    draws = torch.tensor([[0, 2, 0, 0, 0, 0, 0], [1, 1, 1, 1, 0, 1, 2]])
    got = augmentation.apply(image, draws)
    assert got[0, 1].tolist() == [[0, 0, 0], [2, 3, 0]]  # one down, one to the left
    assert got[1, 0].tolist() == [[3, 2, 1], [7.5, 7.5, 4]] and got[1, 2].tolist() == [[3, 2, 1], [9, 9, 4]]


def test_no_number_is_read_back_from_the_device() -> None:
    """Tensors without data refuse every look at their values, and every operand on another device."""
    augmentation = Augmentation(
        T.RandomCrop((24, 12), padding=3), T.RandomHorizontalFlip(), T.RandomErasing(value=[1, 2, 3])
    )
    images = torch.empty(5, 3, 20, 10, dtype=torch.uint8, device="meta")
    got = augmentation.apply(images, torch.empty(5, 7, dtype=torch.int64, device="meta"))
    assert got.shape == (5, 3, 24, 12) and got.dtype == torch.float32 and got.device.type == "meta"


def test_an_erasing_value_of_other_than_three_channels_is_refused() -> None:
    with pytest.raises(UserError, match=r"INPUT.REA.VALUE is \[0.0\]: give three numbers") as error:
        split_transforms(build_transforms(config("INPUT.REA.ENABLED", True, "INPUT.REA.VALUE", [0.0])))
    assert "\n" not in str(error.value)
