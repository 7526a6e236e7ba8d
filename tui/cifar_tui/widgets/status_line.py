"""The line at the head of the launch screen: what is ready, and what is under way."""

from __future__ import annotations

from collections.abc import Callable

from rich.cells import cell_len
from textual.content import Content
from textual.widgets import Static

from cifar_core.errors import printable
from cifar_core.events import Preparing
from cifar_tui.background import Readiness
from cifar_tui.watched import Watched
from cifar_tui.widgets.rows import cut

Part = tuple[str, str]
"""Words, and their colour."""


def progress(preparing: Preparing) -> str:
    """Return how far something is: "download cifar-10-python.tar.gz 43 %"."""
    words = f"{preparing.phase} {preparing.subject}"
    if preparing.total:
        return f"{words} {100 * preparing.done // preparing.total} %"
    return f"{words} {preparing.done:,} {preparing.unit}".rstrip() if preparing.done else words


def parts(
    readiness: Readiness, kind: str, training: Watched | None, waiting: int, key: Callable[[str], str]
) -> list[Part]:
    """Return what the line says, what matters least first.

    Args:
        readiness: How far the preparation is.
        kind: Of the images.
        training: What this process trains.
        waiting: How many trainings wait for their turn.
        key: Returns the key of a binding's id.
    """
    what = "drawn images" if kind == "synthetic" else kind
    found: list[Part] = []
    if readiness.torch is None:
        found.append(("importing torch", "dim"))
    else:
        where = f"{readiness.device} · " if readiness.device else ""
        found.append((f"{where}torch {readiness.torch} ready", "$text-success"))
    if readiness.preparing is not None:
        found.append((progress(readiness.preparing), "$text-warning"))
    elif readiness.data is None:
        found.append(("looking for the images", "dim"))
    elif readiness.data.there:
        found.append((f"{what} ready", "$text-success"))
    elif readiness.data.downloadable:
        how = f"{key('launch.download')} downloads, {key('launch.drawn')} takes drawn images"
        found.append((f"{what} missing: {how}", "$text-warning"))
    else:
        found.append((f"{what} missing: {key('launch.drawn')} takes drawn ones", "$text-warning"))
    if training is not None:
        more = f", {waiting} waiting" if waiting else ""
        found.append((f"training {training.run.id} ({key('launch.monitor')} shows it){more}", "bold $text-accent"))
    return found


class StatusLine(Static):
    """One line, the app's name left and what is ready right; what matters least goes first where there is no room."""

    DEFAULT_CSS = """
    StatusLine { height: 1; padding: 0 1; }
    """

    def __init__(self, *, ascii: bool = False) -> None:  # noqa: A002 - says what it does
        super().__init__("", id="status", markup=False)
        self._ascii = ascii
        self._parts: list[Part] = []

    def show(self, found: list[Part]) -> None:
        """Show these parts."""
        if found != self._parts:
            self._parts = found
            self.refresh()

    def render(self) -> Content:
        """Lay the parts out for the width that there is."""
        name, between = "cifar-tui", " - " if self._ascii else " · "
        width = self.content_size.width
        shown = [
            (cut(words.replace(" · ", between), cell_len(printable(words)), ascii=self._ascii), style)
            for words, style in self._parts
        ]
        while len(shown) > 1 and _width(shown, between) + len(name) + 2 > width:
            shown.pop(0)
        room = max(0, width - len(name) - 2)
        if shown and _width(shown, between) > room:
            shown = [(cut(shown[0][0], room, ascii=self._ascii), shown[0][1])]
        line = Content(between).join([Content.styled(words, style) for words, style in shown])
        gap = max(1, width - len(name) - line.cell_length)
        return Content.assemble((name, "bold $primary"), " " * gap, line)


def _width(shown: list[Part], between: str) -> int:
    return sum(cell_len(words) for words, _ in shown) + len(between) * (len(shown) - 1)
