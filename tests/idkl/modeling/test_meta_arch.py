"""IDKL as a whole: its terms, their switches, and a step that trains everything."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from fastreid.config import CfgNode
from fastreid.modeling.meta_arch import build_model
from torch import Tensor, nn

from datasets_ext.errors import UserError
from idkl.losses import discrepancy_reducing_loss, discrimination_enhancing_loss, logit_kl_loss, tgsa_loss
from tests.small import make_batch

TERMS = {
    "REID_SHARED": {"loss_cls_shared", "loss_triplet_shared"},
    "REID_SPECIFIC": {"loss_cls_specific", "loss_triplet_specific"},
    "CONFUSER": {"loss_confuser"},
    "DISCRIMINATOR": {"loss_discriminator"},
    "IP": {"loss_enhance", "loss_reduce", "loss_cls_purified", "loss_triplet_purified"},
    "ENHANCE": {"loss_enhance"},
    "REDUCE": {"loss_reduce"},
    "REID_PURIFIED": {"loss_cls_purified", "loss_triplet_purified"},
    "TGSA": {"loss_tgsa"},
    "CSA": {"loss_csa"},
    "MDR": {"loss_mdr"},
}
ALL = set().union(*TERMS.values())


def build(cfg: CfgNode, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build_model(cfg).train()


def outputs_of(model: nn.Module, batch: dict[str, Tensor]) -> object:
    return model.heads(model.backbone(model.preprocess_image(batch)), batch["targets"])


def test_all_terms_by_default(cfg: CfgNode) -> None:
    losses = build(cfg)(make_batch())
    assert set(losses) == ALL
    assert all(loss.ndim == 0 and loss.isfinite() for loss in losses.values())


@pytest.mark.parametrize("term", TERMS)
def test_weight_zero_switches_a_term_off_and_nothing_else(cfg: CfgNode, term: str) -> None:
    cfg.MODEL.IDKL.WEIGHTS[term] = 0.0
    model = build(cfg)
    assert set(model(make_batch())) == ALL - TERMS[term]
    assert (model.heads.purifier is None) == (term == "IP")


def test_weighted_sum_of_equation_21(cfg: CfgNode) -> None:
    """Every term from the network's outputs by itself, in float64, with the paper's weights."""
    cfg.MODEL.IDKL.STAGES = (3, 4)
    model, batch = build(cfg).double(), make_batch(identities=3, dtype=torch.float64)
    out = outputs_of(model, batch)
    targets, modalities = batch["targets"], batch["modalities"]
    z_sh, z_sp, z_ip = out.shared.logits, out.specific.logits, out.purifier.identity.logits
    f_sh, f_ip = out.shared.feature, out.purifier.identity.feature

    def reid(output: object) -> Tensor:
        dist = torch.cdist(output.feature, output.feature)
        rows = []
        for i, row in enumerate(dist):
            positive = max(row[j] for j in range(len(row)) if targets[j] == targets[i])
            negative = min(row[j] for j in range(len(row)) if targets[j] != targets[i])
            rows.append(max(positive - negative + 0.3, torch.tensor(0.0)))
        return F.cross_entropy(output.logits, targets) + sum(rows) / len(rows)

    def modality(logits: list[Tensor]) -> Tensor:
        assert len(logits) == 2  # one a stage
        return sum(F.cross_entropy(stage, modalities) for stage in logits)

    base = reid(out.shared) + modality(out.confusers) + reid(out.specific) + modality(out.discriminators)
    ip = (
        discrimination_enhancing_loss(out.purifier.enhanced_logits, z_sp)
        + discrepancy_reducing_loss(out.purifier.reduced, out.purifier.normalized, targets, modalities)
        + reid(out.purifier.identity)
    )
    n = len(targets) // 2
    tgsa = tgsa_loss(f_ip[:n], f_sh[:n]) + tgsa_loss(f_ip[n:], f_sh[n:])
    csa = logit_kl_loss(z_sh[:n], z_ip[:n]) + logit_kl_loss(z_sh[n:], z_ip[n:])
    mdr = tgsa_loss(f_sh[:n], f_sh[n:]) + logit_kl_loss(z_sh[:n], z_sh[n:])
    expected = base + 0.1 * ip + 0.6 * tgsa + 0.8 * csa + mdr
    total = sum(model.criterion(out, targets, modalities).values())
    assert total.item() == pytest.approx(expected.item(), rel=1e-9)


def test_purifier_gets_the_specific_map_and_one_classifier_serves_three_features(cfg: CfgNode) -> None:
    model, batch = build(cfg).double(), make_batch(dtype=torch.float64)
    features = model.backbone(model.preprocess_image(batch))
    purified = model.heads.purifier(features.specific[4]).purified
    pooled = purified.clamp(min=1e-6).pow(3).mean(dim=(2, 3)).pow(1 / 3)
    out = model.heads(features, batch["targets"])
    assert torch.allclose(out.purifier.identity.feature, pooled, rtol=1e-10)
    neck = model.heads.specific
    embedding = F.batch_norm(pooled, None, None, neck.bottleneck[0].weight, None, training=True)
    assert torch.allclose(out.purifier.identity.logits, embedding @ neck.weight.T, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(("teacher", "weight", "purified"), [("purified", 0.1, True), ("specific", 0.1, False)])
def test_teacher(cfg: CfgNode, teacher: str, weight: float, purified: bool) -> None:
    cfg.MODEL.IDKL.TEACHER, cfg.MODEL.IDKL.WEIGHTS.IP = teacher, weight
    model, batch = build(cfg), make_batch()
    out = outputs_of(model, batch)
    source = out.purifier.identity if purified else out.specific
    n = len(batch["targets"]) // 2
    expected = logit_kl_loss(out.shared.logits[:n], source.logits[:n])
    expected = expected + logit_kl_loss(out.shared.logits[n:], source.logits[n:])
    losses = model.criterion(out, batch["targets"], batch["modalities"])
    assert losses["loss_csa"].item() == pytest.approx(0.8 * expected.item(), rel=1e-5)


def test_without_purifier_the_specific_feature_teaches(cfg: CfgNode) -> None:
    cfg.MODEL.IDKL.WEIGHTS.IP = 0.0
    model, batch = build(cfg), make_batch()
    out = outputs_of(model, batch)
    pairs = zip(out.specific.feature.chunk(2), out.shared.feature.chunk(2), strict=True)
    expected = 0.6 * sum(tgsa_loss(t, s) for t, s in pairs)
    loss = model.criterion(out, batch["targets"], batch["modalities"])["loss_tgsa"]
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize("term", ["loss_tgsa", "loss_csa"])
def test_the_gradient_into_the_teacher_can_be_stopped(cfg: CfgNode, term: str, detach: bool) -> None:
    cfg.MODEL.IDKL.DETACH_TEACHER = detach
    model, batch = build(cfg), make_batch()
    loss = model(batch)[term]
    teacher, student = model.backbone.specific[1][0].conv1.weight, model.backbone.shared[1][0].conv1.weight
    gradients = torch.autograd.grad(loss, [teacher, student], allow_unused=True)
    assert (gradients[0] is None) == detach and gradients[1].abs().max() > 0


def test_affinity_keys_reach_both_graph_losses(cfg: CfgNode) -> None:
    cfg.MODEL.IDKL.AFFINITY.NORMALIZE, cfg.MODEL.IDKL.AFFINITY.TEMPERATURE = True, 0.5
    model, batch = build(cfg), make_batch()
    out, options = outputs_of(model, batch), {"normalize": True, "temperature": 0.5}
    teacher, student = (output.feature.chunk(2) for output in (out.purifier.identity, out.shared))
    losses = model.criterion(out, batch["targets"], batch["modalities"])
    across = 0.6 * sum(tgsa_loss(t, s, **options) for t, s in zip(teacher, student, strict=True))
    within = tgsa_loss(*student, **options) + logit_kl_loss(*out.shared.logits.chunk(2))
    assert losses["loss_tgsa"].item() == pytest.approx(across.item(), rel=1e-6)
    assert losses["loss_mdr"].item() == pytest.approx(within.item(), rel=1e-6)


def test_a_step_changes_every_trainable_parameter(cfg: CfgNode) -> None:
    model = build(cfg)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    sum(model(make_batch()).values()).backward()
    optimizer.step()
    unchanged = [n for n, p in model.named_parameters() if p.requires_grad and torch.equal(p, before[n])]
    assert unchanged == []


def test_row_order_within_an_identity_changes_neither_identity_nor_modality_losses(cfg: CfgNode) -> None:
    model, batch = build(cfg).double(), make_batch(identities=2, per_modality=3, dtype=torch.float64)
    order = torch.tensor([2, 0, 1, 4, 5, 3, 7, 8, 6, 11, 9, 10])
    shuffled = {name: value[order] for name, value in batch.items()}
    assert torch.equal(shuffled["targets"], batch["targets"])
    plain = model.criterion(outputs_of(model, batch), batch["targets"], batch["modalities"])
    other = model.criterion(outputs_of(model, shuffled), batch["targets"], batch["modalities"])
    names = [n for n in plain if n.startswith(("loss_cls", "loss_triplet", "loss_confuser", "loss_discr"))]
    assert len(names) == 8
    for name in (*names, "loss_reduce", "loss_enhance"):
        assert other[name].item() == pytest.approx(plain[name].item(), rel=1e-8), name


def test_evaluation_gives_the_shared_bn_neck_feature_only(cfg: CfgNode) -> None:
    model = build(cfg).eval()
    images = make_batch()["images"]
    kept = images.clone()
    embedding = model({"images": images})
    feature_map = model.backbone((images - model.pixel_mean) / model.pixel_std)
    pooled = feature_map.clamp(min=1e-6).pow(3).mean(dim=(2, 3), keepdim=True).pow(1 / 3)
    assert embedding.shape == (8, 512) and torch.equal(images, kept)
    assert torch.allclose(embedding, model.heads.shared.bottleneck(pooled)[..., 0, 0], rtol=1e-4, atol=1e-5)
    for module in (model.backbone.specific, model.heads.specific, model.heads.purifier):
        for parameter in module.parameters():
            nn.init.constant_(parameter, math.nan)
    assert torch.equal(model({"images": images}), embedding)


def test_losses_stay_finite_and_float32_in_mixed_precision(cfg: CfgNode) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        losses = build(cfg)(make_batch())
    assert all(loss.dtype == torch.float32 and loss.isfinite() for loss in losses.values())


def test_metrics_are_detached_shares(cfg: CfgNode) -> None:
    model = build(cfg)
    model(make_batch())
    assert set(model.metrics) == {
        "cls_accuracy",
        "cls_accuracy_specific",
        "confuser_accuracy",
        "discriminator_accuracy",
    }
    assert all(not value.requires_grad and 0 <= value.item() <= 1 for value in model.metrics.values())


def test_a_batch_in_another_order_is_refused(cfg: CfgNode) -> None:
    batch = make_batch()
    batch["modalities"] = batch["modalities"].flip(0)
    with pytest.raises(UserError, match="CrossModalityIdentitySampler"):
        build(cfg)(batch)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("MODEL.IDKL.TEACHER", "student", "choose from"),
        ("MODEL.IDKL.REDUCTION", "max", "choose from .*mean.*sum"),
        ("MODEL.IDKL.STAGES", (2, 4), "2 is no stage"),
        ("MODEL.IDKL.WEIGHTS.CSA", -1.0, "WEIGHTS.CSA is negative"),
        ("MODEL.LOSSES.NAME", ("CircleLoss",), "identity losses are"),
        ("MODEL.HEADS.NECK_FEAT", "after", "must be before"),
    ],
)
def test_wrong_settings_are_refused(cfg: CfgNode, key: str, value: object, message: str) -> None:
    cfg.merge_from_list([key, value])
    with pytest.raises(UserError, match=message):
        build(cfg)
