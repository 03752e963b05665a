"""From the command line to a config: what is decided, and the one line for every mistake."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import pytest
import torch
import yaml
from fastreid.engine import default_argument_parser
from fastreid.utils import comm

from datasets_ext import UserError
from idkl.engine import load_config, start_run
from idkl.engine.setup import make_folder, write_config
from tests.small import CONFIGS

DEMO = str(CONFIGS / "demo.yml")


def arguments(*words: str, config: str = DEMO) -> argparse.Namespace:
    return default_argument_parser().parse_args(["--config-file", config, *words])


def test_auto_device_and_overrides() -> None:
    cfg = load_config(arguments("SOLVER.BASE_LR", "0.1", "DATASETS.TESTS", '("SYSU_MM01",)'))
    assert ("cuda" if torch.cuda.is_available() else "cpu") == cfg.MODEL.DEVICE
    assert cfg.SOLVER.BASE_LR == 0.1 and cfg.is_frozen()


def test_seed(tmp_path: Path) -> None:
    assert load_config(arguments("SEED", "5")).SEED == 5
    free = [load_config(arguments("SEED", "-1", "OUTPUT_DIR", str(tmp_path))).SEED for _ in range(2)]
    assert free[0] != free[1] and min(free) >= 0
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"SEED": 77}))
    assert load_config(arguments("--resume", "SEED", "-1", "OUTPUT_DIR", str(tmp_path))).SEED == 77


@pytest.mark.parametrize("text", ["", "MODEL: {}", "SEED: many", "SEED: [", "- 1"])
def test_a_run_that_does_not_say_its_seed(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(UserError, match="config.yaml does not say the run's SEED") as error:
        load_config(arguments("--resume", "SEED", "-1", "OUTPUT_DIR", str(tmp_path)))
    assert "\n" not in str(error.value)


def test_whole_numbers_stand_for_floats(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(f"_BASE_: {DEMO}\nMODEL:\n  IDKL:\n    WEIGHTS:\n      CSA: 0\n")
    weights = load_config(arguments("MODEL.IDKL.WEIGHTS.TGSA", "2", config=str(path))).MODEL.IDKL.WEIGHTS
    assert (weights.CSA, weights.TGSA, weights.IP) == (0.0, 2.0, 0.1) and type(weights.TGSA) is float


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["SOLVER.BASE_LR.X", "1"], "unknown config key SOLVER.BASE_LR.X"),
        (["SOLVER.BASELR", "1"], "unknown config key SOLVER.BASELR; did you mean SOLVER.BASE_LR?"),
        (["XYZ.ABC", "1"], "unknown config key XYZ.ABC"),
        (["MODEL", "1"], "MODEL"),
        (["SOLVER.BASE_LR"], "SOLVER.BASE_LR stands alone"),
        (["SOLVER.MAX_EPOCH", "many"], "SOLVER.MAX_EPOCH cannot be 'many'"),
        (["MODEL.META_ARCHITECTURE", "IDLK"], "MODEL.META_ARCHITECTURE IDLK is unknown: choose from .*IDKL"),
        (["MODEL.BACKBONE.NAME", "resnet"], "choose from .*build_dual_stream_resnet_backbone"),
        (["MODEL.HEADS.NAME", "Head"], "choose from .*EmbeddingHead.*IDKLHead"),
        (["DATASETS.NAMES", '("SYSU",)'], "DATASETS SYSU is unknown: choose from .*SYSU_MM01"),
        (["DATASETS.TESTS", "()"], "DATASETS.TESTS is empty"),
        (["TEST.EVAL_PERIOD", "0"], "TEST.EVAL_PERIOD is 0"),
        (["SOLVER.CHECKPOINT_PERIOD", "0"], "SOLVER.CHECKPOINT_PERIOD is 0"),
        (["DATALOADER.NUM_WORKERS", "-1"], "NUM_WORKERS is -1"),
        (["DATALOADER.TIMEOUT", "-1"], "TIMEOUT is -1: give 0 or more"),
        (["SOLVER.OPT", "Adma"], "SOLVER.OPT Adma is unknown: choose from .*Adam"),
        (["SOLVER.SCHED", "Step"], "choose from MultiStepLR, CosineAnnealingLR"),
        (["SOLVER.AMP.DTYPE", "int8"], "choose from float16, bfloat16"),
        (["TEST.RERANK.ENABLED", "True", "TEST.RERANK.K2", "0"], "re-ranking with k1 20, k2 0"),
        (["TEST.AQE.ENABLED", "True", "TEST.AQE.QE_K", "0"], "query expansion 1 times with k 0"),
        (["MODEL.BACKBONE.CHECKPOINT_STAGES", "(1, 5)"], "CHECKPOINT_STAGES: 5 is no stage; choose from 0, 1"),
        (["MODEL.BACKBONE.CHECKPOINT_STAGES", "1"], "CHECKPOINT_STAGES cannot be '1'"),
        (["MODEL.BACKBONE.CHUNKS", "0"], "MODEL.BACKBONE.CHUNKS is 0: give a number above 0"),
        (
            ["MODEL.BACKBONE.CHUNKS", "2", "MODEL.BACKBONE.NAME", "build_resnet_backbone"],
            "CHUNKS 2: only build_dual_stream_resnet_backbone has it; set it to 1",
        ),
        (["MODEL.BACKBONE.CHECKPOINT_STAGES", "(1,)", "MODEL.COMPILE", "True"], "compiled: set MODEL.COMPILE False"),
        (
            ["MODEL.BACKBONE.MAX_POOL", "padded", "MODEL.BACKBONE.NAME", "build_resnet_backbone"],
            "MAX_POOL padded: only build_dual_stream_resnet_backbone has it; set it to ceil",
        ),
        (["SEED", "99999999999999999999999"], "SEED is 99999999999999999999999: give a number from 0 to 2147483647"),
        (["INPUT.SIZE_TRAIN", "[a, b]"], "INPUT.SIZE_TRAIN"),
        (["INPUT.SIZE_TEST", "[64]"], r"INPUT.SIZE_TEST is \[64\]: give two whole numbers of pixels"),
        (["MODEL.IDKL.AFFINITY.TEMPERATURE", "0"], "AFFINITY.TEMPERATURE is 0.0: give a number above 0"),
        (["INPUT.CHANNEL_EXCHANGE", "2"], "INPUT.CHANNEL_EXCHANGE is 2.0: give a share from 0 to 1"),
        (["MODEL.IDKL.REVERSAL_RAMP", "-1"], "REVERSAL_RAMP is -1.0: give 0 or more"),
        (["MODEL.IDKL.REVERSAL_RAMP", "9", "MODEL.IDKL.CONFUSER", "rolled"], "a rolled confuser reverses nothing"),
        (["INPUT.AFFINE.ENABLED", "True"], "INPUT.AFFINE.ENABLED True is not possible"),
        (["MODEL.BACKBONE.NORM", "syncBN"], "MODEL.BACKBONE.NORM syncBN: set it BN, which several processes"),
        (["MODEL.HEADS.NORM", "syncBN"], "MODEL.HEADS.NORM syncBN: set it BN"),
        (["MODEL.DEVICE", "gpu"], "MODEL.DEVICE gpu is no device: choose auto, cpu or cuda"),
    ],
)
def test_mistakes_in_overrides(words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        load_config(arguments(*words))
    assert "\n" not in str(error.value)


def test_cuda_asked_for_and_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="this machine has no usable GPU: choose auto or cpu"):
        load_config(arguments("MODEL.DEVICE", "cuda"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SOLVER:\n  BASELR: 1\n", "unknown config key SOLVER.BASELR; did you mean SOLVER.BASE_LR"),
        ("SOLVER: [1\n", "no valid config"),
        ("- 1\n", "no valid config"),
        ("", "no valid config"),
        ("SOLVER:\n  MAX_EPOCH: many\n", "no valid config"),
        ("_BASE_: none.yml\n", "_BASE_ .*none.yml is missing"),
        ("SEED: !!python/object/apply:os.getpid []\n", "no valid config"),
    ],
)
def test_mistakes_in_a_config_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "wrong.yml"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as error:
        load_config(arguments(config=str(path)))
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("MODEL:\n  DEVICE:\n", "MODEL.DEVICE has no value"),
        ("SEED:\n", "SEED has no value"),
        ("_BASE_: mine.yml\n", "mine.yml is nested without end"),
        ("A: " + 3000 * "[", "mine.yml is nested without end"),
        ("MODEL: &m\n  A: *m\n", "mine.yml"),
    ],
)
def test_configs_that_say_nothing_or_never_end(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as error:
        load_config(arguments(config=str(path)))
    assert "\n" not in str(error.value)


def test_missing_config_file() -> None:
    with pytest.raises(UserError, match=r"config file no\.yml is missing"):
        load_config(arguments(config="no.yml"))


def test_a_run_folder_with_its_log_config_and_seed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = arguments("OUTPUT_DIR", str(tmp_path / "a" / "run"), "SEED", "9")
    cfg = load_config(args)
    start_run(cfg, args)
    write_config(cfg)
    logging.getLogger("datasets_ext").info("hello")
    drawn = torch.rand(1)
    torch.manual_seed(9)
    assert torch.equal(drawn, torch.rand(1))
    assert yaml.safe_load((tmp_path / "a" / "run" / "config.yaml").read_text())["SEED"] == 9
    log = (tmp_path / "a" / "run" / "log.txt").read_text()
    assert "hello" in log and "Environment:" in log
    out = capsys.readouterr().out
    assert "hello" in out and "Environment:" not in out


def test_output_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    args = arguments("OUTPUT_DIR", str(tmp_path / "file" / "run"))
    with pytest.raises(UserError, match="OUTPUT_DIR .* cannot be written"):
        start_run(load_config(args), args)
    with pytest.raises(UserError, match="OUTPUT_DIR .* cannot be written .embedded null byte"):
        make_folder(tmp_path / "\0")


def test_a_run_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "last_checkpoint").write_text("model_final.pth")
    args = arguments("OUTPUT_DIR", str(tmp_path))
    with pytest.raises(UserError, match="holds a run already: add --resume"):
        start_run(load_config(args), args)
    assert [path.name for path in tmp_path.iterdir()] == ["last_checkpoint"]


def test_a_folder_that_the_machines_do_not_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comm, "is_main_process", lambda: False)
    args = arguments("OUTPUT_DIR", str(tmp_path / "run"))
    with pytest.raises(UserError, match="run is not there: several machines need one that they share"):
        start_run(load_config(args), args)
