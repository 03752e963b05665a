"""What a training leaves for TensorBoard beside its scalars."""

from __future__ import annotations

import io
import pickle
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fastreid.config import CfgNode
from fastreid.engine import default_argument_parser
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from idkl.engine.main import run as run_training
from idkl.visualization import tensorboard
from idkl.visualization.embedded import Embedded
from idkl.visualization.projector import choose_rows, main_components
from idkl.visualization.tensorboard import evaluation_pictures
from tests.idkl.visualization.made import make_embedded
from tests.small import CONFIGS, SMALL


def train(folder: Path, *words: object) -> Path:
    options = [*SMALL, "TEST.EVAL_START", False, "TEST.EVAL_PERIOD", 1, "OUTPUT_DIR", folder, *words]
    args = default_argument_parser().parse_args(["--config-file", str(CONFIGS / "demo.yml"), *map(str, options)])
    run_training(args, evaluation_pictures)
    return folder / "pictures"


def test_every_evaluation_is_pictured_and_the_last_one_projected(tmp_path: Path, datasets: Path) -> None:
    pictures = train(tmp_path, "SOLVER.MAX_EPOCH", 2, "TEST.RERANK.ENABLED", False)
    events = EventAccumulator(str(pictures), size_guidance={"images": 0, "histograms": 0}).Reload()
    images = events.Images("SYSU_MM01/rank lists")
    steps = [image.step for image in images]
    assert len(steps) == 2 and 2 * (steps[0] + 1) == steps[1] + 1  # after both epochs
    picture = Image.open(io.BytesIO(images[0].encoded_image_string))
    assert picture.size == (images[0].width, images[0].height) and min(picture.size) > 200
    for tag in ("AP of a query", "cosine distance, the same identity", "cosine distance, two identities"):
        counts = [event.histogram_value.num for event in events.Histograms(f"SYSU_MM01/{tag}")]
        assert len(counts) == 2 and counts[0] == counts[1] > 0
    folder = pictures / f"{steps[1]:05}" / "SYSU_MM01"
    vectors = np.loadtxt(folder / "tensors.tsv")
    header, *labels = (folder / "metadata.tsv").read_text().splitlines()
    tested = (datasets / "SYSU-MM01" / "exp" / "test_id.txt").read_text().split(",")
    assert header.split("\t")[0] == "identity" and len(labels) == len(vectors)
    assert {label.split("\t")[0] for label in labels} == {str(int(pid)) for pid in tested}
    assert (pictures / "projector_config.pbtxt").is_file() and (folder / "sprite.png").is_file()
    assert sum(file.stat().st_size for file in pictures.rglob("*") if file.is_file()) < 2_000_000


def test_it_can_be_switched_off(cfg: CfgNode) -> None:
    assert len(evaluation_pictures(cfg)) == 1
    cfg.TEST.PICTURES = False
    assert evaluation_pictures(cfg) == []


def test_started_processes_can_be_told() -> None:
    told = pickle.loads(pickle.dumps(partial(run_training, make_hooks=evaluation_pictures)))
    assert told.func is run_training and told.keywords == {"make_hooks": evaluation_pictures}


def test_only_evaluated_epochs_are_pictured(cfg: CfgNode, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cfg.TEST.EVAL_PERIOD, cfg.OUTPUT_DIR = 2, str(tmp_path)
    pictured: list[int] = []
    monkeypatch.setattr(tensorboard, "embedded_of", lambda name, evaluation: evaluation)
    monkeypatch.setattr(tensorboard, "_add_pictures", lambda writer, model, step: pictured.append(step))
    projected: list[int] = []
    monkeypatch.setattr(tensorboard, "add_projection", lambda writer, model, step: projected.append(step))
    hook = evaluation_pictures(cfg)[0]
    hook.trainer = SimpleNamespace(cfg=cfg, max_epoch=5, evaluations={"SYSU_MM01": None}, storage=SimpleNamespace())
    hook.before_train()
    for epoch in range(5):
        hook.trainer.epoch, hook.trainer.storage.iter = epoch, 10 * epoch
        hook.after_epoch()
    hook.after_train()
    assert pictured == [10, 30, 40] and projected == [40]


def test_projected_rows_cover_identities_and_both_modalities(embedded: Embedded) -> None:
    big = make_embedded(identities=60, each=15)
    rows = choose_rows(big)
    assert len(np.unique(big.images.pids[rows])) == 50 and len(rows) == len(set(rows.tolist())) <= 1000
    for pid in np.unique(big.images.pids[rows]):
        shown = rows[big.images.pids[rows] == pid]
        assert set(big.images.camids[shown]) >= ({1, 2, 3} if pid else {3})
        assert max(np.bincount(big.modalities[shown])) == 10
    assert len(np.unique(embedded.images.pids[choose_rows(embedded)])) == len(np.unique(embedded.images.pids))


def test_components_keep_distances_and_order() -> None:
    unit = make_embedded(identities=4).unit
    found = main_components(unit)
    assert found.shape == (len(unit), 16)
    apart = np.linalg.norm(unit[:, None] - unit, axis=2)
    assert np.linalg.norm(found[:, None] - found, axis=2) == pytest.approx(apart, abs=1e-3)
    assert (np.diff(found.std(axis=0)) <= 1e-4).all()
