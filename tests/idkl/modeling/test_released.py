"""The preset of the authors' released code: every term again in float64, by loops, from the maps on."""

from __future__ import annotations

import math

import pytest
import torch
from fastreid.config import CfgNode
from fastreid.modeling.heads import build_heads
from fastreid.modeling.meta_arch import build_model
from torch import Tensor, nn

from datasets_ext.errors import UserError
from idkl.modeling import DualStreamFeatures
from idkl.modeling.confusion import rolled_labels
from idkl.modeling.criterion import IDKLCriterion
from tests.idkl.losses.naive import naive_kl, naive_softmax
from tests.small import CONFIGS, SMALL_RELEASED, load, make_batch

IDENTITIES, IMAGES = 3, 3  # an odd number of rows a modality
ROWS = IDENTITIES * IMAGES
Rows = list[list[float]]


@pytest.fixture
def cfg() -> CfgNode:
    """The preset at a size for tests, without dropout."""
    cfg = load(CONFIGS / "released" / "sysu.yml")
    cfg.merge_from_list(SMALL_RELEASED)
    return cfg


def spread(module: nn.Module) -> None:
    """Weights far from where they start, so that no term is nearly 0."""
    torch.manual_seed(3)
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter, mean=1.0 if "norm" in name else 0.0, std=0.3)


def gem(feature_map: Tensor) -> Tensor:
    return feature_map.clamp(min=1e-6).pow(3).mean(dim=(2, 3)).pow(1 / 3)


def normalized(x: Tensor, dims: tuple[int, ...], weight: Tensor, bias: Tensor) -> Tensor:
    mean = x.mean(dim=dims, keepdim=True)
    variance = ((x - mean) ** 2).mean(dim=dims, keepdim=True)
    shape = (1, -1) + (1,) * (x.ndim - 2)
    return (x - mean) / (variance + 1e-5).sqrt() * weight.view(shape) + bias.view(shape)


def bn_neck(x: Tensor, head: nn.Module) -> Tensor:
    return normalized(x, (0,), head.bottleneck[0].weight, head.bottleneck[0].bias)


