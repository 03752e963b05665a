"""What two processes do in the tests of several processes, and how they are started."""

from __future__ import annotations

import argparse
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from fastreid.config import CfgNode
from fastreid.engine import default_argument_parser
from fastreid.utils import comm
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from datasets_ext.errors import UserError, run_program
from idkl.engine.data_parallel import data_parallel
from idkl.engine.launch import launch
from idkl.engine.setup import load_config, merge_config, start_run
from idkl.engine.train_step import TrainStep
from idkl.engine.trainer import Trainer
from tests.runs import train
from tests.small import CONFIGS, SMALL, make_batch
from tools import extract_features

WEIGHTS = "MODEL.IDKL.WEIGHTS."
FROZEN = "BN frozen"
CASES: dict[str, list[Any]] = {
    "BN in training": [],
    FROZEN: [],
    "IBN, stage 3, recomputed, channels not last": [
        *("MODEL.BACKBONE.WITH_IBN", True, "MODEL.IDKL.STAGES", (3, 4), "MODEL.CHANNELS_LAST", False),
        *("MODEL.BACKBONE.CHECKPOINT_STAGES", (1, 2, 3, 4)),
    ],
    "terms off": [f"{WEIGHTS}IP", 0.0, f"{WEIGHTS}REID_SPECIFIC", 0.0, f"{WEIGHTS}CSA", 0.0],
}
TRAINING = [
    *("MODEL.DEVICE", "cpu", "SEED", 4, "SOLVER.MAX_EPOCH", 1, "SOLVER.OPT", "SGD", "SOLVER.BASE_LR", 1e-5),
    *("INPUT.SIZE_TRAIN", [32, 32]),
    *("TEST.PRECISE_BN.ENABLED", True, "TEST.PRECISE_BN.DATASET", "SYSU_MM01", "TEST.PRECISE_BN.NUM_ITER", 2),
]
EVALUATION = ["--eval-only", "MODEL.DEVICE", "cpu", "TEST.IMS_PER_BATCH", "16"]
STEPS = 2  # DistributedDataParallel puts its messages together otherwise from the second on


def start_two(run: Callable[[argparse.Namespace], None], folder: Path) -> None:
    """``run(args)`` in two processes on the CPU; ``args.folder`` is ``folder``."""
    options = argparse.Namespace(config_file="", opts=["MODEL.DEVICE", "cpu"], num_gpus=2, num_machines=1)
    launch(run, argparse.Namespace(**vars(options), machine_rank=0, folder=folder))


def small_config(*words: Any) -> CfgNode:
    """The demo's config at the tests' size with five classes, on the CPU."""
    fixed = ["MODEL.DEVICE", "cpu", "MODEL.HEADS.NUM_CLASSES", 5]
    return merge_config(str(CONFIGS / "demo.yml"), [str(word) for word in (*SMALL, *fixed, *words)])


