"""Mistakes that only a run finds: one line each, and nothing left half done."""

from __future__ import annotations

from pathlib import Path

import pytest

from datasets_ext import UserError
from tests.runs import train


@pytest.fixture(autouse=True)
def _datasets(datasets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTREID_DATASETS", str(datasets))


def test_an_image_that_breaks_in_training_is_named(datasets: Path, tmp_path: Path) -> None:
    people = [int(pid) for pid in (datasets / "SYSU-MM01" / "exp" / "train_id.txt").read_text().split(",")]
    image = next((datasets / "SYSU-MM01" / "cam6" / f"{people[0]:04d}").iterdir())
    content = image.read_bytes()
    image.write_bytes(b"")
    try:
        with pytest.raises(UserError, match=rf"image {image} cannot be read"):
            train(tmp_path, "DATALOADER.NUM_WORKERS", "1")
    finally:
        image.write_bytes(content)
    assert "Traceback" not in (tmp_path / "log.txt").read_text()


def test_a_loss_that_is_not_finite_stops_the_run_by_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(
        UserError, match=r"loss_\w+.* became infinite or NaN in epoch \d+ at iteration \d+; .*: lower SOLVER.BASE_LR"
    ):
        train(tmp_path, "SOLVER.MAX_EPOCH", "1", "SOLVER.BASE_LR", "1e30")
    assert not list(tmp_path.glob("*.pth"))
    assert "Traceback" not in (tmp_path / "log.txt").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--eval-only"], "needs a checkpoint: add MODEL.WEIGHTS"),
        (["--eval-only", "MODEL.WEIGHTS", "none.pth"], "checkpoint none.pth is missing"),
        (["MODEL.WEIGHTS", "none.pth"], "checkpoint none.pth is missing"),
        (["MODEL.BACKBONE.PRETRAIN", "True", "MODEL.BACKBONE.PRETRAIN_PATH", "none.pth"], "none.pth is missing"),
        (["SOLVER.IMS_PER_BATCH", "9"], "not a multiple of DATALOADER.NUM_INSTANCE"),
        (["DATALOADER.NUM_INSTANCE", "3"], "NUM_INSTANCE is 3"),
        (["MODEL.HEADS.NUM_CLASSES", "2"], "NUM_CLASSES is 2, but 6 identities train: give 0"),
        (["SOLVER.IMS_PER_BATCH", "400"], "needs 100 identities"),
        (["DATALOADER.SAMPLER_TRAIN", "TrainingSampler"], "N visible, then N infrared"),
    ],
)
def test_mistakes_found_at_the_start(tmp_path: Path, words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        train(tmp_path, *words)
    assert "\n" not in str(error.value)


def test_a_missing_permutation_file_is_found_before_training(
    datasets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    permutations = datasets / "SYSU-MM01" / "exp" / "rand_perm_cam.mat"
    hidden = permutations.rename(permutations.with_suffix(".hidden"))
    try:
        with pytest.raises(UserError, match=r"rand_perm_cam.mat"):
            train(tmp_path)
    finally:
        hidden.rename(permutations)
    assert "Starting training" not in (tmp_path / "log.txt").read_text()
