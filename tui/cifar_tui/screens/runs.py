"""The list of runs: those of every process that keeps them in this folder, and what can be done with them."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Callable
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from cifar_core.errors import CifarError
from cifar_experiments import runs
from cifar_experiments.live.client import ask
from cifar_experiments.live.protocol import AnyLiveRequest, Stop, TogglePause
from cifar_experiments.runs import Run
from cifar_experiments.runs.resuming import Start
from cifar_experiments.runs.roster import Entry
from cifar_tui.comparison import MOST_COMPARED
from cifar_tui.continuing import fork_fault, forked, resumed
from cifar_tui.screens.compare import CompareScreen
from cifar_tui.screens.dialogs import Option
from cifar_tui.screens.room import Room
from cifar_tui.widgets.run_list import RunList
from cifar_tui.widgets.run_table import RunTable

_REFRESH_SECONDS = 2.0
_MOST_NAMED = 5


class RunsScreen(Room):
    """Every run of the folder, looked at again every two seconds while this screen is the one in sight."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open", id="runs.open"),
        Binding("slash", "filter", "filter", id="runs.filter", key_display="/"),
        Binding("o", "sort", "sort", id="runs.sort", show=False),
        Binding("i", "reverse", "reverse the order", id="runs.reverse", show=False),
        Binding("space", "mark", "mark", id="runs.mark"),
        Binding("a", "mark_all", "mark all shown, or none", id="runs.mark-all", show=False),
        Binding("c", "compare", "compare", id="runs.compare"),
        Binding("r", "resume", "resume", id="runs.resume"),
        Binding("e", "fork", "fork", id="runs.fork"),
        Binding("d,delete", "delete", "delete", id="runs.delete", key_display="d", show=False),
        Binding("p", "pause", "pause or go on", id="runs.pause", show=False),
        Binding("x", "stop", "stop", id="runs.stop", show=False),
        Binding("up,k", "move(-1)", "up", id="list.up", show=False),
        Binding("down,j", "move(1)", "down", id="list.down", show=False),
        Binding("pageup", "page(-1)", "page up", id="list.page-up", show=False),
        Binding("pagedown", "page(1)", "page down", id="list.page-down", show=False),
        Binding("home", "first", "first run", id="list.first", show=False),
        Binding("end", "last", "last run", id="list.last", show=False),
    ]

    DEFAULT_CSS = """
    RunsScreen {
        &.-short RunDetail { height: 5; }
        &.-tiny RunDetail { height: 3; }
    }
    """

    def contents(self) -> ComposeResult:
        """The list is all there is."""
        yield RunList(self.cifar.runs_dir, self.cifar.layout, ascii=self.cifar.ascii)

    def on_mount(self) -> None:
        """Have the list looked at now and again."""
        self._looking = False
        self.set_interval(_REFRESH_SECONDS, self._look_again)

    def on_screen_resume(self) -> None:
        """Look at once when this screen is seen again."""
        self._look_again()

    @property
    def _list(self) -> RunList:
        return self.query_one(RunList)

    def _look_again(self) -> None:
        in_sight = self.app.screen is self or self.app.screen.is_modal
        if in_sight and not self._looking and not self.cifar.behind:
            self._looking = True
            self._look()

    @work(group="roster")
    async def _look(self) -> None:
        try:
            await self._list.look()
        finally:
            self._looking = False

    def action_move(self, rows: int) -> None:
        """Highlight another run."""
        self._list.table.move(rows)

    def action_page(self, pages: int) -> None:
        """Highlight the run a page away."""
        self._list.table.move(pages * self._list.table.page)

    def action_first(self) -> None:
        """Highlight the first run."""
        self._list.table.move_to(0)

    def action_last(self) -> None:
        """Highlight the last run."""
        self._list.table.move_to(sys.maxsize)

    @on(RunTable.Opened)
    def action_open(self) -> None:
        """Show the highlighted run, wherever it is trained."""
        if (entry := self._chosen()) is not None:
            self.cifar.open_run(entry.run)

    def action_filter(self) -> None:
        """Type what the runs shown must have."""
        self._list.open_filter()

    def action_leave(self) -> None:
        """Take the filter away; without one, go back."""
        if not self._list.clear_filter():
            super().action_leave()

    def action_sort(self) -> None:
        """Go by the next order."""
        self._list.sort()

    def action_reverse(self) -> None:
        """Turn the order round."""
        self._list.reverse()

    def action_mark(self) -> None:
        """Mark the highlighted run, or take its mark away, and go on to the next."""
        self._list.mark()

    def action_mark_all(self) -> None:
        """Mark all runs shown; take their marks away where all have one."""
        self._list.mark_all()

    def action_compare(self) -> None:
        """Show the marked runs side by side."""
        marked = self._list.marked
        if 2 <= len(marked) <= MOST_COMPARED:
            self.app.push_screen(CompareScreen(marked))
        else:
            there = "1 is" if len(marked) == 1 else f"{len(marked)} are"
            self.tell(f"A comparison takes 2 to {MOST_COMPARED} runs, and {there} marked; space marks.", wrong=True)

    @work(exclusive=True, group="question")
    async def action_resume(self) -> None:
        """Go on with the highlighted run from its last checkpoint, in this process."""
        if (entry := self._chosen()) is not None:
            await self._train(entry.run, lambda: resumed(entry.run))

    @work(exclusive=True, group="question")
    async def action_fork(self) -> None:
        """Go on from the highlighted run's last checkpoint with a change, as a new run."""
        if (entry := self._chosen()) is None:
            return
        run = entry.run
        text = await self.enter(f"Go on from {run.id} as a new run with:", "", lambda text: fork_fault(run, text))
        if text is not None:
            await self._train(None, lambda: forked(run, self.cifar.runs_dir, shlex.split(text)))

    async def _train(self, run: Run | None, begun: Callable[[], Start]) -> None:
        """Have a training begun, and show it; ``run`` is the one that goes on, None for a new one."""
        training = None if run is None else self.cifar.trainings.of(run)
        if training is not None and not training.ended:
            self.tell(f"{training.run.id} is {training.status} in this process already; enter shows it.", wrong=True)
            return
        try:
            start = await asyncio.to_thread(begun)
        except (CifarError, OSError) as error:
            self.tell(error, wrong=True)
            return
        # The key that opens this screen is the same: held, it must not begin a training.
        go = Option("y", "yes, in this process")
        if run is not None and await self.choose(f"Go on with {run.id} from its last checkpoint?", [go]) != "y":
            return
        self.cifar.show_run(self.cifar.trainings.add(start))

    @work(exclusive=True, group="question")
    async def action_delete(self) -> None:
        """Remove the marked runs, or the highlighted one, after a question."""
        there = self._list.marked
        if not there and (entry := self._chosen()) is not None:
            there = [entry.run]
        if not there:
            return
        count = f"these {len(there)} runs" if len(there) > 1 else "this run"
        named = [run.id for run in there[:_MOST_NAMED]]
        if len(there) > _MOST_NAMED:
            named.append(f"and {len(there) - _MOST_NAMED} more")
        question = f"Delete {count} with all checkpoints? This cannot be undone: {', '.join(named)}"
        if await self.choose(question, [Option("y", f"delete {count}")]) != "y":
            return
        faults = [fault for run in there if (fault := await asyncio.to_thread(_remove, run)) is not None]
        for fault in faults[:_MOST_NAMED]:
            self.tell(fault, wrong=True)
        self.tell(f"{len(there) - len(faults)} of {len(there)} runs deleted.")
        self._look_again()

    @work(exclusive=True, group="question")
    async def action_pause(self) -> None:
        """Pause the highlighted run, or have it go on."""
        if (entry := self._chosen()) is not None:
            await self._ask(entry.run, TogglePause())

    @work(exclusive=True, group="question")
    async def action_stop(self) -> None:
        """Have the highlighted run end, after a question."""
        if (entry := self._chosen()) is None:
            return
        options = [Option("e", "stop after this epoch"), Option("n", "stop now (saves)")]
        answer = await self.choose(f"Stop {entry.run.id}?", options)
        if answer is not None:
            await self._ask(entry.run, Stop(after_epoch=answer == "e"))

    async def _ask(self, run: Run, request: AnyLiveRequest) -> None:
        training = self.cifar.trainings.of(run)
        try:
            if training is not None and not training.ended:
                await training.ask(request)
            else:
                await asyncio.to_thread(ask, run, request)
        except CifarError as error:
            self.tell(error, wrong=True)
        self._look_again()

    def _chosen(self) -> Entry | None:
        """Return the highlighted run; say so where there is none."""
        if self._list.highlighted is None:
            self.tell("There is no run here to do that with.", wrong=True)
        return self._list.highlighted


def _remove(run: Run) -> str | None:
    """Remove a run; return why it was not."""
    try:
        runs.remove(run)
    except CifarError as error:
        return str(error)
    return None
