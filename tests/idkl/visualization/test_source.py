"""Run folders and checkpoints as figures take them, and one line for every mistake."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from datasets_ext import UserError
from idkl.engine.extract import extract_features
from idkl.visualization.embedded import Embedded, check_same_images, embed
from idkl.visualization.source import Source, open_source
from tests.idkl.visualization.made import make_embedded
from tests.small import CONFIGS


def test_a_run_folder_and_its_checkpoint_are_one_model(run: Path, tmp_path: Path) -> None:
    folder, file = open_source(run), open_source(run / "model_final.pth")
    assert folder == file and folder.name == "untrained" and folder.checkpoint == run / "model_final.pth"
    assert str(folder.checkpoint) == folder.cfg.MODEL.WEIGHTS and list(folder.cfg.INPUT.SIZE_TEST) == [64, 32]
    assert (
        "cuda" if torch.cuda.is_available() else "cpu"
    ) == folder.cfg.MODEL.DEVICE and not folder.load_model().training
    copied = tmp_path / "other.pth"
    copied.symlink_to(folder.checkpoint)
    elsewhere = open_source(copied, str(run / "config.yaml"), ["TEST.GALLERY", "agw"])
    assert elsewhere.name == f"{tmp_path.name}/other" and elsewhere.cfg.TEST.GALLERY == "agw"


def test_mistakes_are_one_line(run: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.pth").write_text("no checkpoint")
    shutil.copy(run / "config.yaml", tmp_path)
    alone = tmp_path / "alone" / "model_final.pth"
    alone.parent.mkdir()
    alone.symlink_to(run / "model_final.pth")
    for path, overrides, message in (
        (tmp_path / "none", [], "none is missing: give the folder of a finished run"),
        (tmp_path / "empty", [], r"empty has no model_final\.pth"),
        (alone, [], r"no .*alone/config\.yaml: name the config .* --config-file"),
        (tmp_path / "text.pth", [], r"text\.pth"),
        (run, ["MODEL.NONE", "1"], "unknown config key MODEL.NONE"),
        (run, ["DATASETS.TESTS", '("SYSU_MM01", "RegDB")'], "exactly one dataset"),
        (run, ["MODEL.BACKBONE.DEPTH", "34x"], "does not fit the model"),
    ):
        with pytest.raises(UserError, match=message) as error:
            embed(open_source(path, "", overrides))
        assert len(str(error.value).splitlines()) == 1
    with pytest.raises(UserError, match="config file none.yml is missing"):
        open_source(run, "none.yml")
    with pytest.raises(UserError, match="does not fit the model"):
        open_source(run, str(CONFIGS / "sysu.yml")).load_model()


def test_features_labels_and_settings_belong_together(embedded: Embedded, source: Source, datasets: Path) -> None:
    extracted = extract_features(source.cfg)
    assert extracted is not None and np.array_equal(embedded.features, extracted[0])
    assert embedded.root == datasets / "SYSU-MM01"
    assert list(embedded.modalities) == [int(path.startswith(("cam3", "cam6"))) for path in embedded.images.paths]
    assert [(setting.mode, setting.shots) for setting in embedded.settings] == [
        *(("all", 1), ("all", 10)),
        *(("indoor", 1), ("indoor", 10)),
    ]
    expected = embedded.features / np.linalg.norm(embedded.features, axis=1, keepdims=True)
    assert np.allclose(embedded.unit, expected, atol=1e-6)


def test_models_of_different_test_sets_are_not_compared() -> None:
    check_same_images([make_embedded(seed=1), make_embedded(seed=2)])
    with pytest.raises(UserError, match="made and fewer were tested on different images"):
        check_same_images([make_embedded(), make_embedded(identities=4, name="fewer")])
