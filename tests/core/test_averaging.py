"""Averages of weights are the means they are called, and what is trained never notices them."""

import pytest
import torch
from torch import nn

from cifar_core.config import Config
from cifar_core.learner import Learner
from cifar_core.optim.averaging import Ema, Swa
from cifar_core.optim.batch_norm import renew, untouched

CPU = torch.device("cpu")


def network():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten(), nn.Linear(3600, 2))


def filled(model, value):
    """Make every number of the model ``value``."""
    with torch.no_grad():
        for each in model.state_dict().values():
            each.fill_(value)


def numbers(model):
    return [each.clone() for each in model.state_dict().values() if each.is_floating_point()]


def value_of(model):
    """The one value that all numbers of the model have."""
    (value,) = {number.item() for each in numbers(model) for number in each.unique()}
    return value


def learner(optimizer=None, **training):
    tree = {"model": {"name": "lenet-notes-bn"}, "optimizer": optimizer or {"lr": 0.1}, "training": training}
    return Learner(Config.model_validate(tree), 10, CPU)


@pytest.fixture
def batches():
    generator = torch.Generator().manual_seed(0)
    return [
        (torch.randn(6, 3, 32, 32, generator=generator), torch.randint(10, (6,), generator=generator)) for _ in range(5)
    ]


def never_asked():
    raise AssertionError("no image was needed")
    yield


# Exponential


def test_an_exponential_mean_goes_its_share_of_the_way_at_each_step():
    model = network()
    average = Ema(model, 0.75)
    expected = 0.0
    for step in range(1, 60):
        filled(model, float(step))
        average.after_step()
        stays = min(0.75, (step - 1) / (step + 8))
        expected = stays * expected + (1 - stays) * step
        assert value_of(average.evaluated(never_asked())) == pytest.approx(expected)


def test_a_mean_begins_with_the_first_weights_that_it_sees():
    model = network()
    average = Ema(model, 0.999)
    assert average.evaluated(never_asked()) is model
    filled(model, 7.0)
    average.after_step()
    assert value_of(average.evaluated(never_asked())) == 7.0


def test_a_weight_that_layers_share_is_averaged_once():
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    model = nn.Sequential(first, second)
    average = Ema(model, 0.1)
    for value in (1.0, 2.0):
        filled(model, value)
        average.after_step()
    assert value_of(average.evaluated(never_asked())) == pytest.approx(1.9)


# Of the ends of epochs


def test_the_mean_of_the_last_epochs_is_their_plain_mean():
    model = network()
    average = Swa(model, 0.5)
    for epoch in range(1, 9):
        filled(model, float(epoch))
        average.after_epoch(10 * epoch, 80)
    assert value_of(average.evaluated([])[4]) == pytest.approx((4 + 5 + 6 + 7 + 8) / 5)


def test_before_it_begins_the_trained_network_counts():
    model = network()
    average = Swa(model, 0.5)
    average.after_epoch(39, 80)
    assert average.evaluated(never_asked()) is model
    average.after_epoch(40, 80)
    assert average.evaluated([]) is not model


def test_an_end_that_is_told_of_twice_counts_once():
    model = network()
    average = Swa(model, 0.0)
    for step, value in ((10, 1.0), (20, 3.0), (20, 3.0)):
        filled(model, value)
        average.after_epoch(step, 20)
    assert value_of(average.evaluated([])[4]) == pytest.approx(2.0)


def test_an_end_that_was_told_of_before_an_interruption_counts_once():
    model = network()
    average = Swa(model, 0.0)
    for step, value in ((10, 1.0), (20, 3.0)):
        filled(model, value)
        average.after_epoch(step, 20)
    again = Swa(model, 0.0)
    again.load_state_dict(average.state_dict())
    again.after_epoch(20, 20)
    assert value_of(again.evaluated([])[4]) == pytest.approx(2.0)


def test_its_statistics_are_made_once_for_each_mean(batches):
    images, _ = batches[0]
    asked = []

    def sample():
        asked.append(1)
        yield images

    model = network()
    average = Swa(model, 0.0)
    for step in (1, 2):
        average.after_epoch(step, 2)
        average.evaluated(sample())
        average.evaluated(sample())
        assert len(asked) == step


# Statistics of batch normalisation


def test_statistics_made_anew_are_those_of_all_images(batches):
    model = nn.Sequential(nn.BatchNorm2d(3))
    images = [images for images, _ in batches]
    renew(model, images, like=nn.Sequential(nn.BatchNorm2d(3)))
    whole = torch.cat(images)
    torch.testing.assert_close(model[0].running_mean, whole.mean((0, 2, 3)))
    torch.testing.assert_close(model[0].running_var, whole.var((0, 2, 3)), rtol=1e-2, atol=1e-3)
    assert model[0].momentum == 0.1
    assert not model[0].training


def test_statistics_that_are_frozen_stay(batches):
    model, like = network(), network()
    like[1].eval()
    renew(model, [images for images, _ in batches], like=like)
    assert model[1].running_mean.tolist() == [0.0] * 4


def test_making_statistics_draws_nothing(batches):
    model, like = network(), network()
    before = torch.get_rng_state()
    renew(model, [images for images, _ in batches], like=like)
    assert torch.equal(torch.get_rng_state(), before)
    assert model[1].running_mean.abs().min() > 0


