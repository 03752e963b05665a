"""Features from a checkpoint: the same rows as --eval-only, and one line for every mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fastreid.config import CfgNode

from datasets_ext import UserError
from idkl.engine.trainer import Trainer
from idkl.evaluation.features import read_features
from idkl.evaluation.results import METRICS, read_results
from tests.runs import train
from tests.small import CONFIGS, SMALL
from tools import evaluate_features, extract_features

TRAINED_ELSEWHERE = [{"dataset": "SYSU_MM01", "split": 3}]


@pytest.fixture
def weights(cfg: CfgNode, datasets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A checkpoint of a random network, saved as ``model.pth``."""
    monkeypatch.setenv("FASTREID_DATASETS", str(datasets))
    torch.manual_seed(0)
    state = Trainer.build_model(cfg).state_dict()
    torch.save({"model": state}, tmp_path / "model.pth")
    return state


def extract(folder: Path, *words: object, output: str = "a.npz", weights: str = "model.pth") -> Path:
    flags = ["--config-file", CONFIGS / "demo.yml", "--output", folder / output]
    keys = ["OUTPUT_DIR", folder / "run", "MODEL.WEIGHTS", folder / weights, *SMALL, *words]
    extract_features.main([str(word) for word in (*flags, *keys)])
    return folder / output


@pytest.mark.parametrize("flip", ["False", "True"])
def test_the_rows_are_those_of_eval_only(
    flip: str, weights: dict[str, Any], datasets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tmp_path / "run", "--eval-only", "MODEL.WEIGHTS", str(tmp_path / "model.pth"), "TEST.FLIP.ENABLED", flip)
    path = extract(tmp_path, "TEST.FLIP.ENABLED", flip)
    count = len(read_features(path).features)
    assert capsys.readouterr().out.splitlines()[-1] == f"{path}: {count} features of 512 dimensions"
    root = datasets / "SYSU-MM01"
    words = ["--protocol", "sysu", "--features", path, "--split-dir", root, "--output", tmp_path / "b.json"]
    evaluate_features.main([str(word) for word in words])
    found, expected = read_results(tmp_path / "b.json"), read_results(tmp_path / "run" / "results.json")
    expected = [row for row in expected if not row["rerank"]]
    assert len(found) == len(expected) == 4
    for one, other in zip(found, expected, strict=True):
        assert [one[key] for key in METRICS] == pytest.approx([other[key] for key in METRICS], abs=1e-9)
        assert one["std"] == pytest.approx(other["std"], abs=1e-9)


def test_every_test_image_as_the_model_sees_it(
    cfg: CfgNode, weights: dict[str, Any], datasets: Path, tmp_path: Path
) -> None:
    found = read_features(extract(tmp_path))
    root = datasets / "SYSU-MM01"
    tested = (root / "exp" / "test_id.txt").read_text().split(",")
    assert list(found.images.paths) == sorted(
        str(path.relative_to(root)) for pid in tested for path in root.glob(f"cam*/{int(pid):04d}/*.jpg")
    )
    model = Trainer.build_model(cfg).eval()
    model.load_state_dict(weights)
    loader = Trainer.build_evaluator(cfg, "SYSU_MM01")[0]
    rows = {path: row for row, path in enumerate(found.images.paths)}
    with torch.no_grad():
        for batch in loader:
            names = [str(Path(path).relative_to(root)) for path in batch["img_paths"]]
            expected = model(batch).numpy()
            assert np.allclose(found.features[[rows[name] for name in names]], expected, atol=1e-5)
            assert (np.abs(np.linalg.norm(expected, axis=1) - 1) > 0.1).all()  # not normalised


def test_mistakes_are_one_line(weights: dict[str, Any], tmp_path: Path) -> None:
    torch.save({"model": weights, "trained_on": TRAINED_ELSEWHERE}, tmp_path / "other.pth")
    two = ("DATASETS.TESTS", '("SYSU_MM01", "RegDB")')
    for words, options, message in (
        ((), {"output": "a.mat"}, r"--output .*a\.mat does not end in \.npz"),
        ((), {"output": "model.pth/a.npz"}, r"cannot write .*a\.npz"),
        ((), {"weights": "none.pth"}, r"none\.pth is missing"),
        (("MODEL.WEIGHTS", ""), {}, "needs a checkpoint: add MODEL.WEIGHTS"),
        (("DATASETS.SPLIT", 2), {"weights": "other.pth"}, "trained on SYSU_MM01 split 3, but DATASETS.SPLIT is 2"),
        (two, {}, "features are extracted from exactly one dataset"),
        (("MODEL.BACKBONE.DEPTH", "34x"), {}, "the checkpoint does not fit the model"),
    ):
        with pytest.raises(UserError, match=message) as error:
            extract(tmp_path, *words, **options)
        assert len(str(error.value).splitlines()) == 1 and not list(tmp_path.glob("*.npz"))
