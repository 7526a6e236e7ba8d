"""A configuration is accepted whole or refused with one sentence for every fault."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cifar_core.config import AdamW, Config, Cosine, MultiStep
from cifar_core.errors import ConfigError
from cifar_core.validation import json_schema, parse, parse_override


def faults(tree, where=lambda _key: ""):
    with pytest.raises(ConfigError) as caught:
        parse(tree, where)
    return str(caught.value).split("\n")


def fault(tree):
    (line,) = faults(tree)
    return line


def test_an_empty_tree_is_the_default_configuration():
    assert parse({}) == Config()


def test_a_whole_tree_becomes_a_configuration():
    config = parse(
        {
            "name": "mine",
            "optimizer": {"name": "adamw", "betas": [0.8, 0.9], "lr": 1},
            "schedule": {"name": "multistep", "milestones": [3, 4.5]},
            "training": {"epochs": 3},
        }
    )
    assert config.optimizer == AdamW(betas=(0.8, 0.9), lr=1.0)
    assert config.schedule == MultiStep(milestones=(3.0, 4.5))
    assert (config.name, config.training.epochs) == ("mine", 3)


def test_an_optimizer_without_a_name_is_sgd_and_a_schedule_without_one_constant():
    config = parse({"optimizer": {"momentum": 0.5}, "schedule": {"warmup_epochs": 1}})
    assert (config.optimizer.name, config.schedule.name) == ("sgd", "constant")


@pytest.mark.parametrize(
    ("tree", "sentence"),
    [
        (
            {"optimizer": {"momentm": 0.9}},
            "optimizer.momentm: unknown key; did you mean momentum? (allowed for sgd: decayed, lookahead, lr,",
        ),
        (
            {"optimizer": {"name": "adam", "nesterov": True}},
            "optimizer.nesterov: unknown key; sgd and muon have it (allowed for adam: betas, decayed, eps,",
        ),
        (
            {"schedule": {"name": "cosine", "every": 3}},
            "schedule.every: unknown key; step has it (allowed for cosine: final, name, warmup_epochs)",
        ),
        (
            {"modle": {}},
            "modle: unknown key; did you mean model? (allowed: augment, data, description, model, name, optimizer,",
        ),
        ({"model": {"name": "lenet"}}, "did you mean lenet-notes?"),
        ({"training": {"epochs": 1.5}}, "training.epochs: must be a whole number, not 1.5"),
        ({"training": {"epochs": True}}, "training.epochs: must be a whole number, not true"),
        ({"training": {"epochs": 0}}, "training.epochs: must be at least 1, not 0"),
        ({"training": {"epochs": 10**7}}, "training.epochs: must be at most 1000000, not 10000000"),
        ({"optimizer": {"lr": 0}}, "optimizer.lr: must be greater than 0, not 0"),
        ({"optimizer": {"momentum": 1}}, "optimizer.momentum: must be less than 1, not 1"),
        ({"optimizer": {"lr": ".1"}}, "optimizer.lr: must be a number, not '.1'; did you mean 0.1?"),
        ({"optimizer": {"lr": float("nan")}}, "optimizer.lr: must be a finite number, not nan"),
        ({"optimizer": {"lr": float("inf")}}, "optimizer.lr: must be a finite number, not inf"),
        (
            {"optimizer": {"name": "sdg"}},
            "one of sgd, adam, adamw, lion, muon, schedule-free-adamw, not 'sdg'; did you mean sgd?",
        ),
        (
            {"optimizer": {"name": 5}},
            "optimizer.name: must be one of sgd, adam, adamw, lion, muon, schedule-free-adamw, not 5",
        ),
        ({"optimizer": 5}, "optimizer: must be a table, not 5"),
        ({"schedule": "cosine"}, "schedule: must be a table, not 'cosine'; did you mean schedule.name?"),
        ({"training": []}, "training: must be a table, not a list"),
        ({"schedule": {"name": "step"}}, "schedule.every: is missing, and step needs it"),
        ({"optimizer": {"nesterov": True, "momentum": 0}}, "optimizer.nesterov: needs a momentum above 0"),
        ({"data": {"kind": "folder"}}, "data.root: must name the folder of the images when kind is folder"),
        ({"data": {"root": 5}}, "data.root: must be text, not 5: put it in quotes"),
        ({"data": {"root": ""}}, "data.root: must have at least 1 character, not 0"),
        ({"data": {"verify": "yes"}}, "data.verify: must be true or false, not 'yes'"),
        ({"name": "x" * 101}, "name: must have at most 100 characters, not 101"),
        ({"augment": {"mean": [0, 0, "a"]}}, "augment.mean[2]: must be a number, not 'a'"),
        ({"augment": {"mean": [0, 0]}}, "augment.mean[2]: is missing"),
        ({"augment": {"std": [1, 1, 1, 1]}}, "augment.std: must have at most 3 items, not 4"),
        ({"augment": {"std": [1, 0, 1]}}, "augment.std: every channel's must be greater than 0"),
        ({"augment": {"mean": 0.5}}, "augment.mean: must be a list, not 0.5"),
        (
            {"training": {"device": "gpu"}},
            "training.device: must be auto, cpu, cuda, cuda:N (N a number) or mps, not 'gpu'",
        ),
        ({"training": {"seed": dt.date(2020, 1, 2)}}, "training.seed: must be a whole number, not 2020-01-02"),
        ({"training": {"seed": {}}}, "training.seed: must be a whole number, not a table"),
    ],
)
def test_a_fault_is_one_sentence(tree, sentence):
    assert sentence in fault(tree)


@pytest.mark.parametrize(
    ("tree", "meant"),
    [
        ({"lr": 1}, "optimizer.lr"),
        ({"optimizer": {"epochs": 3}}, "training.epochs"),
        ({"optimizer": {"epcohs": 3}}, "training.epochs"),
        ({"model": {"flip": "random"}}, "augment.flip"),
    ],
)
def test_a_key_in_the_wrong_section_is_shown_the_way(tree, meant):
    assert f"did you mean {meant}?" in fault(tree)


def test_all_faults_are_told_at_once():
    tree = {"optimizer": {"momentm": 1, "lr": -1}, "training": {"epochs": "x"}, "model": 5, "colour": 1}
    keys = {line.partition(": ")[0] for line in faults(tree)}
    assert keys == {"optimizer.momentm", "optimizer.lr", "training.epochs", "model", "colour"}


def test_a_fault_begins_with_the_origin_of_its_key():
    origins = {"training.epochs": "my.toml:12", "augment.mean": "command line"}
    tree = {"training": {"epochs": 0}, "augment": {"mean": [1, 2, "x"]}, "model": {"x": 1}}
    lines = faults(tree, lambda key: origins.get(key, ""))
    assert "my.toml:12: training.epochs: must be at least 1, not 0" in lines
    assert "command line: augment.mean[2]: must be a number, not 'x'" in lines
    assert any(line.startswith("model.x: ") for line in lines)


def test_a_missing_key_has_the_origin_of_its_section():
    lines = faults({"schedule": {"name": "step"}}, lambda key: {"schedule": "my.toml:3"}.get(key, ""))
    assert lines == ["my.toml:3: schedule.every: is missing, and step needs it"]


def test_hundreds_of_faults_are_cut_short():
    lines = faults({"training": {f"x{n}": 1 for n in range(300)}})
    assert len(lines) == 51
    assert lines[-1] == "and 250 more faults"


def test_foreign_text_cannot_steer_a_terminal_nor_add_lines():
    lines = faults({"training": {"a\x1b]0;x\x07\nb": 1, "device": "\x1b[2J\ncpu"}, "model\n": 1})
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)


def test_long_values_and_keys_are_shortened():
    assert len(fault({"model": {"name": "x" * 100_000}})) < 500
    assert len(fault({"model": {"x" * 100_000: 1}})) < 500


def nested(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


MONSTERS = {
    "deep": nested(100_000),
    "long": 10**10_000,
    "negative": -(10**10_000),
    "bytes": b"x",
    "set": {1, 2},
    "object": object(),
}


@pytest.mark.parametrize("monster", MONSTERS)
@pytest.mark.parametrize("key", ["optimizer.name", "optimizer.lr", "training.seed", "model.name", "training.x"])
def test_monstrous_values_are_refused_in_a_sentence(key, monster):
    section, _, name = key.partition(".")
    lines = faults({section: {name: MONSTERS[monster]}})
    assert all(line.startswith(f"{key}: ") and len(line) < 300 for line in lines)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**400], ids=["above", "below", "far above"])
@pytest.mark.parametrize("key", ["seed", "max_steps"])
def test_numbers_beyond_64_bits_are_refused_since_other_toml_readers_cannot_hold_them(key, number):
    assert fault({"training": {key: number}}).startswith(f"training.{key}: must be a number of at most 64 bits, not ")


@pytest.mark.parametrize("key", [1, None, ("a",), b"a", "\udcff"])
def test_keys_that_are_no_text_are_refused(key):
    assert "a key must be UTF-8 text" in fault({key: 1})
    assert "a key must be UTF-8 text" in fault({"training": {key: 1}})


@pytest.mark.parametrize(
    "tree", [{"description": "\udcff"}, {"data": {"root": "/\udcff"}}, {"data": {"mirrors": ["\udcff"]}}]
)
def test_text_that_could_not_be_saved_is_refused(tree):
    assert "must be UTF-8 text" in fault(tree)


@pytest.mark.parametrize(
    ("word", "key", "value"),
    [
        ("training.epochs=5", "training.epochs", 5),
        ("optimizer.lr=0.1", "optimizer.lr", 0.1),
        ("optimizer.lr=5e-4", "optimizer.lr", 5e-4),
        ("data.verify=false", "data.verify", False),
        ("augment.mean=[0.5, 0.5, 0.5]", "augment.mean", [0.5, 0.5, 0.5]),
        ("model.name=resnet18", "model.name", "resnet18"),
        ('name="5"', "name", "5"),
        ("data.root=/a b=c/d", "data.root", "/a b=c/d"),
        ("data.root=2026-11-21", "data.root", "2026-11-21"),
        ("training.device=cuda:1", "training.device", "cuda:1"),
        (" training.epochs = 5 ", "training.epochs", 5),
        ("data.root=", "data.root", ""),
        ("data.root=1\nx=2", "data.root", "1\nx=2"),
        ("data.root={a=1}", "data.root", "{a=1}"),
    ],
)
def test_an_override_is_toml_where_it_reads_as_toml_and_text_elsewhere(word, key, value):
    assert parse_override(word) == (key, value)
    assert type(parse_override(word)[1]) is type(value)


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("epochs", "'epochs' is no key=value"),
        ("=5", "has no key before the ="),
        ("a b=5", "'a b' is no dotted key"),
        (".a=5", "'.a' is no dotted key"),
        ("a..b=5", "is no dotted key"),
        ("a\nb=5\x1b", "is no dotted key"),
        ("augment.mean=[.5,.5]", "augment.mean: '[.5,.5]' is not valid TOML"),
        ("data.root='x", "is not valid TOML"),
        ("x=" + "[" * 10_000, "nested too deeply"),
        ("x=" + "1" * 10_000, "too long a number"),
    ],
)
def test_an_odd_override_is_refused_in_a_sentence(word, sentence):
    with pytest.raises(ConfigError) as caught:
        parse_override(word)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("command line: ")
    assert str(caught.value).isprintable()


def test_the_schema_names_every_section_and_forbids_unknown_keys():
    schema = json_schema()
    assert {"model", "data", "augment", "optimizer", "schedule", "training"} <= schema["properties"].keys()
    assert schema["additionalProperties"] is False


SECTIONS = ("model", "data", "augment", "optimizer", "schedule", "training")
KEYS = sorted(
    {key for section in SECTIONS for key in parse({}).model_dump()[section]} | {"every", "milestones", "betas"}
)
WORDS = [
    "sgd",
    "adam",
    "adamw",
    "constant",
    "step",
    "multistep",
    "cosine",
    "resnet18",
    "conv3-notes",
    "cuda:1",
    "random",
]
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, 1, 2, 2**63, 0.5, -1.0])
    | st.builds(pow, st.just(10), st.just(5_000))
    | st.floats()
    | st.sampled_from(WORDS)
    | st.text()
    | st.text(alphabet=st.characters(codec=None), max_size=3)
    | st.binary(max_size=3)
    | st.dates()
    | st.datetimes()
    | st.times(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
odd_keys = st.text(alphabet=st.characters(codec=None), max_size=5) | st.integers() | st.none() | st.binary(max_size=2)
sections = st.dictionaries(st.sampled_from(KEYS) | st.sampled_from(KEYS) | odd_keys, anything, max_size=5)
trees = st.dictionaries(
    st.sampled_from([*SECTIONS, "name", "description"]) | odd_keys, sections | sections | anything, max_size=6
)


def outcome(action):
    try:
        return action(), []
    except ConfigError as error:
        return None, str(error).split("\n")


@pytest.mark.slow
@settings(max_examples=1_000, deadline=None)
@given(trees)
def test_any_tree_is_a_configuration_or_a_printable_sentence_a_fault(tree):
    config, lines = outcome(lambda: parse(tree, lambda key: f"my\n.toml:{len(key)}"))
    assert isinstance(config, Config) or all(line.startswith("my\\n.toml:") for line in lines)
    assert all(line.isprintable() and len(line) < 500 for line in lines)


@settings(max_examples=1_000, deadline=None)
@given(
    st.text()
    | st.builds("{}={}".format, st.sampled_from(["training.epochs", "optimizer.lr", "data.root", "x"]), st.text())
    | st.builds("a={}".format, st.text(alphabet="[]{}\"'#=0123456789.-+eE_:Tx\n ,\\"))
)
def test_any_override_is_a_key_and_a_value_or_a_printable_sentence(word):
    read, lines = outcome(lambda: parse_override(word))
    assert read is None or re.fullmatch(r"[A-Za-z0-9_.-]+", read[0])
    assert read is None or isinstance(read[1], bool | int | float | str | list)
    assert all(line.isprintable() for line in lines)


def test_a_configuration_is_its_own_tree():
    config = parse({"schedule": {"name": "cosine", "final": 0.5}})
    assert config.schedule == Cosine(final=0.5)
    assert parse(config.model_dump()) == config
