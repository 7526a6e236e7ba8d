"""The events of one run as screens show them: ``history`` takes them in, ``series`` holds the figures for charts."""

from cifar_experiments.history.buckets import Column, View
from cifar_experiments.history.classes import ClassAccuracy, Confused
from cifar_experiments.history.history import GpuSeries, History
from cifar_experiments.history.series import Series, smoothed

__all__ = [
    "ClassAccuracy",
    "Column",
    "Confused",
    "GpuSeries",
    "History",
    "Series",
    "View",
    "smoothed",
]
