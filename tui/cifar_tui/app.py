"""The app: which screens there are, what they share, and what every one of them can do."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

from textual import work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.filter import LineFilter, Monochrome, NoColor
from textual.screen import Screen

from cifar_core.errors import printable
from cifar_experiments.presets.draft import Draft
from cifar_experiments.runs import Run
from cifar_tui.background import Background
from cifar_tui.driver import Terminal
from cifar_tui.following import Following
from cifar_tui.keys import wrong_keys
from cifar_tui.screens.dialogs import Option
from cifar_tui.screens.help import Help
from cifar_tui.screens.launch import LaunchScreen
from cifar_tui.screens.room import Room
from cifar_tui.settings import THEMES, Layout, Settings, ThemeName
from cifar_tui.themes import THEMES as COLOURS
from cifar_tui.training import Trainings
from cifar_tui.watched import Watched

Farewell = Literal["", "wait", "stop", "detach"]
"""What becomes of the trainings of this process when the screens are left: there are none, or they are all done with
before the process ends; the same after they were asked to stop; or they go on in a process of their own."""

_LOOK_SECONDS = 1.0
"""How often the terminal is looked at: whether it is still there, and whether it lacks something."""

_NO_COLOR = NoColor()
_KEYS_IN_ASCII = {"⏎": "enter", "↑": "up", "↓": "down", "←": "left", "→": "right"}

_OF_TEXTUAL = ("screen.copy_text", "app.focus_next", "app.focus_previous")
"""Actions that every screen has and none needs."""


class CifarApp(App[None]):
    """The screens, one on top of another, the launch screen below all.

    Args:
        draft: What the launch screen begins with.
        trainings: Those of this process.
        background: What prepares while the user chooses.
        settings: The user's.
        layout: How the screens were left; changed by them.
        runs_dir: See ``runs_folder``.
        first: A run that is shown at once.
        driver_class: None is Textual's own choice, as for its test driver and for browsers.
    """

    TITLE = "cifar-tui"
    CSS_PATH = Path(__file__).with_name("app.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,ctrl+c", "quit", "quit", id="quit", key_display="q"),
        Binding("ctrl+z", "suspend_process", "suspend", id="suspend", show=False),
    ]

    def __init__(
        self,
        *,
        draft: Draft,
        trainings: Trainings,
        background: Background,
        settings: Settings,
        layout: Layout,
        runs_dir: Path | None = None,
        first: Watched | None = None,
        driver_class: type[Driver] | None = None,
    ) -> None:
        super().__init__(driver_class=driver_class)
        self.draft = draft
        self.trainings = trainings
        self.background = background
        self.settings = settings
        self.layout = layout
        self.runs_dir = runs_dir
        self.farewell: Farewell = ""
        self.fault: Exception | None = None
        """What the screens failed for, if they did."""
        self._first = first
        self._losses = 0
        self.animation_level = "none"
        for theme in COLOURS.values():
            self.register_theme(theme)
        # Without colours, only the terminal's own are dark on light, or light on dark, as they are to be.
        self.theme = COLOURS["ansi" if self.no_color else settings.theme or layout.theme].name
        self.set_keymap(dict(settings.keys))

    @property
    def ascii(self) -> bool:
        """Whether to do without characters beyond ASCII."""
        encoding = (sys.__stdout__.encoding if sys.__stdout__ is not None else "ascii") or "ascii"
        # The font of a Linux console has no braille.
        console = os.environ.get("TERM") == "linux"
        return self.settings.ascii or console or not encoding.lower().startswith("utf")

    @property
    def behind(self) -> bool:
        """Whether the terminal has not read yet what was drawn: then nothing more is to be drawn."""
        return self._terminal is not None and self._terminal.behind

    @property
    def _terminal(self) -> Terminal | None:
        driver: object = self._driver
        return driver if isinstance(driver, Terminal) else None

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return what lines go through; Textual's own choice for ``NO_COLOR`` makes a terminal's own colours black."""
        plain = self.native_ansi_color
        return [_NO_COLOR if plain and isinstance(each, Monochrome) else each for each in super().get_line_filters()]

    def get_key_display(self, binding: Binding) -> str:
        """Return a key as it is shown, in ASCII where there is no more."""
        shown = super().get_key_display(binding)
        return _KEYS_IN_ASCII.get(shown, shown) if self.ascii else shown

    def get_default_screen(self) -> Screen[None]:
        """Return the launch screen, which lies below all others."""
        return LaunchScreen()

    def on_mount(self) -> None:
        """Have the first frame drawn, and everything else begun after it."""
        # Textual keeps what is printed for its console; here it belongs into the log, where descriptors 1 and 2 lead.
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        if self.ascii:
            self.add_class("-ascii")
        if self._first is not None:
            self.show_run(self._first)
        self.call_after_refresh(self._prepare)
        self.set_interval(_LOOK_SECONDS, self._look)

    def _prepare(self) -> None:
        """Begin what takes its time, now that there is something to look at; and import what comes next."""
        import cifar_tui.screens.monitor
        import cifar_tui.screens.runs  # noqa: F401

        self.background.start()
        for fault in (*self.settings.faults, *wrong_keys(self.settings.keys)):
            self.notify(printable(fault), severity="error", markup=False, timeout=10)
        # Data loaders that spawn their workers need it, and could not start it while descriptors are redirected.
        from multiprocessing import resource_tracker

        # A shell that loses its terminal sends SIGHUP to all of its processes; this one is to outlive it, too.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def show_run(self, watched: Watched) -> None:
        """Show a run."""
        from cifar_tui.screens.monitor import MonitorScreen

        self.push_screen(MonitorScreen(watched))

    def open_run(self, run: Run) -> None:
        """Show a run wherever it is trained, or was."""
        self.show_run(self.trainings.of(run) or Following(run))

    def open_runs(self) -> None:
        """Show the list of runs."""
        from cifar_tui.screens.runs import RunsScreen

        self.push_screen(RunsScreen())

    def use_theme(self, name: ThemeName) -> None:
        """Show other colours, and remember them."""
        self.theme = COLOURS[name].name
        self.layout.theme = name

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """What the command palette offers: the keys of the screen by what they do, and the colours."""
        offered = set()
        for binding_node, binding, enabled, _ in screen.active_bindings.values():
            # Those of Textual have no id; nobody looks here for a key that moves a cursor.
            wanted = binding.id and not binding.id.startswith(("list.", "command_palette"))
            if enabled and wanted and (binding.id, binding.action) not in offered:
                offered.add((binding.id, binding.action))
                words = binding.description.capitalize()
                yield SystemCommand(
                    words,
                    f"key {self.get_key_display(binding)}",
                    partial(self.run_action, binding.action, binding_node),
                )
        for name in THEMES:
            words = "the terminal's own colours" if name == "ansi" else f"Okabe-Ito on {name}"
            yield SystemCommand(f"Colours: {name}", words, partial(self.use_theme, name))

    def action_help(self) -> None:
        """List the keys of this screen, first those that the footer has."""
        rows: dict[str, list[str]] = {}
        bindings = [each.binding for each in self.screen.active_bindings.values() if each.enabled]
        for binding in sorted(bindings, key=lambda each: not each.show):
            if binding.description and binding.action not in _OF_TEXTUAL:
                keys = rows.setdefault(binding.description.lower(), [])
                keys += [key for key in [self.get_key_display(binding)] if key not in keys]
        self.push_screen(Help("Keys", [(" ".join(keys), words) for words, keys in rows.items()]))

    @work(exclusive=True, group="quit")
    async def action_quit(self) -> None:  # type: ignore[override]
        """Leave; where something is trained in this process, ask what is to become of it."""
        if self.trainings.current is None or not isinstance(self.screen, Room):
            self.exit()
            return
        answer = await self.screen.choose(
            "A training goes on in this process. Before leaving:",
            [
                Option("d", "detach: it goes on in a process of its own"),
                Option("e", "stop after this epoch"),
                Option("n", "stop now (saves)"),
            ],
        )
        if answer == "d":
            self.leave("detach")
        elif answer == "e":
            self.trainings.stop_after_epoch()
            self.leave("wait")
        elif answer == "n":
            self.leave("stop")

    def leave(self, farewell: Farewell) -> None:
        """Leave the screens at once; safe to call in the app's own thread alone."""
        self.farewell = farewell
        self.exit()

    def _look(self) -> None:
        """Leave when the terminal is gone; draw everything anew when it has missed something."""
        terminal = self._terminal
        if terminal is None:
            return
        if terminal.gone:
            self.leave("wait")
        elif self._losses != terminal.outlet.losses and not terminal.behind:
            self._losses = terminal.outlet.losses
            self.refresh(layout=True)

    def _handle_exception(self, error: Exception) -> None:
        # Textual's only word of it; its own printed traceback goes where descriptor 2 leads.
        self.fault = self.fault or error
        super()._handle_exception(error)
