"""What is left out changes nothing that can be seen."""

import re

from hypothesis import given
from hypothesis import strategies as st

from cifar_tui.compact import compact

COLOURS = ("31", "97", "38;5;253", "38;2;1;2;3", "42", "103", "48;5;16", "48;2;9;8;7")
STYLES = st.lists(st.sampled_from([*COLOURS, "1", "2", "7", "1;3", "21"]), min_size=1, max_size=4).map(";".join)
PIECES = st.one_of(
    STYLES.map(lambda style: f"\x1b[{style}mx\x1b[0m"),
    STYLES.map(lambda style: f"\x1b[{style}m"),
    st.sampled_from(["", "plain", "\x1b[0m", "\x1b[m", "\x1b[5;61H", "\r\n", "\x1b[?25l", "é⠿"]),
)


def drawn(data):
    """Each character that is not a style, with the style that a terminal draws it in; and the style at the end."""
    state, cells = {}, []
    for style, character in re.findall(r"\x1b\[([0-9;]*)m|(.)", data, re.DOTALL):
        if character:
            cells.append((character, tuple(sorted(state.items()))))
            continue
        codes = style.split(";") if style else ["0"]
        while codes:
            code = codes.pop(0)
            if code == "0":
                state = {}
            elif code in ("38", "48"):
                taken = 2 if codes[0] == "5" else 4
                state[code] = ";".join(codes[:taken])
                del codes[:taken]
            elif code in ("39", "49"):
                state.pop("38" if code == "39" else "48", None)
            elif 30 <= int(code) <= 37 or 90 <= int(code) <= 97:
                state["38"] = code
            elif 40 <= int(code) <= 47 or 100 <= int(code) <= 107:
                state["48"] = code
            else:
                state[code] = "on"
    return cells, state


@given(st.lists(PIECES).map("".join))
def test_the_picture_is_the_same(data):
    reset_first = "\x1b[0m" + data
    assert drawn(compact(reset_first)) == drawn(reset_first)


def test_a_background_that_stays_is_said_once():
    row = "\x1b[38;5;1;48;5;233ma\x1b[0m\x1b[38;5;2;48;5;233mb\x1b[0m\x1b[1;38;5;2;48;5;233mc\x1b[0m"
    less = "\x1b[38;5;1;48;5;233ma\x1b[38;5;2mb\x1b[0;1;38;5;2;48;5;233mc\x1b[0m"
    assert compact(f"\x1b[0m{row}") == f"\x1b[0;{less.removeprefix(chr(27) + '[')}"
    assert compact(f"\x1b[0m {row}") == f"\x1b[0m {less}"


def test_pieces_of_one_style_become_one():
    assert compact("\x1b[0m \x1b[31ma\x1b[0m\x1b[31mb\x1b[0m") == "\x1b[0m \x1b[31mab\x1b[0m"
