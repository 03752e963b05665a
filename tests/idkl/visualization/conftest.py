"""A run folder of an untrained network, and what it makes of the generated test images."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastreid.config import CfgNode, get_cfg

from idkl import add_idkl_config
from idkl.visualization.embedded import Embedded, embed
from idkl.visualization.source import Source, open_source
from tests.runs import untrained_run
from tests.small import CONFIGS, SMALL


@pytest.fixture(autouse=True)
def _datasets(datasets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTREID_DATASETS", str(datasets))


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cfg: CfgNode = get_cfg()
    add_idkl_config(cfg)
    cfg.merge_from_file(str(CONFIGS / "demo.yml"))
    cfg.merge_from_list(["MODEL.DEVICE", "cpu", "MODEL.HEADS.NUM_CLASSES", 5, *SMALL])
    return untrained_run(tmp_path_factory.mktemp("runs") / "untrained", cfg)


@pytest.fixture(scope="session")
def source(run: Path) -> Source:
    return open_source(run)


@pytest.fixture(scope="session")
def embedded(source: Source, datasets: Path) -> Embedded:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASTREID_DATASETS", str(datasets))
        return embed(source)
