"""Runs, each a folder of plain files: ``folder`` makes and finds it, ``recording`` fills it, ``lock`` guards it."""

from cifar_experiments.runs.events_file import newest_events, read_events
from cifar_experiments.runs.folder import Run, RunFolderError, create, find, in_folder, runs_folder
from cifar_experiments.runs.recording import record
from cifar_experiments.runs.summary import Summary

__all__ = [
    "Run",
    "RunFolderError",
    "Summary",
    "create",
    "find",
    "in_folder",
    "newest_events",
    "read_events",
    "record",
    "runs_folder",
]
