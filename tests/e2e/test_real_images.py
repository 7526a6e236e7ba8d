"""The main job on the real CIFAR-10 images, from both layouts that they come in."""

import os
from pathlib import Path

import pytest

from cifar_core.events import Evaluated, Preparing, RunFinished, RunStarted, StepCompleted, from_json

pytestmark = pytest.mark.real_data


@pytest.fixture
def real_images():
    folder = Path(os.environ.get("CIFAR_TUI_TEST_DATA", "/nowhere"))
    if not (folder / "cifar-10-batches-py").is_dir():
        pytest.skip("CIFAR_TUI_TEST_DATA names no folder with real images")
    return folder


def events_of(done):
    assert done.returncode == 0, done.stderr
    return [from_json(line) for line in done.stdout.splitlines()]


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


@pytest.mark.slow
def test_the_notes_first_experiment_reaches_what_it_should_in_two_epochs(real_images, cifar_tui):
    done = cifar_tui("--no-tui", "notes-lenet-2ep", f"data.root={real_images}", "data.verify=false", "--json")
    events = events_of(done)
    steps = of(StepCompleted, events)
    assert [event.step for event in steps] == list(range(1, 25_001))
    # 12 seeds gave 1.277 +- 0.010 and 54.6 +- 1.2 %: four deviations to either side.
    assert sum(event.loss for event in steps[-2_000:]) / 2_000 == pytest.approx(1.277, abs=0.040)
    assert events[-1].final_top1 == pytest.approx(0.546, abs=0.048)
    for event in of(Evaluated, events):
        assert event.class_total == (1_000,) * 10
        assert sum(event.class_correct) == round(event.top1 * 10_000)
    assert isinstance(events[-1], RunFinished)


def test_a_folder_is_decoded_once_and_gives_the_classes_their_names(real_images, cifar_tui):
    arguments = ("--no-tui", "notes-lenet-2ep", "data.kind=folder", f"data.root={real_images / 'cifar10-folder'}")
    first, again = [events_of(cifar_tui(*arguments, "training.max_steps=50", "--json")) for _ in range(2)]
    assert {event.phase for event in of(Preparing, first)} == {"verify", "decode"}
    assert {event.phase for event in of(Preparing, again)} == {"verify"}
    [started] = of(RunStarted, again)
    assert (started.train_images, started.test_images) == (50_000, 10_000)
    assert started.classes[3] == "cat"
    assert [event.loss for event in of(StepCompleted, first)] == [event.loss for event in of(StepCompleted, again)]


def test_images_that_were_encoded_again_are_refused_unless_asked_for(real_images, cifar_tui):
    done = cifar_tui("--no-tui", "notes-lenet-2ep", f"data.root={real_images}")
    assert done.returncode == 3
    assert "data.verify=false" in done.stderr
    assert "Traceback" not in done.stderr
