"""Generators that return something after their events."""


def finished(work):
    """The events that a generator yields, and what it returns."""
    events = []
    while True:
        try:
            events.append(next(work))
        except StopIteration as end:
            return events, end.value
