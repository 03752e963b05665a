"""Every shipped config builds its model and says of the paper what it should."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fastreid.modeling.meta_arch import build_model

from tests.small import CONFIGS, load, make_batch


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yml")), ids=lambda path: path.stem)
def test_builds_and_runs(path: Path) -> None:
    cfg = load(path)
    cfg.merge_from_list(["MODEL.DEVICE", "cpu", "MODEL.HEADS.NUM_CLASSES", 3, "MODEL.BACKBONE.PRETRAIN", False])
    if path.parent.name == "ablation":  # which differ from sysu.yml in weights alone
        cfg.merge_from_list(["MODEL.BACKBONE.DEPTH", "10x", "MODEL.BACKBONE.FEAT_DIM", 256])
    model = build_model(cfg)
    losses = model.train()(make_batch())
    assert losses and all(loss.isfinite() for loss in losses.values())
    with torch.no_grad():
        assert model.eval()({"images": torch.rand(1, 3, 64, 32)}).shape == (1, cfg.MODEL.BACKBONE.FEAT_DIM)


@pytest.mark.parametrize(("name", "dataset"), [("sysu", "SYSU_MM01"), ("regdb", "RegDB"), ("llcm", "LLCM")])
def test_each_dataset_has_the_papers_setting(name: str, dataset: str) -> None:
    cfg = load(CONFIGS / f"{name}.yml")
    assert cfg.DATASETS.NAMES == cfg.DATASETS.TESTS == (dataset,) and cfg.DATASETS.SPLIT == 1
    assert f"logs/{name}" == cfg.OUTPUT_DIR
    assert (cfg.SOLVER.IMS_PER_BATCH, cfg.DATALOADER.NUM_INSTANCE) == (120, 10)
    assert cfg.INPUT.SIZE_TRAIN == cfg.INPUT.SIZE_TEST == [384, 128]
    assert (cfg.SOLVER.OPT, cfg.SOLVER.BASE_LR, cfg.SOLVER.GAMMA) == ("Adam", 3e-5, 0.1)
    assert tuple(cfg.SOLVER.STEPS) == (60, 100) and cfg.SOLVER.WARMUP_ITERS == 0
    assert (cfg.MODEL.BACKBONE.DEPTH, cfg.MODEL.BACKBONE.LAST_STRIDE, cfg.MODEL.BACKBONE.PRETRAIN) == ("50x", 1, True)
    assert cfg.MODEL.HEADS.POOL_LAYER == "GeneralizedMeanPooling"
    weights = cfg.MODEL.IDKL.WEIGHTS
    assert (weights.IP, weights.TGSA, weights.CSA, weights.MDR) == (0.1, 0.6, 0.8, 1.0)
    assert cfg.MODEL.IDKL.TEACHER == "purified" and cfg.MODEL.IDKL.REDUCTION == "mean" and cfg.SEED == -1


TERMS = ("IP", "TGSA", "CSA", "MDR")


@pytest.mark.parametrize(
    ("name", "terms"),
    [
        ("row1_base", ()),
        ("row2_tgsa", ("TGSA",)),
        ("row3_ip_tgsa", ("IP", "TGSA")),
        ("row4_ip_csa", ("IP", "CSA")),
        ("row5_ip_mdr", ("IP", "MDR")),
        ("row6_idkl", TERMS),
        ("shared_only", ()),
    ],
)
def test_ablation_rows_are_those_of_table_4(name: str, terms: tuple[str, ...]) -> None:
    row, paper = load(CONFIGS / "ablation" / f"{name}.yml"), load(CONFIGS / "sysu.yml")
    assert f"logs/ablation/{name}" == row.OUTPUT_DIR
    weights = row.MODEL.IDKL.WEIGHTS
    assert tuple(term for term in TERMS if weights[term] > 0) == terms
    assert (weights.CONFUSER > 0) == (weights.REID_SPECIFIC > 0) == (name != "shared_only")
    row.OUTPUT_DIR = paper.OUTPUT_DIR
    for key, value in weights.items():  # nothing else differs, and what is on has the paper's weight
        assert value in (0.0, paper.MODEL.IDKL.WEIGHTS[key])
        weights[key] = paper.MODEL.IDKL.WEIGHTS[key]
    assert row == paper


@pytest.mark.parametrize(
    ("name", "dataset", "size", "batch", "weights"),
    [
        ("sysu", "SYSU_MM01", [384, 144], 120, (0.1, 0.6, 0.8, 1.0, 1.0)),
        ("llcm", "LLCM", [384, 144], 120, (0.1, 0.6, 0.8, 1.0, 1.0)),
        ("regdb", "RegDB", [256, 128], 60, (0.1, 0.1, 0.3, 0.1, 0.3)),
    ],
)
def test_each_dataset_has_the_released_setting(
    name: str, dataset: str, size: list[int], batch: int, weights: tuple[float, ...]
) -> None:
    cfg = load(CONFIGS / "released" / f"{name}.yml")
    assert cfg.DATASETS.NAMES == cfg.DATASETS.TESTS == (dataset,) and cfg.DATASETS.SPLIT == 1
    assert cfg.INPUT.SIZE_TRAIN == cfg.INPUT.SIZE_TEST == size
    assert (batch, 10) == (cfg.SOLVER.IMS_PER_BATCH, cfg.DATALOADER.NUM_INSTANCE)
    assert (cfg.SOLVER.OPT, cfg.SOLVER.BASE_LR, cfg.SOLVER.GAMMA) == ("Adam", 3.5e-4, 0.1)
    assert tuple(cfg.SOLVER.STEPS) == (55, 95, 160) and cfg.SOLVER.AMP.ENABLED
    assert {cfg.SOLVER[f"WEIGHT_DECAY{part}"] for part in ("", "_NORM", "_BIAS")} == {5e-3}
    assert cfg.MODEL.LOSSES.TRI.MARGIN == 1.3 and ("full" if name == "llcm" else "") == cfg.TEST.GALLERY
    given = cfg.MODEL.IDKL.WEIGHTS
    assert weights == (given.IP, given.TGSA, given.CSA, given.MDR_GRAPH, given.MDR_LOGITS)
    assert (given.MDR, given.REID_SPECIFIC, given.REID_PURIFIED) == (1.0, 0.0, 1.0)


def test_demo_is_small() -> None:
    cfg = load(CONFIGS / "demo.yml")
    assert (cfg.MODEL.BACKBONE.DEPTH, cfg.SOLVER.IMS_PER_BATCH, cfg.DATALOADER.NUM_INSTANCE) == ("18x", 32, 8)
    assert cfg.MODEL.DEVICE == "auto"


def test_every_key_of_ours_is_documented() -> None:
    sources = [CONFIGS.parent / "idkl" / "config.py", CONFIGS.parents[2] / "datasets_ext" / "config.py"]
    keys = [
        line
        for source in sources
        for line in source.read_text().splitlines()
        if " = " in line and "CfgNode()" not in line
    ]
    lines = [line for source in sources for line in source.read_text().splitlines()]
    undocumented = [key for key in keys if "#" not in key and "#" not in lines[lines.index(key) - 1]]
    assert len(keys) >= 20 and undocumented == []