def purified_maps(purifier: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Eq. 7 to 12 with masks at every position."""

    def mask(layers: nn.Sequential, y: Tensor) -> Tensor:
        w1, w2 = layers[0].weight[:, :, 0, 0], layers[2].weight[:, :, 0, 0]
        hidden = torch.einsum("hc,bcxy->bhxy", w1, y).clamp(min=0)
        return 1 / (1 + torch.exp(-torch.einsum("ch,bhxy->bcxy", w2, hidden)))

    plain = normalized(x, (2, 3), purifier.instance_norm.weight, purifier.instance_norm.bias)
    m_e, m_r = mask(purifier.mask_enhance, x), mask(purifier.mask_reduce, plain)
    return {
        "purified": m_e * m_r * plain + m_r * m_e * x,
        "enhanced": m_e * x,
        "normalized": plain,
        "reduced": m_r * plain,
    }


def mlp(layers: nn.Module, x: Tensor) -> Tensor:
    for number in (1, 2):
        linear, norm = getattr(layers, f"fc{number}"), getattr(layers, f"bn{number}")
        x = normalized(x @ linear.weight.T + linear.bias, (0,), norm.weight, norm.bias).clamp(min=0)
    return x @ layers.fc3.weight.T + layers.fc3.bias


def cross_entropy(logits: Tensor, labels: list[int]) -> float:
    rows = zip(logits.tolist(), labels, strict=True)
    return -sum(math.log(naive_softmax(row)[label]) for row, label in rows) / len(labels)


def triplet(x: Tensor, labels: list[int]) -> float:
    total, rows = 0.0, x.tolist()
    for row, own in zip(rows, labels, strict=True):
        distances = [math.dist(row, other) for other in rows]
        positive = max(d for d, label in zip(distances, labels, strict=True) if label == own)
        negative = min(d for d, label in zip(distances, labels, strict=True) if label != own)
        total += max(0.0, positive - negative + 1.3)
    return total / len(rows)


def both_ways(p: Rows, q: Rows) -> float:
    """KL of row-wise distributions, both ways, mean over rows."""
    return sum(naive_kl(x, y) + naive_kl(y, x) for x, y in zip(p, q, strict=True)) / len(p)


def self_affinity(x: Rows) -> Rows:
    """Softmax of each row's distances to all others."""
    return [naive_softmax([math.dist(row, other) for j, other in enumerate(x) if j != i]) for i, row in enumerate(x)]


def logit_term(p: Rows, q: Rows) -> float:
    """Of single rows, and of an identity's rows behind one another."""

    def softmaxes(logits: Rows) -> Rows:
        return [naive_softmax(row) for row in logits]

    def joined(logits: Rows) -> Rows:
        parts = [logits[i : i + IMAGES] for i in range(0, ROWS, IMAGES)]
        return [[value for row in part for value in row] for part in parts]

    return both_ways(softmaxes(p), softmaxes(q)) + both_ways(softmaxes(joined(p)), softmaxes(joined(q)))


def entropy(row: list[float]) -> float:
    return -sum(p * math.log(p) for p in naive_softmax(row))


def naive_terms(model: nn.Module, batch: dict[str, Tensor]) -> dict[str, float]:
    features, heads = model.backbone(model.preprocess_image(batch)), model.heads
    targets = batch["targets"].tolist()
    f_sh, f_sp = gem(features.shared[4]), gem(features.specific[4])
    pooled = {name: gem(made) for name, made in purified_maps(heads.purifier, features.specific[4]).items()}
    f_ip = pooled["purified"]
    neck_sh, neck_sp, neck_ip = (
        bn_neck(f_sh, heads.shared),
        bn_neck(f_sp, heads.specific),
        bn_neck(f_ip, heads.specific),
    )
    z_sh, z_ip = neck_sh @ heads.shared.weight.T, neck_ip @ heads.specific.weight.T
    own = heads.entropy_classifier.weight
    terms = {
        "loss_cls_shared": cross_entropy(z_sh, targets),
        "loss_triplet_shared": triplet(f_sh, targets),
        "loss_confuser": cross_entropy(mlp(heads.confusers["4"], neck_sh), [(i + 1) % 2 for i in range(2 * ROWS)]),
        "loss_discriminator": cross_entropy(mlp(heads.discriminators["4"], neck_sp), [0] * ROWS + [1] * ROWS),
        "loss_cls_purified": 0.1 * cross_entropy(z_ip, targets),
        "loss_triplet_purified": 0.1 * triplet(f_ip, targets),
    }
    pairs = zip((pooled["enhanced"] @ own.T).tolist(), (f_sp @ own.T).tolist(), strict=True)
    excess = [math.exp(max(0.0, entropy(enhanced) - entropy(plain))) - 1 for enhanced, plain in pairs]
    terms["loss_enhance"] = 0.1 * sum(excess) / len(excess)

    def gap(x: Tensor, identity: int) -> float:
        centres = [rows[identity * IMAGES : (identity + 1) * IMAGES].mean(dim=0) for rows in x.chunk(2)]
        return math.dist(*(centre.tolist() for centre in centres))

    gaps = [gap(pooled["reduced"], i) - gap(pooled["normalized"], i) for i in range(IDENTITIES)]
    terms["loss_reduce"] = 0.1 * sum(max(0.0, value) for value in gaps) / IDENTITIES
    students, teachers = ([half.tolist() for half in f.chunk(2)] for f in (f_sh, f_ip))
    across = [both_ways(self_affinity(t), self_affinity(s)) for t, s in zip(teachers, students, strict=True)]
    terms["loss_tgsa"] = 0.6 * sum(across)
    zs_sh, zs_ip = ([half.tolist() for half in z.chunk(2)] for z in (z_sh, z_ip))
    terms["loss_csa"] = 0.8 * sum(logit_term(s, t) for s, t in zip(zs_sh, zs_ip, strict=True))
    visible, infrared = students
    mixed = self_affinity(visible[: ROWS // 2] + infrared[: ROWS - ROWS // 2])
    a, b = self_affinity(visible), self_affinity(infrared)
    terms["loss_mdr"] = both_ways(a, b) + both_ways(a, mixed) + both_ways(mixed, b) + logit_term(*zs_sh)
    return terms


def test_every_term_of_the_released_code(cfg: CfgNode) -> None:
    model, batch = build_model(cfg).train().double(), make_batch(IDENTITIES, IMAGES, torch.float64)
    spread(model.heads)
    found, expected = model(batch), naive_terms(model, batch)
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name].item() == pytest.approx(value, rel=1e-8) and value > 1e-6, name


# Each switch from the paper's setting alone, and the terms that it changes.
SWITCHES: list[tuple[str, object, set[str]]] = [
    ("CONFUSER", "rolled", {"confuser"}),
    ("MODALITY.CLASSIFIER", "mlp", {"confuser", "discriminator"}),
    ("PURIFIER", "positional", {"cls_purified", "triplet_purified", "enhance", "reduce", "tgsa", "csa"}),
    ("ENTROPY_CLASSIFIER", "own", {"enhance"}),
    ("ENHANCE_PENALTY", "exp_relu", {"enhance"}),
    ("REDUCE_PENALTY", "relu", {"reduce"}),
    ("AFFINITY.SELF_ENTRIES", False, {"tgsa", "mdr"}),
    ("GRAPH.ACROSS", "none", {"tgsa"}),
    ("GRAPH.WITHIN", "mixed", {"mdr"}),
    ("GRAPH.SYMMETRIC", True, {"tgsa", "mdr"}),
    ("LOGITS.SYMMETRIC", True, {"csa", "mdr"}),
    ("LOGITS.CONCATENATED", True, {"csa", "mdr"}),
    ("WEIGHTS.MDR_GRAPH", 0.1, {"mdr"}),
    ("WEIGHTS.MDR_LOGITS", 0.0, {"mdr"}),
]


def maps(rows: int = 8) -> DualStreamFeatures:
    generator = torch.Generator().manual_seed(5)
    sizes = {3: (rows, 256, 4, 3), 4: (rows, 512, 4, 3)}
    shared, specific = (
        {stage: torch.rand(size, generator=generator, dtype=torch.float64) for stage, size in sizes.items()}
        for _ in range(2)
    )
    return DualStreamFeatures(shared, specific)


def head_of(cfg: CfgNode) -> nn.Module:
    return build_heads(cfg).train().double()


def terms_of(cfg: CfgNode, head: nn.Module) -> dict[str, Tensor]:
    batch = make_batch()
    outputs = head(maps(), batch["targets"])
    return IDKLCriterion.from_config(cfg)(outputs, batch["targets"], batch["modalities"])


@pytest.mark.parametrize(("key", "value", "changed"), SWITCHES, ids=[f"{key}={value}" for key, value, _ in SWITCHES])
def test_each_difference_is_a_switch_of_its_own(key: str, value: object, changed: set[str]) -> None:
    cfg = load(CONFIGS / "demo.yml")
    cfg.MODEL.HEADS.NUM_CLASSES = 5
    head = head_of(cfg)
    spread(head)
    state = {name: weights.clone() for name, weights in head.state_dict().items()}
    before = terms_of(cfg, head)
    cfg.merge_from_list([f"MODEL.IDKL.{key}", value])
    other = head_of(cfg)
    spread(other)
    own = other.state_dict()
    fitting = {name: state[name] for name in own.keys() & state.keys() if own[name].shape == state[name].shape}
    other.load_state_dict(fitting, strict=False)
    after = terms_of(cfg, other)
    assert {name for name in after if not torch.equal(after[name], before[name])} == {f"loss_{n}" for n in changed}


def test_rolled_labels_say_nothing_of_the_modality() -> None:
    assert rolled_labels(torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])).tolist() == [1, 0] * 4


