"""Checkpoints that survive crashes, full disks and damage: saved whole or not at all, verified before use.

A folder holds data files, each named by its step and its hash, and three manifests: ``last.json``,
``previous.json`` and ``best.json``. A manifest names one data file with its SHA-256, and replacing the manifest is
what makes a checkpoint count. Data are durable before a manifest names them, and are removed only when no manifest
names them any more. So whenever a save is cut short, what could be loaded before, or what was being saved, can be.

One process at a time saves into a folder (it holds the run's lock); any number may load meanwhile.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cifar_core import durable, sealed
from cifar_core.errors import CifarError, printable

Name = Literal["last", "previous", "best"]
MANIFESTS: dict[Name, str] = {"last": "last.json", "previous": "previous.json", "best": "best.json"}

_ADVICE = {
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room there",
    errno.EACCES: "make it writable",
    errno.EPERM: "make it writable",
    errno.EROFS: "make it writable",
}


class CheckpointError(CifarError):
    """A checkpoint could not be saved, or there is none that can be used."""

    exit_code = 4


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint that is safe on disk."""

    path: Path
    """Of its data file."""
    step: int
    bytes: int
    seconds: float
    """That saving took."""


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A checkpoint that was verified and read; its tensors are on the CPU."""

    state: dict[str, Any]
    step: int
    path: Path
    """Of its data file."""
    fell_back: str | None
    """One sentence why the last checkpoint could not be used; None when it was."""


def save(folder: Path, state: Mapping[str, Any], *, step: int, best: bool = False, last: bool = True) -> Saved:
    """Save ``state`` as the last checkpoint, the best one, or both at once in one file; durable on return.

    Saved as the last, it makes the one that was the last before the previous one, unless that is of no
    earlier step or its data are visibly gone. Blocks until the disk has everything.

    Args:
        folder: Made if it is missing; must not itself be a symbolic link.
        state: Tensors on any device, dicts, lists, tuples, str, int, float, bool and None, nested as you like.
        step: Optimizer steps made so far, not negative.
        best: Whether it becomes the best.
        last: Whether it becomes the last.

    Raises:
        CheckpointError: It could not be written. What ``load`` then finds is the checkpoint of before or, where
            only a step after its commit failed, the new one.
        TypeError: ``state`` holds what could not be loaded again.
        ValueError: It is to become neither, so that nothing would keep it.
    """
    if not (best or last):
        raise ValueError("a checkpoint that is neither the last nor the best would be kept by nothing")
    began = time.perf_counter()
    content = dict(state)
    sealed.check(content, "state")
    try:
        with durable.opened(folder, create=True) as directory:
            # Also before writing: a process that dies in every save must not fill the disk with its remains.
            _sweep(directory)
            try:
                manifest = sealed.write_data(directory, content, step)
                _commit(directory, sealed.to_line(manifest), step, best=best, last=last)
            finally:
                # What cannot be removed now is found again by the next save.
                with contextlib.suppress(OSError):
                    _sweep(directory)
    except OSError as error:
        raise CheckpointError(
            f"the checkpoint of step {step} could not be saved in {printable(folder)}: {error.strerror or error}; "
            f"{_ADVICE.get(error.errno or 0, 'check its disk')}; what was saved there before is as it was"
        ) from error
    return Saved(path=folder / manifest.file, step=step, bytes=manifest.bytes, seconds=time.perf_counter() - began)


def load(folder: Path) -> Loaded:
    """Return the last checkpoint or, where that is missing or damaged in any way, the previous one or the best.

    Whichever it is, training goes on from it exactly. There may be only a best one: the first save may have been
    cut short right after that was put in place. Changes nothing in the folder. Needs memory for the data twice.

    Raises:
        CheckpointError: None of them can be used.
    """
    return _load(folder, "last", "previous", "best")


def load_best(folder: Path) -> Loaded:
    """Return the best checkpoint, verified in the same way.

    Raises:
        CheckpointError: There is none that can be used.
    """
    return _load(folder, "best")


def _commit(directory: int, line: bytes, step: int, *, best: bool, last: bool) -> None:
    """Make the manifests name what is durable already; each replacement alone leaves a state that can be loaded."""
    if best:  # first, so that no last checkpoint remembers a best one that was not kept
        _put(directory, "best", line)
    if last:
        earlier = _earlier(directory, step)
        # Not the previous one first: if the last one's data have been damaged, both would mean them for a moment.
        _put(directory, "last", line)
        if earlier is not None:
            _put(directory, "previous", earlier)


def _put(directory: int, name: Name, line: bytes) -> None:
    unfinished, _ = durable.write_unfinished(directory, lambda descriptor: durable.write_all(descriptor, line))
    durable.publish(directory, unfinished, MANIFESTS[name])


def _earlier(directory: int, step: int) -> bytes | None:
    """Return the last checkpoint's manifest if it can become the previous one of ``step``.

    It must be of an earlier step. One of the same step would leave nothing to fall back to, and one of a later
    step is what was there before training fell back, perhaps because it is damaged.
    """
    try:
        line = sealed.read_line(directory, MANIFESTS["last"])
        manifest = sealed.from_line(line, MANIFESTS["last"])
        # Only looked at: to hash it again at every save would make saving half as long again.
        with durable.regular_file(directory, manifest.file) as (_, size):
            fits = size == manifest.bytes and manifest.step < step
    except (OSError, sealed.UnusableError):
        return None
    return line if fits else None


def _sweep(directory: int) -> None:
    """Remove what dead processes left unfinished and the data that no manifest names.

    Raises:
        OSError: A manifest cannot be read, so that it is unknown what it names; no data were removed.
    """
    # A power failure after this must not bring back a manifest whose data are gone.
    durable.sync(directory)
    named: set[str] = set()
    for manifest in MANIFESTS.values():
        # Even one that is damaged may name data that somebody could rescue.
        with contextlib.suppress(FileNotFoundError, durable.NotRegularError):
            text = sealed.read_line(directory, manifest).decode("latin-1")
            named.update(sealed.DATA_FILE.findall(text))
    for name in os.listdir(directory):
        if durable.UNFINISHED.fullmatch(name) or (sealed.DATA_FILE.fullmatch(name) and name not in named):
            # What cannot be removed now is found again by the next save.
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=directory)


def _load(folder: Path, *names: Name) -> Loaded:
    """Return the first of the checkpoints called ``names`` that can be used."""
    reasons: list[str] = []
    try:
        with durable.opened(folder) as directory:
            for name in names:
                try:
                    manifest, state = _verified(directory, MANIFESTS[name])
                except sealed.UnusableError as unusable:
                    reasons.append(str(unusable))
                    continue
                return Loaded(
                    state=state,
                    step=manifest.step,
                    path=folder / manifest.file,
                    fell_back=f"the {names[0]} checkpoint cannot be used: {reasons[0]}" if reasons else None,
                )
    except OSError as error:
        reasons.append(f"the folder cannot be opened ({error.strerror or error})")
    raise CheckpointError(
        f"no checkpoint in {printable(folder)} can be used: {'; '.join(reasons)}; start the training anew"
    )


def _verified(directory: int, name: str) -> tuple[sealed.Manifest, dict[str, Any]]:
    """Return what the manifest ``name`` says, and the data that it names.

    Raises:
        UnusableError: Something is wrong with either.
    """
    seen = None
    while True:
        with sealed.explained(name):
            line = sealed.read_line(directory, name)
        try:
            manifest = sealed.from_line(line, name)
            return manifest, sealed.read_state(directory, manifest)
        except sealed.UnusableError:
            # Whoever saves meanwhile may remove the data that the manifest named; then it names others by now.
            if line == seen:
                raise
            seen = line
