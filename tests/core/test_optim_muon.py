"""Muon makes orthogonal steps of convolutions and matrices, and SGD's of the rest."""

import math

import pytest
import torch
from torch import nn, optim

from cifar_core.config import Muon as Config
from cifar_core.optim.muon import Muon, orthogonalised
from cifar_core.optim.registry import build


def slowly_orthogonalised(matrix, steps):
    """The iteration as its authors write it down, in double precision and for one matrix."""
    x = matrix.double()
    x = x / x.norm()
    if len(x) > x.shape[1]:
        return slowly_orthogonalised(matrix.T, steps).T
    for _ in range(steps):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x


def group(*parameters, **options):
    plain = {"lr": 0.1, "momentum": 0.0, "nesterov": False, "weight_decay": 0.0, "orthogonal": True}
    return {"params": list(parameters), **plain, "newton_schulz": 5, "rescaled": False, **options}


def parameter(*shape):
    return nn.Parameter(torch.randn(*shape))


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


# The iteration


@pytest.mark.parametrize("shape", [(8, 8), (16, 40), (40, 16), (1, 9)])
@pytest.mark.parametrize("steps", [1, 3, 5])
def test_the_iteration_is_that_of_its_authors(shape, steps):
    matrices = torch.randn(3, *shape)
    found = orthogonalised(matrices, steps)
    assert found.dtype == torch.float32
    for one, expected in zip(found, matrices, strict=True):
        torch.testing.assert_close(one.double(), slowly_orthogonalised(expected, steps), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("shape", [(16, 40), (40, 16), (32, 32)])
def test_singular_values_come_near_1_whatever_they_were(shape):
    rank = min(shape)
    left, right = (torch.linalg.qr(torch.randn(side, rank))[0] for side in shape)
    matrix = left * torch.logspace(0, -1.5, rank) @ right.T
    values = torch.linalg.svdvals(orthogonalised(matrix[None] * 1000, 5)[0])
    assert values.min() > 0.65
    assert values.max() < 1.25


def test_singular_vectors_stay():
    matrix = torch.randn(6, 20)
    left, _, right = torch.linalg.svd(orthogonalised(matrix[None], 5)[0], full_matrices=False)
    left_before, _, right_before = torch.linalg.svd(matrix, full_matrices=False)
    # The nearest orthogonal matrix is the product of the singular vectors, and does not depend on their order.
    torch.testing.assert_close(left @ right, left_before @ right_before, rtol=1e-3, atol=1e-3)


def test_nothing_is_orthogonalised_to_nothing():
    assert torch.equal(orthogonalised(torch.zeros(2, 3, 5), 5), torch.zeros(2, 3, 5))


# The steps


@pytest.mark.parametrize("shape", [(4, 9), (9, 4)])
@pytest.mark.parametrize("nesterov", [False, True])
def test_of_a_matrix_the_steps_are_those_of_torchs_muon(shape, nesterov):
    ours, theirs = parameter(*shape), None
    theirs = nn.Parameter(ours.detach().clone())
    one = Muon([group(ours, momentum=0.9, nesterov=nesterov, weight_decay=0.2)])
    other = optim.Muon([theirs], lr=0.1, momentum=0.9, nesterov=nesterov, weight_decay=0.2)
    for _ in range(4):
        ours.grad = torch.randn(*shape)
        theirs.grad = ours.grad.clone()
        one.step()
        other.step()
    # Theirs works in bfloat16.
    torch.testing.assert_close(ours, theirs, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("shape", [(4, 3, 2, 2), (16, 3, 2, 1)])
def test_a_convolution_is_a_matrix_of_outputs_by_all_else(shape):
    weight = parameter(*shape)
    matrix = nn.Parameter(weight.detach().flatten(1).clone())
    laid_out = nn.Parameter(weight.detach().clone(memory_format=torch.channels_last))
    for each in (weight, matrix, laid_out):
        optimizer = Muon([group(each, momentum=0.5, nesterov=True)])
        torch.manual_seed(5)
        for _ in range(3):
            each.grad = torch.randn(shape).view_as(each)
            optimizer.step()
    torch.testing.assert_close(weight.detach().flatten(1), matrix.detach())
    torch.testing.assert_close(laid_out.detach(), weight.detach())
    assert laid_out.is_contiguous(memory_format=torch.channels_last)


def test_parameters_of_one_shape_do_not_mix():
    together = [parameter(4, 6), parameter(2, 6), parameter(4, 3, 2, 1)]
    apart = [nn.Parameter(each.detach().clone()) for each in together]
    for each, alone in zip(together, apart, strict=True):
        each.grad = torch.randn_like(each)
        alone.grad = each.grad.clone()
    Muon([group(*together)]).step()
    for alone in apart:
        Muon([group(alone)]).step()
    torch.testing.assert_close(together, apart)


def test_rescaled_weights_start_each_step_with_a_norm_of_the_root_of_their_outputs():
    weights = [parameter(9, 4, 3, 3), nn.Parameter(torch.zeros(64, 4))]
    optimizer = Muon([group(*weights, rescaled=True, lr=0.0)])
    for weight in weights:
        weight.grad = torch.ones_like(weight)
    optimizer.step()
    assert weights[0].norm().item() == pytest.approx(3.0)
    assert torch.equal(weights[1], torch.zeros(64, 4))


def test_what_has_no_gradient_is_left_alone():
    weights = [parameter(4, 4), parameter(4, 4)]
    before = weights[1].detach().clone()
    weights[0].grad = torch.ones(4, 4)
    Muon([group(*weights, weight_decay=0.1, rescaled=True)]).step()
    assert torch.equal(weights[1], before)


# Which parameters it is for


class Small(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 8), nn.Linear(8, 5))


def kinds(optimizer):
    return {each: set(group["param_names"]) for group in optimizer.param_groups for each in [group["orthogonal"]]}


def test_weights_but_the_last_are_orthogonalised_and_the_rest_is_not():
    assert kinds(build(Config(), Small()))[True] == {"0.weight", "3.weight"}
    assert kinds(build(Config(rest=("0.*",)), Small()))[True] == {"3.weight"}


def test_where_what_classifies_is_frozen_all_other_weights_are_orthogonalised():
    model = Small()
    model[4].requires_grad_(requires_grad=False)
    assert kinds(build(Config(), model))[True] == {"0.weight", "3.weight"}


def test_the_rest_is_trained_by_sgd_at_its_own_rate():
    model, other = Small(), Small()
    other.load_state_dict(model.state_dict())
    optimizer = build(Config(lr=0.02, rest_lr=0.3, rest_momentum=0.8, lr_factors=("4.weight = 2",)), model)
    rest = [("1.weight", 0.3), ("1.bias", 0.3), ("0.bias", 0.3), ("3.bias", 0.3), ("4.bias", 0.3), ("4.weight", 0.6)]
    parameters = dict(other.named_parameters())
    groups = [{"params": [parameters[name]], "lr": lr} for name, lr in rest]
    plain = optim.SGD(groups, momentum=0.8, nesterov=True, fused=False)
    for _ in range(3):
        for one, two in zip(model.parameters(), other.parameters(), strict=True):
            one.grad = torch.randn_like(one)
            two.grad = one.grad.clone()
        optimizer.step()
        plain.step()
    ours = dict(model.named_parameters())
    for name, _ in rest:
        torch.testing.assert_close(ours[name], parameters[name])


@pytest.mark.parametrize("factor", [1.0, 12.5])
def test_of_the_rest_a_step_takes_off_the_same_share_whatever_the_rate(factor):
    model = Small()
    optimizer = build(Config(rest_lr=0.5, rest_momentum=0.0, rest_decay=0.01, lr_factors=(f"4.* = {factor}",)), model)
    before = model[4].weight.detach().clone()
    for each in model.parameters():
        each.grad = torch.zeros_like(each)
    optimizer.step()
    torch.testing.assert_close(model[4].weight.detach(), before * 0.99)


def test_a_rate_of_nothing_for_the_rest_takes_nothing_off():
    model = Small()
    groups = build(Config(rest_decay=0.01, lr_factors=("4.* = 0",)), model).param_groups
    [still] = [each for each in groups if "4.weight" in each["param_names"]]
    assert (still["lr"], still["weight_decay"]) == (0.0, 0.0)


def test_the_rates_of_both_kinds_follow_the_base_rate():
    optimizer = build(Config(lr=0.02, rest_lr=0.3), Small())
    assert {each["orthogonal"]: each["lr_factor"] for each in optimizer.param_groups} == {
        True: 1.0,
        False: pytest.approx(15.0),
    }


def test_all_that_it_remembers_is_in_its_state():
    def trained(model, optimizer, first, last):
        for step in range(first, last):
            torch.manual_seed(step)
            for each in model.parameters():
                each.grad = torch.randn_like(each)
            optimizer.step()

    whole = Small()
    copied = Small()
    copied.load_state_dict(whole.state_dict())
    optimizer = build(Config(rescaled=True), whole)
    trained(whole, optimizer, 0, 6)
    interrupted = build(Config(rescaled=True), copied)
    trained(copied, interrupted, 0, 3)
    state = interrupted.state_dict()
    again = build(Config(rescaled=True), copied)
    again.load_state_dict(state)
    trained(copied, again, 3, 6)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), copied.parameters(), strict=True))
    assert math.isfinite(sum(each.sum().item() for each in whole.parameters()))
