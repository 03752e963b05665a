"""A small generated SYSU-MM01 and a small config, shared by the tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from fastreid.config import CfgNode, get_cfg

from datasets_ext.generated import generate_sysu
from idkl import add_idkl_config
from idkl.engine.logs import LOGGERS
from tests.small import CONFIGS, SMALL

pytest_plugins = ("tests.browser",)


@pytest.fixture(scope="session", autouse=True)
def _few_threads() -> None:
    torch.set_num_threads(1)  # several test processes share the cores


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """A run's log handlers write to the test's captured output: they go with it."""
    before = [list(logger.handlers) for logger in LOGGERS]
    yield
    for logger, handlers in zip(LOGGERS, before, strict=True):
        logger.handlers[:] = handlers


@pytest.fixture(scope="session")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of datasets that holds a generated SYSU-MM01 of 12 identities, 2 images a camera."""
    root = tmp_path_factory.mktemp("datasets")
    generate_sysu(root / "SYSU-MM01", ids=12, images=2, seed=7)
    return root


@pytest.fixture
def cfg() -> CfgNode:
    """The demo's config at a size for tests: ResNet-18, 64x32 pixels, 2 identities x (2 + 2) images, 5 classes."""
    cfg = get_cfg()
    add_idkl_config(cfg)
    cfg.merge_from_file(str(CONFIGS / "demo.yml"))
    cfg.merge_from_list(["MODEL.DEVICE", "cpu", "MODEL.HEADS.NUM_CLASSES", 5, *SMALL])
    return cfg
