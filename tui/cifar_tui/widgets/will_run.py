"""What a start would do: steps, parameters, time, images, and the command line that does the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from cifar_core.errors import printable
from cifar_tui.background import Readiness
from cifar_tui.choices import Effect


def duration(seconds: float) -> str:
    """Return about how long that is: "40 s", "12 min", "3 h 20 min", "5 days"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"
    return f"{round(minutes / 60 / 24)} days"


def size_words(readiness: Readiness) -> str:
    """Return how much there is to be done."""
    parts = []
    if readiness.steps is not None:
        parts.append(f"{readiness.steps:,} steps")
    if readiness.probe is not None:
        parts.append(f"{readiness.probe.parameters:,} parameters")
    return " · ".join(parts)


def time_words(readiness: Readiness) -> str:
    """Return how long it takes, or why that is not known."""
    if readiness.error is not None:
        return "the time could not be measured"
    if readiness.seconds is not None and readiness.probe is not None:
        return f"about {duration(readiness.seconds)} on {readiness.probe.device} (measured)"
    if readiness.torch is None:
        return "the time is measured once torch is imported"
    if readiness.preparing is not None:
        return "the time is measured once the images are ready"
    if readiness.data is not None and not readiness.data.there and readiness.images is None:
        return "the time is not known without the images"
    return "measuring the time"


class WillRun(VerticalScroll, can_focus=True, inherit_bindings=False):
    """Shows what a start would do."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", "up", id="list.up", show=False),
        Binding("down,j", "scroll_down", "down", id="list.down", show=False),
        Binding("pageup", "page_up", "a page up", id="list.page-up", show=False),
        Binding("pagedown", "page_down", "a page down", id="list.page-down", show=False),
        Binding("home,g", "scroll_home", "first", id="list.first", show=False),
        Binding("end,G", "scroll_end", "last", id="list.last", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"will-run--muted"}
    DEFAULT_CSS = """
    WillRun {
        height: 1fr;
        scrollbar-size-vertical: 1;
        Static { width: 1fr; height: auto; }
        .will-run--muted { color: $foreground 65%; }
        &:ansi .will-run--muted { color: ansi_default; text-style: dim; }
    }
    """

    def __init__(self, *, ascii: bool = False) -> None:  # noqa: A002 - says what it does
        super().__init__(id="will-run", classes="pane")
        self.border_title = "Will run"
        self._ascii = ascii
        self._shown: tuple[Effect | None, Readiness, bool] | None = None

    def compose(self) -> ComposeResult:
        """The words."""
        yield Static("", markup=False)

    def show(self, effect: Effect | None, readiness: Readiness, *, waits: bool) -> None:
        """Show what is known; ``waits`` is whether something is trained before it."""
        if (effect, readiness, waits) == self._shown:
            return
        self._shown = effect, readiness, waits
        content = Content("\n").join(list(_lines(effect, readiness, waits)))
        if self._ascii:
            content = Content(content.plain.replace("·", "-").encode("ascii", "replace").decode())
        self.query_one(Static).update(content)


def _lines(effect: Effect | None, readiness: Readiness, waits: bool) -> Iterator[Content]:
    if effect is None:
        yield Content.styled("reading the presets", ".will-run--muted")
        return
    config, data = effect.config, readiness.data
    if config is None:
        yield Content.styled("Nothing: the configuration is wrong.", "$text-error")
    else:
        words = size_words(readiness)
        yield Content.styled(words or "the steps are not counted yet", "bold" if words else ".will-run--muted")
        yield Content.styled(time_words(readiness), "bold" if readiness.seconds is not None else ".will-run--muted")
        if readiness.error is not None:
            yield Content.styled(printable(readiness.error), "$text-error")
        epochs = "1 epoch" if config.training.epochs == 1 else f"{config.training.epochs:,} epochs"
        images = f" of {readiness.images[0]:,} images" if readiness.images else ""
        yield Content(f"{epochs}{images}, batches of {config.training.batch_size:,}, seed {config.training.seed}")
    if waits:
        yield Content.styled("It would wait until what trains now has ended.", "$text-warning")
    yield Content.styled(f"$ {printable(effect.command)}", "$text-primary")
    if config is not None and data is not None:
        yield Content.styled(printable(data.sentence), ".will-run--muted" if data.there else "$text-warning")


def in_short(effect: Effect | None, readiness: Readiness) -> str:
    """Return one line of what a start would do, what matters most first."""
    if effect is not None and effect.config is None:
        return "cannot start: see the configuration"
    time = time_words(readiness) if readiness.seconds is None else f"about {duration(readiness.seconds)}"
    return " · ".join(words for words in (time, size_words(readiness)) if words)
