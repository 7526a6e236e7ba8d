"""The first screen: what to train, what that comes to, and the start."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.css.query import NoMatches
from textual.widget import Widget
from textual.widgets import Static

from cifar_core.errors import CifarError, printable
from cifar_experiments.presets import listing
from cifar_experiments.presets.draft import Draft, fault
from cifar_tui.choices import Effect, effect, experiments
from cifar_tui.screens import starting
from cifar_tui.screens.panes import PanesScreen
from cifar_tui.widgets.configuration import Configuration
from cifar_tui.widgets.picker import Picker
from cifar_tui.widgets.status_line import StatusLine, parts
from cifar_tui.widgets.will_run import WillRun, in_short

if TYPE_CHECKING:
    from cifar_core.config import Config, Data

_DEBOUNCE_SECONDS = 0.05
"""How long a choice must stand before it is worked out."""
_LOOK_SECONDS = 0.25
"""How often it is looked at what was prepared."""


class LaunchScreen(PanesScreen):
    """Four lists of presets, the configuration that they come to, and what a start would do.

    Every experiment keeps the changes that were made to it until the app is left.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,s", "start('here')", "start", id="launch.start"),
        Binding("b", "start('elsewhere')", "detached", id="launch.detached"),
        Binding("n", "start('seeds')", "seeds", id="launch.seeds"),
        Binding("e", "edit", "edit", id="launch.edit"),
        Binding("slash", "filter", "filter", id="launch.filter", key_display="/"),
        Binding("d", "download", "download", id="launch.download"),
        Binding("y", "drawn", "drawn images", id="launch.drawn"),
        Binding("m", "monitor", "watch", id="launch.monitor"),
        Binding("r", "runs", "runs", id="launch.runs"),
        Binding("ctrl+s", "save", "save", id="launch.save"),
    ]
    DEFAULT_CSS = """
    LaunchScreen {
        #pickers { height: 13; }
        #experiments { width: 1.4fr; }
        #about { height: 2; padding: 0 1; color: $text-muted; }
        #about.-wrong { color: $text-error; }
        #below { height: 1fr; }
        #will-run { width: 2fr; }
        #brief { display: none; height: 1; padding: 0 1; }
        &.-short {
            #pickers { height: 8; }
            #about { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
        }
        &.-tiny {
            #about { display: none; }
            &.-picking #about { display: block; }
            #brief { display: block; text-wrap: nowrap; text-overflow: ellipsis; }
        }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._effect: Effect | None = None
        self._wished: Config | None = None
        self._downloading: Data | None = None
        self._starting = False
        self._offers = (False, False)

    def contents(self) -> ComposeResult:
        """The status, the lists, and what they come to."""
        plain = self.cifar.ascii
        self._draft = self.cifar.draft
        self._drafts = {self._draft.experiment: self._draft}
        yield StatusLine(ascii=plain)
        with Horizontal(id="pickers", classes="panes"):
            yield Picker("experiments", "Experiments", ascii=plain)
            yield Picker("models", "Model", ascii=plain)
            yield Picker("augments", "Augment", ascii=plain)
            yield Picker("optimizers", "Optimizer", ascii=plain)
        yield Static("", id="about", markup=False)
        with Horizontal(id="below", classes="panes"):
            yield Configuration(ascii=plain)
            yield WillRun(ascii=plain)
        yield Static("", id="brief", markup=False)

    def on_mount(self) -> None:
        """Begin with the list of experiments, and look at what is prepared."""
        self.query_one(Picker).show(experiments(self._draft, listing("experiments")))
        self.enter_pane(self.panes[0])
        self._look()
        self.set_interval(_LOOK_SECONDS, self._look)

    def on_screen_resume(self) -> None:
        """Look at the presets again, which may have changed meanwhile."""
        self._work_out()

    @on(Picker.Chosen)
    def _chosen(self, event: Picker.Chosen) -> None:
        kind, value = event.picker.kind, event.entry.value
        if kind == "experiments":
            self._change(self._drafts.get(value, Draft(value)))
        elif kind == "models":
            self._change(replace(self._draft, model=value))
        elif kind == "augments":
            self._change(replace(self._draft, augment=value))
        else:
            self._change(replace(self._draft, optimizer=value))
        self._describe()

    @on(Configuration.TakenBack)
    def _taken_back(self, event: Configuration.TakenBack) -> None:
        if event.key in dict(self._draft.edits):
            self._change(self._draft.without(event.key))
        else:
            self.tell(f"{event.key} was not edited")

    @on(Configuration.Edited)
    @work(exclusive=True, group="question")
    async def _edited(self, event: Configuration.Edited) -> None:
        """Take a value over, after those that it needs besides."""
        draft = self._draft.edited(event.key, event.text)
        for key in event.missing:
            text = await self.enter(f"{event.text.strip()} needs {key}:", "", partial(fault, draft, key))
            if text is None:
                return
            draft = draft.edited(key, text)
        self._change(draft)

    def _change(self, draft: Draft) -> None:
        self._draft = self._drafts[draft.experiment] = draft
        self._work_out()

    @work(exclusive=True, group="effect")
    async def _work_out(self) -> None:
        await asyncio.sleep(_DEBOUNCE_SECONDS)
        draft = self._draft
        changed = {experiment for experiment, each in self._drafts.items() if each != Draft(experiment)}
        self._effect = found = await asyncio.to_thread(effect, draft, changed)
        with contextlib.suppress(NoMatches):  # meanwhile the screen may be taken down
            self._show_effect(found)

    def _show_effect(self, found: Effect) -> None:
        for picker in self.query(Picker):
            picker.show(found.choices[picker.kind])
        self.query_one(Configuration).show(found)
        if found.config is not None and found.config != self._wished:
            self._wished = found.config
            self.cifar.background.wish(found.config, download=found.config.data == self._downloading)
        self._describe()
        self._look()

    def _look(self) -> None:
        """Show how far the preparation is; what has not changed is not drawn again."""
        if self.cifar.behind:
            return
        readiness, trainings = self.cifar.background.readiness, self.cifar.trainings
        config = None if self._effect is None else self._effect.config
        kind = "images" if config is None else config.data.kind
        found = parts(readiness, kind, trainings.current, len(trainings.waiting), self._key)
        self.query_one(StatusLine).show(found)
        waits = trainings.current is not None
        self.query_one(WillRun).show(self._effect, readiness, waits=waits)
        self._put("#brief", in_short(self._effect, readiness))
        offers = readiness.data is not None and not readiness.data.there, waits
        if offers != self._offers:
            self._offers = offers
            self.refresh_bindings()

    def _describe(self) -> None:
        """Say what the chosen preset of the list with the focus is."""
        pane = self.current
        entry = pane.entry if isinstance(pane, Picker) else self.query_one(Picker).entry
        if entry is not None:
            words = entry.error or f"{entry.name}: {entry.description}"
            self.query_one("#about").set_class(entry.error is not None, "-wrong")
            self._put("#about", words)

    def _put(self, where: str, words: str) -> None:
        line = self.query_one(where, Static)
        text = printable(words)
        if self.cifar.ascii:
            text = text.replace("·", "-").encode("ascii", "replace").decode()
        if str(line.content) != text:
            line.update(Content(text))

    def _key(self, binding: str) -> str:
        mine = next(each for each in self.BINDINGS if isinstance(each, Binding) and each.id == binding)
        return self.cifar.settings.keys.get(binding, mine.key).split(",")[0]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what there is a reason for."""
        missing, training = self._offers
        if action in ("download", "drawn"):
            return missing
        return training if action == "monitor" else super().check_action(action, parameters)

    def came_to(self, pane: Widget) -> None:
        """Say what is chosen there."""
        self.set_class(isinstance(pane, Picker), "-picking")
        self._describe()

    def action_filter(self) -> None:
        """Filter the list with the focus."""
        if isinstance(pane := self.current, Picker | Configuration):
            pane.filter()

    def action_edit(self) -> None:
        """Edit the value under the cursor of the configuration."""
        configuration = self.query_one(Configuration)
        self.enter_pane(configuration)
        self.call_after_refresh(configuration.action_edit)

    def action_runs(self) -> None:
        """Show the list of runs."""
        self.cifar.open_runs()

    def action_monitor(self) -> None:
        """Show what is trained."""
        if (training := self.cifar.trainings.current) is not None:
            self.cifar.show_run(training)

    def action_download(self) -> None:
        """Download the images while the user goes on choosing."""
        if self._wished is not None:
            self._downloading = self._wished.data
            self.cifar.background.wish(self._wished, download=True)

    def action_drawn(self) -> None:
        """Take drawn images in place of those that are missing."""
        self._change(self._draft.edited("data.kind", "synthetic"))

    def action_start(self, how: starting.How) -> None:
        """Train what is chosen, and show it."""
        if self._starting:  # a key that is pressed twice starts one training
            self.tell("one is being started")
            return
        self._starting = True
        self._start(how)

    @work(group="start")
    async def _start(self, how: starting.How) -> None:
        draft = self._draft
        try:
            meant = await starting.start(self, draft, how)
            if meant != draft:
                self._change(meant)
        except CifarError as error:
            self.tell(str(error).replace("\n", " / "), wrong=True)
        finally:
            self._starting = False

    @work(exclusive=True, group="question")
    async def action_save(self) -> None:
        """Save what was chosen as an experiment of the user's."""
        try:
            saved = await starting.save(self, self._draft)
        except CifarError as error:
            self.tell(str(error).replace("\n", " / "), wrong=True)
            return
        if saved is not None:
            self._change(saved)