def test_without_batch_normalisation_no_image_is_asked_for():
    renew(nn.Linear(2, 2), never_asked(), like=nn.Linear(2, 2))


def test_a_pass_that_is_to_leave_no_trace_leaves_none_and_normalises_by_its_batch(batches):
    images, _ = batches[0]
    model = nn.Sequential(nn.BatchNorm2d(3), nn.BatchNorm2d(3).eval())
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with untouched(model):
        outputs = model[0](images)
        model(images)
    assert outputs.mean().item() == pytest.approx(0, abs=1e-6)
    assert outputs.std().item() == pytest.approx(1, abs=1e-2)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    model(images)
    assert model[0].num_batches_tracked == 1
    assert not torch.equal(model[0].running_mean, before["0.running_mean"])


# In a learner


@pytest.mark.parametrize(
    ("optimizer", "training"),
    [({"lr": 0.1}, {"average": "ema"}), ({"lr": 0.1}, {"average": "swa", "swa_from": 0.0})],
    ids=["ema", "swa"],
)
def test_training_is_the_same_with_and_without_an_average(optimizer, training, batches):
    plain, averaged = learner(optimizer), learner(optimizer, **training)
    for step, batch in enumerate(batches, 1):
        plain.update(*batch)
        averaged.update(*batch)
        averaged.after_epoch(step, 5)
        assert averaged.evaluated([batch[0]]) is not averaged.model
    assert all(torch.equal(a, b) for a, b in zip(numbers(plain.model), numbers(averaged.model), strict=True))


def test_an_average_has_no_gradient():
    averaged = learner(average="ema")
    averaged.update(torch.randn(4, 3, 32, 32), torch.randint(10, (4,)))
    assert not any(each.requires_grad for each in averaged.evaluated(never_asked()).parameters())


def test_a_mean_over_steps_lies_between_their_weights(batches):
    averaged = learner(average="ema", ema_decay=0.5)
    seen = []
    for batch in batches:
        averaged.update(*batch)
        seen.append(numbers(averaged.model))
    means = numbers(averaged.evaluated(never_asked()))
    for place, mean in enumerate(means):
        every = torch.stack([each[place] for each in seen])
        assert (mean >= every.amin(0) - 1e-6).all()
        assert (mean <= every.amax(0) + 1e-6).all()
    assert any(not torch.equal(mean, last) for mean, last in zip(means, seen[-1], strict=True))


# Schedule-free


def schedule_frees_textbook(weights, gradients, lr, betas, eps):
    """Algorithm 1 of the paper: the points z that steps are made at, and their mean x."""
    z, x, squares = weights.clone(), weights.clone(), torch.zeros_like(weights)
    for step, gradient_at in enumerate(gradients, 1):
        gradient = gradient_at((1 - betas[0]) * z + betas[0] * x)
        squares = betas[1] * squares + (1 - betas[1]) * gradient**2
        z = z - lr * gradient / ((squares / (1 - betas[1] ** step)).sqrt() + eps)
        x = (1 - 1 / step) * x + z / step
    return x


def test_what_is_evaluated_is_the_mean_of_the_paper():
    free = learner({"name": "schedule-free-adamw", "lr": 0.05, "betas": [0.8, 0.95], "eps": 1e-6})
    place = -2
    weight = list(free.model.parameters())[place]
    targets = [torch.randn_like(weight) for _ in range(6)]
    expected = schedule_frees_textbook(
        weight.detach().clone(), [lambda at, to=to: at - to for to in targets], 0.05, (0.8, 0.95), 1e-6
    )
    for to in targets:
        weight.grad = weight.detach() - to
        free.optimizer.step()
    found = list(free.evaluated([torch.randn(4, 3, 32, 32)]).parameters())[place]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_an_evaluation_leaves_no_trace_in_a_schedule_free_training(batches):
    optimizer = {"name": "schedule-free-adamw", "lr": 0.01, "weight_decay": 0.1}
    looked_at, left_alone = learner(optimizer), learner(optimizer)
    for batch in batches:
        looked_at.update(*batch)
        left_alone.update(*batch)
        looked_at.evaluated([batch[0]])
    assert all(torch.equal(a, b) for a, b in zip(numbers(looked_at.model), numbers(left_alone.model), strict=True))


def test_a_warm_up_by_the_schedule_is_the_librarys_own():
    from schedulefree import AdamWScheduleFree

    torch.manual_seed(0)
    by_schedule, by_library = (nn.Parameter(torch.ones(8)) for _ in range(2))
    ours = AdamWScheduleFree([by_schedule], lr=0.1)
    theirs = AdamWScheduleFree([by_library], lr=0.1, warmup_steps=4)
    for optimizer in (ours, theirs):
        optimizer.train()
    for step in range(8):
        ours.param_groups[0]["lr"] = 0.1 * min(1, (step + 1) / 4)
        gradient = torch.randn(8)
        for parameter, optimizer in ((by_schedule, ours), (by_library, theirs)):
            parameter.grad = gradient.clone()
            optimizer.step()
    for optimizer in (ours, theirs):
        optimizer.eval()
    torch.testing.assert_close(by_schedule, by_library)
