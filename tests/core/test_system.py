"""Samples come from a thread of their own that ends when it is told to; what is unknown is absent."""

import threading
import time
from types import SimpleNamespace

import pynvml
import pytest

from cifar_core import system
from cifar_core.system import sampling


def samples_of(count, every=0.01):
    taken = []
    enough = threading.Event()

    def emit(sample):
        taken.append(sample)
        if len(taken) >= count:
            enough.set()

    with sampling(emit, every):
        assert enough.wait(30)
    return taken


@pytest.fixture
def no_driver(monkeypatch):
    def fail():
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(system.pynvml, "nvmlInit", fail)


@pytest.fixture
def one_gpu(monkeypatch):
    """A card that tells everything but its power."""

    def no_power(_handle):
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

    shut = []
    answers = {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: shut.append(True),
        "nvmlDeviceGetCount": lambda: 1,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetName": lambda _handle: "Card",
        "nvmlDeviceGetMemoryInfo": lambda _handle: SimpleNamespace(used=3, total=8),
        "nvmlDeviceGetUtilizationRates": lambda _handle: SimpleNamespace(gpu=43),
        "nvmlDeviceGetPowerUsage": no_power,
        "nvmlDeviceGetTemperature": lambda _handle, _sensor: 41,
    }
    for name, answer in answers.items():
        monkeypatch.setattr(system.pynvml, name, answer)
    return shut


@pytest.mark.usefixtures("no_driver")
def test_without_a_driver_there_are_no_gpus_but_the_host_is_known():
    [sample, *_] = samples_of(1)
    assert sample.gpus == ()
    assert 0 < sample.host_memory_used <= sample.host_memory_total
    assert sample.process_memory > 0
    assert sample.process_cpu >= 0
    assert 0 <= sample.host_cpu <= 1


def test_a_figure_that_a_card_does_not_tell_is_absent(one_gpu):
    [sample, *_] = samples_of(1)
    [gpu] = sample.gpus
    assert (gpu.index, gpu.name, gpu.utilisation) == (0, "Card", 0.43)
    assert (gpu.memory_used, gpu.memory_total, gpu.temperature) == (3, 8, 41.0)
    assert gpu.power is None
    assert one_gpu == [True]


@pytest.mark.usefixtures("one_gpu")
def test_a_card_that_is_lost_leaves_the_rest_of_the_sample(monkeypatch):
    def lost(_index):
        raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)

    monkeypatch.setattr(system.pynvml, "nvmlDeviceGetHandleByIndex", lost)
    [sample, *_] = samples_of(1)
    assert sample.gpus == ()
    assert sample.process_memory > 0


@pytest.mark.usefixtures("no_driver")
def test_no_sample_comes_after_the_sampling_was_stopped():
    taken = []
    with sampling(taken.append, 0.005) as stop:
        time.sleep(0.05)
        stop()
        count = len(taken)
        time.sleep(0.05)
        assert len(taken) == count
    assert "cifar-sampler" not in {thread.name for thread in threading.enumerate()}
