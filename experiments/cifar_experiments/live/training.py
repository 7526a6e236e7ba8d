"""One training of a run, recorded and open to requests from other processes: what every face shows."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from cifar_core.control import Control
from cifar_core.engine import train
from cifar_core.errors import printable
from cifar_core.events import AnyEvent
from cifar_experiments.live.server import listening
from cifar_experiments.runs.recording import Recorder
from cifar_experiments.runs.resuming import Start


async def trained(
    start: Start, recorder: Recorder, control: Control, tell: Callable[[str], None]
) -> AsyncGenerator[AnyEvent]:
    """Train a run to its end; yield each event once it is recorded. To be closed as every generator of events.

    Args:
        start: Whose lock this process holds.
        recorder: Of the same run.
        control: Where requests come from, those of other processes among them.
        tell: Gets a sentence if other processes cannot make any.

    Raises:
        CifarError: The training failed, or could not be recorded.
    """
    run = start.run
    async with listening(run, control) as hindrance:
        if hindrance is not None:
            tell(printable(hindrance))
        events = train(start.config, control, run.checkpoints, start.checkpoints, run_id=run.id)
        async with aclosing(recorder.record(events)) as recorded:
            async for event in recorded:
                yield event
