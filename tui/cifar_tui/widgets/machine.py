"""How busy the machine is: a block for each GPU and one for processor and memory, with their last two minutes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cifar_core.events import GpuSample
from cifar_experiments.history import History, Series
from cifar_tui.figures import gib, percent
from cifar_tui.widgets.plot import clean
from cifar_tui.widgets.shapes import BRAILLE, Row

SECONDS = 120.0
POINTS = 60
"""Of each history, two of which are a cell."""

_LEVELS = ((0, 0x40, 0x44, 0x46, 0x47), (0, 0x80, 0xA0, 0xB0, 0xB8))
_RAMP = " .:-=#"
_ROWS = 3
"""Of a block with its histories."""

_Shares = tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Gauge:
    """One figure over time."""

    name: str
    now: str
    shares: _Shares
    """The last ``SECONDS`` in ``POINTS`` points, 0 to 1; None where nothing is known."""


@dataclass(frozen=True, slots=True)
class Block:
    """One GPU, or the rest of the machine."""

    title: str
    facts: str
    gauges: tuple[Gauge, ...]
    gone: bool = False


def blocks(history: History) -> list[Block]:
    """Return what is known of the machine; GPUs that were seen before and are no longer there say so."""
    sample = history.system
    if sample is None:
        return []
    now = history.process_cpu.extent
    until = now[1] if now else sample.time
    there = {gpu.index: gpu for gpu in sample.gpus}
    found = []
    for index, series in sorted(history.gpus.items()):
        gpu = there.get(index)
        gauges = (
            Gauge("use", percent(gpu.utilisation) if gpu else "", _shares(series.utilisation, until, 1.0)),
            Gauge("mem", gib(gpu.memory_used, gpu.memory_total) if gpu else "", _shares(series.memory, until, 1.0)),
        )
        found.append(Block(f"GPU{index} {series.name}", _facts(gpu), gauges, gone=gpu is None))
    cpu, host = sample.process_cpu, sample.host_cpu
    busiest = max((share or 0.0 for share in _shares(history.process_cpu, until, 1.0)), default=0.0)
    memory = f"{gib(sample.process_memory)}"
    gauges = (
        Gauge("cpu", percent(cpu), _shares(history.process_cpu, until, max(busiest, 1.0))),
        Gauge("mem", memory, _shares(history.process_memory, until, float(sample.host_memory_total or math.inf))),
    )
    facts = f"host {percent(host)}  {gib(sample.host_memory_used, sample.host_memory_total)}"
    found.append(Block("CPU, memory", facts, gauges))
    return found


def machine_rows(found: Sequence[Block], width: int, height: int, *, plain: bool) -> list[Row]:
    """Return the blocks, each in three rows; in two with less history where not all would be in sight.

    ``plain`` asks for ASCII.
    """
    if not found:
        return [[("No sample of the machine yet.", "muted")]]
    whole = _ROWS * len(found) <= height
    rows: list[Row] = []
    for block in found:
        rows.append(_title(block, width, plain))
        if whole:
            rows += [_gauge(gauge, width, plain, block.gone) for gauge in block.gauges]
        elif not block.gone:
            used, memory = block.gauges
            words = f" {used.name} {used.now:>5}  {memory.name} {memory.now:<13} "
            rows.append([(clean(words, width, plain), ""), (_spark(used, width - len(words), plain), "bar")])
    return rows


def room_for(found: Sequence[Block]) -> int:
    """Return how many rows show all with their histories."""
    return _ROWS * len(found)


def _title(block: Block, width: int, plain: bool) -> Row:
    facts = "gone" if block.gone else block.facts
    room = width - len(facts) - 2
    if room < 4:
        return [(clean(block.title, width, plain), "strong")]
    title = clean(block.title, room, plain)
    return [(title, "strong"), ("  ", ""), (facts, "bad" if block.gone else "")]


def _gauge(gauge: Gauge, width: int, plain: bool, gone: bool) -> Row:
    label = f" {gauge.name} "
    now = "-" if gone else gauge.now
    style = "muted" if gone else "bar" if gauge.name != "mem" else "second"
    return [(label, "muted"), (f"{now:>13} ", ""), (_spark(gauge, width - len(label) - 14, plain), style)]


def _spark(gauge: Gauge, width: int, plain: bool) -> str:
    """Return the newest of a figure's history, as much as there is room for."""
    room = min(max(width, 0), POINTS // 2)
    return sparkline(gauge.shares[POINTS - 2 * room :], plain)


def sparkline(shares: Sequence[float | None], plain: bool) -> str:
    """Return a row of text as high as the shares, two of them in a cell."""
    text = ""
    for place in range(0, len(shares) - 1, 2):
        left, right = shares[place : place + 2]
        if plain:
            known = [share for share in (left, right) if share is not None]
            text += _RAMP[_level(max(known), len(_RAMP) - 1)] if known else " "
        else:
            # The lowest dots stand for 0 too: a machine at rest is not a machine of which nothing is known.
            masks = (
                levels[_level(share, 4)] if share is not None else 0
                for levels, share in zip(_LEVELS, (left, right), strict=True)
            )
            text += BRAILLE[sum(masks)]
    return text


def _level(share: float, highest: int) -> int:
    return 1 + round(min(max(share, 0.0), 1.0) * (highest - 1))


def _facts(gpu: GpuSample | None) -> str:
    if gpu is None:
        return ""
    power = "-" if gpu.power is None else f"{gpu.power:.0f}"
    temperature = "-" if gpu.temperature is None else f"{gpu.temperature:.0f}"
    return f"{power} W  {temperature} C"


def _shares(series: Series, until: float, whole: float) -> _Shares:
    """Return the newest figures of a series as shares of ``whole``."""
    shares: list[float | None] = [None] * POINTS
    for column in series.view(until - SECONDS, until, POINTS).columns:
        shares[column.place] = column.mean / whole
    return tuple(shares)