def own_share(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """This process's identities of a batch of N visible, then N infrared rows."""
    size, rank = comm.get_world_size(), comm.get_rank()
    return {
        key: torch.cat([half.chunk(size)[rank] for half in value.contiguous().chunk(2)]) for key, value in batch.items()
    }


def losses_and_gradients(cfg: CfgNode, dtype: torch.dtype, frozen: bool) -> list[dict[str, Any]]:
    """Losses, metrics, gradients and running statistics of steps without an update, in this process's share."""
    torch.manual_seed(0)
    model: Any = Trainer.build_model(cfg).to(dtype).train()
    for module in model.modules():
        module.training &= not (frozen and isinstance(module, _BatchNorm))
    plain = model
    if comm.get_world_size() > 1:
        model = data_parallel(cfg, model)
    batch = own_share(make_batch(4, per_modality=1))
    batch["images"] = batch["images"][:, :, ::2].to(dtype)  # half of the time
    steps = []
    for _ in range(STEPS):
        model.zero_grad()
        losses = model(batch)
        sum(losses.values()).backward()
        gradients = {name: _sample(p.grad) for name, p in plain.named_parameters() if p.grad is not None}
        statistics = {name: value.clone() for name, value in plain.named_buffers()}
        detached = {name: value.detach() for name, value in losses.items()}
        steps.append({"losses": detached, "metrics": plain.metrics, "gradients": gradients, "statistics": statistics})
    return steps


def _sample(value: Tensor) -> Tensor:
    """The length of all, and every 31st value: all of them would fill the disk."""
    return torch.cat([value.norm()[None], value.flatten()[::31]])


def gradients_of_all(args: argparse.Namespace) -> None:
    """Save what :func:`losses_and_gradients` gives: of every case in float64, of some others besides."""
    found = {name: losses_and_gradients(small_config(*CASES[name]), torch.float64, name == FROZEN) for name in CASES}
    found["float32"] = losses_and_gradients(small_config(), torch.float32, True)
    found["apart"] = losses_and_gradients(small_config("MODEL.IDKL.GATHER", False), torch.float64, True)
    torch.save(found, args.folder / f"gradients{comm.get_rank()}.pt")


class DoubleTrainer(Trainer):
    """In float64, as rounding grows quickly from step to step."""

    @classmethod
    def build_model(cls, cfg: CfgNode) -> nn.Module:
        return super().build_model(cfg).double()


def double_training(folder: Path, *flags: str) -> None:
    """A short training in ``folder``: an epoch of eight steps, PreciseBN, an evaluation."""
    options = [*flags, *(str(word) for word in (*SMALL, *TRAINING, "OUTPUT_DIR", folder))]
    args = default_argument_parser().parse_args(["--config-file", str(CONFIGS / "demo.yml"), *options])
    cfg = load_config(args)
    start_run(cfg, args)
    trainer = DoubleTrainer(cfg)
    trainer.resume_or_load(resume=args.resume)
    trainer.train()


def extract(folder: Path, name: str, *words: str) -> Path:
    """The features of ``folder``'s training by the tool; as many images a batch as ``words`` say."""
    flags = ["--config-file", str(CONFIGS / "demo.yml"), "--output", str(folder / f"{name}.npz")]
    keys = ["MODEL.DEVICE", "cpu", "OUTPUT_DIR", str(folder / name), "MODEL.WEIGHTS", str(folder / "model_final.pth")]
    extract_features.main([*flags, *keys, *map(str, SMALL), *words])
    return folder / f"{name}.npz"


def everything(args: argparse.Namespace) -> None:
    """Gradients, a seed, a training and the extraction of its features, with and without work for the second one."""
    gradients_of_all(args)
    words = ["--config-file", str(CONFIGS / "demo.yml"), "MODEL.DEVICE", "cpu", "SEED", "-1"]
    torch.save(load_config(default_argument_parser().parse_args(words)).SEED, args.folder / f"seed{comm.get_rank()}.pt")
    double_training(args.folder)
    train(args.folder / "evaluated", *EVALUATION, "MODEL.WEIGHTS", str(args.folder / "model_final.pth"))
    extract(args.folder, "shared", "TEST.IMS_PER_BATCH", "16")
    extract(args.folder, "alone", "TEST.IMS_PER_BATCH", "500")


def stopped_training(args: argparse.Namespace) -> None:
    """The training, in whose third step the second process asks what started both to stop."""
    plain = TrainStep.run_step

    def run_step(step: TrainStep) -> None:
        if step.iter == 2 and comm.get_rank() == 1:
            os.kill(os.getppid(), signal.SIGTERM)
        plain(step)
        if step.iter == 2:
            time.sleep(1)  # in which the signal arrives

    TrainStep.run_step = run_step  # type: ignore[method-assign]
    double_training(args.folder)


def resumed_training(args: argparse.Namespace) -> None:
    """The rest of :func:`stopped_training`."""
    double_training(args.folder, "--resume")


def kill_one(args: argparse.Namespace) -> None:
    """The second process is killed while the first one waits for it."""
    if comm.get_rank() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    comm.synchronize()


def mistake_in_one(args: argparse.Namespace) -> None:
    """The second process finds a mistake of the user while the first one waits for it."""
    if comm.get_rank() == 1:
        raise UserError("this is wrong: do that")
    comm.synchronize()


def main() -> None:
    """Run :func:`kill_one` as a program does, with the command line of fast-reid."""
    run_program(lambda: launch(kill_one, default_argument_parser().parse_args()))
