"""Runs, each a folder of plain files: ``folder`` makes it, ``recording`` fills it, ``summary`` is its short form."""

from cifar_experiments.runs.folder import Run, RunFolderError, create, read_events, runs_folder
from cifar_experiments.runs.recording import record
from cifar_experiments.runs.summary import Summary

__all__ = ["Run", "RunFolderError", "Summary", "create", "read_events", "record", "runs_folder"]
