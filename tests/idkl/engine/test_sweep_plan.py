"""Which runs a sweep has, and the one line for every mistake in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from datasets_ext import UserError
from idkl.engine.sweep_plan import CONFIG, Sweep, plan_sweep, short_names, split_overrides
from tests.small import CONFIGS
from tests.sweeps import TGSA, plan


@pytest.mark.parametrize(
    ("line", "flags"),
    [
        ("--over SEED 1 2 OUTPUT_DIR x", 4),
        ("--over DATASETS.SPLIT 1-10 --gpus 0 1 SOLVER.MAX_EPOCH 3", 6),
        ("--over SOLVER.STEPS [1,2] (3,4) SOLVR.MAX_EPOCH 3", 4),
        ("--over MODEL.META_ARCHITECTURE IDKL Baseline", 4),
        ("--over SEED 1 --over OUTPUT_DIR x SEED 2", 6),
        ("--help", 1),
        ("SEED 1", 0),
    ],
)
def test_overrides_begin_at_the_first_key_that_is_not_swept(line: str, flags: int) -> None:
    words = line.split()
    assert split_overrides(words) == (words[:flags], words[flags:])


def test_every_combination_has_its_folder_words_and_config(tmp_path: Path) -> None:
    sweep = plan(tmp_path, "SEED 1-3 7", f"{TGSA} 0 0.60", overrides=("SOLVER.MAX_EPOCH", "4"))
    assert [run.folder.name for run in sweep.runs] == [
        f"SEED-{seed}_TGSA-{weight}" for seed in (1, 2, 3, 7) for weight in ("0", "0.6")
    ]
    run = sweep.runs[-1]
    assert run.values == {"SEED": 7, TGSA: 0.6}
    assert run.words[-6:] == ["SEED", "7", TGSA, "0.60", "OUTPUT_DIR", str(run.folder)]
    assert run.config["SOLVER.MAX_EPOCH"] == 4 and run.config["SEED"] == 7
    assert sweep.keys == ["SEED", TGSA] and not {"SEED", TGSA} & sweep.config.keys()


def test_folder_names_are_plain_and_tell_values_apart(tmp_path: Path) -> None:
    sweep = plan(tmp_path, f"SOLVER.STEPS [1,2] [12] {[*range(30)]}".replace(", ", ","), "MODEL.WEIGHTS a/b a-b")
    names = [run.folder.name for run in sweep.runs]
    assert len(set(names)) == 6 and all(len(name) < 120 and name.isascii() and "/" not in name for name in names)
    assert names[0].startswith("STEPS-1-2-") and names[1].endswith("_WEIGHTS-a-b")
    assert names == [run.folder.name for run in plan(tmp_path, *_words(sweep)).runs]


def _words(sweep: Sweep) -> list[str]:
    return [
        " ".join([key, *dict.fromkeys(str(run.values[key]).replace(" ", "") for run in sweep.runs)])
        for key in sweep.keys
    ]


def test_configs_side_by_side(tmp_path: Path) -> None:
    files = [str(CONFIGS / "demo.yml"), str(CONFIGS / "quick.yml")]
    sweep = plan_sweep(files, [["SEED", "1", "2"]], ["OUTPUT_DIR", str(tmp_path)])
    names = ["CONFIG-demo_SEED-1", "CONFIG-demo_SEED-2", "CONFIG-quick_SEED-1", "CONFIG-quick_SEED-2"]
    assert [run.folder.name for run in sweep.runs] == names and sweep.keys == [CONFIG, "SEED"] and sweep.config == {}
    assert [run.config_file for run in sweep.runs] == [files[0], files[0], files[1], files[1]]
    assert sweep.runs[3].config["MODEL.BACKBONE.DEPTH"] == "10x" and sweep.runs[3].values == {
        CONFIG: "quick",
        "SEED": 2,
    }
    with pytest.raises(UserError, match="two of them have one name"):
        plan_sweep([files[0], files[0]], [["SEED", "1"]], ["OUTPUT_DIR", str(tmp_path)])
    with pytest.raises(UserError, match="several --config-file need one folder: add OUTPUT_DIR"):
        plan_sweep(files, [["SEED", "1"]], [])


def test_short_names() -> None:
    assert short_names(["SEED", "MODEL.HEADS.NAME", "MODEL.BACKBONE.NAME", "A.SEED"]) == {
        "SEED": "SEED",
        "MODEL.HEADS.NAME": "HEADS.NAME",
        "MODEL.BACKBONE.NAME": "BACKBONE.NAME",
        "A.SEED": "A.SEED",
    }


@pytest.mark.parametrize(
    ("over", "overrides", "message"),
    [
        (["SEED"], [], "--over SEED has no values"),
        (["SEED 1 a"], [], "SEED cannot be 'a'"),
        (["SEDE 1"], [], "unknown config key SEDE; did you mean SEED"),
        (["SEED 1"], ["SOLVER.MAX", "3"], "unknown config key SOLVER.MAX"),
        (["SEED 3-1"], [], "--over SEED 3-1 counts down: write 1-3"),
        (["SEED 1 1-2"], [], "--over gives SEED 1 twice"),
        ([f"{TGSA} 0 0.0"], [], f"--over gives {TGSA} 0.0 twice"),
        (["SEED 1", "SEED 2"], [], "--over SEED is given twice"),
        (["SEED 1"], ["SEED", "2"], "SEED is given by --over and as an override"),
        (["OUTPUT_DIR a b"], [], "every run gets a folder of its own"),
        (["MODEL.META_ARCHITECTURE IDKL Basline"], [], "MODEL.META_ARCHITECTURE Basline is unknown"),
        (["SOLVER.MAX_EPOCH 0-2"], [], "SOLVER.MAX_EPOCH is 0: give a number above 0"),
    ],
)
def test_mistakes_are_found_before_the_first_run(
    tmp_path: Path, over: list[str], overrides: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message) as error:
        plan(tmp_path / "s", *over, overrides=tuple(overrides))
    assert "\n" not in str(error.value) and not (tmp_path / "s").exists()


def test_a_flag_among_the_overrides() -> None:
    with pytest.raises(UserError, match="--gpus stands among the overrides: put it before OUTPUT_DIR"):
        split_overrides(["--over", "SEED", "1", "OUTPUT_DIR", "x", "--gpus", "0"])
