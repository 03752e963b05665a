"""Each difference between two runs is found, and what can change the numbers is told from what cannot."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from fastreid.config import CfgNode

from datasets_ext import UserError
from idkl.engine.provenance import (
    PROVENANCE,
    Difference,
    begin_session,
    compare_runs,
    differences,
    format_differences,
    keep_alone,
    keep_results,
)
from idkl.engine.provenance.keys import HARMLESS, is_evaluation_only, is_harmless, is_training_only
from idkl.engine.sweep_plan import flatten
from tests.sweeps import make_row

SESSION: dict[str, Any] = {
    "kind": "training",
    "epochs_done": 0,
    "weights": {"imagenet": {"path": "a.pth", "sha256": "1"}},
    "command": "python tools/train_net.py",
    "versions": {"torch": "2.14.1", "cudnn": None},
    "git": {"commit": "c0", "branch": "main", "dirty": False, "changed": [], "changes_sha256": None},
    "fastreid": {"source_checkout": False, "git": None},
    "device": {"name": "CPU", "threads": 1},
    "processes": 1,
    "datasets": {"D": {"split": None, "training": {"sha256": "2"}, "test": {"sha256": "3"}, "split_files": {"i": "4"}}},
    "protocol": {"D": {"gallery": "official", "files": {"p.mat": "5"}}},
    "config": {
        **{"SEED": 1, "SOLVER.BASE_LR": 0.1, "SOLVER.STEPS": [4, 5], "OUTPUT_DIR": "a", "SOLVER.LOG_PERIOD": 50},
        **{"DATALOADER.NUM_WORKERS": 8, "TEST.RERANK.K1": 20, "TEST.FLIP.ENABLED": False, "MODEL.WEIGHTS": ""},
    },
}
CHANGES = [
    (("config", "SEED"), 2, "SEED", True),
    (("config", "SOLVER.BASE_LR"), 0.2, "SOLVER.BASE_LR", True),
    (("config", "SOLVER.STEPS"), [4], "SOLVER.STEPS", True),
    (("config", "TEST.RERANK.K1"), 9, "TEST.RERANK.K1", True),
    (("config", "NEW.KEY"), 0, "NEW.KEY", True),
    (("config", "OUTPUT_DIR"), "b", "OUTPUT_DIR", False),
    (("config", "SOLVER.LOG_PERIOD"), 5, "SOLVER.LOG_PERIOD", False),
    (("config", "DATALOADER.NUM_WORKERS"), 0, "DATALOADER.NUM_WORKERS", False),
    (("epochs_done",), 3, "epochs_done", True),
    (("weights", "imagenet", "sha256"), "x", "weights.imagenet.sha256", True),
    (("weights", "imagenet", "path"), "b.pth", "weights.imagenet.path", False),
    (("weights", "model"), {"sha256": "x"}, "weights.model.sha256", True),
    (("command",), "python other.py", "command", False),
    (("versions", "torch"), "2.11.0", "versions.torch", True),
    (("versions", "cudnn"), 9, "versions.cudnn", True),
    (("git", "commit"), "c1", "git.commit", True),
    (("git", "branch"), "x", "git.branch", False),
    (("git", "dirty"), True, "git.dirty", True),
    (("git", "changed"), ["a.py"], "git.changed", True),
    (("git", "changes_sha256"), "x", "git.changes_sha256", True),
    (("fastreid", "source_checkout"), True, "fastreid.source_checkout", True),
    (("device", "name"), "GPU", "device.name", True),
    (("device", "threads"), 2, "device.threads", True),
    (("processes",), 2, "processes", True),
    (("datasets", "D", "training", "sha256"), "x", "datasets.D.training.sha256", True),
    (("datasets", "D", "test", "sha256"), "x", "datasets.D.test.sha256", True),
    (("datasets", "D", "split"), 2, "datasets.D.split", True),
    (("datasets", "D", "split_files", "i"), "x", "datasets.D.split_files.i", True),
    (("protocol", "D", "gallery"), "agw", "protocol.D.gallery", True),
    (("protocol", "D", "files", "p.mat"), "x", "protocol.D.files.p.mat", True),
]


def changed(place: tuple[str, ...], value: Any) -> dict[str, Any]:
    session = copy.deepcopy(SESSION)
    node = session
    for name in place[:-1]:
        node = node[name]
    node[place[-1]] = value
    return session


def put(folder: Path, *sessions: dict[str, Any], value: float = 50.0) -> Path:
    """A run folder whose results the last of these sessions wrote."""
    for number, session in enumerate(sessions):
        begin_session(folder / PROVENANCE, session, goes_on=number > 0)
    keep_results([make_row("all", value)], folder / "results.json")
    return folder


def keys(found: list[Difference]) -> list[str]:
    return [one.key for one in found]


def test_the_same_run_again(tmp_path: Path) -> None:
    assert differences(put(tmp_path / "a", SESSION), put(tmp_path / "b", SESSION, value=60.0)) == []


@pytest.mark.parametrize(("place", "value", "key", "matters"), CHANGES, ids=[change[2] for change in CHANGES])
def test_each_is_found_alone(tmp_path: Path, place: tuple[str, ...], value: Any, key: str, matters: bool) -> None:
    (found,) = differences(put(tmp_path / "a", SESSION), put(tmp_path / "b", changed(place, value)))
    assert (found.key, found.matters) == (key, matters)
    assert found.b == value or key == "weights.model.sha256"
    (back,) = differences(tmp_path / "b", tmp_path / "a")
    assert (back.a, back.b) == (found.b, found.a)


def test_what_matters_comes_first(tmp_path: Path) -> None:
    other = changed(("config",), {**SESSION["config"], "OUTPUT_DIR": "b", "SEED": 2, "NEW": 1})
    found = differences(put(tmp_path / "a", SESSION), put(tmp_path / "b", other))
    assert keys(found) == ["NEW", "SEED", "OUTPUT_DIR"] and found[0].a is None


def test_an_installed_project_against_a_checkout(tmp_path: Path) -> None:
    found = differences(put(tmp_path / "a", SESSION), put(tmp_path / "b", changed(("git",), None)))
    assert keys(found) == ["git.changed", "git.commit", "git.dirty", "git.branch"]
    assert all(one.b is None for one in found)


def test_a_resumed_run_counts_with_all_its_sessions(tmp_path: Path) -> None:
    resumed = {**changed(("versions", "torch"), "2.15.0"), "epochs_done": 7, "weights": {}}
    found = differences(put(tmp_path / "a", SESSION), put(tmp_path / "b", SESSION, resumed))
    assert [(one.key, one.a, one.b) for one in found] == [
        ("epochs_done", 0, "0, then 7"),
        ("versions.torch", "2.14.1", "2.14.1, then 2.15.0"),
    ]


def evaluation(*trained: dict[str, Any], **changes: Any) -> dict[str, Any]:
    idle = {"SEED": 9, "SOLVER.BASE_LR": 9.0, "MODEL.WEIGHTS": "m.pth"}
    session = {**copy.deepcopy(SESSION), "kind": "evaluation", "checkpoint": {"sha256": "6"}, "trained": [*trained]}
    del session["weights"], session["epochs_done"], session["datasets"]["D"]["training"]
    session["config"] = {**SESSION["config"], **idle, **changes}
    return session


def test_an_evaluation_counts_with_the_training_of_its_checkpoint(tmp_path: Path) -> None:
    trained = changed(("config", "SEED"), 2)
    put(tmp_path / "a", SESSION)
    found = differences(tmp_path / "a", put(tmp_path / "b", evaluation(trained, **{"TEST.RERANK.K1": 9})))
    assert [(one.key, one.a, one.b) for one in found if one.matters] == [
        ("SEED", 1, 2),
        ("TEST.RERANK.K1", 20, 9),
        ("checkpoint.sha256", None, "6"),
    ]


def test_a_checkpoint_from_elsewhere_is_not_given_a_training(tmp_path: Path) -> None:
    found = differences(put(tmp_path / "a", SESSION), put(tmp_path / "b", evaluation()))
    assert keys([one for one in found if one.matters]) == ["checkpoint.sha256", "training.recorded"]
    same = differences(tmp_path / "b", put(tmp_path / "c", evaluation()))
    assert [(one.key, one.a, one.b) for one in same] == [("training.recorded", False, False)]


def test_an_evaluation_in_the_folder_of_another_run_counts_alone(tmp_path: Path) -> None:
    put(tmp_path / "a", SESSION, evaluation(changed(("config", "SEED"), 3)), value=70.0)
    found = differences(put(tmp_path / "b", SESSION), tmp_path / "a")
    assert ("SEED", 1, 3) in [(one.key, one.a, one.b) for one in found]


def test_results_that_no_session_wrote_are_named(tmp_path: Path) -> None:
    put(tmp_path / "a", SESSION)
    put(tmp_path / "b", SESSION)
    (tmp_path / "b" / "results.json").write_text("[]")
    expected = Difference("results.recorded", True, False, True)
    assert differences(tmp_path / "a", tmp_path / "b") == [expected]
    assert differences(tmp_path / "b", tmp_path / "b") == [Difference("results.recorded", False, False, True)]


def test_features_are_compared_by_their_files(tmp_path: Path) -> None:
    for name in "ab":
        keep_alone([make_row("all", 1.0)], tmp_path / f"{name}.json", {"kind": "features", "features": {"f.npz": name}})
    put(tmp_path / "run", SESSION)
    found = differences(tmp_path / "a.json", tmp_path / "b.json")
    assert [(one.key, one.a, one.b) for one in found] == [
        ("features.f.npz", "a", "b"),
        ("training.recorded", False, False),
    ]
    assert not [key for key in keys(differences(tmp_path / "a.json", tmp_path / "run")) if key[0].isupper()]


def test_a_run_without_results_yet_or_without_a_record(tmp_path: Path) -> None:
    begin_session(tmp_path / "a" / PROVENANCE, SESSION, goes_on=False)
    assert keys(differences(tmp_path / "a", put(tmp_path / "b", SESSION))) == ["results.recorded"]
    (tmp_path / "c").mkdir()
    with pytest.raises(UserError, match=r"c/provenance.json is missing"):
        differences(tmp_path / "a", tmp_path / "c")
    with pytest.raises(UserError, match=r"run .*/d is missing: give a run folder"):
        differences(tmp_path / "d", tmp_path / "a")


def test_the_patterns_name_keys_that_there_are(cfg: CfgNode) -> None:
    config = flatten(cfg)
    assert [key for key in HARMLESS if key[0].isupper() and key not in config] == []
    assert {key for key in config if is_harmless(key) and is_evaluation_only(key)} == set()
    assert not is_training_only("INPUT.SIZE_TEST") and is_evaluation_only("INPUT.SIZE_TEST")
    assert is_training_only("INPUT.FLIP.PROB") and is_training_only("datasets.D.training.sha256")
    assert not any(map(is_training_only, ("MODEL.BACKBONE.DEPTH", "SOLVER.TF32", "versions.torch")))


def test_the_text_has_both_tables_and_both_lists(tmp_path: Path) -> None:
    long = changed(("git", "commit"), "0123456789ab" + "c" * 28)
    long["config"] |= {"OUTPUT_DIR": "b" * 80}
    put(tmp_path / "a", SESSION, value=40.0)
    put(tmp_path / "b", long, value=60.0)
    text = compare_runs(tmp_path / "a", tmp_path / "b")
    first, second = text.index("can change the numbers"), text.index("cannot change the numbers")
    assert text.index("40.00") < text.index("60.00") < first < text.index("0123456789ab") < second
    assert "c" * 28 not in text and "b" * 57 + "..." in text
    assert format_differences([], ["a", "b"]).count("nothing") == 2


def test_rows_of_a_setting_stand_together(tmp_path: Path) -> None:
    for name, modes in (("a", ["all", "indoor"]), ("b", ["indoor", "all", "other"])):
        put(tmp_path / name, SESSION)
        keep_results([make_row(mode, 1.0) for mode in modes], tmp_path / name / "results.json")
    lines = compare_runs(tmp_path / "a", tmp_path / "b").split("\n\n")[1].splitlines()[2:]
    words = [(Path(line.split()[0]).name, line.split()[1]) for line in lines]
    assert words == [("a", "all"), ("b", "all"), ("a", "indoor"), ("b", "indoor"), ("b", "other")]
