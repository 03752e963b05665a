from __future__ import annotations

import torch

from idkl.modeling import GradientReversal
from idkl.modeling.modality_classifier import ModalityClassifier, modality_confuser


def test_identity_forward_reversed_and_scaled_backward() -> None:
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = GradientReversal(0.5)(x)
    (y * torch.tensor([3.0, 4.0])).sum().backward()
    assert torch.equal(y, x)
    assert x.grad.tolist() == [-1.5, -2.0]


def test_a_confuser_learns_as_a_discriminator_does_and_teaches_the_opposite() -> None:
    torch.manual_seed(0)
    confuser = modality_confuser(4, scale=1.0)
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
