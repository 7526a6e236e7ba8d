"""The app for tests: in folders of its own, and with runs whose events are scripted."""

import contextlib

from cifar_core.errors import CifarError
from cifar_experiments.presets.draft import Draft
from cifar_experiments.runs import Run
from cifar_tui.app import CifarApp
from cifar_tui.settings import Layout, Settings
from cifar_tui.training import Trainings
from cifar_tui.watched import Record, status_of


class NoBackground:
    """Prepares nothing: for tests that choose what is known."""

    def __init__(self):
        from cifar_tui.background import Readiness

        self.version = 0
        self.readiness = Readiness()
        self.wishes = []

    def start(self):
        pass

    def wish(self, config, *, download=False):
        self.wishes.append((config, download))

    def held(self):
        return contextlib.nullcontext()

    def tell(self, **changes):
        from dataclasses import replace

        self.readiness = replace(self.readiness, **changes)
        self.version += 1


class Scripted:
    """A run whose events a test makes up; remembers what it was asked for."""

    def __init__(self, path, *events, trained_here=True):
        self.run = Run(path)
        self.record = Record()
        self.record.apply(events)
        self.trained_here = trained_here
        self.error = None
        self.ended = False
        self.asked = []
        self.refuses = None
        self.left = False

    @property
    def status(self):
        with self.record.reading() as history:
            return status_of(history)

    def apply(self, *events):
        self.record.apply(events)

    async def ask(self, request):
        if self.refuses is not None:
            raise CifarError(self.refuses)
        self.asked.append(request)

    def leave(self):
        self.left = True


def make_app(runs_dir, *, draft=None, background=None, settings=None, layout=None, first=None):
    """An app that keeps its runs in ``runs_dir``; prepares nothing unless given what does."""
    background = background or NoBackground()
    return CifarApp(
        draft=draft or Draft("quickstart"),
        trainings=Trainings(background.held),
        background=background,
        settings=settings or Settings(),
        layout=layout or Layout(),
        runs_dir=runs_dir,
        first=first,
    )
