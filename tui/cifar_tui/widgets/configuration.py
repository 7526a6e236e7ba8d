"""The effective configuration: every value, where it came from, how it differs from what is saved, and a new value."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from cifar_core.errors import printable
from cifar_experiments.presets.draft import DraftRow, about, fault, needs
from cifar_tui.choices import Effect
from cifar_tui.widgets.filter import Filter, matches
from cifar_tui.widgets.rows import Rows, cut
from cifar_tui.widgets.value_entry import ValueEntry

_SMALLEST_VALUE = 8
_SMALLEST_SOURCE = len("experiment")


class Configuration(Vertical):
    """A table of keys, values and sources; a value is edited where it stands.

    Args:
        ascii: Whether to do without Unicode.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "edit", "edit the value", id="launch.edit-here", show=False),
        Binding("escape", "show_all", "show all", id="filter.clear", show=False),
        Binding("u,delete", "take_back", "undo", id="launch.undo"),
    ]
    DEFAULT_CSS = """
    Configuration {
        layers: base above;
        width: 3fr;
        height: 1fr;
        border-subtitle-color: $secondary;
        #about-key { height: 2; padding: 0 1; color: $text-muted; }
        #about-key.-wrong { color: $text-error; text-style: bold; }
    }
    """

    class Edited(Message):
        """The user gave a key another value, which is right but for the ``missing`` keys that it needs."""

        def __init__(self, key: str, text: str, missing: tuple[str, ...]) -> None:
            super().__init__()
            self.key, self.text, self.missing = key, text, missing

    class TakenBack(Message):
        """The user wants a key to have the value that it has without an edit."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self, *, ascii: bool = False) -> None:  # noqa: A002 - says what it does
        super().__init__(id="configuration", classes="pane")
        self.border_title = "Effective configuration"
        self._ascii = ascii
        self._effect: Effect | None = None
        self._visible: list[DraftRow] = []
        self._widths = (0, 0)
        """The longest key and the longest value."""

    def compose(self) -> ComposeResult:
        """The table, what there is to say of one key, the filter, and the line that values are edited in."""
        yield Rows(self._line)
        yield Static("", id="about-key", markup=False)
        yield Filter()
        yield ValueEntry()

    def show(self, effect: Effect) -> None:
        """Show what a draft comes to."""
        before, self._effect = self._effect, effect
        if before is not None and (before.rows, before.faults, before.draft) == (
            effect.rows,
            effect.faults,
            effect.draft,
        ):
            return
        differing = sum(row.saved is not None for row in effect.rows)
        mark = "*" if self._ascii else "●"
        self.border_subtitle = Content(f"{mark} {differing} not as saved") if differing else ""
        self._refill()

    def filter(self) -> None:
        """Have keys go to the filter."""
        self.query_one(Filter).begin()

    def action_show_all(self) -> None:
        """Filter no longer."""
        self.query_one(Filter).action_clear()

    def action_edit(self) -> None:
        """Edit the value under the cursor."""
        rows, row = self.query_one(Rows), self._row
        if row is None or rows.cursor is None or self._effect is None or self._effect.config is None:
            return
        field = about(row.key, self._effect.config)
        width = rows.scrollable_content_region.width
        top, left = rows.cursor - rows.scroll_offset.y, 2 + self._columns(width)[0] + 1
        entry = self.query_one(ValueEntry)
        entry.begin(_typed(row.value), field.choices if field else (), (left, top), max(1, width - left))

    def action_take_back(self) -> None:
        """Take the edit of the value under the cursor back."""
        if self._row is not None:
            self.post_message(self.TakenBack(self._row.key))

    @property
    def _row(self) -> DraftRow | None:
        cursor = self.query_one(Rows).cursor
        return None if cursor is None or not self._visible else self._visible[cursor]

    @on(Input.Changed, "Filter")
    def _filtered(self, event: Input.Changed) -> None:
        event.stop()
        self._refill()

    @on(Filter.Left)
    def _left(self) -> None:
        self.query_one(Rows).focus()

    @on(Rows.Moved)
    def _moved(self, event: Rows.Moved) -> None:
        event.stop()
        self._describe()

    @on(Input.Changed, "ValueEntry")
    def _judged(self, event: Input.Changed) -> None:
        event.stop()
        if self.query_one(ValueEntry).has_class("-open"):
            self._judge(event.value)

    @on(Input.Submitted, "ValueEntry")
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        row = self._row
        if row is None:
            return
        missing, wrong = self._judge(event.value)
        if wrong is None:
            self.query_one(ValueEntry).action_leave()
            if event.value.strip() != _typed(row.value):
                self.post_message(self.Edited(row.key, event.value, missing))

    @on(ValueEntry.Left)
    def _entered(self, event: ValueEntry.Left) -> None:
        self._describe()
        if event.to_list:
            self.query_one(Rows).focus()

    def _judge(self, text: str) -> tuple[tuple[str, ...], str | None]:
        """Say what is wrong with a value, if anything; return the keys that it needs besides, and that sentence."""
        row, effect = self._row, self._effect
        if row is None or effect is None:
            return (), None
        section, _, last = row.key.rpartition(".")
        there = {each.key for each in effect.rows}
        missing = tuple(key for key in needs(section, text.strip()) if key not in there) if last == "name" else ()
        wrong = None if missing else fault(effect.draft, row.key, text)
        if missing:
            self._say(f"enter goes on to {', '.join(missing)}, which {text.strip()} needs")
        elif wrong is not None:
            self._say(wrong, wrong=True)
        else:
            self._describe()
        return missing, wrong

    def _describe(self) -> None:
        """Say what is known of the key under the cursor."""
        row, effect = self._row, self._effect
        if row is None or effect is None or effect.config is None:
            self._say("")
            return
        field = about(row.key, effect.config)
        words = [field.description.removesuffix(".")] if field and field.description else []
        if field is not None:
            # A network may have other names, too.
            listed = "one of" if field.kind != "text" else "such as"
            kind = f"{listed} {', '.join(field.choices)}" if field.choices else field.kind
            words.append(f"{kind}, or nothing" if field.optional else kind)
        if row.source.path is not None:
            words.append(f"from {row.source.path.name}{'' if row.source.line is None else f':{row.source.line}'}")
        self._say((" - " if self._ascii else " · ").join(words))

    def _say(self, words: str, *, wrong: bool = False) -> None:
        line = self.query_one("#about-key", Static)
        line.set_class(wrong, "-wrong")
        line.update(Content(_plain(printable(words), self._ascii)))

    def _refill(self) -> None:
        if self._effect is None:
            return
        rows, before = self.query_one(Rows), self._row
        words = self.query_one(Filter).value
        self._visible = [
            row for row in self._effect.rows if matches(words, f"{row.key} {row.value} {row.source.label}")
        ]
        keys = [row.key for row in self._visible]
        cursor = keys.index(before.key) if before and before.key in keys else 0 if keys else None
        self._widths = (
            max((len(row.key) for row in self._effect.rows), default=0),
            max((len(row.value) for row in self._effect.rows), default=0),
        )
        faults = self._effect.faults
        rows.show(len(keys), cursor, sentence=_plain(faults, self._ascii) or "no key matches", wrong=bool(faults))
        self._describe()

    def _columns(self, width: int) -> tuple[int, int, int]:
        """Return the widths of key, value and source for a line of ``width`` cells, with a mark before them."""
        room = max(0, width - 4)
        key = min(self._widths[0], room // 2)
        most = max(_SMALLEST_VALUE, (room - key) * 2 // 5, min(room - key, 2 * _SMALLEST_SOURCE) - _SMALLEST_SOURCE)
        value = min(max(self._widths[1], _SMALLEST_VALUE), most)
        return key, value, max(0, room - key - value)

    def _line(self, index: int, width: int) -> Content:
        row = self._visible[index]
        key, value, source = self._columns(width)
        differs = row.saved is not None
        label = "edited" if self._effect and row.key in dict(self._effect.draft.edits) else row.source.label
        if len(label) > source:
            label = label.partition(" ")[0]
        where = f"was {_typed(row.saved) or 'nothing'}, {label}" if row.saved is not None else label
        plain = row.source.path is None and not differs and label != "edited"
        section, dot, last = cut(row.key, key, ascii=self._ascii).rpartition(".")
        return Content.assemble(
            (("*" if self._ascii else "●") if differs else " ", "$secondary"),
            " ",
            (f"{section}{dot}", ".rows--muted"),
            last,
            " ",
            (
                cut(_typed(row.value) or "-", value, ascii=self._ascii),
                "bold $secondary" if differs else ".rows--muted" if plain else "",
            ),
            " ",
            (cut(where, source, ascii=self._ascii), "$secondary" if differs else ".rows--muted"),
        )


def _typed(value: str) -> str:
    """Return a value as one types it: texts without their quotes."""
    simple = value.startswith('"') and value.endswith('"') and "\\" not in value and value.count('"') == 2
    return value[1:-1] if simple and len(value) > 2 else value


def _plain(text: str, ascii: bool) -> str:  # noqa: A002 - says what it does
    return text.encode("ascii", "replace").decode() if ascii else text
