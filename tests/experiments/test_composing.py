"""Experiment, presets and command line become one configuration that knows where each value came from."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cifar_core.config import Adam, AdamW, Augment, Config, Constant, Cosine, Data, Model, OneCycle, Sgd, Training
from cifar_core.errors import ConfigError
from cifar_experiments.presets import compose, explain, listing
from cifar_experiments.presets.files import BUILT_IN, find

EXPERIMENT = """\
description = "mine"
model = "resnet18"
augment = "crop-flip"

[optimizer]
preset = "sgd-nesterov"
lr = 0.2

[schedule]
name = "onecycle"
rise = 0.2

[training]
epochs = 3
"""


@pytest.fixture
def mine(preset):
    preset("experiments", "mine", EXPERIMENT)
    return "mine"


def refusal(*arguments, **options):
    with pytest.raises(ConfigError) as caught:
        compose(*arguments, **options)
    return str(caught.value)


def test_an_experiment_is_its_presets_with_its_changes(mine):
    config = compose(mine).config
    assert config == Config(
        name="mine",
        description="mine",
        model=Model(name="resnet18"),
        augment=Augment(crop=4, flip="random"),
        optimizer=Sgd(lr=0.2, momentum=0.9, nesterov=True, weight_decay=5e-4),
        schedule=OneCycle(rise=0.2),
        training=Training(epochs=3),
    )


def test_every_value_knows_the_file_and_the_line_that_it_came_from(mine):
    path = find("experiments", mine)
    sources = compose(mine, overrides=["training.seed=7"]).sources
    assert (sources["optimizer.lr"].label, sources["optimizer.lr"].place) == ("experiment mine", f"{path}:7")
    nesterov = BUILT_IN / "optimizers" / "sgd-nesterov.toml"
    assert (sources["optimizer.momentum"].label, sources["optimizer.momentum"].path) == (
        "preset sgd-nesterov",
        nesterov,
    )
    assert nesterov.read_text().splitlines()[sources["optimizer.momentum"].line - 1].startswith("momentum")
    assert sources["training.seed"].label == sources["training.seed"].place == "command line"
    assert (sources["data.kind"].label, sources["data.kind"].place) == ("default", "")
    assert sources["description"].place == f"{path}:1"
    assert (sources["name"].label, sources["name"].path) == ("experiment mine", path)


def test_every_key_of_the_configuration_has_a_source_and_a_row(mine):
    composed = compose(mine)
    keys = {"name", "description"}
    keys |= {f"{s}.{k}" for s, table in composed.config.model_dump().items() if isinstance(table, dict) for k in table}
    assert composed.sources.keys() == keys == {row.key for row in explain(composed)}


def test_rows_say_values_as_toml(mine):
    rows = {row.key: row.value for row in explain(compose(mine))}
    assert rows["optimizer.lr"] == "0.2"
    assert rows["model.name"] == '"resnet18"'
    assert rows["optimizer.nesterov"] == "true"
    assert rows["model.dropout"] == "[]"
    assert rows["data.root"] == ""


def test_a_chosen_preset_takes_the_place_of_all_that_the_experiment_says_of_the_section(mine):
    composed = compose(mine, model="lenet-notes", augment="none", optimizer="adamw")
    assert composed.config.model == Model()
    assert composed.config.augment == Augment()
    assert composed.config.optimizer == AdamW(lr=0.001, weight_decay=0.01)
    assert composed.sources["optimizer.lr"].label == "preset adamw"
    assert composed.sources["augment.crop"].label == "default"
    assert composed.config.name == "mine"


def test_an_override_of_a_section_chooses_a_preset_and_overrides_of_keys_come_after_it(mine):
    words = ["optimizer.lr=3", "optimizer=adam", "model=lenet-notes-bn"]
    config = compose(mine, overrides=words).config
    assert config.optimizer == Adam(lr=3.0)
    assert config.model.name == "lenet-notes-bn"


def test_an_experiment_that_is_broken_in_a_replaced_section_can_still_be_used(preset):
    preset("experiments", "broken", 'optimizer = "gone"')
    assert compose("broken", optimizer="sgd").config.optimizer == Sgd(lr=0.001)


def test_a_schedule_chosen_on_the_command_line_begins_afresh(mine):
    composed = compose(mine, overrides=["schedule=cosine", "schedule.final=0.1"])
    assert composed.config.schedule == Cosine(final=0.1)
    assert compose(mine, overrides=["schedule=constant"]).config.schedule == Constant()


def test_the_schedule_that_an_optimizer_preset_suggests_gives_way_to_the_experiments_own(preset):
    preset("experiments", "suggested", 'optimizer = "sgd-nesterov-onecycle"')
    suggested = compose("suggested")
    assert suggested.config.schedule == OneCycle()
    assert suggested.sources["schedule.name"].label == "preset sgd-nesterov-onecycle"
    for order in ('{o}\n[schedule]\nname = "cosine"', 'schedule = {{name = "cosine"}}\n{o}'):
        preset("experiments", "own", order.format(o='optimizer = "sgd-nesterov-onecycle"'))
        assert compose("own").config.schedule == Cosine()
        assert compose("own").sources["schedule.name"].label == "experiment own"


def test_the_schedule_that_a_chosen_optimizer_preset_suggests_is_taken(preset):
    preset("experiments", "own", 'optimizer = "sgd"\n[schedule]\nname = "cosine"\nfinal = 0.5')
    assert compose("own", optimizer="sgd-nesterov-onecycle").config.schedule == OneCycle()


def test_without_an_experiment_the_presets_give_the_name():
    assert compose(model="resnet18", augment="crop-flip", optimizer="sgd").config.name == "resnet18-crop-flip-sgd"
    assert compose(overrides=["optimizer=adamw"]).config.name == "adamw"
    assert compose().config == Config()


def test_an_experiment_file_may_name_itself_and_is_else_called_after_its_file(tmp_path):
    path = tmp_path / "some where.toml"
    path.write_text("")
    assert compose(str(path)).config.name == "some where"
    path.write_text('name = "other"')
    assert compose(str(path)).config.name == "other"


def test_a_relative_path_in_a_file_counts_from_that_file(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "model.toml").write_text('name = "resnet18"')
    (tmp_path / "deep" / "mine.toml").write_text('model = "../model.toml"\n[optimizer]\npreset = "../sgd.toml"\n')
    (tmp_path / "sgd.toml").write_text("lr = 7")
    config = compose(str(tmp_path / "deep" / "mine.toml")).config
    assert (config.model.name, config.optimizer.lr) == ("resnet18", 7.0)


def test_faults_are_told_with_file_and_line_all_at_once(mine):
    path = find("experiments", mine)
    path.write_text(EXPERIMENT + 'batchsize = 3\nseed = "x"\n')
    lines = refusal(mine, overrides=["training.epochs=0", "optimizer.momentum=2"]).split("\n")
    assert [line.split(": ")[:2] for line in lines] == [
        ["command line", "optimizer.momentum"],
        ["command line", "training.epochs"],
        [f"{path}:16", "training.seed"],
        [f"{path}:15", "training.batchsize"],
    ]
    assert "did you mean batch_size?" in lines[-1]


def test_a_fault_in_a_preset_is_told_in_the_presets_file(preset):
    path = preset("optimizers", "bad", 'description = "x"\nmomentm = 1\n')
    assert refusal(optimizer="bad").startswith(f"{path}:2: optimizer.momentm: unknown key; did you mean momentum?")


def test_a_fault_inside_an_inline_table_has_the_line_that_the_table_begins_in(preset):
    path = preset("experiments", "inline", 'model = "resnet18"\ntraining = { epochs = 0 }')
    assert refusal("inline").startswith(f"{path}:2: training.epochs: ")


def test_a_missing_key_is_told_at_its_section(preset):
    path = preset("experiments", "short", '\n[schedule]\nname = "step"')
    assert refusal("short") == f"{path}:2: schedule.every: is missing, and step needs it"


def test_a_preset_that_is_not_there_is_told_with_the_line_that_names_it(preset):
    path = preset("experiments", "lost", '[optimizer]\npreset = "sdg"')
    message = refusal("lost")
    assert message.startswith(f"{path}:1: optimizer: there is no optimizer preset 'sdg'; did you mean sgd?")
    assert refusal(model="resnet81").startswith("command line: model: there is no model preset 'resnet81'")


def test_a_file_whose_name_could_steer_a_terminal_is_told_printable(tmp_path):
    path = tmp_path / "a\x1b[2J\nb.toml"
    for text in ('model = "gone"', "training = { epochs = 0 }", '[schedule]\nname = "step"', "[optimizer]\npreset = 5"):
        path.write_text(text)
        assert refusal(str(path)).isprintable()
    path.write_text("")
    composed = compose(str(path))
    assert composed.sources["name"].label.isprintable()
    assert composed.sources["name"].place.isprintable()


def test_a_preset_that_is_no_name_is_refused(preset):
    path = preset("experiments", "odd", "[optimizer]\npreset = 5")
    assert refusal("odd") == f"{path}:1: optimizer.preset: must be the name of a preset, not 5"
    path = preset("experiments", "odd", "optimizer = 5")
    assert refusal("odd") == f"{path}:1: optimizer: must be a table, not 5"
    assert refusal(overrides=["optimizer=5"]) == "command line: optimizer: must be a name, not 5"


def test_odd_command_line_words_are_told_all_at_once():
    assert len(refusal(overrides=["epochs", "=1", "optimizer=[1]"]).split("\n")) == 3


def test_presets_hold_no_presets(preset):
    preset("optimizers", "nested", 'preset = "sgd"')
    assert "optimizer.preset: unknown key" in refusal(optimizer="nested")


def test_another_optimizers_name_over_keys_that_it_lacks_is_told_with_the_way_around(mine):
    message = refusal(mine, overrides=["optimizer.name=adamw"])
    assert message == (
        "command line: optimizer.name: adamw instead of sgd leaves momentum, nesterov without a place; "
        "to begin afresh, choose optimizer=adamw on the command line"
    )
    assert "schedule.name: cosine instead of onecycle leaves rise" in refusal(
        "mine", overrides=["schedule.name=cosine"]
    )


def test_another_optimizers_name_is_fine_where_nothing_loses_its_place():
    assert compose(optimizer="adam", overrides=["optimizer.name=adamw"]).config.optimizer == AdamW(lr=0.001)


def test_a_name_that_is_none_is_told_as_such(mine):
    assert "optimizer.name: must be one of sgd, adam, adamw" in refusal(mine, overrides=["optimizer.name=adamx"])


@pytest.mark.parametrize("word", ["optimizer.name=[1]", "schedule.name=true"])
def test_a_name_that_is_no_text_is_told_as_such(mine, word):
    key = word.partition("=")[0]
    assert refusal(mine, overrides=[word]).startswith(f"command line: {key}: must be one of ")


def test_an_empty_word_takes_a_value_away_where_there_need_be_none(preset):
    preset("experiments", "clipped", "[training]\nclip_norm = 0.5\n[augment]\npreset = 'notes'\n")
    composed = compose("clipped", overrides=["training.clip_norm=", 'augment.mean=""', "data.root= "])
    assert (composed.config.training.clip_norm, composed.config.augment.mean) == (None, None)
    assert composed.sources["training.clip_norm"].label == "command line"
    assert compose("clipped", overrides=["description="]).config.description == ""
    assert "training.epochs: must be a whole number, not ''" in refusal("clipped", overrides=["training.epochs="])
    assert "optimizer.lr: must be a number, not ''" in refusal("clipped", overrides=["optimizer.lr="])


def test_keys_deeper_than_the_configuration_are_refused(mine):
    assert "optimizer.lr: must be a number, not a table" in refusal(mine, overrides=["optimizer.lr.x=1"])
    assert "x: unknown key" in refusal(mine, overrides=["x.y.z=1"])


@pytest.mark.parametrize("entry", listing("experiments"), ids=lambda entry: entry.name)
def test_every_built_in_experiment_composes_and_its_file_begins_with_the_command_that_runs_it(entry):
    assert compose(entry.name).config.name == entry.name
    assert entry.path.read_text().splitlines()[0] == f"# cifar-tui --no-tui {entry.name}"


@pytest.mark.parametrize("kind", ["model", "augment", "optimizer"])
def test_every_built_in_preset_composes(kind):
    for entry in listing(f"{kind}s"):
        # One of the augmentations needs it.
        assert compose(**{kind: entry.name}, overrides=["data.loader=workers"]).config.name == entry.name


NOTES = {
    "notes-lenet-2ep": ("lenet-notes", (), 0.9, 2),
    "notes-lenet-10ep": ("lenet-notes", (), 0.9, 10),
    "notes-lenet-20ep": ("lenet-notes", (), 0.9, 20),
    "notes-momentum099": ("lenet-notes", (), 0.99, 2),
    "notes-conv3-bn": ("conv3-notes", (), 0.9, 10),
    "notes-conv3-bn-dropout": ("conv3-notes", (0.5, 0.5, 0.5), 0.9, 10),
    "notes-conv3-bn-dropout-first": ("conv3-notes", (0.5,), 0.9, 10),
    "notes-conv3-bn-50ep": ("conv3-notes", (), 0.9, 50),
}


@pytest.mark.parametrize("name", NOTES)
def test_the_experiments_of_the_notes_are_what_the_notes_say(name):
    model, dropout, momentum, epochs = NOTES[name]
    config = compose(name).config
    assert config == Config(
        name=name,
        description=config.description,
        model=Model(name=model, dropout=dropout),
        data=Data(),
        augment=Augment(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
        optimizer=Sgd(lr=0.001, momentum=momentum),
        schedule=Constant(),
        training=Training(epochs=epochs, batch_size=4, threads=1),
    )


names = st.sampled_from(["model", "augment", "optimizer", "schedule", "training", "data", "preset", "name", "lr", "x"])
scalars = st.sampled_from(
    ['"sgd"', '"adamw"', '"gone"', '"../x"', "5", "true", "[1]", "0.1", "nan", "2020-01-01", '"cosine"']
)
statements = st.one_of(
    st.builds("{} = {}".format, names, scalars),
    st.builds("[{}]".format, names),
    st.builds("{}.{} = {}".format, names, names, scalars),
    st.builds("{} = {{ {} = {} }}".format, names, names, scalars),
    st.builds("[[{}]]".format, names),
)
words = (
    st.builds("{}={}".format, names, scalars)
    | st.builds("{}.{}={}".format, names, names, scalars)
    | st.text(max_size=5)
)


@pytest.mark.slow
@settings(max_examples=1_000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.lists(statements, max_size=6).map("\n".join), overrides=st.lists(words, max_size=3))
def test_any_experiment_file_is_a_configuration_or_printable_sentences(text, overrides):
    Path("any.toml").write_text(text)
    try:
        config, lines = compose("any.toml", overrides=overrides).config, []
    except ConfigError as error:
        config, lines = None, str(error).split("\n")
    assert isinstance(config, Config) or all(line.startswith(("any.toml", "command line")) for line in lines)
    assert all(line.isprintable() for line in lines)
