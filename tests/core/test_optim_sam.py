"""Sharpness-aware minimisation takes the gradient at the worst point nearby, and leaves nothing else behind."""

import pytest
import torch
from torch import nn

from cifar_core.config import Config
from cifar_core.learner import Learner
from cifar_core.optim.sam import at_worst_point

CPU = torch.device("cpu")


def learner(model="lenet-notes", *, sam, **training):
    optimizer = {"lr": 0.1, "momentum": 0.0, "sam": sam}
    return Learner(
        Config.model_validate({"model": {"name": model}, "optimizer": optimizer, "training": training}), 10, CPU
    )


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(12, 3, 32, 32, generator=generator), torch.randint(10, (12,), generator=generator)


def weights(learner):
    return [parameter.detach().clone() for parameter in learner.model.parameters()]


def test_the_worst_point_is_at_the_distance_along_the_gradient():
    model = nn.Linear(3, 2)
    model(torch.ones(1, 3)).square().sum().backward()
    before = [each.detach().clone() for each in model.parameters()]
    gradients = [each.grad.clone() for each in model.parameters()]
    norm = sum(each.square().sum() for each in gradients).sqrt()
    with at_worst_point(model, 0.25):
        for each, was, gradient in zip(model.parameters(), before, gradients, strict=True):
            torch.testing.assert_close(each.detach(), was + 0.25 * gradient / norm)
            assert each.grad is None
    assert all(torch.equal(each, was) for each, was in zip(model.parameters(), before, strict=True))


def test_an_update_is_the_papers(batch):
    ours, textbook = learner(sam=0.1), learner(sam=0.0)
    model, start = textbook.model, weights(textbook)
    nn.functional.cross_entropy(model(batch[0]), batch[1]).backward()
    norm = sum(each.grad.square().sum() for each in model.parameters()).sqrt()
    with torch.no_grad():
        for each in model.parameters():
            each.add_(0.1 * each.grad / norm)
            each.grad = None
    nn.functional.cross_entropy(model(batch[0]), batch[1]).backward()
    expected = [was - 0.1 * each.grad for was, each in zip(start, model.parameters(), strict=True)]
    ours.update(*batch)
    torch.testing.assert_close(weights(ours), expected, rtol=1e-4, atol=1e-6)


def test_the_loss_is_that_of_the_weights_and_the_norm_that_of_the_gradient_that_is_used(batch):
    plain, ours = learner(sam=0.0, gradient_norm=True), learner(sam=0.5, gradient_norm=True)
    (loss, logits, norm), (loss_of_ours, logits_of_ours, norm_of_ours) = plain.update(*batch), ours.update(*batch)
    torch.testing.assert_close(loss_of_ours, loss)
    torch.testing.assert_close(logits_of_ours, logits)
    used = sum(each.grad.square().sum() for each in ours.model.parameters()).sqrt()
    torch.testing.assert_close(norm_of_ours, used)
    assert not torch.isclose(norm, norm_of_ours, rtol=1e-2)


def test_statistics_count_the_first_pass_alone(batch):
    plain, ours = learner("lenet-notes-bn", sam=0.0), learner("lenet-notes-bn", sam=0.5)
    plain.update(*batch)
    ours.update(*batch)
    statistics = dict(plain.model.named_buffers())
    assert statistics
    assert all(torch.equal(value, statistics[name]) for name, value in ours.model.named_buffers())


def test_a_batch_in_parts_has_one_worst_point(batch):
    whole, divided = learner(sam=0.2), learner(sam=0.2, accumulate=4)
    for _ in range(2):
        whole.update(*batch)
        divided.update(*batch)
    torch.testing.assert_close(weights(divided), weights(whole), rtol=1e-4, atol=1e-5)


def test_in_half_precision_a_gradient_beyond_it_changes_no_weight(batch):
    ours = learner(sam=0.1, precision="fp16")
    before = weights(ours)
    ours.update(batch[0] * 1e6, batch[1])
    assert all(torch.equal(a, b) for a, b in zip(weights(ours), before, strict=True))
    ours.update(*batch)
    assert ours.is_finite()
