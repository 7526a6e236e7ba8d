"""The engine reports every step in order, obeys between steps, and leaves nothing behind."""

import asyncio
import contextlib
import gc
import threading

import psutil
import pytest

from cifar_core import engine
from cifar_core.config import Config
from cifar_core.control import Control
from cifar_core.engine import train
from cifar_core.errors import ConfigError, DataError, TrainingError
from cifar_core.events import (
    EpochCompleted,
    Evaluated,
    LearningRateChanged,
    Paused,
    Preparing,
    Resumed,
    RunFinished,
    RunStarted,
    StepCompleted,
    SystemSampled,
)

SMALL = {
    "model": {"name": "lenet-notes"},
    "data": {"kind": "synthetic", "limit": 200},
    "optimizer": {"name": "sgd", "lr": 0.05},
    "training": {"epochs": 2, "batch_size": 32, "threads": 1, "device": "cpu"},
}


def experiment(**sections):
    tree = {section: dict(values) for section, values in SMALL.items()}
    for section, values in sections.items():
        tree[section] = {**tree.get(section, {}), **values}
    return Config.model_validate(tree)


async def all_events(config, control=None):
    return [event async for event in train(config, control) if not isinstance(event, SystemSampled)]


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def training_threads():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("cifar-")]


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        ({}, 14),
        ({"batch_size": 1, "epochs": 1}, 200),
        ({"batch_size": 200}, 2),
        ({"batch_size": 1000}, 2),
        ({"max_steps": 9}, 9),
        ({"max_steps": 7}, 7),
        ({"max_steps": 1}, 1),
        ({"accumulate": 3}, 14),
        ({"evaluate_every": 4}, 14),
        ({"clip_norm": 1.0, "gradient_norm": True}, 14),
        ({"loss": "mse"}, 14),
        ({"loss": "nll"}, 14),
        ({"precision": "bf16"}, 14),
        ({"precision": "fp16", "clip_norm": 1.0}, 14),
        ({"channels_last": True}, 14),
    ],
)
async def test_there_is_exactly_one_event_for_every_step_in_order(changes, steps):
    events = await all_events(experiment(training=changes))
    completed = of(StepCompleted, events)
    assert [event.step for event in completed] == list(range(1, steps + 1))
    assert all(event.loss is not None and 0 <= event.accuracy <= 1 for event in completed)
    [started], finished = of(RunStarted, events), events[-1]
    assert started.total_steps == steps
    assert isinstance(finished, RunFinished)
    assert (finished.reason, finished.step) == ("completed", steps)


async def test_the_stream_begins_with_preparation_and_ends_with_the_end():
    events = await all_events(experiment())
    kinds = [type(event) for event in events if not isinstance(event, Preparing)]
    steps = [StepCompleted] * 7
    epoch = [*steps, Evaluated, EpochCompleted]
    assert kinds == [RunStarted, *epoch, *epoch, RunFinished]


async def test_run_started_describes_the_training():
    [started] = of(RunStarted, await all_events(experiment()))
    assert (started.model, started.parameters, started.device) == ("lenet-notes", 62_006, "cpu")
    assert (started.train_images, started.val_images, started.test_images) == (200, 0, 2_000)
    assert (started.steps_per_epoch, started.total_steps, started.epochs, started.threads) == (7, 14, 2, 1)
    assert len(started.classes) == 10
    assert started.not_repeatable == ()


async def test_an_epoch_sums_up_its_steps():
    events = await all_events(experiment())
    for epoch in of(EpochCompleted, events):
        steps = [event for event in of(StepCompleted, events) if event.epoch == epoch.epoch]
        sizes = [32] * 6 + [8]
        assert epoch.loss == pytest.approx(sum(s.loss * n for s, n in zip(steps, sizes, strict=True)) / 200)
        assert epoch.accuracy == pytest.approx(sum(s.accuracy * n for s, n in zip(steps, sizes, strict=True)) / 200)
        assert epoch.training_seconds > 0


async def test_an_evaluation_counts_every_test_image_once():
    for event in of(Evaluated, await all_events(experiment())):
        assert sum(event.class_total) == 2_000
        assert sum(event.class_correct) == round(event.top1 * 2_000)
        assert [row[i] for i, row in enumerate(event.confusion)] == list(event.class_correct)
        assert [sum(row) for row in event.confusion] == list(event.class_total)


async def test_without_validation_images_nothing_is_called_best():
    events = await all_events(experiment())
    assert {(event.split, event.best) for event in of(Evaluated, events)} == {("test", False)}
    assert events[-1].best_top1 is None
    assert events[-1].final_top1 == of(Evaluated, events)[-1].top1


