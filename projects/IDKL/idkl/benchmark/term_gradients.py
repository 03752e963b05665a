"""What each loss term does to each part of the backbone: its value, its gradient, and whom it works against."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from fastreid.config import CfgNode
from fastreid.utils.env import seed_all_rng
from tabulate import tabulate
from torch import Tensor, nn

from datasets_ext.errors import UserError

from ..engine.trainer import Trainer
from ..losses import graph_affinity
from ..modeling.backbone import DualStreamResNet
from ..modeling.head import IDKLOutput

PARTS = {"stem": "Theta", "shared": "Phi", "specific": "Psi"}  # of the backbone, with the paper's names
IDENTITY = ("loss_cls_shared", "loss_triplet_shared")  # what the shared branch is for


@dataclass(frozen=True)
class TermGradient:
    """One weighted term at one step."""

    name: str
    value: float
    norms: dict[str, float]  # of its gradient into each of :data:`PARTS`
    cosine: float  # of its gradient with that of :data:`IDENTITY`, over Theta and Phi; NaN where it has none there


@dataclass(frozen=True)
class Graph:
    """The self-affinity of the shared branch's visible features (eq. 15)."""

    distance: float  # mean over pairs of different images, of the raw features
    neighbours: float  # exp of a row's entropy, mean over rows: 1 where one entry has it all, N where all are equal
    rows: int  # N


Step = tuple[list[TermGradient], Graph]


def measure_terms(cfg: CfgNode, steps: Sequence[int]) -> Iterator[tuple[int, Step]]:
    """Train as ``cfg`` says, at its first learning rate, and look at some steps before they are taken.

    Args:
        cfg: complete and checked, with a seed; its losses must be IDKL's.
        steps: which, counted from 0, ascending.

    Raises:
        UserError: the model is not IDKL.
    """
    seed_all_rng(cfg.SEED)
    loader, _ = Trainer.build_train_loader(cfg)
    cfg = cfg.clone()
    cfg.defrost()
    cfg.MODEL.HEADS.NUM_CLASSES = loader.dataset.num_classes
    model = Trainer.build_model(cfg).train()
    if not isinstance(model.backbone, DualStreamResNet):
        raise UserError(
            f"MODEL.BACKBONE.NAME {cfg.MODEL.BACKBONE.NAME} has no two branches: give one of IDKL's configs"
        )
    optimizer = Trainer.build_optimizer(cfg, model)
    outputs: list[IDKLOutput] = []
    model.get_submodule("heads").register_forward_hook(lambda module, inputs, output: outputs.append(output))
    for step, batch in zip(range(max(steps) + 1), loader, strict=False):
        losses = model(batch)
        if step in steps:
            yield step, (term_gradients(losses, model), shared_graph(outputs[-1], cfg.MODEL.IDKL.AFFINITY))
        outputs.clear()
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()


def term_gradients(losses: dict[str, Tensor], model: nn.Module) -> list[TermGradient]:
    """Each term's value and gradients; the graph stays for the step itself."""
    parts = {part: [p for p in getattr(model.backbone, part).parameters() if p.requires_grad] for part in PARTS}
    found = {name: {part: _gradient(loss, own) for part, own in parts.items()} for name, loss in losses.items()}
    shared = {name: torch.cat([gradient["stem"], gradient["shared"]]) for name, gradient in found.items()}
    identity = sum(shared[name] for name in IDENTITY if name in shared)
    return [
        TermGradient(
            name.removeprefix("loss_"),
            float(losses[name].detach()),
            {part: float(gradient[part].norm()) for part in PARTS},
            float(shared[name] @ identity / (shared[name].norm() * torch.as_tensor(identity).norm())),
        )
        for name, gradient in found.items()
    ]


def shared_graph(output: IDKLOutput, affinity: CfgNode) -> Graph:
    """How far apart the shared features of a batch are, and what the softmax of eq. 15 makes of it."""
    visible = output.shared.feature.detach().chunk(2)[0].float()
    graph = graph_affinity(visible, visible, normalize=affinity.NORMALIZE, temperature=affinity.TEMPERATURE)
    entropy = -(graph * graph.clamp_min(torch.finfo(graph.dtype).tiny).log()).sum(dim=1)
    return Graph(float(torch.pdist(visible).mean()), float(entropy.exp().mean()), len(visible))


def format_step(step: int, found: Step) -> str:
    """One looked-at step as a text table."""
    terms, graph = found
    head = ["term", "value", *(f"|gradient| into {name}" for name in PARTS.values()), "cosine with L_reid(f_sh)"]
    rows = [[t.name, f"{t.value:.4g}", *(f"{n:.3g}" for n in t.norms.values()), f"{t.cosine:.2f}"] for t in terms]
    caption = (
        f"Step {step}: {graph.rows} visible images {graph.distance:.3g} apart, {graph.neighbours:.1f} effective "
        "neighbours in their graph"
    )
    return f"{caption}\n\n{tabulate(rows, head, disable_numparse=True, colalign=('left', *['right'] * 5))}"


def _gradient(loss: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True, materialize_grads=True)
    return torch.cat([gradient.flatten() for gradient in gradients])
