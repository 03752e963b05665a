"""Short trainings on generated people: what is trained, recorded, resumed and reproduced."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fastreid.engine import default_argument_parser
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from datasets_ext import UserError
from idkl.engine import Trainer, load_config
from idkl.engine.provenance import differences, read_sessions
from idkl.evaluation.results import ROW_KEYS, read_results
from tests.runs import BASELINE, records, train, weights
from tests.small import CONFIGS, SMALL


@pytest.fixture(autouse=True)
def _datasets(datasets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTREID_DATASETS", str(datasets))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, datasets: Path) -> Path:
    """A run of three epochs, evaluated after the second and the third, and before the first."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASTREID_DATASETS", str(datasets))
        train(folder, "SOLVER.MAX_EPOCH", "3", "TEST.EVAL_PERIOD", "2", "TEST.EVAL_START", "True", "SEED", "4")
    return folder


def test_the_run_folder(finished: Path) -> None:
    names = {path.name for path in finished.iterdir()}
    assert names >= {"config.yaml", "log.txt", "metrics.json", "results.json", "results_untrained.json"}
    assert names >= {"model_final.pth", "model_best.pth", "model_0000.pth", "model_0001.pth", "last_checkpoint"}
    assert any(name.startswith("events.out.tfevents") for name in names)
    assert not [name for name in names if name.endswith(".tmp")]


def test_the_run_says_where_its_results_come_from(finished: Path) -> None:
    (session,) = read_sessions(finished / "provenance.json")
    assert (session["kind"], session["epochs_done"], session["config"]["SEED"]) == ("training", 0, 4)
    assert set(session["results"]) - {"results_best.json"} == {"results.json", "results_untrained.json"}
    assert differences(finished, finished) == []


def test_the_best_epoch_is_apart_from_the_last(finished: Path) -> None:
    best = torch.load(finished / "model_final.pth", weights_only=True)["best"]
    last = read_results(finished / "results.json")
    assert best["epoch"] in (1, 2) and best["metric"] >= (last[0]["Rank-1"] + last[0]["mAP"]) / 2
    path, log = finished / "results_best.json", (finished / "log.txt").read_text()
    if best["epoch"] == 1:
        assert read_results(path) == best["rows"] != last and "last epoch 3, not selected" in log
        assert "best epoch 2, chosen on SYSU_MM01" in log and "selection on the test set" in log
    else:
        assert best["rows"] == last and not path.exists() and "best epoch" not in log


def test_every_term_and_the_last_evaluation_are_recorded(finished: Path) -> None:
    lines = records(finished)
    last = lines[-1]
    terms = {name for name in last if name.startswith("loss_")}
    assert len(terms) == 13
    assert {"lr", "images_per_second", "cls_accuracy", "total_loss", "data_time", "time"} <= set(last)
    rows = read_results(finished / "results.json")
    assert last["Rank-1"] == rows[0]["Rank-1"] and last["indoor-10-reranked/mAP"] == rows[7]["mAP"]
    assert "untrained/mAP" in lines[0]
    events = EventAccumulator(str(finished)).Reload()
    logged = set(events.Tags()["scalars"])
    assert terms | {"mAP", "indoor-10/mAP", "lr", "images_per_second", "cls_accuracy"} <= logged
    assert events.Scalars("mAP")[-1].value == pytest.approx(rows[0]["mAP"], rel=1e-5)
    log = (finished / "log.txt").read_text()
    assert (
        all(f"{name.removeprefix('loss_')} " in log for name in terms) and "images/s" in log and "Traceback" not in log
    )


def test_results_have_all_four_settings(finished: Path) -> None:
    for name in ("results.json", "results_untrained.json"):
        rows = read_results(finished / name)
        labels = [(row["mode"], row["shots"], row["rerank"]) for row in rows]
        settings = [("all", 1), ("all", 10), ("indoor", 1), ("indoor", 10)]
        assert labels == [(*setting, rerank) for setting in settings for rerank in (False, True)]
        assert all(set(row) == set(ROW_KEYS) and row["trials"] == 10 for row in rows)


