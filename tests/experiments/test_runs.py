"""A run's folder holds all that it reported, whatever happens to it, and its configuration repeats it."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import types
from contextlib import aclosing
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cifar_core.config import Config, Data, Training
from cifar_core.errors import CifarError, ConfigError
from cifar_core.events import (
    EpochCompleted,
    Evaluated,
    GpuSample,
    Paused,
    RunFinished,
    RunStarted,
    StepCompleted,
    SystemSampled,
    Warned,
    to_json,
)
from cifar_experiments import atomic, runs
from cifar_experiments.presets import compose, listing
from cifar_experiments.runs import recording
from cifar_experiments.runs.summary import Summary, to_bytes, updated


@pytest.fixture
def run(tmp_path):
    return runs.create(Config(name="mine"), tmp_path / "runs", command=["cifar-tui", "mine"])


@pytest.fixture
def clock(monkeypatch):
    """The seconds that the recorder believes in."""
    now = types.SimpleNamespace(seconds=100.0)
    fake = types.SimpleNamespace(monotonic=lambda: now.seconds, time=lambda: 2_000.0)
    monkeypatch.setattr(recording, "time", fake)
    return now


def step(number):
    return StepCompleted(time=1.0, epoch=1, step=number, loss=2.0, accuracy=0.1, learning_rate=0.1)


def evaluated(split, top1, extra_test=None):
    return Evaluated(
        time=1.0,
        epoch=1,
        step=2,
        split=split,
        extra_test=extra_test,
        loss=1.0,
        top1=top1,
        top5=1.0,
        class_correct=(1,),
        class_total=(2,),
        confusion=((1,),),
        seconds=0.1,
    )


STARTED = RunStarted(
    time=1.0,
    run_id="x",
    experiment="mine",
    model="lenet-notes",
    parameters=62_006,
    multiply_adds=1,
    device="cpu",
    threads=1,
    train_images=4,
    val_images=0,
    test_images=2,
    classes=("a", "b"),
    epochs=3,
    batch_size=2,
    steps_per_epoch=2,
    total_steps=6,
)
EPOCH = EpochCompleted(
    time=1.0,
    epoch=1,
    step=2,
    loss=1.5,
    accuracy=0.5,
    training_seconds=2.0,
    evaluation_seconds=1.0,
    data_seconds=0.5,
    images_per_second=None,
)
FINISHED = RunFinished(
    time=9.0,
    reason="completed",
    epoch=3,
    step=6,
    best_top1=0.6,
    final_top1=0.5,
    final_loss=0.25,
    training_seconds=7.0,
    evaluation_seconds=3.0,
    data_seconds=1.5,
    paused_seconds=0.5,
)


async def stream(*events):
    """Yield the events; raise what is an exception."""
    for event in events:
        if isinstance(event, BaseException):
            raise event
        yield event


async def record(run, events):
    """Record the events, holding the lock meanwhile, and pass them on."""
    with runs.locked(run) as lock:
        async with aclosing(runs.Recorder(run, lock).record(events)) as passed:
            async for event in passed:
                yield event


async def recorded(run, *events):
    return [event async for event in record(run, stream(*events))]


def summary(run):
    return json.loads(run.summary.read_text())


def lines(run):
    return run.events.read_bytes().count(b"\n")


def test_a_runs_id_says_when_and_what(tmp_path):
    run = runs.create(Config(name="notes-lenet-2ep"), tmp_path, command=["x"])
    assert re.fullmatch(r"\d{8}-\d{6}-notes-lenet-2ep-[0-9a-f]{4}", run.id)
    assert run.path == tmp_path / run.id
    assert run.path.is_dir()


@pytest.mark.parametrize("name", ["a b/c", "../..", "\x1b[2J", "ä", "x" * 100, "a\n", "."])
def test_an_odd_name_makes_a_plain_folder_in_the_runs_folder(name, tmp_path):
    run = runs.create(Config(name=name), tmp_path, command=["x"])
    assert re.fullmatch(r"\d{8}-\d{6}-[A-Za-z0-9._-]+", run.id)
    assert run.path.parent == tmp_path
    assert len(run.id) < 100


def test_runs_are_kept_where_they_are_told_to_be_else_where_the_environment_says_else_with_the_user(
    monkeypatch, tmp_path, home
):
    assert runs.runs_folder() == home / "cifar-tui" / "runs"
    monkeypatch.setenv("CIFAR_TUI_RUNS", "relative")
    assert runs.runs_folder() == Path.cwd() / "relative"
    assert runs.runs_folder(tmp_path) == tmp_path
    assert runs.create(Config(), command=["x"]).path.parent == Path.cwd() / "relative"


def test_two_runs_of_one_second_never_share_a_folder(monkeypatch, tmp_path):
    tokens = iter(["aaaa", "aaaa", "aaaa", "bbbb"])
    monkeypatch.setattr(
        "cifar_experiments.runs.folder.secrets.token_hex", lambda size: next(tokens) if size == 2 else "0"
    )
    monkeypatch.setattr("cifar_experiments.runs.folder.time.time", lambda: 1_795_247_310.0)
    first = runs.create(Config(), tmp_path, command=["x"])
    second = runs.create(Config(), tmp_path, command=["x"])
    assert [first.id, second.id] == ["20261121-074830-unnamed-aaaa", "20261121-074830-unnamed-bbbb"]


def test_a_folder_that_cannot_be_made_is_told_with_the_way_around(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="no run can be kept there: Not a directory; --runs-dir or CIFAR_TUI_RUNS"):
        runs.create(Config(), tmp_path / "file" / "runs", command=["x"])
    with pytest.raises(ConfigError, match="no run can be kept there: File exists"):
        runs.create(Config(), tmp_path / "file", command=["x"])


def test_the_configuration_says_when_with_what_and_how_to_repeat_it(tmp_path):
    command = ["cifar-tui", "mine", "description=two\nlines \x1b"]
    run = runs.create(Config(name="mine", training=Training(seed=42)), tmp_path / "my runs", command=command)
    comments = [line for line in run.toml.read_text().splitlines() if line.startswith("#")]
    assert re.fullmatch(r"# mine, started \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", comments[0])
    assert re.fullmatch(r"# cifar-tui \S+, torch \S+, Python 3\.\S+, seed 42", comments[1])
    assert comments[2] == r"# started by: cifar-tui mine 'description=two\nlines \x1b'"
    assert comments[3] == f"# repeat by:  cifar-tui --no-tui '{run.toml}'"


@pytest.mark.parametrize("name", [entry.name for entry in listing("experiments")])
def test_the_configuration_of_a_run_is_an_experiment_that_repeats_it(name, tmp_path):
    config = compose(name, overrides=["training.seed=7"]).config
    run = runs.create(config, tmp_path, command=["x"])
    assert compose(str(run.toml)).config == config


texts = st.text(min_size=1, max_size=100)
configs = st.builds(
    Config,
    name=texts,
    description=st.text(),
    data=st.builds(
        Data,
        root=texts.map(lambda name: f"/{name}") | st.none() | st.just("~/images"),
        mirrors=st.lists(st.text(min_size=1).map("https://x{}".format)).map(tuple),
        limit=st.integers(1, 2**63 - 1),
    ),
    training=st.builds(Training, clip_norm=st.none() | st.floats(5e-324, 1e308), seed=st.integers(0, 2**63 - 1)),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(config=configs, command=st.lists(st.text()))
def test_any_configuration_of_a_run_repeats_it(config, command, tmp_path):
    run = runs.create(config, tmp_path, command=command)
    assert compose(str(run.toml)).config == config


def test_a_run_is_repeated_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = Config(data=Data(kind="folder", root="pets/here", extra_tests=("pets/v6", "/v4", "~/v3")))
    run = runs.create(config, tmp_path / "runs", command=())
    monkeypatch.chdir("/")
    data = compose(str(run.toml)).config.data
    assert data.root == str(tmp_path / "pets" / "here")
    assert data.extra_tests == (str(tmp_path / "pets" / "v6"), "/v4", "~/v3")


def test_a_run_that_cannot_be_created_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("cifar_experiments.runs.folder.replace_file", full)
    with pytest.raises(ConfigError, match="No space left on device"):
        runs.create(Config(), tmp_path / "runs", command=())
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_new_run_is_made_by_this_process_and_has_not_begun(run):
    said = summary(run)
    assert (said["id"], said["experiment"], said["model"], said["state"]) == (run.id, "mine", "lenet-notes", "created")
    assert (said["pid"], said["total_epochs"], said["finished"], said["steps"]) == (os.getpid(), 10, None, 0)
    assert said["host"]
    assert run.events.read_bytes() == b""


async def test_every_event_is_passed_on_and_read_back_in_order(run):
    system = SystemSampled(time=1.0, gpus=(GpuSample(index=0, name="gpu\x1b\n"),))
    events = [
        STARTED,
        *map(step, range(1, 5_000)),
        system,
        Warned(time=1.0, code="cache-not-written", message="ä\n"),
        FINISHED,
    ]
    assert await recorded(run, *events) == events
    assert list(runs.read_events(run.events)) == events


async def test_steps_wait_a_moment_and_anything_else_is_written_at_once(run, clock):
    events = [step(1), step(2), Paused(time=1.0, epoch=1, step=2), step(3), SystemSampled(time=1.0), FINISHED]
    async with aclosing(record(run, stream(*events))) as source:
        assert [lines(run) async for _ in source] == [0, 0, 3, 3, 3, 6]
    assert clock.seconds == 100.0


async def test_steps_are_written_once_a_fifth_of_a_second_has_passed(run, clock):
    seen = []
    async with aclosing(record(run, stream(*map(step, range(1, 7))))) as source:
        async for _ in source:
            seen.append(lines(run))
            clock.seconds += 0.11
    assert seen == [0, 0, 3, 3, 5, 5]
    assert lines(run) == 6


async def test_many_steps_are_written_before_they_fill_the_memory(run, clock):
    waiting = []
    async with aclosing(record(run, stream(*map(step, range(1, 3_000))))) as source:
        async for event in source:
            waiting.append(event.step - lines(run))
    assert max(waiting) * len(to_json(step(1))) < 64 * 1024
    assert clock.seconds == 100.0


async def test_the_summary_follows_the_run(run):
    events = [STARTED, step(1), step(2), evaluated("val", 0.4), evaluated("val", 0.3), evaluated("test", 0.35), EPOCH]
    told = []
    async for event in record(run, stream(*events, FINISHED)):
        told.append((type(event).__name__, summary(run)))
    assert told[0][1]["total_steps"] == 6
    assert told[0][1]["total_epochs"] == 3
    last = told[-2][1]
    assert (last["state"], last["steps"], last["epochs"]) == ("running", 2, 1)
    assert (last["best_top1"], last["final_top1"], last["final_loss"]) == (0.4, 0.35, 1.5)
    assert (last["training_seconds"], last["evaluation_seconds"], last["data_seconds"]) == (2.0, 1.0, 0.5)
    end = summary(run)
    assert (end["state"], end["steps"], end["finished"], end["error"]) == ("completed", 6, 9.0, None)
    assert (end["best_top1"], end["final_top1"], end["final_loss"]) == (0.6, 0.5, 0.25)
    assert (end["training_seconds"], end["paused_seconds"]) == (7.0, 0.5)


def judged(*evaluations):
    """The summary of a run with these evaluations."""
    said = Summary(id="r", experiment="e", model="m", state="created", pid=1, host="h", started=0.0, total_epochs=1)
    for event in (STARTED, *evaluations):
        said = updated(said, event)
    return said


def test_the_accuracies_of_a_summary_are_those_on_the_images_that_are_judged_by():
    on_test = [evaluated("test", 0.1), evaluated("train", 0.9), evaluated("test", 0.2)]
    assert judged(*on_test).accuracies == (0.1, 0.2)
    both = [evaluated("test", 0.1), evaluated("val", 0.0), evaluated("test", 0.2), evaluated("val", 0.3)]
    said = judged(*both, evaluated("test", 0.4), FINISHED)
    assert (said.accuracies, said.evaluations, said.final_top1) == ((0.0, 0.3), 2, 0.5)


def test_an_extra_test_set_is_told_by_its_name_and_is_not_the_test_set():
    tested = [evaluated("test", 0.1), evaluated("extra", 0.9, "test"), evaluated("extra", 0.8, "v6")]
    said = judged(*tested)
    assert (said.final_top1, said.accuracies, said.best_top1) == (0.1, (0.1,), None)
    assert said.extra_top1 == {"test": 0.9, "v6": 0.8}
    finished = msgspec.structs.replace(FINISHED, extra_top1={"v6": 0.8})
    assert judged(*tested, finished).extra_top1 == {"v6": 0.8}
    assert judged(*tested, STARTED).extra_top1 == {}


@pytest.mark.parametrize(
    ("count", "apart"), [(1, 1), (64, 1), (65, 2), (66, 2), (128, 2), (129, 4), (256, 4), (257, 8), (10_000, 256)]
)
@pytest.mark.parametrize("split", ["val", "test"])
def test_of_many_accuracies_those_are_kept_that_lie_equally_far_apart(count, apart, split):
    said = judged(*(evaluated(split, number / count) for number in range(count)))
    assert said.accuracies == tuple(number / count for number in range(0, count, apart))
    assert len(said.accuracies) <= 64
    assert said.evaluations == count


def test_a_summary_of_an_earlier_version_has_no_accuracies(run):
    older = {key: value for key, value in summary(run).items() if key not in ("accuracies", "evaluations")}
    run.summary.write_text(json.dumps(older))
    assert runs.read_summary(run.summary).accuracies == ()
    run.summary.write_bytes(to_bytes(judged(evaluated("val", 0.25), evaluated("val", 0.5))))
    assert runs.read_summary(run.summary).accuracies == (0.25, 0.5)


class Source:
    """An async generator that remembers whether it was closed."""

    def __init__(self, *events):
        self.events, self.closed = events, False

    async def stream(self):
        try:
            for event in self.events:
                yield event
        finally:
            self.closed = True


async def test_a_consumer_that_leaves_closes_the_training_and_loses_no_event(run):
    source = Source(*map(step, range(1, 100)))
    async with aclosing(record(run, source.stream())) as events:
        async for event in events:
            if event.step == 7:
                break
    assert source.closed
    assert [event.step for event in runs.read_events(run.events)] == [1, 2, 3, 4, 5, 6, 7]
    end = summary(run)
    assert (end["state"], end["steps"], end["error"]) == ("stopped", 7, None)
    assert end["finished"] > 0


async def test_a_training_that_breaks_is_recorded_as_failed_and_its_error_goes_on(run):
    with pytest.raises(CifarError, match="out of memory"):
        await recorded(run, STARTED, step(1), CifarError("out of memory\nreally"))
    end = summary(run)
    assert (end["state"], end["error"], end["steps"]) == ("failed", "out of memory\\nreally", 1)
    assert lines(run) == 2


async def test_the_end_that_a_training_tells_itself_stands(run):
    diverged = RunFinished(
        time=9.0,
        reason="diverged",
        epoch=1,
        step=1,
        training_seconds=1.0,
        evaluation_seconds=0.0,
        data_seconds=0.0,
        paused_seconds=0.0,
        error="the loss is not finite",
    )
    with pytest.raises(CifarError):
        await recorded(run, STARTED, diverged, CifarError("the loss is not finite, told twice"))
    assert (summary(run)["state"], summary(run)["error"]) == ("diverged", "the loss is not finite")


def failing_at(monkeypatch, number):
    """Let the disk be full from the ``number``-th call on that writes."""
    calls = iter(range(1, 10_000))
    real_write, real_fdopen = os.write, os.fdopen

    def counted(call):
        def perform(*arguments, **options):
            if next(calls) >= number:
                raise OSError(errno.ENOSPC, "No space left on device")
            return call(*arguments, **options)

        return perform

    monkeypatch.setattr(recording.os, "write", counted(real_write))
    monkeypatch.setattr(atomic.os, "fdopen", counted(real_fdopen))


@pytest.mark.parametrize("number", range(1, 11))
async def test_a_full_disk_at_any_write_ends_the_training_with_a_sentence(run, monkeypatch, number):
    source = Source(STARTED, step(1), evaluated("val", 0.5), step(2), EPOCH, step(3), FINISHED)
    failing_at(monkeypatch, number)
    told = None
    try:
        async with aclosing(record(run, source.stream())) as events:
            async for _ in events:
                pass
    except CifarError as error:
        told = error
    monkeypatch.undo()
    assert source.closed
    assert summary(run)["state"] in ("created", "running", "failed", "completed")
    if number <= 8:  # four events are written at once, each followed by a summary
        assert told.exit_code == 4
        assert "the run cannot be recorded: No space left on device" in str(told)
    else:
        assert told is None
        assert summary(run)["state"] == "completed"


async def test_a_disk_that_has_room_again_keeps_the_summary_of_the_failure(run, monkeypatch):
    full = [True]
    real_write = os.write

    def write(*arguments):
        if full.pop() if full else False:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real_write(*arguments)

    monkeypatch.setattr(recording.os, "write", write)
    with pytest.raises(runs.RunFolderError):
        await recorded(run, STARTED, FINISHED)
    assert summary(run)["state"] == "failed"
    assert "No space left" in summary(run)["error"]


async def test_a_write_in_pieces_is_completed(run, monkeypatch):
    real_write = os.write
    monkeypatch.setattr(recording.os, "write", lambda file, block: real_write(file, block[:100]))
    await recorded(run, STARTED, *map(step, range(1, 50)), FINISHED)
    monkeypatch.undo()
    assert len(list(runs.read_events(run.events))) == 51


async def test_a_run_whose_folder_is_gone_is_refused_in_a_sentence(run):
    for path in run.path.iterdir():
        path.unlink()
    run.path.rmdir()
    with pytest.raises(runs.RunFolderError, match="No such file"):
        await recorded(run, STARTED)


async def test_a_half_written_last_line_is_the_end_of_the_file(run):
    await recorded(run, STARTED, step(1), FINISHED)
    whole = run.events.read_bytes()
    ends = [position + 1 for position, byte in enumerate(whole) if byte == ord("\n")]
    for length in range(len(whole)):
        run.events.write_bytes(whole[:length])
        assert len(list(runs.read_events(run.events))) == sum(end <= length for end in ends)


@pytest.mark.parametrize("line", [b"{}", b"", b"\xff", b'{"type":"Later"}', b"[" * 100_000])
def test_a_whole_line_that_is_no_event_is_told_with_its_number(run, line):
    run.events.write_bytes(to_json(STARTED) + b"\n" + line + b"\n" + to_json(FINISHED) + b"\n")
    events = runs.read_events(run.events)
    assert next(events) == STARTED
    with pytest.raises(runs.RunFolderError, match=r"events\.jsonl:2: is no event: ") as caught:
        next(events)
    assert str(caught.value).isprintable()


def test_events_that_are_not_there_are_told_in_a_sentence(tmp_path):
    with pytest.raises(runs.RunFolderError, match="cannot be read: No such file"):
        list(runs.read_events(tmp_path / "events.jsonl"))


def test_nothing_is_left_beside_the_files_of_a_run(run):
    assert sorted(path.name for path in run.path.iterdir()) == ["config.toml", "events.jsonl", "summary.json"]
    assert run.log == run.path / "log.txt"


def test_making_a_run_does_not_wait_for_torch(tmp_path):
    code = (
        "import sys; from pathlib import Path; from cifar_experiments import presets, runs\n"
        f"runs.create(presets.compose('quickstart').config, Path({str(tmp_path)!r}), command=['x'])\n"
        "print(*{'torch', 'numpy', 'tomlkit'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