async def test_with_validation_images_the_test_set_is_seen_once_at_the_end():
    events = await all_events(experiment(data={"validation": 0.2}, training={"epochs": 3}))
    evaluations = of(Evaluated, events)
    assert [event.split for event in evaluations] == ["val", "val", "val", "test"]
    assert evaluations[-1].step == events[-1].step
    so_far = 0.0
    for event in evaluations[:-1]:
        assert event.best == (event.top1 > so_far)
        so_far = max(so_far, event.top1)
    assert events[-1].best_top1 == so_far
    assert events[-1].final_top1 == evaluations[-1].top1


async def test_a_seed_gives_one_training_and_another_seed_another():
    config = experiment(augment={"flip": "random", "crop": 4}, training={"seed": 3})
    first, again = [of(StepCompleted, await all_events(config)) for _ in range(2)]
    other = of(StepCompleted, await all_events(experiment(training={"seed": 4})))
    assert [event.loss for event in first] == [event.loss for event in again]
    assert [event.loss for event in first] != [event.loss for event in other]


async def test_accumulated_parts_make_the_same_training_as_whole_batches():
    whole = of(StepCompleted, await all_events(experiment()))
    parts = of(StepCompleted, await all_events(experiment(training={"accumulate": 5})))
    assert [event.loss for event in parts] == pytest.approx([event.loss for event in whole], rel=1e-4)


async def test_gradient_norms_come_when_asked_for():
    plain = of(StepCompleted, await all_events(experiment()))
    asked = of(StepCompleted, await all_events(experiment(training={"gradient_norm": True})))
    assert all(event.gradient_norm is None for event in plain)
    assert all(event.gradient_norm > 0 for event in asked)
    assert [event.loss for event in asked] == [event.loss for event in plain]


async def test_clipping_bounds_what_a_step_changes():
    tiny = experiment(training={"clip_norm": 1e-9})
    losses = [event.loss for event in of(Evaluated, await all_events(tiny))]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


async def test_a_pause_waits_before_the_next_step_until_it_is_resumed():
    control = Control()
    seen = []
    async for event in train(experiment(training={"epochs": 50}), control):
        seen.append(event)
        match event:
            case StepCompleted(step=5):
                control.pause()
            case Paused():
                await asyncio.sleep(0.2)
                control.resume()
            case Resumed():
                control.stop()
    kinds = [type(event) for event in seen if not isinstance(event, SystemSampled)]
    paused = kinds.index(Paused)
    assert kinds[paused + 1] is Resumed
    assert seen[-1].paused_seconds >= 0.2
    steps = [event.step for event in of(StepCompleted, seen)]
    assert steps == list(range(1, len(steps) + 1))
    assert of(Paused, seen)[0].step == of(Resumed, seen)[0].step


async def test_a_paused_training_can_be_stopped():
    control = Control()
    control.pause()
    async for event in train(experiment(), control):
        if isinstance(event, Paused):
            control.stop()
    assert isinstance(event, RunFinished)
    assert (event.reason, event.step) == ("stopped", 0)


async def test_asking_twice_for_a_pause_needs_one_resume():
    control = Control()
    control.pause()
    control.pause()
    control.resume()
    control.resume()
    events = await all_events(experiment(), control)
    assert [type(event) for event in events if isinstance(event, Paused | Resumed)] == [Paused, Resumed]
    assert events[-1].reason == "completed"


async def test_stop_ends_before_the_next_step_and_reports_every_step_made():
    control = Control()
    seen = []
    async for event in train(experiment(training={"epochs": 1000}), control):
        seen.append(event)
        if isinstance(event, StepCompleted) and event.step == 3:
            control.stop()
    assert seen[-1].reason == "stopped"
    assert seen[-1].step == len(of(StepCompleted, seen)) < 7_000


async def test_stop_is_obeyed_before_the_data_is_ready():
    control = Control()
    control.stop()
    events = await all_events(experiment(), control)
    assert not of(RunStarted, events)
    assert (events[-1].reason, events[-1].step) == ("stopped", 0)


async def test_a_new_learning_rate_holds_from_the_next_step_on():
    control = Control()
    seen = []
    async for event in train(experiment(training={"epochs": 20}), control):
        seen.append(event)
        if isinstance(event, StepCompleted) and event.step == 5:
            control.change_learning_rate(0.5)
    [changed] = of(LearningRateChanged, seen)
    for step in of(StepCompleted, seen):
        assert step.learning_rate == (0.05 if step.step <= changed.step else 0.5)


async def test_a_schedule_multiplies_the_changed_rate():
    control = Control()
    control.change_learning_rate(1e-3)
    config = experiment(schedule={"name": "step", "every": 1, "factor": 0.1})
    rates = [event.learning_rate for event in of(StepCompleted, await all_events(config, control))]
    assert rates == pytest.approx([1e-3] * 7 + [1e-4] * 7)


async def test_a_loss_that_is_no_number_ends_as_diverged():
    config = experiment(optimizer={"lr": 1e30}, training={"epochs": 50})
    events = await all_events(config)
    last_step, finished = of(StepCompleted, events)[-1], events[-1]
    assert finished.reason == "diverged"
    assert last_step.loss is None
    assert f"step {last_step.step}" in finished.error
    assert finished.step == last_step.step
    assert all(event.loss is not None for event in of(StepCompleted, events)[:-1])


