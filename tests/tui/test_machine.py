"""The machine's rows: what is known of each GPU, of processor and memory, and what is not."""

import pytest
from rich.cells import cell_len

from cifar_core.events import GpuSample, SystemSampled
from cifar_experiments.history import History
from cifar_tui.figures import amount, duration, gib, percent, rate
from cifar_tui.widgets.machine import blocks, machine_rows, room_for, sparkline


def sample(seconds, gpus=(), **changes):
    figures = {"process_cpu": 1.04, "host_cpu": 0.3, "process_memory": 2 << 30, "host_memory_total": 8 << 30}
    return SystemSampled(**{**figures, "time": 100.0 + seconds, "gpus": tuple(gpus), **changes})


def gpu(index=0, **changes):
    figures = {"name": "H200", "utilisation": 0.43, "memory_used": 21 << 27, "memory_total": 139 << 30}
    return GpuSample(**{**figures, "power": 212.4, "temperature": 41.0, "index": index, **changes})


def found(*samples):
    history = History()
    for each in samples:
        history.apply(each)
    return blocks(history)


def text(found, width=60, height=40, plain=False):
    return "\n".join("".join(text for text, _ in row) for row in machine_rows(found, width, height, plain=plain))


def test_each_gpu_has_its_block_and_the_processor_has_one():
    shown = text(found(sample(0, [gpu(0), gpu(1, name="T4")])))
    for words in (
        "GPU0 H200",
        "GPU1 T4",
        "43 %",
        "2.6/139 GiB",
        "212 W",
        "41 C",
        "cpu",
        "104 %",
        "host 30 %",
        "2.0 GiB",
    ):
        assert words in shown


def test_without_a_gpu_there_are_only_processor_and_memory():
    shown = found(sample(0))
    assert [block.title for block in shown] == ["CPU, memory"]
    assert room_for(shown) == 3


def test_before_the_first_sample_there_is_a_sentence():
    assert text(found()) == "No sample of the machine yet."


def test_a_gpu_that_vanished_is_gone_and_keeps_its_history():
    both = [sample(second, [gpu(0), gpu(1)]) for second in range(20)]
    shown = found(*both, *(sample(second, [gpu(0)]) for second in range(20, 30)))
    assert [block.gone for block in shown] == [False, True, False]
    assert any(share is not None for share in shown[1].gauges[0].shares)
    assert "gone" in text(shown)
    assert "gone" in text(shown, height=2)


def test_what_is_not_known_is_a_dash():
    bare = GpuSample(index=0, name="?")
    shown = text(found(sample(0, [bare], process_cpu=None, host_cpu=None, process_memory=None, host_memory_total=None)))
    assert "- W  - C" in shown
    assert "- %" in shown
    assert "- GiB" in shown


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("width", [10, 20, 37, 60, 120])
@pytest.mark.parametrize("height", [1, 4, 9, 30])
def test_no_row_is_wider_than_the_pane(width, height, plain):
    many = found(*(sample(second, [gpu(index, name="深" * 30) for index in range(3)]) for second in range(130)))
    for row in text(many, width, height, plain).splitlines():
        assert cell_len(row) <= max(width, 19)
        assert row.isascii() or not plain


def test_histories_are_left_out_before_gpus_are():
    eight = found(*(sample(second, [gpu(index) for index in range(8)]) for second in range(10)))
    shown = machine_rows(eight, 60, 18, plain=False)
    assert len(shown) == 18


def test_names_steer_no_terminal():
    shown = text(found(sample(0, [gpu(name="\x1b[31m[red]")])))
    assert "\x1b" not in shown
    assert "[red]" in shown


def test_a_sparkline_is_as_high_as_its_shares():
    assert sparkline((0.0, 1.0), plain=False) == chr(0x2800 | 0x40 | 0xB8)
    assert sparkline((None, None), plain=False) == chr(0x2800)
    assert sparkline((0.0, None, None, None, 0.4, 1.0), plain=True) == ". #"
    assert sparkline((7.0, -3.0), plain=True) == "#"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (6, "0:06"),
        (59.6, "1:00"),
        (3723, "1:02:03"),
        (183845, "2 d 3:04:05"),
        (None, "-"),
        (-5, "0:00"),
        (1e300 * 1e300, "-"),
    ],
)
def test_durations_are_told_in_hours_and_days(seconds, text):
    assert duration(seconds) == text


def test_figures_are_short():
    assert rate(1912.4, "it/s") == "1,912 it/s"
    assert rate(0.25, "it/s") == "0.2 it/s"
    assert rate(None, "it/s") == "- it/s"
    assert percent(0.431) == "43 %"
    assert percent(None) == "- %"
    assert gib(None) == "- GiB"
    assert gib(None, 139 << 30) == "-/139 GiB"
    assert amount(73_400_000, "B") == "73 MB"
    assert amount(5000, "images") == "5,000 images"
