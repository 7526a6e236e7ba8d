"""Patterns over parameter names."""

import pytest

from cifar_core.errors import ConfigError
from cifar_core.models.patterns import examples, matching, renamed, required

NAMES = [
    "conv1.weight",
    "layer1.0.conv1.weight",
    "layer1.0.conv1.bias",
    "layer2.0.conv1.weight",
    "fc.weight",
    "fc.bias",
]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("fc.*", ["fc.weight", "fc.bias"]),
        ("*.bias", ["layer1.0.conv1.bias", "fc.bias"]),
        ("layer[12].?.conv1.weight", ["layer1.0.conv1.weight", "layer2.0.conv1.weight"]),
        ("conv1.weight", ["conv1.weight"]),
        ("conv1", []),
        ("FC.*", []),
    ],
)
def test_a_pattern_fits_whole_names(pattern, found):
    assert matching(pattern, NAMES) == found


def test_a_pattern_that_fits_nothing_is_an_error_naming_key_pattern_and_examples():
    with pytest.raises(ConfigError, match=r"^model\.freeze: 'backbone\.\*' fits no name of the network.*conv1\.weight"):
        required("model.freeze", "backbone.*", NAMES)


@pytest.mark.parametrize(
    ("pattern", "to", "name", "becomes"),
    [
        ("backbone.*", "*", "backbone.conv1.weight", "conv1.weight"),
        ("*", "encoder.*", "conv1.weight", "encoder.conv1.weight"),
        ("layer*.conv*.weight", "stage*.c*.weight", "layer1.conv2.weight", "stage1.c2.weight"),
        ("layer[12].*", "first.*", "layer2.bias", "first.bias"),
        ("*.gamma", "norm.weight", "layer1.gamma", "norm.weight"),
        ("fc.*", "head.*", "fc2.weight", None),
        ("a.b", "c", "axb", None),
    ],
)
def test_a_renaming_takes_over_what_each_star_took(pattern, to, name, becomes):
    assert renamed(pattern, to, name) == becomes


def test_examples_are_few_and_say_how_many_there_are():
    assert examples(["a", "b"]) == "a, b"
    assert examples([str(number) for number in range(1000)]) == "0, 1, 2, 3, ... (1,000 in all)"


def test_names_cannot_steer_a_terminal():
    assert "\x1b" not in examples(["\x1b[2J"])
