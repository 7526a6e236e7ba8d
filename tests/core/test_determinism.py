"""Kernels that repeat to the last bit, where they are asked for, and only as long."""

import pytest
import torch

from cifar_core import device
from cifar_core.config import Config
from cifar_core.engine import train
from cifar_core.events import RunFinished, StepCompleted

TREE = {
    "data": {"kind": "synthetic", "limit": 40},
    "model": {"name": "resnet18"},
    "augment": {"flip": "random", "crop": 4, "cutout": 8},
    "training": {"max_steps": 3, "batch_size": 4, "threads": 1, "device": "cpu", "deterministic": True},
}


async def test_a_training_asks_for_them_and_afterwards_the_process_is_as_before():
    during = []
    async for event in train(Config.model_validate(TREE)):
        if isinstance(event, StepCompleted):
            during.append(torch.are_deterministic_algorithms_enabled())
    assert isinstance(event, RunFinished)
    assert event.reason == "completed"
    assert during[0] is True
    assert not torch.are_deterministic_algorithms_enabled()


def test_when_it_fails_too():
    with pytest.raises(ZeroDivisionError), device.determinism(wanted=True):
        1 / 0  # noqa: B018
    assert not torch.are_deterministic_algorithms_enabled()


def test_what_a_result_depends_on_is_named():
    there = device.place(torch.device("cpu"))
    assert there["torch"] == torch.__version__
    assert there["deterministic"] == "False"
    with device.determinism(wanted=True):
        assert device.place(torch.device("cpu"))["deterministic"] == "True"


def test_only_those_of_a_gpu_may_differ_and_not_when_determinism_is_asked_for():
    assert device.why_not_repeatable(torch.device("cpu")) == ()
    assert "training.deterministic=true" in device.why_not_repeatable(torch.device("cuda"))[0]
    with device.determinism(wanted=True):
        assert device.why_not_repeatable(torch.device("cuda")) == ()
