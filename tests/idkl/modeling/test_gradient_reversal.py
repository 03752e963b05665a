from __future__ import annotations

import math

import pytest
import torch

from idkl.modeling import GradientReversal
from idkl.modeling.confusion import modality_confuser
from idkl.modeling.gradient_reversal import ramp
from idkl.modeling.modality_classifier import ModalityClassifier


def test_identity_forward_reversed_and_scaled_backward() -> None:
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = GradientReversal(0.5)(x)
    (y * torch.tensor([3.0, 4.0])).sum().backward()
    assert torch.equal(y, x)
    assert x.grad.tolist() == [-1.5, -2.0]


def test_a_confuser_learns_as_a_discriminator_does_and_teaches_the_opposite() -> None:
    torch.manual_seed(0)
    confuser = modality_confuser(ModalityClassifier(4), scale=1.0)
    discriminator = ModalityClassifier(4)
    discriminator.load_state_dict(confuser[1].state_dict())
    x = torch.rand(6, 4)
    gradients = []
    for classifier in (confuser, discriminator):
        pooled = x.clone().requires_grad_()
        loss = torch.nn.functional.cross_entropy(classifier(pooled), torch.tensor([0, 0, 0, 1, 1, 1]))
        gradients.append(torch.autograd.grad(loss, [pooled, *classifier.parameters()]))
    assert torch.equal(gradients[0][0], -gradients[1][0]) and gradients[0][0].abs().max() > 0
    for own, other in zip(gradients[0][1:], gradients[1][1:], strict=True):
        assert torch.equal(own, other)


@pytest.mark.parametrize("progress", [0.0, 0.01, 0.3, 0.99])
def test_ramp_is_the_domain_adversarial_one(progress: float) -> None:
    assert ramp(progress) == pytest.approx(2 / (1 + math.exp(-10 * progress)) - 1, abs=1e-12)


def test_ramp_ends_at_the_full_strength() -> None:
    assert ramp(0) == 0 and ramp(1) == ramp(2.5) == 1
