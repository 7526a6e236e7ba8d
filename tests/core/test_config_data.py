"""What makes no sense of the data section is told in one sentence."""

from __future__ import annotations

import pytest

from cifar_core.errors import ConfigError
from cifar_core.validation import parse


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"folds": 5, "validation": 0.1}, "data.folds: hold images out, as validation does; give one of them"),
        ({"fold": 2}, "data.fold: there are no folds unless data.folds says how many"),
        ({"folds": 5, "fold": 6}, "data.fold: must be at most 5, the number of folds, not 6"),
        ({"folds": 5, "fold": 0}, "data.fold: must be at least 1, not 0"),
        ({"folds": 1}, "data.folds: must be at least 2, not 1"),
        ({"classes": ["cat"]}, "data.classes: must name at least two classes, each once"),
        ({"classes": ["cat", "dog", "cat"]}, "data.classes: must name at least two classes, each once"),
        ({"imbalance": 0.5}, "data.imbalance: must be at least 1, not 0.5"),
        ({"label_noise": 1.0}, "data.label_noise: must be less than 1, not 1.0"),
        ({"extra_tests": "here"}, "data.extra_tests: must be a list, not 'here'"),
        ({"extra_tests": [""]}, "data.extra_tests[0]: must have at least 1 character, not 0"),
    ],
)
def test_what_makes_no_sense_is_told(data, sentence):
    with pytest.raises(ConfigError) as told:
        parse({"data": data})
    assert str(told.value) == sentence


def test_lists_are_taken_as_toml_has_them():
    data = parse({"data": {"classes": ["cat", "dog"], "extra_tests": ["/v6"]}}).data
    assert (data.classes, data.extra_tests) == (("cat", "dog"), ("/v6",))
