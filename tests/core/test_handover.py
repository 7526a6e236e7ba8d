"""Events cross from threads to the event loop in order, none lost, in bounded memory."""

import asyncio
import threading

import pytest

from cifar_core import handover
from cifar_core.events import Paused
from cifar_core.handover import Handover


def event(step):
    return Paused(time=0.0, epoch=1, step=step)


def producer(target, count, taken_in=None):
    def work():
        for step in range(count):
            kept = target.put(event(step))
            if taken_in is not None:
                taken_in.append(kept)
        target.finish()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


async def test_every_event_arrives_in_order():
    target = Handover(asyncio.get_running_loop())
    thread = producer(target, 50_000)
    steps = []
    while events := await target.take():
        steps.extend(event.step for event in events)
    thread.join()
    assert steps == list(range(50_000))


async def test_a_slow_consumer_makes_the_producer_wait_and_loses_nothing(monkeypatch):
    monkeypatch.setattr(handover, "LIMIT", 10)
    target = Handover(asyncio.get_running_loop())
    thread = producer(target, 200)
    steps, largest = [], 0
    while events := await target.take():
        largest = max(largest, len(events))
        steps.extend(event.step for event in events)
        await asyncio.sleep(0.001)
    thread.join()
    assert steps == list(range(200))
    assert largest <= 10


async def test_a_consumer_that_leaves_releases_a_producer_that_waits(monkeypatch):
    monkeypatch.setattr(handover, "LIMIT", 10)
    target = Handover(asyncio.get_running_loop())
    kept = []
    thread = producer(target, 50, kept)
    await target.take()
    target.close()
    await target.finished()
    thread.join(10)
    assert not thread.is_alive()
    assert len(kept) == 50
    assert kept[-1] is False


async def test_other_tasks_run_however_fast_events_come():
    target = Handover(asyncio.get_running_loop())
    thread = producer(target, 20_000)
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    takes = 0
    while await target.take():
        takes += 1
    ticking.cancel()
    thread.join()
    assert ticks >= takes


def test_a_producer_outlives_a_closed_loop():
    loop = asyncio.new_event_loop()
    target = Handover(loop)
    loop.close()
    assert target.put(event(1))
    target.finish()


async def test_an_event_that_comes_between_two_looks_is_not_left_behind():
    class PutsInBetween(Handover):
        """Its producer puts the last event and finishes while the consumer asks whether it has finished."""

        @property
        def _finished(self):
            if not self.__dict__.get("done") and self.__dict__.get("armed"):
                self.__dict__["done"] = True
                self.put(event(7))
            return self.__dict__.get("done", False)

        @_finished.setter
        def _finished(self, value):
            self.__dict__["done"] = value

    target = PutsInBetween(asyncio.get_running_loop())
    target.armed = True
    assert [taken.step for taken in await target.take()] == [7]
    assert await target.take() == []


@pytest.mark.parametrize("count", [0, 1])
async def test_an_end_without_or_after_few_events_is_seen(count):
    target = Handover(asyncio.get_running_loop())
    thread = producer(target, count)
    taken = []
    while events := await target.take():
        taken.extend(events)
    thread.join()
    assert len(taken) == count


async def test_settling_waits_until_the_consumer_asks_for_more():
    target = Handover(asyncio.get_running_loop())
    settled = []

    def work():
        for step in range(3):
            target.put(event(step))
        settled.append(target.settle())
        target.put(event(3))
        target.finish()

    thread = threading.Thread(target=work)
    thread.start()
    seen = []
    while len(seen) < 3:
        seen += await target.take()
    # The last of them may still be worked on.
    await asyncio.sleep(0.05)
    assert not settled
    seen += await target.take()
    assert settled == [True]
    assert [e.step for e in seen] == [0, 1, 2, 3]
    assert await target.take() == []
    thread.join()


async def test_a_consumer_that_leaves_releases_one_that_settles():
    target = Handover(asyncio.get_running_loop())
    settled = []
    target.put(event(1))
    thread = threading.Thread(target=lambda: settled.append(target.settle()))
    thread.start()
    await target.take()
    target.close()
    thread.join()
    assert settled == [False]


async def test_with_nothing_under_way_settling_does_not_wait():
    target = Handover(asyncio.get_running_loop())
    assert target.settle()
