"""Values and gradients of the loss terms."""

from __future__ import annotations

import math

import torch
from fastreid.modeling.meta_arch import build_model

from idkl.benchmark.term_gradients import Graph, format_step, shared_graph, term_gradients
from idkl.engine.setup import merge_config
from tests.small import CONFIGS, make_batch


def test_gradients_against_autograd() -> None:
    torch.manual_seed(0)
    cfg = merge_config(str(CONFIGS / "quick.yml"), ["MODEL.DEVICE", "cpu", "MODEL.HEADS.NUM_CLASSES", "3"])
    model = build_model(cfg).train()
    losses = model(make_batch())
    found = {term.name: term for term in term_gradients(losses, model)}
    assert list(found) == [name.removeprefix("loss_") for name in losses]
    only = list(model.backbone.shared.parameters())
    gradients = torch.autograd.grad(losses["loss_tgsa"], only, retain_graph=True)
    norm = math.sqrt(sum(float(gradient.square().sum()) for gradient in gradients))
    assert math.isclose(found["tgsa"].norms["shared"], norm, rel_tol=1e-4)
    assert found["tgsa"].value == losses["loss_tgsa"].item() and -1 <= found["tgsa"].cosine <= 1
    assert found["cls_shared"].norms["specific"] == 0 and found["discriminator"].norms["shared"] == 0
    assert found["triplet_shared"].cosine > 0
    text = format_step(7, (list(found.values()), Graph(2.0, 3.5, 4)))
    assert text.startswith("Step 7: 4 visible images 2 apart, 3.5 effective neighbours") and "mdr" in text
    sum(losses.values()).backward()  # the step itself still has its graph


def test_the_graph_of_equal_and_of_far_features() -> None:
    cfg = merge_config("", [])

    class Output:
        class shared:  # noqa: N801
            feature = torch.eye(4).repeat(2, 1) * 1000

    far = shared_graph(Output(), cfg.MODEL.IDKL.AFFINITY)  # type: ignore[arg-type]
    assert far.rows == 4 and math.isclose(far.distance, 1000 * math.sqrt(2), rel_tol=1e-5)
    assert math.isclose(far.neighbours, 3, rel_tol=1e-3)  # itself, at distance 0, has no part
    Output.shared.feature = torch.ones(8, 4)
    assert math.isclose(shared_graph(Output(), cfg.MODEL.IDKL.AFFINITY).neighbours, 4, rel_tol=1e-5)  # type: ignore[arg-type]
