"""Computing activations twice changes nothing but memory."""

from __future__ import annotations

import pytest
import torch
from fastreid.config import CfgNode
from fastreid.layers.batch_norm import GhostBatchNorm
from fastreid.modeling.backbones import build_backbone
from fastreid.modeling.meta_arch import build_model
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from idkl.benchmark.step_memory import activation_bytes
from idkl.modeling.recompute import recomputed
from tests.small import make_batch

ALL = (0, 1, 2, 3, 4)


class HandWrittenNorm(_BatchNorm):
    """A BN that updates its statistics whatever its switches say, as a synchronised one may."""

    def forward(self, x: Tensor) -> Tensor:
        mean, var = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3), correction=0)
        with torch.no_grad():
            self.running_mean.lerp_(mean, 0.1)
            self.running_var.lerp_(var, 0.1)
            self.num_batches_tracked += 1
        x = (x - mean[:, None, None]) / (var[:, None, None] + self.eps).sqrt()
        return self.weight[:, None, None] * x + self.bias[:, None, None]

    def _check_input_dim(self, x: Tensor) -> None:
        assert x.ndim == 4


def train_steps(cfg: CfgNode, half: bool, stages: tuple[int, ...], chunks: int = 1) -> list[dict[str, Tensor]]:
    """Losses, gradients and state of each of two steps."""
    cfg.MODEL.BACKBONE.CHECKPOINT_STAGES, cfg.MODEL.BACKBONE.CHUNKS = stages, chunks
    torch.manual_seed(0)
    model = build_model(cfg).train()
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    steps = []
    for _ in range(2):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            losses = model(make_batch())
        optimizer.zero_grad()
        sum(losses.values()).backward()
        gradients = {f"gradient of {name}": p.grad for name, p in model.named_parameters() if p.grad is not None}
        optimizer.step()
        state = {name: value.clone() for name, value in model.state_dict().items()}
        steps.append({**losses, **gradients, **state})
    return steps


def assert_same_bits(steps: list[dict[str, Tensor]], expected: list[dict[str, Tensor]]) -> None:
    for step, plain in zip(steps, expected, strict=True):
        assert step.keys() == plain.keys()
        assert [name for name in plain if not torch.equal(step[name], plain[name])] == []


@pytest.mark.parametrize("half", [False, True])
def test_recomputed_stages_train_to_the_same_bits(cfg: CfgNode, half: bool) -> None:
    plain = train_steps(cfg, half, stages=())
    assert plain[-1]["backbone.stem.1.num_batches_tracked"] == 2
    assert not torch.equal(plain[0]["backbone.stem.0.weight"], plain[1]["backbone.stem.0.weight"])
    for stages in ((0,), (1, 4), ALL):
        assert_same_bits(train_steps(cfg, half, stages), plain)


def test_recomputed_stages_within_chunks_train_to_the_same_bits(cfg: CfgNode) -> None:
    assert_same_bits(train_steps(cfg, True, ALL, chunks=2), train_steps(cfg, True, (), chunks=2))


@pytest.mark.parametrize(
    "norm",
    [
        nn.BatchNorm2d(4),
        nn.BatchNorm2d(4, momentum=None),
        nn.BatchNorm2d(4, track_running_stats=False),
        nn.BatchNorm2d(4).eval(),
        GhostBatchNorm(4),
        HandWrittenNorm(4),
    ],
    ids=["BN", "cumulative", "untracked", "eval", "ghost", "hand-written"],
)
def test_every_norm_counts_a_batch_once(norm: nn.Module) -> None:
    torch.manual_seed(0)
    block = nn.Sequential(nn.Conv2d(3, 4, 3), norm, nn.ReLU(), nn.Conv2d(4, 4, 3))
    start = {name: value.clone() for name, value in block.state_dict().items()}
    x = torch.rand(6, 3, 9, 9)
    results = []
    for run in (lambda: block(x), lambda: recomputed(block, block, x)):
        block.load_state_dict(start)
        loss = run().square().sum()
        first = torch.autograd.grad(loss, list(block.parameters()), retain_graph=True)
        second = torch.autograd.grad(loss, list(block.parameters()))  # of the same graph: computed a third time
        assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
        results.append([loss, *first, *(value.clone() for value in block.state_dict().values())])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_synchronised_norm_of_torch_keeps_its_statistics() -> None:
    """It runs on a GPU only: what its kernel does to the buffers, done by hand."""
    norm = nn.SyncBatchNorm(3)
    weights = []

    def count(x: Tensor) -> Tensor:
        norm.num_batches_tracked.add_(1)
        norm.running_mean.copy_(x.mean(dim=(0, 2, 3)).detach())
        weights.append(norm.weight)
        return x * norm.weight[:, None, None]

    loss = recomputed(norm, count, torch.rand(4, 3, 2, 2)).sum()
    mean = norm.running_mean.clone()
    loss.backward()
    assert len(weights) == 2 and norm.num_batches_tracked == 1 and torch.equal(norm.running_mean, mean)


def test_statistics_come_back_when_the_second_run_fails() -> None:
    norm = nn.BatchNorm2d(3)
    runs: list[Tensor] = []

    def fail_at_second(x: Tensor) -> Tensor:
        runs.append(x)
        x = norm(x)
        if len(runs) == 2:
            raise MemoryError
        return x.exp()

    loss = recomputed(norm, fail_at_second, torch.rand(4, 3, 2, 2)).sum()
    mean = norm.running_mean
    with pytest.raises(MemoryError):
        loss.backward()
    assert norm.running_mean is mean and norm.num_batches_tracked == 1


def test_only_the_inputs_of_blocks_are_kept(cfg: CfgNode) -> None:
    """ResNet-18, 8 images of 64x32: the bytes of every block's input, summed by hand."""
    images = make_batch()["images"]

    def kept(stages: tuple[int, ...]) -> int:
        cfg.MODEL.BACKBONE.CHECKPOINT_STAGES = stages
        backbone = build_backbone(cfg)
        return activation_bytes(_Summed(backbone), {"images": images})

    maps = {1: 64 * 16 * 8, 2: 128 * 8 * 4, 3: 256 * 4 * 2, 4: 512 * 4 * 2}  # floats of an output, of each image
    inputs = 3 * 64 * 32 + 2 * maps[1] + (maps[1] + maps[2])  # stem; both blocks of layer1; of layer2
    inputs += maps[2] + 2 * (maps[3] + maps[3] + maps[4])  # layer3's input serves both branches
    assert kept(ALL) == 8 * 4 * inputs
    assert kept(ALL) < kept((1, 2)) < kept((1,)) < kept(())


class _Summed(nn.Module):
    """The sum of a backbone's last maps, which itself keeps nothing."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        features = self.backbone(batch["images"])
        return {"sum": features.shared[4].sum() + features.specific[4].sum()}
