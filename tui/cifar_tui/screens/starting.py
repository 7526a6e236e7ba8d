"""From a draft to what is trained, or saved, with the questions on the way."""

from __future__ import annotations

import asyncio
import os
from typing import Literal

from cifar_experiments.presets.draft import Draft
from cifar_tui import detaching, launching
from cifar_tui.screens.dialogs import Option
from cifar_tui.screens.room import Room

How = Literal["here", "elsewhere", "seeds"]
"""In this process, in one of its own, or several times in this one."""


async def start(room: Room, draft: Draft, how: How) -> Draft:
    """Train, and show it; return the draft that was meant in the end, whether it was started or not.

    Raises:
        CifarError: It cannot be.
    """
    chosen = await _with_images(room, draft)
    if chosen is None:
        return draft
    if how == "elsewhere":
        await _elsewhere(room, chosen)
    elif how == "here":
        await _here(room, chosen, None)
    else:
        question = "How many trainings, one after another, with seeds that count up?"
        number = await room.enter(question, "3", launching.seeds_fault)
        if number is None:
            return draft
        await _here(room, chosen, int(number))
    return chosen


async def _with_images(room: Room, draft: Draft) -> Draft | None:
    """Return a draft whose images are there or will be downloaded; None where the user wants neither."""
    data = await asyncio.to_thread(launching.images_of, draft)
    if data.there:
        return draft
    options = [Option("d", "download and train")] if data.downloadable else []
    answer = await room.choose(data.sentence, [*options, Option("y", "train on drawn images")])
    if answer == "y":
        return draft.edited("data.kind", "synthetic")
    return None if answer is None else draft


async def _here(room: Room, draft: Draft, seeds: int | None) -> None:
    """Train in this process, after what it trains now, and show it."""
    made = await asyncio.to_thread(launching.starts, draft, room.cifar.runs_dir, seeds)
    before = room.cifar.trainings.current
    added = [room.cifar.trainings.add(start) for start in made]
    if before is not None:
        room.tell(f"{added[0].run.id} waits until {before.run.id} has ended")
    room.cifar.show_run(added[0])


async def _elsewhere(room: Room, draft: Draft) -> None:
    """Train in a process of its own, and show it."""
    (made,) = await asyncio.to_thread(launching.starts, draft, room.cifar.runs_dir)
    room.tell(f"starting {made.run.id} in a process of its own")
    await asyncio.to_thread(detaching.spawn, [made.run], lambda: not room.app.is_running)
    room.cifar.open_run(made.run)


async def save(room: Room, draft: Draft) -> Draft | None:
    """Save as an experiment of the user's; return the draft that means it, None where that was left.

    Raises:
        CifarError: It cannot be.
    """
    config = (await asyncio.to_thread(draft.composed)).config
    name = await room.enter("Save as the experiment called:", config.name, launching.name_fault)
    if name is None:
        return None
    path = launching.path_of(name)
    there = await asyncio.to_thread(os.path.lexists, path)
    if there and await room.choose(f"{path} is there already.", [Option("o", "overwrite it")]) is None:
        return None
    description = await room.enter("Described in a line as:", config.description, lambda _: None)
    if description is None:
        return None
    path, saved = await asyncio.to_thread(launching.save, draft, name, description, overwrite=there)
    room.tell(f"saved as {path}")
    return saved