def test_dropout_of_the_modality_classifiers_can_be_set(cfg: CfgNode) -> None:
    cfg.MODEL.IDKL.MODALITY.DROPOUT = 0.5
    head = head_of(cfg)
    first, second = terms_of(cfg, head), terms_of(cfg, head)
    differ = {name for name in first if not torch.equal(first[name], second[name])}
    assert differ == {"loss_confuser", "loss_discriminator"}


def test_a_step_in_mixed_precision_changes_every_trainable_parameter(cfg: CfgNode) -> None:
    torch.manual_seed(0)
    model = build_model(cfg).train()
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    with torch.autocast("cpu", torch.bfloat16):
        losses = model(make_batch())
    assert all(loss.dtype == torch.float32 and loss.isfinite() for loss in losses.values())
    sum(losses.values()).backward()
    optimizer.step()
    unchanged = [n for n, p in model.named_parameters() if p.requires_grad and torch.equal(p, before[n])]
    assert unchanged == []


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("CONFUSER", "mlp", "CONFUSER mlp is unknown: choose from reversal, rolled"),
        ("MODALITY.CLASSIFIER", "conv", "choose from linear, mlp"),
        ("MODALITY.HIDDEN", (8,), "sizes of two hidden layers"),
        ("STAGES", (3, 4), "mlp sits on the BN-neck"),
        ("PURIFIER", "se", "choose from pooled, positional"),
        ("ENTROPY_CLASSIFIER", "other", "choose from specific, own"),
        ("ENHANCE_PENALTY", "exp", "choose from softplus, relu, exp_relu"),
        ("GRAPH.WITHIN", "half", "GRAPH.WITHIN half is unknown: choose from true, mixed, none"),
    ],
)
def test_unknown_components_are_refused(cfg: CfgNode, key: str, value: object, message: str) -> None:
    cfg.merge_from_list([f"MODEL.IDKL.{key}", value])
    with pytest.raises(UserError, match=message):
        terms_of(cfg, head_of(cfg))
