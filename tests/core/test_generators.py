"""The process's generators go on from where they were."""

import random

import numpy as np
import torch

from cifar_core import checkpoint, generators

CPU = torch.device("cpu")


def drawn():
    # The process's own generator is what is tested.
    return [random.random(), np.random.rand(), np.random.randn(), torch.rand(3).tolist()]  # noqa: NPY002


def test_after_restoring_everything_is_drawn_again(tmp_path):
    np.random.randn()  # noqa: NPY002, leaves half of a pair behind
    states = generators.states(CPU)
    first = drawn()
    assert drawn() != first
    checkpoint.save(tmp_path, {"generators": states}, step=1)
    generators.restore(checkpoint.load(tmp_path).state["generators"], CPU)
    assert drawn() == first


def test_a_state_of_another_device_is_passed_over():
    states = {**generators.states(CPU), "device": ("cuda", torch.zeros(16, dtype=torch.uint8))}
    first = drawn()
    generators.restore(states, CPU)
    assert drawn() == first
