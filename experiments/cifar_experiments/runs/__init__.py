"""Runs, each a folder of plain files: ``folder`` makes and finds it, ``recording`` fills it, ``lock`` guards it."""

from cifar_experiments.errors import RunFolderError
from cifar_experiments.runs.events_file import newest_events, read_events
from cifar_experiments.runs.folder import Run, called, create, find, in_folder, runs_folder
from cifar_experiments.runs.listing import current, remove
from cifar_experiments.runs.lock import RunLockedError, locked
from cifar_experiments.runs.recording import Recorder
from cifar_experiments.runs.summary import Summary, read_summary

__all__ = [
    "Recorder",
    "Run",
    "RunFolderError",
    "RunLockedError",
    "Summary",
    "called",
    "create",
    "current",
    "find",
    "in_folder",
    "locked",
    "newest_events",
    "read_events",
    "read_summary",
    "remove",
    "runs_folder",
]
