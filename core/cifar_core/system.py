"""How busy the machine is: GPUs by NVML, processor and memory by psutil, sampled in a thread of its own."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import psutil
import pynvml

from cifar_core.events import GpuSample, SystemSampled

T = TypeVar("T")


@contextlib.contextmanager
def sampling(emit: Callable[[SystemSampled], object], every: float) -> Iterator[Callable[[], None]]:
    """Call ``emit`` with a sample every ``every`` seconds, from a thread that ends with the context.

    Yields:
        A function that ends the sampling early; no sample comes after it has returned.
    """
    stopping = threading.Event()
    thread = threading.Thread(target=_sample_until, args=(stopping, emit, every), name="cifar-sampler", daemon=True)
    thread.start()

    def stop() -> None:
        stopping.set()
        thread.join()

    try:
        yield stop
    finally:
        stop()


def _sample_until(stopping: threading.Event, emit: Callable[[SystemSampled], object], every: float) -> None:
    process = psutil.Process()
    # The first call of each only sets the mark that the next one measures from.
    process.cpu_percent()
    psutil.cpu_percent()
    with _nvml() as gpus:
        while not stopping.wait(every):
            # A figure that cannot be read now may be readable next time; a lost sample harms nobody.
            with contextlib.suppress(psutil.Error, OSError, pynvml.NVMLError):
                emit(_sample(process, gpus))


def _sample(process: psutil.Process, gpus: dict[int, pynvml.c_nvmlDevice_t]) -> SystemSampled:
    host = psutil.virtual_memory()
    return SystemSampled(
        time=time.time(),
        gpus=tuple(_gpu(index, handle) for index, handle in gpus.items()),
        process_cpu=process.cpu_percent() / 100,
        host_cpu=psutil.cpu_percent() / 100,
        process_memory=process.memory_info().rss,
        host_memory_used=host.total - host.available,
        host_memory_total=host.total,
    )


@contextlib.contextmanager
def _nvml() -> Iterator[dict[int, pynvml.c_nvmlDevice_t]]:
    """The handles of all GPUs that answer, by index; none where there is no NVIDIA driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield {}
        return
    try:
        handles = {
            index: _known(lambda index=index: pynvml.nvmlDeviceGetHandleByIndex(index))  # type: ignore[misc]
            for index in range(_known(pynvml.nvmlDeviceGetCount) or 0)
        }
        yield {index: handle for index, handle in handles.items() if handle is not None}
    finally:
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _gpu(index: int, handle: pynvml.c_nvmlDevice_t) -> GpuSample:
    name = _known(lambda: pynvml.nvmlDeviceGetName(handle))
    memory = _known(lambda: pynvml.nvmlDeviceGetMemoryInfo(handle))
    busy = _known(lambda: pynvml.nvmlDeviceGetUtilizationRates(handle))
    milliwatts = _known(lambda: pynvml.nvmlDeviceGetPowerUsage(handle))
    celsius = _known(lambda: pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))
    return GpuSample(
        index=index,
        name=name or "GPU",
        utilisation=None if busy is None else busy.gpu / 100,
        memory_used=None if memory is None else memory.used,
        memory_total=None if memory is None else memory.total,
        power=None if milliwatts is None else milliwatts / 1000,
        temperature=None if celsius is None else float(celsius),
    )


def _known(read: Callable[[], T]) -> T | None:
    """What ``read`` returns, or None where this card or driver does not tell."""
    try:
        return read()
    except pynvml.NVMLError:
        return None
