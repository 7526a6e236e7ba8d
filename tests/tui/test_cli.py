"""What the command line takes for a command, and what for an experiment."""

import tomli
from click.testing import CliRunner

from cifar_experiments.presets.saving import COMMANDS
from cifar_tui.cli import cli
from cifar_tui.keys import bindings
from cifar_tui.settings import read_settings


def test_no_command_can_hide_an_experiment():
    assert set(cli.commands) <= COMMANDS


def test_the_keys_are_printed_as_settings_that_say_what_is_so_already(tmp_path):
    said = CliRunner().invoke(cli, ["keys"]).output
    path = tmp_path / "settings.toml"
    path.write_text(said)
    settings = read_settings(path)
    assert settings.faults == ()
    assert settings.keys == tomli.loads(said)["keys"] == {name: each.key for name, each in bindings().items()}
    assert settings.keys["monitor.pause"] == "space"
