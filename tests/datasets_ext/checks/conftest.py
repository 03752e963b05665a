"""A generated dataset of each layout, and copies of it to plant defects in."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from datasets_ext.checks import CHECKS
from datasets_ext.generated import LAYOUTS


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of generated datasets by name: 8 people, 2 images a camera."""
    root = tmp_path_factory.mktemp("originals")
    for name, check in CHECKS.items():
        LAYOUTS[check.layout](root / name, ids=8, images=2, seed=3)
    return {name: root / name for name in CHECKS}


@pytest.fixture
def copy(originals: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """``copy(name)``: a fresh copy of a generated dataset."""
    return lambda name: Path(shutil.copytree(originals[name], tmp_path / name))
