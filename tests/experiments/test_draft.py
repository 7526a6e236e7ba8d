"""A draft is a command line that is not written yet: what it comes to, what it changes, and why an edit cannot be."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cifar_core.config import Adam, AdamW, Config, Constant, Cosine, MultiStep, Sgd, Step
from cifar_core.errors import ConfigError
from cifar_core.models.names import OWN
from cifar_core.validation import parse
from cifar_experiments.presets import compose, explain, listing, save
from cifar_experiments.presets.draft import Draft, Field, about, fault, needs, rows
from cifar_experiments.presets.fields import names
from cifar_tui.run_cli import run

NOTES = Draft("notes-lenet-2ep")
CUTOUT = Draft("resnet18-cutout")


def typed(arguments):
    """The effective configuration that a command line comes to."""
    given = run.make_context("run", arguments[1:]).params
    experiment, overrides = given["experiment"], given["overrides"]
    if experiment is not None and "=" in experiment:
        experiment, overrides = None, (experiment, *overrides)
    presets = {kind: given[kind] for kind in ("model", "augment", "optimizer")}
    return compose(experiment, **presets, overrides=overrides)


def told(draft):
    return {row.key: (row.value, row.saved) for row in rows(draft)}


# What it comes to


def test_a_draft_of_nothing_is_the_default_configuration():
    assert Draft().composed().config == Config()
    assert {row.saved for row in rows(Draft())} == {None}


def test_a_draft_is_its_experiment_with_its_presets_and_its_edits():
    draft = Draft("notes-lenet-2ep", model="resnet18", augment="none", optimizer="adamw").edited("training.epochs", "5")
    config = draft.composed().config
    assert (
        config
        == compose(
            "notes-lenet-2ep", model="resnet18", augment="none", optimizer="adamw", overrides=["training.epochs=5"]
        ).config
    )
    assert (config.model.name, config.optimizer, config.training.epochs) == ("resnet18", AdamW(), 5)


def test_the_command_line_names_the_experiment_then_presets_then_edits():
    draft = Draft("notes-lenet-2ep", model="resnet18").edited("training.epochs", "5").edited("data.root", "/a b")
    assert draft.arguments() == [
        *("cifar-tui", "--no-tui", "notes-lenet-2ep"),
        *("--model", "resnet18", "training.epochs=5", "data.root=/a b"),
    ]
    assert Draft(augment="none", optimizer="sgd").arguments()[2:] == ["--augment", "none", "--optimizer", "sgd"]


def test_the_last_word_on_a_key_wins():
    draft = NOTES.edited("training.epochs", "5").edited("training.seed", "1").edited("training.epochs", "6")
    assert draft.edits == (("training.seed", "1"), ("training.epochs", "6"))
    assert Draft(edits=(("training.seed", "1"), ("training.seed", "2"))).arguments()[2:] == ["training.seed=2"]


def test_an_edit_that_is_taken_back_leaves_the_others():
    draft = NOTES.edited("training.epochs", "5").edited("training.seed", "1")
    assert draft.without("training.epochs").edits == (("training.seed", "1"),)
    assert draft.without("data.root") == draft
    assert draft.without("training.epochs").without("training.seed") == NOTES


def test_an_edit_is_a_word_of_the_command_line_also_where_it_is_wrong():
    draft = NOTES.edited("training.epochs", "0").edited("a b", "1")
    with pytest.raises(ConfigError, match="'a b' is no dotted key"):
        draft.composed()
    with pytest.raises(ConfigError) as caught:
        draft.without("a b").composed()
    assert str(caught.value) == "command line: training.epochs: must be at least 1, not 0"


# A section that begins afresh


@pytest.mark.parametrize(
    ("draft", "section", "now"),
    [
        (NOTES.edited("optimizer.name", "adamw"), "optimizer", AdamW()),
        (NOTES.edited("optimizer.name", " adam "), "optimizer", Adam()),
        (CUTOUT.edited("schedule.name", "cosine"), "schedule", Cosine()),
        (CUTOUT.edited("schedule.name", "constant"), "schedule", Constant()),
        (NOTES.edited("schedule.name", "step").edited("schedule.every", "2"), "schedule", Step(every=2.0)),
    ],
)
def test_another_name_begins_a_section_afresh(draft, section, now):
    assert getattr(draft.composed().config, section) == now


def test_another_model_leaves_what_was_said_of_the_one_before():
    config = Draft("notes-conv3-bn-dropout").edited("model.name", "resnet18").composed().config
    assert (config.model.name, config.model.dropout) == ("resnet18", ())


def test_the_name_that_a_section_has_already_changes_nothing():
    draft = Draft("quickstart").edited("optimizer.name", "sgd").edited("model.name", "lenet-notes")
    assert draft.edited("schedule.name", "onecycle").composed().config == compose("quickstart").config
    assert Draft("quickstart").edited("optimizer.name", "adam").edited("optimizer.name", "sgd").composed().config == (
        compose("quickstart").config
    )


def test_edits_go_with_the_name_that_they_were_made_for():
    draft = NOTES.edited("optimizer.momentum", "0.5").edited("training.seed", "3").edited("optimizer.name", "adam")
    assert draft.edits == (("training.seed", "3"), ("optimizer.name", "adam"))
    draft = draft.edited("optimizer.eps", "1e-6")
    assert draft.composed().config.optimizer == Adam(eps=1e-6)
    assert draft.without("optimizer.name").edits == (("training.seed", "3"),)
    assert draft.without("schedule.name") == draft
    assert NOTES.edited("optimizer.momentum", "0.5").without("optimizer.name").composed().config.optimizer == (
        Sgd(lr=0.001, momentum=0.5)
    )


def test_a_name_takes_the_place_of_an_optimizer_that_cannot_be_used(preset):
    preset("experiments", "broken", 'optimizer = "gone"')
    draft = Draft("broken").edited("optimizer.name", "sgd")
    assert draft.composed().config.optimizer == Sgd(lr=0.001)
    assert {row.saved for row in rows(draft)} == {None}


def test_a_name_that_is_none_is_told_as_such():
    with pytest.raises(ConfigError, match=r"optimizer\.name: must be one of sgd, .*, not 'adamx'; did you"):
        NOTES.edited("optimizer.name", "adamx").composed()


@pytest.mark.parametrize("section", ["model", "optimizer"])
def test_every_name_has_a_built_in_preset_that_it_begins_with(section):
    built_in = {entry.name for entry in listing(f"{section}s") if entry.origin == "built-in"}
    assert set(names(section)) <= built_in
    for name in names(section):
        assert getattr(compose(**{section: name}).config, section).name == name


# No value


def test_an_empty_text_takes_an_optional_value_away(preset):
    preset("experiments", "clipped", "[training]\nclip_norm = 0.5\nthreads = 2\n")
    draft = Draft("clipped").edited("training.clip_norm", "").edited("training.threads", "  ")
    config = draft.composed().config
    assert (config.training.clip_norm, config.training.threads) == (None, None)
    assert told(draft)["training.clip_norm"] == ("", "0.5")
    assert compose("clipped", overrides=["training.clip_norm="]).sources["training.clip_norm"].label == "command line"


def test_an_empty_text_is_a_text_where_one_is_wanted_and_else_a_fault():
    assert NOTES.edited("description", "").composed().config.description == ""
    assert fault(NOTES, "training.epochs", "") == "training.epochs: must be a whole number, not ''"
    assert fault(NOTES, "data.train_list", "") == "data.train_list: must have at least 1 character, not 0"


def test_what_was_taken_away_from_a_preset_stays_away_when_saved():
    draft = NOTES.edited("augment.mean", "").edited("data.root", "")
    save("experiments", "mine", draft.composed(), "mine")
    kept = {"name": "mine", "description": "mine"}
    assert compose("mine").config == draft.composed().config.model_copy(update=kept)
    assert compose("mine").config.augment.std == (0.5, 0.5, 0.5)


# Rows


def test_rows_are_those_of_explain():
    draft = CUTOUT.edited("optimizer.lr", "3")
    explained = [(row.key, row.value, row.source) for row in explain(draft.composed())]
    assert [(row.key, row.value, row.source) for row in rows(draft)] == explained


def test_rows_tell_what_the_saved_experiment_has_where_that_is_something_else():
    draft = Draft("resnet18-cutout", augment="flip").edited("optimizer.lr", "3").edited("training.epochs", "100")
    draft = draft.edited("training.clip_norm", "1").edited("schedule.name", "cosine").edited("schedule.final", "0.5")
    changed = {key: pair for key, pair in told(draft).items() if pair[1] is not None}
    assert changed == {
        "augment.crop": ("0", "4"),
        "augment.cutout": ("0", "16"),
        "optimizer.lr": ("3.0", "0.2"),
        "schedule.name": ('"cosine"', '"onecycle"'),
        "schedule.final": ("0.5", "4e-06"),
        "training.clip_norm": ("1.0", ""),
    }


def test_a_key_that_the_saved_experiment_has_not_is_told_as_such():
    now = told(NOTES.edited("optimizer.name", "adam"))
    assert now["optimizer.betas"] == ("[0.9, 0.999]", "")
    assert "optimizer.momentum" not in now


def test_without_an_experiment_edits_are_compared_with_the_presets():
    draft = Draft(model="resnet18", optimizer="adam").edited("optimizer.lr", "0.5")
    assert {key: pair for key, pair in told(draft).items() if pair[1] is not None} == {"optimizer.lr": ("0.5", "0.001")}


def test_rows_of_what_cannot_be_are_refused():
    with pytest.raises(ConfigError, match=r"training\.epochs"):
        rows(NOTES.edited("training.epochs", "0"))


# Faults


@pytest.mark.parametrize(
    ("key", "text", "sentence"),
    [
        ("training.epochs", "5", None),
        ("training.epochs", "0", "training.epochs: must be at least 1, not 0"),
        ("training.epochs", "[", "training.epochs: '[' is not valid TOML"),
        ("training.seed", "x", "training.seed: must be a whole number, not 'x'"),
        ("optimizer.momentum", "1", "optimizer.momentum: must be less than 1, not 1"),
        (
            "optimizer.betas",
            "[0, 0]",
            "optimizer.betas: unknown key; adam, adamw, lion and schedule-free-adamw have it",
        ),
        ("schedule.name", "multistep", "schedule.milestones: is missing, and multistep needs it"),
        ("training.patience", "3", "training.patience: needs data.validation above 0"),
        ("optimizer.name", "adamw", None),
        ("nothing", "1", "nothing: unknown key"),
        ("", "1", "'=1' has no key before the ="),
    ],
)
def test_an_edit_that_cannot_be_is_told_in_a_sentence(key, text, sentence):
    told = fault(NOTES, key, text)
    assert told == sentence or (told is not None and sentence is not None and told.startswith(sentence))


def test_only_faults_that_the_edit_brings_are_told(preset):
    preset("experiments", "odd", "[training]\nepochs = 0\n")
    assert fault(Draft("odd"), "training.seed", "1") is None
    assert fault(Draft("odd"), "training.seed", "-1") == "training.seed: must be at least 0, not -1"
    assert fault(Draft("odd"), "training.epochs", "1") is None
    assert fault(Draft("gone"), "training.epochs", "0") is None


def test_an_edit_that_is_wrong_stays_wrong():
    draft = NOTES.edited("training.epochs", "0").edited("training.seed", "1")
    assert fault(draft, "training.epochs", "0") == "training.epochs: must be at least 1, not 0"
    assert fault(draft, "training.epochs", "5") is None
    assert fault(draft, "training.seed", "2") is None


def test_the_fault_of_the_key_itself_is_told_before_those_of_others():
    draft = Draft("notes-conv3-bn-dropout").edited("data.validation", "0.1").edited("training.patience", "3")
    assert fault(draft, "data.validation", "2") == "data.validation: must be less than 1, not 2"
    assert fault(draft, "data.validation", "0").startswith("training.patience: needs data.validation above 0")


def test_a_file_that_is_right_without_the_edit_is_not_named(preset):
    assert fault(Draft("quickstart"), "data.kind", "folder") == (
        "data.root: must name the folder of the images when kind is folder"
    )
    path = preset("optimizers", "adam", "\nlr = 0\n")
    assert fault(NOTES, "optimizer.name", "adam") == f"{path}:2: optimizer.lr: must be greater than 0, not 0"


@pytest.mark.parametrize(
    ("section", "name", "keys"),
    [
        ("schedule", "step", ("schedule.every",)),
        ("schedule", "multistep", ("schedule.milestones",)),
        ("schedule", "cosine", ()),
        ("optimizer", "adam", ()),
        ("model", "resnet18", ()),
        ("schedule", "stp", ()),
        ("augment", "flip", ()),
        ("nothing", "x", ()),
    ],
)
def test_what_a_name_needs_is_known_before_it_is_chosen(section, name, keys):
    assert needs(section, name) == keys


def test_a_schedule_with_what_it_needs_is_no_fault():
    assert fault(NOTES.edited("schedule.name", "multistep"), "schedule.milestones", "[1, 2]") is None
    draft = NOTES.edited("schedule.name", "multistep").edited("schedule.milestones", "[1, 2]")
    assert draft.composed().config.schedule == MultiStep(milestones=(1.0, 2.0))


# What is known of a key


@pytest.mark.parametrize(
    ("key", "kind", "choices", "optional"),
    [
        ("training.epochs", "whole number", (), False),
        ("training.max_steps", "whole number", (), True),
        ("training.clip_norm", "number", (), True),
        ("optimizer.lr", "number", (), False),
        ("data.verify", "true or false", ("true", "false"), False),
        ("data.root", "text", (), True),
        ("training.device", "text", (), False),
        ("augment.mean", "list of numbers", (), True),
        ("optimizer.betas", "list of numbers", (), False),
        ("data.mirrors", "list of texts", (), False),
        ("training.precision", "one of", ("fp32", "bf16", "fp16"), False),
        ("model.name", "text", OWN, False),
        ("optimizer.name", "one of", ("sgd", "adam", "adamw", "lion", "muon", "schedule-free-adamw"), False),
        ("schedule.name", "one of", ("constant", "step", "multistep", "linear", "cosine", "onecycle"), False),
        ("description", "text", (), False),
    ],
)
def test_a_key_says_what_its_value_can_be(key, kind, choices, optional):
    field = about(key, Config(optimizer=Adam()))
    assert (field.kind, field.choices, field.optional) == (kind, choices, optional)


def test_a_key_says_what_it_is_for_without_marks_of_code():
    config = compose("quickstart").config
    assert about("data.validation", config) == Field(
        "Share of the training images held out, drawn by training.seed.", "number", (), False
    )
    assert about("optimizer.name", config).description == "Stochastic gradient descent."
    assert about("optimizer.weight_decay", Config(optimizer=AdamW())).description.startswith("Share of the weights")


@pytest.mark.parametrize("key", ["", "model", "schedule", "optimizer.betas", "x", "x.y", "name.x", ".name", "a.b.c"])
def test_nothing_is_known_of_what_is_no_key_of_the_configuration(key):
    assert about(key, Config()) is None


FOR_OTHERS = re.compile(
    r"model\.fit: \S+ is made for 32 x 32 images and needs no upscale"
    r"|model\.init: \S+ draws weights anew, and model\.weights loads them"
    r"|augment\.\S+: mixes labels, which training\.loss=nll cannot take; cross_entropy and mse can"
    r"|model\.size: only fit=upscale has one"
    r"|training\.precision: fp16 takes sgd, adam or adamw; \S+ takes bf16"
    r"|training\.label_smoothing: only cross_entropy has it, loss is \S+"
    r"|training\.average: schedule-free-adamw averages its weights already"
)
"""Why some experiments do not have some choices."""


@pytest.mark.parametrize("experiment", [entry.name for entry in listing("experiments")])
def test_something_is_known_of_every_row_and_every_choice_can_be_made(experiment):
    draft = Draft(experiment).edited("data.root", "images")
    config = draft.composed().config
    for row in rows(draft):
        field = about(row.key, config)
        section, _, last = row.key.rpartition(".")
        for choice in field.choices:
            other = last == "name" and choice != getattr(config, section).name
            missing = needs(section, choice) if other else ()
            told = fault(draft, row.key, choice)
            wanted = told.startswith(f"{missing[0]}: is missing") if missing else told is None
            assert wanted or (told is not None and FOR_OTHERS.fullmatch(told)), (row.key, choice)
        if field.optional:
            assert fault(draft, row.key, "") is None


# A draft and its command line are the same

KEYS = [
    *("optimizer.name", "optimizer.lr", "optimizer.momentum", "optimizer.betas", "model.name", "model.init"),
    *("schedule.name", "schedule.every", "schedule.final", "training.epochs", "training.clip_norm", "augment.mean"),
    *("data.root", "description", "name", "optimizer", "schedule", "model", "augment.name", "nothing", "a b"),
]
TEXTS = [
    *("", " ", "sgd", "adam", "adamw", "step", "constant", "cosine", "onecycle", "resnet18", "lenet-notes", "xavier"),
    *("0", "1", "0.5", "1e-3", "[0.5, 0.5]", "[0.1, 0.2, 0.3]", "true", '"sgd"', "'x'", "[", "5\nx=2"),
]
edits = st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(TEXTS) | st.text(max_size=5)), max_size=5)


def chosen(kind):
    return st.none() | st.none() | st.sampled_from([entry.name for entry in listing(kind)] + ["gone"])


drafts = st.builds(
    Draft, chosen("experiments"), chosen("models"), chosen("augments"), chosen("optimizers"), edits.map(tuple)
)


def outcome(action):
    try:
        return action()
    except ConfigError as error:
        return str(error)


unhurried = settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.slow
@unhurried
@given(draft=drafts, more=edits)
def test_a_draft_comes_to_what_its_command_line_comes_to(draft, more):
    for key, text in more:
        draft = draft.edited(key, text)
    assert outcome(draft.composed) == outcome(lambda: typed(draft.arguments()))


@pytest.mark.slow
@unhurried
@given(draft=drafts, key=st.sampled_from(KEYS), text=st.sampled_from(TEXTS) | st.text(max_size=5))
def test_a_fault_is_a_printable_sentence_and_what_is_no_fault_can_be_begun(draft, key, text):
    told = fault(draft, key, text)
    assert told is None or told.isprintable()
    if told is None and not all(isinstance(outcome(each.composed), str) for each in (draft, draft.without(key))):
        config = draft.edited(key, text).composed().config
        assert parse(config.model_dump()) == config
