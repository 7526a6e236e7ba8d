"""A key's line is right wherever one is told."""

from __future__ import annotations

import tomli
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from cifar_experiments.presets.lines import key_lines

TEXT = '''# a comment with a = 1 and [a.table]
top = 1
"quoted key" = """
[not.a.table]
lr = 5 \\""" """
list = [
  1, # ] = 2
  "]",
]

[optimizer]   # the optimizer
lr = 0.1
inline = {a = 1, b = [1, {c = 2}]}
a."b.c".'d' = 2
literal = \'\'\'
x = '1'
\'\'\'
after = true
[[items]]
name = 1
[items.sub]
y = 1
[ schedule . deep ]\r
"\\u0065very" = 2
'''


def test_every_kind_of_key_is_found_in_its_line():
    assert key_lines(TEXT) == {
        ("top",): 2,
        ("quoted key",): 3,
        ("list",): 6,
        ("optimizer",): 11,
        ("optimizer", "lr"): 12,
        ("optimizer", "inline"): 13,
        ("optimizer", "a", "b.c", "d"): 14,
        ("optimizer", "literal"): 15,
        ("optimizer", "after"): 18,
        ("schedule", "deep"): 23,
        ("schedule", "deep", "every"): 24,
    }


def test_the_text_above_is_valid_toml():
    assert tomli.loads(TEXT)["optimizer"]["after"] is True


def test_strings_that_end_in_quotes_end_where_toml_says():
    text = 'a = """x"""""\nb = ""\nc = \'\'\'y\'\'\'\'\nd = "\\\\"\ne = 1\n'
    assert tomli.loads(text)["a"] == 'x""'
    assert key_lines(text) == {("a",): 1, ("b",): 2, ("c",): 3, ("d",): 4, ("e",): 5}


def test_an_empty_text_has_no_lines():
    assert key_lines("") == key_lines("\n# only this") == {}


def has(tree, path, *, but_table=False):
    """Whether the document has the key; ``but_table`` asks for one that is no table."""
    for part in path:
        if not isinstance(tree, dict) or part not in tree:
            return False
        tree = tree[part]
    return not (but_table and isinstance(tree, dict))


def parsed(text):
    try:
        return tomli.loads(text)
    except ValueError:
        return None


def assert_every_line_is_right(text):
    """The lines before a key's make a document without it, and the shortest longer document has it.

    Only a table may be there before its own header: ``[t.u]`` makes ``t`` too.
    """
    lines = text.split("\n")
    for path, number in key_lines(text).items():
        assert not has(parsed("\n".join(lines[: number - 1])), path, but_table=True)
        longer = (parsed("\n".join(lines[:end])) for end in range(number, len(lines) + 1))
        assert has(next(tree for tree in longer if tree is not None), path)


def test_a_table_named_before_its_own_header_has_the_headers_line():
    assert key_lines("[t.u]\n[t]")[("t",)] == 2
    assert_every_line_is_right("[t.u]\n[t]")


def test_the_lines_of_the_text_above_are_right():
    assert_every_line_is_right(TEXT.replace("\r", ""))


keys = st.text(min_size=1, max_size=4) | st.sampled_from(["lr", "a.b", "a b", '"', "'", "[x]", "#", "=", "epochs"])
texts = st.text(max_size=8) | st.text(alphabet="\"'\\\n[]{}#= a.,", max_size=12)
values = st.recursive(
    st.integers(-9, 9) | st.booleans() | st.floats(allow_nan=False) | texts | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def documents(draw):
    """TOML of all the ways to write a tree: comments, long strings, dotted keys, headers, arrays of tables."""
    document = tomlkit.document()
    for key, value in draw(st.dictionaries(keys, values, max_size=4)).items():
        if draw(st.booleans()):
            document.add(tomlkit.comment(draw(st.text(alphabet="a =[]'\"#", max_size=8))))
        if isinstance(value, dict) and draw(st.booleans()):
            inline = tomlkit.inline_table()
            inline.update(value)
            document.add(key, inline)
        elif isinstance(value, list) and draw(st.booleans()):
            array = tomlkit.array().multiline(multiline=True)
            array.extend(value)
            document.add(key, array)
        elif isinstance(value, str) and draw(st.booleans()):
            document.add(key, tomlkit.string(value, multiline=True))
        else:
            document.add(key, value)
    return tomlkit.dumps(document)


pieces = st.lists(
    st.sampled_from(
        [
            *("a = 1", "b = [", "1,", "]", "[t]", "[t.u]", "[[s]]", "[s.v]", "a.c = 2", "'d' = 3", '"e" = """', '"""'),
            *("f = '''", "'''", "# [x]", "", "g = { h = 1 }", "h = '#'", 'i = "\\""', "j = [{k = 1}, [2]]", "[ 'w' ]"),
        ]
    ),
    max_size=12,
).map("\n".join)


@settings(max_examples=1_000, deadline=None)
@given(documents() | pieces)
def test_no_line_is_ever_wrong(text):
    if parsed(text) is not None:
        assert_every_line_is_right(text.replace("\r\n", "\n"))
