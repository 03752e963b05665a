"""Every kind of benchmark from the command line, and one line for every mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from datasets_ext import UserError
from idkl.benchmark.loader_time import LoaderTime
from idkl.evaluation import benchmark as evaluation
from tests.small import CONFIGS, SMALL
from tools import benchmark

CONFIG = ["--config-file", str(CONFIGS / "demo.yml")]
ONCE = [*CONFIG, "--warmup", "0", "--steps", "1"]
pytestmark = pytest.mark.usefixtures("quick_ceilings")
KEYS = [*map(str, SMALL), "MODEL.DEVICE", "cpu"]


def test_train_compares_settings(capsys: pytest.CaptureFixture[str]) -> None:
    other = ["--vs", "MODEL.CHANNELS_LAST", "False", "MODEL.IDKL.WEIGHTS.IP", "0"]
    benchmark.main(["train", *ONCE, *KEYS, "--json", *other])
    found = json.loads(capsys.readouterr().out)
    assert found["ceilings"]["matmul"]["fp32"] > 0 and found["ceilings"]["copy"] > 0
    plain, simple = found["train"]
    assert (plain["name"], simple["name"]) == ("as configured", "MODEL.CHANNELS_LAST False, WEIGHTS.IP 0")
    assert plain["ratio"] == 1 and plain["tflop"] > simple["tflop"]
    assert "profile" not in found


def test_train_prints_growth_and_profile(capsys: pytest.CaptureFixture[str]) -> None:
    benchmark.main(["train", *ONCE, *KEYS, "--batches", "4", "8", "--profile"])
    head, what, ceilings, _, columns, _, four, eight, _, operations, *_ = capsys.readouterr().out.splitlines()
    assert "CPU" in head and what == "IDKL, ResNet 18x, 8 images of 64x32" and ceilings.startswith("ceilings")
    assert columns.split()[0] == "images" and (four.split()[0], eight.split()[0]) == ("4", "8")
    assert operations.split()[0] == "operation"


def test_data_stands_beside_the_step(
    datasets: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FASTREID_DATASETS", str(datasets))
    benchmark.main(["data", *ONCE, *KEYS, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert len(found["data"]) == 3 and found["step_images_per_second"] > 0


@pytest.mark.parametrize(
    ("cache", "verdict"),
    [
        ("", "decoding brings 0.50 times as many: the loader"),
        ("folder", "from the cache brings 3.00 times as many: the step"),
    ],
)
def test_the_slower_one_is_named(
    cache: str, verdict: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    times = [LoaderTime("decoding", 0, 5.0, 5.0), LoaderTime("from the cache", 0, 30.0, 30.0)]
    monkeypatch.setattr(benchmark, "time_loader", lambda cfg, warmup, batches: times)
    monkeypatch.setattr(benchmark, "measure_alone", lambda cfg, warmup, steps: 10.0)
    benchmark.main(["data", *ONCE, *KEYS, "DATALOADER.CACHE", cache])
    assert f"the training step takes 10.0 images / s, {verdict} is the slower" in capsys.readouterr().out


def test_evaluation(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name, value in (("QUERIES", 400), ("VISIBLE", 700), ("PAIRS", 60)):
        monkeypatch.setattr(evaluation, name, value)
    benchmark.main(["eval", "--dimensions", "8", "--json"])
    plain, reranked = json.loads(capsys.readouterr().out)["eval"]
    assert plain["dimensions"] == 8 and "re-ranked" in reranked["what"]


def test_search(capsys: pytest.CaptureFixture[str]) -> None:
    benchmark.main(
        ["search", "--entries", "50", "80", "--dimensions", "8", "--kinds", "flat", "--device", "cpu", "--json"]
    )
    rows = json.loads(capsys.readouterr().out)["search"]
    assert [(row["entries"], row["kind"], row["recall"]) for row in rows] == [(50, "flat", 1), (80, "flat", 1)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", *CONFIG, "--modes", "fp32"], "benchmark.py train does not know --modes: see --help"),
        (["eval", "SEED", "1"], "benchmark.py eval does not know SEED"),
        (["train", *CONFIG, "--steps", "0"], "--warmup 3 and --steps 0: give 0 or more, and 1 or more"),
        (["train", *CONFIG, *KEYS, "--vs", "SOLVER.FUSED"], "SOLVER.FUSED stands alone"),
        (["train", *CONFIG, *KEYS, "--vs", "SOLVER.FUSES", "1"], "did you mean SOLVER.FUSED"),
        (["train", *CONFIG, *KEYS, "--batches", "6"], "SOLVER.IMS_PER_BATCH 6 must be a multiple"),
        (["eval", "--dimensions", "0"], "whole numbers of 1 or more"),
        (["eval", "--device", "tpu"], "--device tpu is no device"),
        (["search", "--entries", "3"], "takes 10 entries or more"),
    ],
)
def test_mistakes(words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        benchmark.main(words)
    assert "\n" not in str(error.value)
