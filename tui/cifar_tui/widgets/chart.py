"""A chart of lines as a widget that repaints only those rows that changed."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from cifar_tui.widgets.plot import Plot, draw
from cifar_tui.widgets.shapes import KEYS, LOOKS, Row


def _rules() -> str:
    """Return the colours of the lines as style rules."""
    rules = [f".chart--{style} {{ color: {look.dark}; }}" for style, look in LOOKS.items()]
    rules += [f"&:light .chart--{style} {{ color: {look.light}; }}" for style, look in LOOKS.items()]
    rules += [f"&:ansi .chart--{style} {{ color: {look.ansi}; }}" for style, look in LOOKS.items()]
    return "\n".join(rules)


class Chart(Widget, can_focus=True):
    """Shows a ``Plot``, and before there is one the sentence that an empty chart is.

    Each key of ``plot.draw`` is a component class: ``chart--smooth``, ``chart--axis`` and so on. Under ``NO_COLOR`` the
    shapes of the lines remain. It has no timer and no keys; what is shown comes with ``show``.

    Args:
        ascii: Whether to do without Unicode.
        id: As for every widget.
        classes: As for every widget.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"chart--{key}" for key in (*LOOKS, *KEYS)}
    DEFAULT_CSS = f"""
    Chart {{
        width: 1fr;
        height: 1fr;
        .chart--axis, .chart--empty {{ color: $text-muted; }}
        .chart--legend {{ color: $foreground; }}
        .chart--title, .chart--mark {{ color: $foreground; text-style: bold; }}
        {_rules()}
        &:ansi .chart--axis, &:ansi .chart--empty {{ color: ansi_default; }}
        &:ansi .chart--raw, &:ansi .chart--axis {{ text-style: dim; }}
        &:focus .chart--axis {{ color: $foreground; text-style: bold; }}
    }}
    """

    def __init__(
        self,
        *,
        ascii: bool = False,  # noqa: A002 - says what it does
        id: str | None = None,  # noqa: A002 - the name that widgets give it
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._ascii = ascii
        self._plot = Plot((), (), (0.0, 1.0))
        self._rows: list[Row] = []
        self._drawn: Size | None = None
        """The size that the rows are drawn for."""
        self._strips: dict[int, Strip] = {}
        self._colours: dict[str, Style] = {}

    def show(self, plot: Plot) -> None:
        """Show ``plot`` from now on."""
        self._plot = plot
        if self._drawn != self.size:
            self._drawn = None
            self.refresh()
            return
        before = self._rows
        self._draw()
        changed = [y for y, row in enumerate(self._rows) if row != before[y]]
        for y in changed:
            self._strips.pop(y, None)
        if changed:
            self.refresh(*(Region(0, y, self.size.width, 1) for y in changed))

    def render_line(self, y: int) -> Strip:
        """Return a row, painted anew only where it changed."""
        if self._drawn != self.size:
            self._draw()
            self._strips.clear()
        if y not in self._strips:
            segments = [Segment(text, self._style(key)) for text, key in self._rows[y]]
            self._strips[y] = Strip(segments, self.size.width)
        return self._strips[y]

    def notify_style_update(self) -> None:
        """Forget what was painted in other colours."""
        super().notify_style_update()
        self._strips.clear()
        self._colours.clear()

    def _draw(self) -> None:
        self._drawn = self.size
        self._rows = draw(self._plot, *self._drawn, ascii=self._ascii)

    def _style(self, key: str) -> Style:
        if key not in self._colours:
            self._colours[key] = self.get_component_rich_style(f"chart--{key}") if key else self.rich_style
        return self._colours[key]
