"""Events are lines of JSON that read back as they were written."""

import typing

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cifar_core import events

EVENT_TYPES = typing.get_args(events.AnyEvent)
FINITE = st.floats(allow_nan=False, allow_infinity=False)


def of_type(annotation):
    """A strategy for values of one field's annotation."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        return st.lists(of_type(arguments[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(of_type(arguments[0]), of_type(arguments[1]), max_size=3)
    if arguments:
        return st.one_of([of_type(argument) for argument in arguments])
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return event_of(annotation)
    simple = {
        float: FINITE,
        int: st.integers(-(2**53), 2**53),
        str: st.text(),
        bool: st.booleans(),
        type(None): st.none(),
    }
    return simple[annotation]


def event_of(kind):
    hints = typing.get_type_hints(kind)
    return st.builds(kind, **{field: of_type(hints[field]) for field in kind.__struct_fields__})


@given(st.one_of([event_of(kind) for kind in EVENT_TYPES]))
def test_every_event_reads_back_as_it_was_written(event):
    line = events.to_json(event)
    assert b"\n" not in line
    assert events.from_json(line) == event


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_every_line_names_its_type_and_time(kind):
    assert kind.__struct_config__.tag == kind.__name__
    assert kind.__struct_config__.tag_field == "type"
    assert "time" in kind.__struct_fields__


@pytest.mark.parametrize(
    "line", ["", "{", '{"type":"Nothing","time":1}', '{"type":"Paused","time":1,"epoch":"x","step":1}']
)
def test_a_line_that_is_no_event_is_refused(line):
    with pytest.raises(ValueError, match=r".+"):
        events.from_json(line)


def test_events_cannot_be_changed():
    event = events.Paused(time=1.0, epoch=1, step=1)
    with pytest.raises(AttributeError):
        event.step = 2
