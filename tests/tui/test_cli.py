"""What the command line takes for a command, and what for an experiment."""

from cifar_experiments.presets.saving import COMMANDS
from cifar_tui.cli import cli


def test_no_command_can_hide_an_experiment():
    assert set(cli.commands) <= COMMANDS
