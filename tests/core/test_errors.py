"""Foreign text is harmless once it was made printable."""

from hypothesis import given
from hypothesis import strategies as st

from cifar_core.errors import printable


def test_an_escape_sequence_is_shown_instead_of_obeyed():
    assert printable("a\x1b]0;owned\x07b") == r"a\x1b]0;owned\x07b"
    assert printable("right\u202eleft") == r"right\u202eleft"
    assert printable("two\nlines") == r"two\nlines"
    assert printable("\x9b31m") == r"\x9b31m"


def test_ordinary_text_of_any_language_stays_as_it_is():
    assert printable("Grüße, 世界") == "Grüße, 世界"


@given(st.text())
def test_nothing_unprintable_is_left(text):
    assert printable(text).isprintable()
