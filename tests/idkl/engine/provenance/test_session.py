"""What a session says of data, weights and config, and that it names no user and no machine."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import platform
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastreid.engine import default_argument_parser

from idkl.engine import load_config
from idkl.engine.provenance import (
    PROVENANCE,
    begin_session,
    evaluation_session,
    features_session,
    training_session,
)
from idkl.evaluation import PROTOCOLS, Images, ReRanking
from idkl.evaluation.features import write_features
from tests.small import CONFIGS, SMALL


@pytest.fixture
def copy(tmp_path: Path, datasets: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A SYSU-MM01 of its own to change."""
    monkeypatch.setenv("FASTREID_DATASETS", str(tmp_path / "data"))
    return shutil.copytree(datasets / "SYSU-MM01", tmp_path / "data" / "SYSU-MM01")


def config(*words: object) -> Any:
    line = ["--config-file", str(CONFIGS / "demo.yml"), *map(str, (*SMALL, *words))]
    return load_config(default_argument_parser().parse_args(line))


def test_a_training(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "start.pth").write_bytes(b"weights")
    (tmp_path / "imagenet.pth").write_bytes(b"more")
    backbone = ("MODEL.BACKBONE.PRETRAIN", True, "MODEL.BACKBONE.PRETRAIN_PATH", tmp_path / "imagenet.pth")
    cfg = config("SEED", 5, "MODEL.WEIGHTS", tmp_path / "start.pth", *backbone)
    session = training_session(cfg, 0)
    assert session["config"]["SEED"] == 5 and session["config"]["SOLVER.BASE_LR"] == 0.001
    assert {name: entry["sha256"] for name, entry in session["weights"].items()} == {
        "model": hashlib.sha256(b"weights").hexdigest(),
        "imagenet": hashlib.sha256(b"more").hexdigest(),
    }
    data = session["datasets"]["SYSU_MM01"]
    images = len(list(copy.rglob("*.jpg")))
    assert data["training"]["images"] + data["test"]["images"] == images > 100
    assert set(data["split_files"]) == {f"exp/{side}_id.txt" for side in ("train", "val", "test")}
    permutations = hashlib.sha256((copy / "exp" / "rand_perm_cam.mat").read_bytes()).hexdigest()
    assert session["protocol"]["SYSU_MM01"] == {"gallery": "official", "files": {"rand_perm_cam.mat": permutations}}
    assert training_session(cfg, 3)["weights"] == {}  # it goes on from its own checkpoint


def test_it_names_no_user_and_no_machine(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((socket, "gethostname"), (platform, "node"), (getpass, "getuser")):
        monkeypatch.setattr(module, name, lambda: "secret-name")
    for variable in ("USER", "LOGNAME", "HOSTNAME"):
        monkeypatch.setenv(variable, "secret-name")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "own.py"), str(tmp_path / "x.yml")])
    session = training_session(config("OUTPUT_DIR", tmp_path / "run"), 0)
    assert session["config"]["OUTPUT_DIR"] == "~/run" and session["command"] == "python own.py ~/x.yml"
    text = json.dumps(session)
    assert str(tmp_path) not in text and "secret-name" not in text


def parts(cfg: Any) -> tuple[Any, Any, Any]:
    """What is said of training images, test images and split files."""
    data = training_session(cfg, 0)["datasets"]["SYSU_MM01"]
    return data["training"], data["test"], data["split_files"]


def test_the_fingerprint_sees_images_and_split_files_and_no_times(copy: Path) -> None:
    cfg = config()
    identities = {side: (copy / "exp" / f"{side}_id.txt").read_text().strip().split(",") for side in ("train", "test")}
    seen = [parts(cfg)]
    trained, tested = (copy / "cam1" / f"{int(identities[side][0]):04d}" for side in ("train", "test"))
    for path in (*trained.iterdir(), copy / "exp" / "test_id.txt"):
        os.utime(path, (1, 1))
    assert parts(cfg) == seen[0]
    (trained / "0009.jpg").write_bytes(b"added")
    seen.append(parts(cfg))
    (trained / "0009.jpg").rename(trained / "0010.jpg")
    seen.append(parts(cfg))
    (trained / "0010.jpg").write_bytes(b"resized")
    seen.append(parts(cfg))
    (trained / "0010.jpg").unlink()
    assert parts(cfg) == seen[0]
    (tested / "0001.jpg").write_bytes(b"other size")
    assert parts(cfg)[0] == seen[0][0] and parts(cfg)[1] != seen[0][1]
    assert len({part[0]["sha256"] for part in seen}) == 4 and all(part[1:] == seen[0][1:] for part in seen)
    with (copy / "exp" / "test_id.txt").open("a") as file:
        file.write(",")  # the same identities in another file
    changed = {name for name, sha256 in parts(cfg)[2].items() if sha256 != seen[0][2][name]}
    assert changed == {"exp/test_id.txt"}


def test_test_images_that_are_trained_on_count_as_training_images(copy: Path) -> None:
    plain, combined = parts(config()), parts(config("DATASETS.COMBINEALL", True))
    assert combined[0]["images"] == plain[0]["images"] + plain[1]["images"] and combined[1] == plain[1]


def test_an_evaluation_has_the_record_of_its_checkpoint(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "model.pth").write_bytes(b"weights")
    cfg = config("MODEL.WEIGHTS", tmp_path / "model.pth", "TEST.GALLERY", "agw")
    session = evaluation_session(cfg)
    assert session["trained"] == [] and set(session["datasets"]["SYSU_MM01"]) == {"split", "test", "split_files"}
    assert session["protocol"]["SYSU_MM01"] == {"gallery": "agw", "files": {}}
    assert session["checkpoint"]["sha256"] == hashlib.sha256(b"weights").hexdigest()
    begin_session(tmp_path / PROVENANCE, {"kind": "training"}, goes_on=False)
    begin_session(tmp_path / PROVENANCE, {"kind": "evaluation"}, goes_on=True)
    assert [trained["kind"] for trained in evaluation_session(cfg)["trained"]] == ["training"]


def test_features_of_any_method(copy: Path, tmp_path: Path) -> None:
    images = Images(["cam3/0001/0001.jpg", "cam1/0001/0001.jpg"], np.array([1, 1]), np.array([3, 1]))
    write_features(tmp_path / "f.npz", np.ones((2, 4), np.float32), images)
    methods = ReRanking(k1=7), None
    session = features_session(tmp_path / "f.npz", images, PROTOCOLS["sysu"], copy, None, methods, "cpu")
    assert session["features"] == {"f.npz": hashlib.sha256((tmp_path / "f.npz").read_bytes()).hexdigest()}
    lines = b"cam1/0001/0001.jpg\x001\ncam3/0001/0001.jpg\x001\n"
    assert session["images"] == {"images": 2, "sha256": hashlib.sha256(lines).hexdigest()}
    assert session["methods"] == {"rerank": {"k1": 7, "k2": 6, "weight": 0.3}, "aqe": None}
    assert list(session["protocol"]["SYSU_MM01"]["files"]) == ["rand_perm_cam.mat"]