def test_every_trainable_parameter_is_trained(finished: Path, tmp_path: Path) -> None:
    """fast-reid's own training leaves every weight as it was on torch >= 2.0, without a word."""
    words = ["SOLVER.MAX_EPOCH", "1", "SEED", "4", "OUTPUT_DIR", str(tmp_path), *map(str, SMALL)]
    cfg = load_config(default_argument_parser().parse_args(["--config-file", str(CONFIGS / "demo.yml"), *words]))
    trainer = Trainer(cfg)
    before = {name: value.detach().clone() for name, value in trainer.model.named_parameters()}
    trainer.train()
    frozen = {name for name, value in trainer.model.named_parameters() if not value.requires_grad}
    same = {name for name, value in trainer.model.named_parameters() if torch.equal(value, before[name])}
    assert same == frozen == {"heads.shared.bottleneck.0.bias", "heads.specific.bottleneck.0.bias"}
    trained = [id(parameter) for group in trainer.optimizer.param_groups for parameter in group["params"]]
    assert len(trained) == len(set(trained)) == len(before) - len(frozen)


def test_a_stopped_run_goes_on_bit_by_bit(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class StopError(Exception):
        pass

    def stop(self: Trainer) -> None:
        plain(self)
        if self.epoch == 2:
            raise StopError

    plain = Trainer.before_epoch
    monkeypatch.setattr(Trainer, "before_epoch", stop)
    options = ("SOLVER.MAX_EPOCH", "3", "TEST.EVAL_PERIOD", "2", "SEED", "4")
    with pytest.raises(StopError):
        train(tmp_path, *options)
    assert (tmp_path / "last_checkpoint").read_text() == "model_0001.pth"
    monkeypatch.setattr(Trainer, "before_epoch", plain)
    torch.manual_seed(99)
    train(tmp_path, "--resume", *options)
    expected, resumed = weights(finished), weights(tmp_path)
    assert all(torch.equal(expected[name], resumed[name]) for name in expected)
    assert read_results(tmp_path / "results.json") == read_results(finished / "results.json")
    ends = [torch.load(folder / "model_final.pth", weights_only=True) for folder in (finished, tmp_path)]
    assert ends[0]["best"] == ends[1]["best"] and ends[0]["best"]["metric"] > 0
    assert [session["epochs_done"] for session in read_sessions(tmp_path / "provenance.json")] == [0, 2]
    assert [one.key for one in differences(finished, tmp_path) if one.matters] == ["epochs_done"]


def test_the_same_seed_gives_the_same_table_with_any_number_of_workers(tmp_path: Path) -> None:
    options = ("SOLVER.MAX_EPOCH", "1", "SEED", "4", "DETERMINISTIC", "True", "TEST.RERANK.ENABLED", "False")
    for name, workers in (("first", "0"), ("second", "2")):
        train(tmp_path / name, *options, "DATALOADER.NUM_WORKERS", workers)
        assert torch.are_deterministic_algorithms_enabled()
    first, second = weights(tmp_path / "first"), weights(tmp_path / "second")
    assert all(torch.equal(first[name], value) for name, value in second.items())
    tables = [(tmp_path / name / "results.json").read_bytes() for name in ("first", "second")]
    assert tables[0] == tables[1]


def test_a_finished_run_is_only_evaluated_again(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("SOLVER.MAX_EPOCH", "1", "SEED", "4")
    train(tmp_path, *options)
    before, rows = weights(tmp_path), read_results(tmp_path / "results.json")
    train(tmp_path, "--resume", *options)
    assert "All 1 epochs are done" in capsys.readouterr().out
    assert read_results(tmp_path / "results.json") == rows
    assert all(torch.equal(before[name], value) for name, value in weights(tmp_path).items())


def test_weights_to_start_from(finished: Path, tmp_path: Path) -> None:
    source = str(finished / "model_final.pth")
    train(tmp_path, "MODEL.WEIGHTS", source, "SOLVER.MAX_EPOCH", "1", "SOLVER.BASE_LR", "1e-12", "SEED", "4")
    name = "backbone.shared.1.1.conv2.weight"
    assert torch.allclose(weights(tmp_path)[name], weights(finished)[name], atol=1e-6)


def test_eval_only_reproduces_the_last_table(finished: Path, tmp_path: Path) -> None:
    train(tmp_path, "--eval-only", "MODEL.WEIGHTS", str(finished / "model_final.pth"))
    assert read_results(tmp_path / "results.json") == read_results(finished / "results.json")
    assert not (tmp_path / "config.yaml").exists()
    found = differences(finished, tmp_path)
    assert [one.key for one in found if one.matters] == ["checkpoint.sha256"]


def test_flip_test_averages_two_passes(finished: Path, tmp_path: Path) -> None:
    path = str(finished / "model_final.pth")
    train(tmp_path, "--eval-only", "MODEL.WEIGHTS", path, "TEST.FLIP.ENABLED", "True")
    assert read_results(tmp_path / "results.json") != read_results(finished / "results.json")


@pytest.mark.parametrize("sampler", ["NaiveIdentitySampler", "CrossModalityIdentitySampler"])
def test_fast_reids_baseline_by_override(tmp_path: Path, sampler: str) -> None:
    train(tmp_path, "SOLVER.MAX_EPOCH", "1", *BASELINE, "DATALOADER.SAMPLER_TRAIN", sampler)
    names = {name for name in records(tmp_path)[-1] if name.startswith("loss_")}
    assert names == {"loss_cls", "loss_triplet"} and len(read_results(tmp_path / "results.json")) == 8
    train(tmp_path, "--eval-only", "MODEL.WEIGHTS", str(tmp_path / "model_final.pth"), *BASELINE)


def test_imagenet_weights_for_fast_reids_own_resnet(tmp_path: Path) -> None:
    words = [*BASELINE, "OUTPUT_DIR", str(tmp_path), *map(str, SMALL), "MODEL.HEADS.NUM_CLASSES", "3"]
    cfg = load_config(default_argument_parser().parse_args(["--config-file", str(CONFIGS / "demo.yml"), *words]))
    source = Trainer.build_model(cfg).backbone.state_dict()
    torch.save(source, tmp_path / "resnet18.pth")
    cfg.defrost()
    cfg.MODEL.BACKBONE.PRETRAIN, cfg.MODEL.BACKBONE.PRETRAIN_PATH = True, str(tmp_path / "resnet18.pth")
    loaded = Trainer.build_model(cfg).backbone.state_dict()
    assert all(torch.equal(source[name], loaded[name]) for name in source)


def test_precise_bn_sets_true_averages(tmp_path: Path) -> None:
    precise = (
        "TEST.PRECISE_BN.ENABLED",
        "True",
        "TEST.PRECISE_BN.DATASET",
        "SYSU_MM01",
        "TEST.PRECISE_BN.NUM_ITER",
        "3",
    )
    for folder, options in (("plain", ()), ("precise", precise)):
        train(tmp_path / folder, "SOLVER.MAX_EPOCH", "1", "SEED", "4", *options)
    plain, averaged = weights(tmp_path / "plain"), weights(tmp_path / "precise")
    changed = {name.rpartition(".")[2] for name in plain if not torch.equal(plain[name], averaged[name])}
    assert changed == {"running_mean", "running_var", "num_batches_tracked"}


def test_mixed_precision_on_a_cpu(tmp_path: Path) -> None:
    train(tmp_path, "SOLVER.MAX_EPOCH", "1", "SOLVER.AMP.ENABLED", "True", "SOLVER.AMP.DTYPE", "bfloat16")
    assert records(tmp_path)[-1]["total_loss"] > 0


def test_a_checkpoint_of_another_network_is_refused(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not fit the model"):
        train(tmp_path, "--eval-only", "MODEL.WEIGHTS", str(finished / "model_final.pth"), *BASELINE)