async def test_missing_data_is_reported_and_then_raised(tmp_path):
    config = experiment(data={"kind": "folder", "root": str(tmp_path / "nowhere"), "limit": None})
    seen = []
    with pytest.raises(DataError, match="nowhere"):
        async for event in train(config):
            seen.append(event)
    assert seen[-1].reason == "failed"
    assert "nowhere" in seen[-1].error


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ...")], ids=repr
)
async def test_running_out_of_memory_names_the_batch_size_and_what_to_try(error, monkeypatch):
    def fail(*_):
        raise error

    monkeypatch.setattr("cifar_core.learner.Learner.update", fail)
    with pytest.raises(TrainingError, match=r"training\.batch_size=32.*training\.accumulate=2"):
        await all_events(experiment())


async def test_weights_that_are_no_numbers_after_the_last_step_are_no_success():
    events = await all_events(experiment(optimizer={"lr": 1e30}, training={"max_steps": 1}))
    assert of(StepCompleted, events)[0].loss is not None
    assert events[-1].reason == "diverged"


async def test_a_gpu_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match=r"training\.device: cuda:99"):
        await all_events(experiment(training={"device": "cuda:99"}))


async def consume_until_closed():
    stream = train(experiment(training={"epochs": 1000}))
    async for event in stream:
        if isinstance(event, StepCompleted):
            break
    await stream.aclose()


async def consume_until_cancelled():
    async def consume():
        async for _ in train(experiment(training={"epochs": 1000})):
            pass

    task = asyncio.create_task(consume())
    await asyncio.sleep(0.3)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def consume_until_an_error():
    with contextlib.suppress(ZeroDivisionError):
        async with contextlib.aclosing(train(experiment(training={"epochs": 1000}))) as stream:
            async for event in stream:
                if isinstance(event, StepCompleted):
                    raise ZeroDivisionError


async def consume_until_paused_and_closed():
    control = Control()
    control.pause()
    stream = train(experiment(), control)
    async for event in stream:
        if isinstance(event, Paused):
            break
    await stream.aclose()


async def consume_a_failure():
    config = experiment(data={"kind": "folder", "root": "/nowhere", "limit": None})
    with contextlib.suppress(DataError):
        await all_events(config)


async def consume_whole():
    await all_events(experiment())


ENDINGS = [
    consume_until_closed,
    consume_until_cancelled,
    consume_until_an_error,
    consume_until_paused_and_closed,
    consume_a_failure,
    consume_whole,
]


@pytest.mark.parametrize("ending", ENDINGS)
async def test_no_ending_leaves_a_thread_or_a_descriptor_behind(ending):
    await ending()
    gc.collect()
    descriptors = psutil.Process().num_fds()
    for _ in range(3):
        await ending()
    gc.collect()
    assert training_threads() == []
    assert psutil.Process().num_fds() == descriptors


async def test_the_model_is_freed_when_a_training_has_ended_even_while_its_error_is_kept(monkeypatch):
    import torch

    def fail(*_):
        raise RuntimeError("in the midst of a step")

    def modules():
        gc.collect()
        return {id(thing) for thing in gc.get_objects() if issubclass(type(thing), torch.nn.Module)}

    before = modules()  # another test's tables may hold some
    await consume_whole()
    await consume_until_closed()
    monkeypatch.setattr("cifar_core.learner.Learner._clip", fail)
    with pytest.raises(TrainingError, match="in the midst of a step") as kept:
        await all_events(experiment())
    assert kept.value.__cause__ is not None
    assert modules() <= before


async def test_two_trainings_run_in_one_process():
    config = experiment()
    both = await asyncio.gather(all_events(config), all_events(experiment(training={"seed": 9})))
    alone = await all_events(config)
    assert [event.loss for event in of(StepCompleted, both[0])] == [event.loss for event in of(StepCompleted, alone)]
    assert [event.loss for event in of(StepCompleted, both[1])] != [event.loss for event in of(StepCompleted, alone)]


async def test_one_training_does_not_pass_its_threads_on_to_the_next():
    threads = []
    for wanted in (None, 1, None):
        [started] = of(RunStarted, await all_events(experiment(training={"max_steps": 1, "threads": wanted})))
        threads.append(started.threads)
    assert threads[1] == 1
    assert threads[2] == threads[0]


async def test_the_machine_is_sampled_while_a_training_runs(monkeypatch):
    monkeypatch.setattr(engine, "SAMPLE_SECONDS", 0.05)
    events = [event async for event in train(experiment(training={"epochs": 20}))]
    samples = of(SystemSampled, events)
    assert samples
    assert isinstance(events[-1], RunFinished)
    for sample in samples:
        assert 0 < sample.process_memory < sample.host_memory_total
        assert 0 <= sample.host_cpu <= 1
