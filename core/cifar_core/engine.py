"""Training as an async generator of events; its steps run in a thread of their own."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cifar_core.control import Control
from cifar_core.events import AnyEvent, CheckpointStarted, RunFinished
from cifar_core.handover import Handover

if TYPE_CHECKING:
    from cifar_core.config import Config  # takes a tenth of a second to import, and whoever calls has done so

SAMPLE_SECONDS = 1.0


async def train(
    config: Config,
    control: Control | None = None,
    checkpoint_dir: Path | None = None,
    resume: Path | None = None,
    *,
    run_id: str = "",
) -> AsyncGenerator[AnyEvent]:
    """Train as ``config`` says and yield what happens: every step, in order, none dropped.

    Works in any event loop, and several trainings may run in one process; those that drop out units
    then share torch's global generator, so only a training that runs alone repeats exactly.

    Closing the generator (``contextlib.aclosing`` does, however its block is left) and cancelling its
    task stop the training before its next step and join its thread: nothing is left behind. A generator
    that is just dropped is closed when Python collects it.

    Args:
        config: The experiment.
        control: Where requests come from while it runs; made anew when not given. Serves one training.
        checkpoint_dir: Folder to save checkpoints in: after epochs and minutes as ``training`` says, at the
            best evaluation, when asked to, on a stop and at the end. None saves none.
        resume: Folder of checkpoints to go on from; exactly, where that is possible, and with a ``Warned``
            where it is not. Usually ``checkpoint_dir`` itself. From another one than that it is a fork: then
            ``config`` may differ from what it was, and a checkpoint is saved at once.
        run_id: Name of the run, repeated in ``RunStarted``.

    Raises:
        DataError: The images are missing, unreadable or fail their checksum.
        CheckpointError: There is no usable checkpoint to go on from, or it is of another experiment.
        CifarError: Anything else that the training failed for. ``RunFinished`` with the reason
            "failed" and the same sentence is yielded before either is raised.
    """
    control = control or Control()
    handover = Handover(asyncio.get_running_loop())
    failure: list[BaseException] = []
    # A daemon, so that a process whose event loop died without closing the generator can still end.
    options = {"checkpoint_dir": checkpoint_dir, "resume": resume, "run_id": run_id}
    thread = threading.Thread(
        target=_work, args=(config, control, options, handover, failure), name="cifar-training", daemon=True
    )
    thread.start()
    try:
        while events := await handover.take():
            for event in events:
                yield event
        if failure:
            raise failure.pop()
    finally:
        control.close()
        handover.close()
        try:
            await handover.finished()
        finally:
            thread.join()


def _work(
    config: Config, control: Control, options: dict[str, Any], handover: Handover, failure: list[BaseException]
) -> None:
    """Run one training to its end and hand over all that it reports. The whole life of the thread."""
    try:
        # These import torch, which takes seconds: not before it is needed, and not in the event loop.
        from cifar_core import trainer
        from cifar_core.system import sampling

        with sampling(handover.put, SAMPLE_SECONDS) as stop_sampling:
            for event in trainer.run(config, control, **options):
                if isinstance(event, RunFinished):
                    stop_sampling()
                if not handover.put(event):
                    break
                # What a checkpoint holds must have been seen, and recorded, before the checkpoint counts:
                # else a record that ends with its process could miss what training goes on after.
                if isinstance(event, CheckpointStarted) and not handover.settle():
                    break
    except BaseException as error:  # noqa: BLE001, the thread's last frame: raised again in the consumer
        _release(error)
        failure.append(error)
    finally:
        handover.finish()


def _release(error: BaseException) -> None:
    """Let go of what the frames of an error and of its causes hold: the model and all of its memory.

    The lines of their tracebacks stay readable.
    """
    link: BaseException | None = error
    while link is not None:
        traceback.clear_frames(link.__traceback__)
        link = link.__cause__ or link.__context__
