"""Checkpoints of the authors' layout, of random weights: every tensor accounted for, the same embeddings."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import resnet50

from datasets_ext import UserError
from idkl.engine.main import load_model
from idkl.engine.released_layout import place
from tests.small import CONFIGS, load
from tools import import_checkpoint

CLASSES, DIM = 7, 2048
NETWORKS = ("shared_module_fr.model_sh_fr", "shared_module_bh.model_sh_bh", "special.special_module")
Weights = dict[str, Tensor]


def network() -> nn.Module:
    """A ResNet-50 whose last stage keeps its size, with running statistics that are not those of the start."""
    net = resnet50()
    net.layer4[0].conv2.stride = net.layer4[0].downsample[0].stride = (1, 1)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            disturb(module)
    return net


def disturb(norm: nn.Module) -> None:
    for name, value in norm.state_dict().items():
        if value.is_floating_point():
            value.uniform_(0.5, 1.5) if "var" in name or "weight" in name else value.normal_(std=0.1)


def neck() -> nn.BatchNorm1d:
    made = nn.BatchNorm1d(DIM)
    disturb(made)
    return made


def modality_classifier(first: int, second: int) -> nn.Module:
    layers = {"fc1": nn.Linear(DIM, first), "bn1": nn.BatchNorm1d(first), "fc2": nn.Linear(first, second)}
    return nn.ModuleDict({**layers, "bn2": nn.BatchNorm1d(second), "fc3": nn.Linear(second, 2)})


def mask(hidden: int) -> nn.Module:
    layers = [nn.Conv2d(DIM, hidden, 1, bias=False), nn.ReLU(), nn.Conv2d(hidden, DIM, 1, bias=False)]
    return nn.ModuleDict({"channel_attention": nn.Sequential(*layers)})


@pytest.fixture(scope="module")
def parts() -> dict[str, nn.Module]:
    """The modules of their network by their place in it."""
    torch.manual_seed(0)
    classifiers = {name: nn.Linear(DIM, CLASSES, bias=False) for name in ("classifier", "classifier_sp", "C_sp_f")}
    return {
        **{f"backbone.{name}": network() for name in NETWORKS},
        "backbone.IN": nn.InstanceNorm2d(DIM, affine=True, track_running_stats=True),
        **{f"backbone.{name}": mask(64) for name in ("mask1", "mask2")},
        **{name: neck() for name in ("bn_neck", "bn_neck_sp")},
        **classifiers,
        **{name: modality_classifier(40, 20) for name in ("D_special", "D_shared_pseu")},
    }


@pytest.fixture(scope="module")
def weights(parts: dict[str, nn.Module]) -> Weights:
    return {f"{at}.{name}": value for at, part in parts.items() for name, value in part.state_dict().items()}


def convert(folder: Path, weights: Weights) -> Path:
    torch.save({f"module.{name}": value for name, value in weights.items()}, folder / "theirs.t")
    import_checkpoint.main([str(folder / "theirs.t"), str(folder / "ours.pth")])
    return folder / "ours.pth"


def test_embeddings_agree_and_every_tensor_is_accounted_for(
    parts: dict[str, nn.Module], weights: Weights, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = convert(tmp_path, weights)
    *lines, last = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(weights)
    ours = torch.load(path, weights_only=True)["model"]
    arrows = dict(line.split(" -> ") for line in lines if " -> " in line)
    assert sorted(arrows.values()) == sorted(ours)
    assert all(torch.equal(weights[theirs], ours[name]) for theirs, name in arrows.items())
    skipped = [line for line in lines if " skipped: " in line]
    assert len(skipped) == len(weights) - len(arrows) and all(line.endswith("is not used") for line in skipped)
    assert last == f"{path}: {len(arrows)} tensors taken over, {len(skipped)} skipped"
    cfg = load(CONFIGS / "released" / "sysu.yml")
    cfg.merge_from_list(["MODEL.DEVICE", "cpu", "MODEL.WEIGHTS", str(path)])
    model = load_model(cfg).eval()
    images = torch.rand(2, 3, 72, 36, generator=torch.Generator().manual_seed(1)) * 255
    first, second, _ = (parts[f"backbone.{name}"].eval() for name in NETWORKS)
    with torch.no_grad():
        x = first.relu(first.bn1(first.conv1((images - model.pixel_mean) / model.pixel_std)))
        x = nn.functional.max_pool2d(x, kernel_size=3, stride=2, padding=1)
        x = second.layer4(second.layer3(first.layer2(first.layer1(x))))
        expected = parts["bn_neck"].eval()(x.clamp(min=1e-6).pow(3).mean(dim=(2, 3)).pow(1 / 3))
        found = model({"images": images})
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max() and expected.std() > 0.01


def test_a_tensor_that_is_missing_or_of_another_shape_is_named(weights: Weights, tmp_path: Path) -> None:
    lacking = {name: value for name, value in weights.items() if name != "backbone.IN.running_mean"}
    with pytest.raises(UserError, match=r"theirs.t lacks 1 tensors \(first: backbone.IN.running_mean\)"):
        convert(tmp_path, lacking)
    with pytest.raises(UserError, match="1 of another shape .first: heads.shared.bottleneck.0.bias"):
        convert(tmp_path, {**weights, "bn_neck.bias": torch.zeros(5)})
    assert not (tmp_path / "ours.pth").exists()


def test_every_place_of_the_layout() -> None:
    net = "backbone.shared_module_bh.model_sh_bh"
    found = place([f"{net}.layer3.0.bn1.weight", f"{net}.layer2.0.bn1.weight", f"{net}.fc.bias", "D_special.fc1.bias"])
    assert [str(line) for line in found] == [
        f"{net}.layer3.0.bn1.weight -> backbone.shared.0.0.bn1.weight",
        f"{net}.layer2.0.bn1.weight skipped: layer2 of shared_module_bh.model_sh_bh is not used",
        f"{net}.fc.bias skipped: fc of shared_module_bh.model_sh_bh is not used",
        "D_special.fc1.bias -> heads.discriminators.4.fc1.bias",
    ]


@pytest.mark.parametrize("name", ["classifier.bias", "backbone.layer3.0.bn1.weight", "bn_neck2.weight", "heads.weight"])
def test_an_unknown_tensor_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=rf"1 of 2 tensors have no place in the authors' layout \(first: {name}\)"):
        place(["bn_neck.weight", name])


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none.t is missing"):
        import_checkpoint.main([str(tmp_path / "none.t"), str(tmp_path / "ours.pth")])
    with pytest.raises(UserError, match="cannot write"):
        import_checkpoint.main([str(tmp_path / "none.t"), str(tmp_path)])
    torch.save({"model": nn.Linear(1, 1)}, tmp_path / "code.t")
    with pytest.raises(UserError, match="truncated, damaged or no such file"):
        import_checkpoint.main([str(tmp_path / "code.t"), str(tmp_path / "ours.pth")])
