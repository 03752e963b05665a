"""Two processes against one: losses, gradients, statistics, a training, features and tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from idkl.engine.stopping import STOPPED
from idkl.evaluation.features import read_features
from idkl.evaluation.results import read_results
from tests.runs import records, train, weights
from tests.two_processes import (
    CASES,
    EVALUATION,
    FROZEN,
    STEPS,
    double_training,
    everything,
    extract,
    losses_and_gradients,
    resumed_training,
    small_config,
    start_two,
    stopped_training,
)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, datasets: Path) -> Path:
    """What two processes have written."""
    folder = tmp_path_factory.mktemp("two")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASTREID_DATASETS", str(datasets))
        start_two(everything, folder)
    return folder


@pytest.fixture(autouse=True)
def _datasets(datasets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTREID_DATASETS", str(datasets))


def gradients(two: Path, rank: int, case: str) -> list[dict[str, Any]]:
    return torch.load(two / f"gradients{rank}.pt")[case]


def difference(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> float:
    """The largest one of any entry, in relation to the largest value of the entry."""
    assert found.keys() == expected.keys()
    scales = {name: max(float(value.abs().max()), 1e-6) for name, value in expected.items()}
    return max((float((found[name] - value).abs().max()) / scales[name] for name, value in expected.items()))


@pytest.mark.parametrize("case", CASES)
def test_losses_gradients_and_statistics_are_those_of_one_process(two: Path, case: str) -> None:
    expected = losses_and_gradients(small_config(*CASES[case]), torch.float64, case == FROZEN)
    for rank in (0, 1):
        for step in range(STEPS):
            found = gradients(two, rank, case)[step]
            for what in ("losses", "metrics", "gradients", "statistics"):
                assert difference(found[what], expected[step][what]) < 1e-10, (rank, step, what)


def test_single_precision_with_frozen_bn(two: Path) -> None:
    (expected, _), (found, _) = losses_and_gradients(small_config(), torch.float32, True), gradients(two, 0, "float32")
    assert difference(found["losses"], expected["losses"]) < 1e-5
    assert difference(found["gradients"], expected["gradients"]) < 1e-5


def test_without_gathering_each_process_has_its_own_losses(two: Path) -> None:
    whole = losses_and_gradients(small_config(), torch.float64, True)[0]
    first, second = (gradients(two, rank, "apart")[0] for rank in (0, 1))
    assert difference(first["losses"], second["losses"]) > 1e-3
    assert difference(first["gradients"], second["gradients"]) == 0.0
    # A mean over rows is the mean of the processes' means; a distance between rows of two processes is in none.
    means = {name: (first["losses"][name] + second["losses"][name]) / 2 for name in whole["losses"]}
    apart = {name for name, value in whole["losses"].items() if abs(float(means[name] - value)) > 1e-10}
    assert not apart & {"loss_cls_shared", "loss_confuser", "loss_csa"} and "loss_tgsa" in apart


def test_one_new_seed_for_both(two: Path) -> None:
    first, second = (torch.load(two / f"seed{rank}.pt") for rank in (0, 1))
    assert first == second > 0


def test_a_training_ends_with_the_weights_of_one_process(two: Path, tmp_path: Path) -> None:
    double_training(tmp_path)
    # A step makes about ten times as much of a rounding difference (some 1e-14 in the first one).
    assert difference(weights(two), weights(tmp_path)) < 1e-5
    found, expected = records(two), records(tmp_path)
    assert [line["iteration"] for line in found] == [line["iteration"] for line in expected]
    assert found[-1]["total_loss"] == pytest.approx(expected[-1]["total_loss"], rel=1e-6)


def test_features_and_table_are_exactly_those_of_one_process(two: Path, tmp_path: Path) -> None:
    path = str(two / "model_final.pth")
    train(tmp_path, *EVALUATION, "MODEL.WEIGHTS", path)
    assert read_results(two / "evaluated" / "results.json") == read_results(tmp_path / "results.json")
    for name, images in (("shared", "16"), ("alone", "500")):  # with 500 the second process has no batch
        found = read_features(two / f"{name}.npz")
        expected = read_features(extract(two, f"{name}-one", "TEST.IMS_PER_BATCH", images))
        assert np.array_equal(found.features, expected.features) and found.images.paths == expected.images.paths


def test_both_stop_after_the_same_step_and_go_on(two: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        start_two(stopped_training, tmp_path)
    assert stopped.value.code == STOPPED
    checkpoint = torch.load(tmp_path / "model_iter0000003.pth", weights_only=True)
    assert checkpoint["iteration"] == 3 and len(checkpoint["random_states"]) == 2
    start_two(resumed_training, tmp_path)
    found, expected = weights(tmp_path), weights(two)
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_only_the_main_process_speaks_and_writes(two: Path) -> None:
    names = {path.name for path in two.iterdir()}
    assert {"log.txt", "log.txt.rank1", "metrics.json", "config.yaml", "model_final.pth"} <= names
    log = (two / "log.txt").read_text()
    assert log.count("Results\n") == 1 and "Traceback" not in log + (two / "log.txt.rank1").read_text()
