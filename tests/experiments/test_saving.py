"""What is saved composes to the same configuration again, keeps comments, and never overwrites silently."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest
import tomli
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cifar_core.errors import ConfigError
from cifar_experiments import atomic
from cifar_experiments.presets import compose, listing, save, user_folder
from cifar_experiments.presets.saving import COMMANDS


def refusal(*arguments, **options):
    with pytest.raises(ConfigError) as caught:
        save(*arguments, **options)
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_a_saved_experiment_is_its_presets_by_name_and_what_was_changed():
    composed = compose("resnet18-cutout", overrides=["optimizer.lr=0.3", "training.epochs=5", "training.seed=0"])
    path = save("experiments", "mine", composed, "a shorter one")
    assert path == user_folder() / "experiments" / "mine.toml"
    assert path.read_text() == (
        'description = "a shorter one"\n'
        'model = "resnet18"\n'
        'augment = "crop-flip-cutout"\n'
        "\n"
        "[optimizer]\n"
        'preset = "sgd-nesterov"\n'
        "lr = 0.3\n"
        "\n"
        "[schedule]\n"
        'name = "onecycle"\n'
        "\n"
        "[training]\n"
        "epochs = 5\n"
        "batch_size = 512\n"
        'precision = "bf16"\n'
        "channels_last = true\n"
    )


def test_a_saved_experiment_keeps_its_description_when_none_is_given():
    save("experiments", "mine", compose("quickstart"))
    assert compose("mine").config.description == compose("quickstart").config.description


@pytest.mark.parametrize("kind", ["model", "augment", "optimizer"])
def test_one_section_can_be_saved_as_a_preset_of_its_kind(kind):
    changes = ["model.init=xavier", "augment.crop=3", "optimizer.lr=0.5"]
    composed = compose("resnet18-cutout", overrides=changes)
    save(f"{kind}s", "mine", composed, "changed")
    assert getattr(compose(**{kind: "mine"}).config, kind) == getattr(composed.config, kind)
    assert [entry.description for entry in listing(f"{kind}s") if entry.name == "mine"] == ["changed"]


def test_a_preset_that_only_this_folder_knows_is_written_out(preset, tmp_path, monkeypatch):
    preset("optimizers", "local", "lr = 0.7", Path("presets"))
    composed = compose("quickstart", optimizer="local")
    save("experiments", "mine", composed)
    monkeypatch.chdir(tmp_path)
    assert compose("mine").config.optimizer == composed.config.optimizer


def test_a_preset_whose_name_means_another_file_by_now_is_written_out(preset):
    composed = compose("quickstart", optimizer="adam")
    preset("optimizers", "adam", "lr = 0.7")
    save("experiments", "mine", composed)
    assert compose("mine").config.optimizer == composed.config.optimizer


def test_a_preset_that_is_only_right_with_the_changes_is_written_out(preset):
    preset("optimizers", "half", "nesterov = true\nmomentum = 0.0")
    composed = compose(optimizer="half", overrides=["optimizer.momentum=0.5"])
    save("experiments", "mine", composed)
    assert compose("mine").config.optimizer == composed.config.optimizer


def test_a_preset_that_another_optimizer_was_made_of_is_written_out(preset):
    preset("optimizers", "made", 'name = "adam"')
    composed = compose(optimizer="made", overrides=["optimizer.name=adamw", "optimizer.weight_decay=0.0"])
    save("experiments", "mine", composed)
    assert compose("mine").config.optimizer == composed.config.optimizer


def test_a_preset_of_which_a_value_was_taken_away_is_written_out():
    composed = compose("notes-lenet-2ep", overrides=["augment.mean=", "training.threads="])
    path = save("experiments", "mine", composed)
    assert tomli.loads(path.read_text())["augment"] == {"std": [0.5, 0.5, 0.5]}
    assert compose("mine").config == composed.config.model_copy(update={"name": "mine"})


def test_a_file_that_is_there_is_never_overwritten_silently():
    path = save("experiments", "mine", compose("quickstart"))
    before = path.read_bytes()
    assert "is there already; --overwrite changes it" in refusal("experiments", "mine", compose("notes-lenet-2ep"))
    assert path.read_bytes() == before


COMMENTED = """\
# my own header

description = "old"   # what it is
model = "resnet18" # the network
augment = "none"

# why this optimizer
[optimizer]
preset = "sgd-nesterov"   # the usual
lr = 0.3  # found by trial
momentum = 0.8

[training] # the loop
# as long as patience lasts
epochs = 7
batch_size = 32   # fits
"""


def test_changing_a_file_keeps_its_comments(preset):
    path = preset("experiments", "mine", COMMENTED)
    composed = compose("mine", overrides=["optimizer.lr=0.4", "training.epochs=9", "data.limit=100"])
    save("experiments", "mine", composed, "new", overwrite=True)
    text = path.read_text()
    comments = [line.partition("#")[2] for line in COMMENTED.splitlines() if "#" in line]
    assert all(f"#{comment}" in text for comment in comments)
    assert "lr = 0.4  # found by trial\n" in text
    assert 'description = "new"   # what it is\n' in text
    assert "batch_size = 32   # fits\n" in text
    again = compose("mine").config
    assert again == composed.config.model_copy(update={"description": "new"})


def test_changing_nothing_leaves_a_file_as_it_is(preset):
    text = COMMENTED.replace("0.3", "3e-1").replace("= 32", "= 0x20") + '\n[schedule]\nname = "constant"\n'
    path = preset("experiments", "mine", text)
    before = path.read_bytes()
    save("experiments", "mine", compose("mine"), overwrite=True)
    assert path.read_bytes() == before


def test_a_name_becomes_a_table_and_a_table_a_name_with_comments_kept(preset):
    preset("experiments", "mine", COMMENTED)
    composed = compose("mine", optimizer="adam", overrides=["model.init=xavier"])
    path = save("experiments", "mine", composed, overwrite=True)
    assert compose("mine").config == composed.config
    assert "# my own header" in path.read_text()
    assert tomli.loads(path.read_text())["optimizer"] == "adam"


def test_a_broken_file_is_not_changed(preset):
    path = preset("experiments", "mine", "= broken # comment")
    assert "is not valid TOML" in refusal("experiments", "mine", compose("quickstart"), overwrite=True)
    assert path.read_text() == "= broken # comment"


def test_a_link_stays_a_link(preset, tmp_path):
    real = tmp_path / "kept elsewhere.toml"
    real.write_text("# mine\n")
    path = preset("experiments", "mine", "")
    path.unlink()
    path.symlink_to(real)
    save("experiments", "mine", compose("quickstart"), overwrite=True)
    assert path.is_symlink()
    assert real.read_text().startswith("# mine\n")
    assert compose("mine").config.data.kind == "synthetic"


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "/x", ".x", "a..b", "x" * 101, "a\x1b", "x.toml", "a b"])
def test_names_that_would_leave_the_folder_or_cannot_be_typed_are_refused(name, home):
    assert "cannot be the name of a preset" in refusal("experiments", name, compose("quickstart"))
    assert not list(home.rglob("*.toml"))


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_an_experiment_cannot_be_called_like_a_command(name):
    assert f"'cifar-tui {name}' is a command" in refusal("experiments", name, compose("quickstart"))


def test_a_folder_that_cannot_be_written_is_told_in_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    message = refusal("experiments", "mine", compose("quickstart"), folder=tmp_path / "file")
    assert message == f"{tmp_path}/file/experiments/mine.toml: cannot be written: Not a directory"


def test_a_file_is_as_readable_as_the_umask_says():
    old = os.umask(0o027)
    try:
        path = save("experiments", "mine", compose("quickstart"))
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("call", ["open", "fdopen", "fsync"])
def test_a_file_system_that_fails_leaves_the_old_file_and_nothing_else(preset, monkeypatch, call):
    path = preset("experiments", "mine", "# old\n")

    def full(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    composed = compose("quickstart")
    monkeypatch.setattr(atomic.os, call, full)
    with pytest.raises(OSError, match="No space left"):
        atomic.replace_file(path, b"new")
    monkeypatch.undo()
    assert path.read_text() == "# old\n"
    assert list(path.parent.iterdir()) == [path]
    assert composed.config.name == "quickstart"


sevens = st.floats(0, 0.999)
positive = st.floats(1e-300, 1e300)
count = st.integers(1, 2**40)


def table(**keys):
    return st.fixed_dictionaries({}, optional=keys)


OPTIMIZERS = {
    "sgd": table(lr=positive, momentum=sevens, nesterov=st.booleans(), weight_decay=st.floats(0, 1e300)),
    "adam": table(lr=positive, betas=st.lists(sevens, min_size=2, max_size=2), eps=positive),
    "adamw": table(lr=positive, weight_decay=sevens),
}
SCHEDULES = st.one_of(
    st.fixed_dictionaries({"name": st.just("step"), "every": positive}, optional={"warmup_epochs": sevens}),
    st.fixed_dictionaries(
        {"name": st.just("multistep"), "milestones": st.lists(positive, min_size=1, max_size=4)},
        optional={"factor": sevens},
    ),
    st.fixed_dictionaries({"name": st.just("onecycle")}, optional={"rise": sevens, "final": sevens}),
    st.just({"name": "constant"}),
)
CHANGES = {
    "model": table(name=st.sampled_from(["conv3-notes", "resnet18"]), dropout=st.lists(sevens, max_size=3)),
    "augment": table(
        mean=st.lists(st.floats(-1e300, 1e300), min_size=3, max_size=3), crop=st.integers(0, 16), flip=st.just("random")
    ),
    "optimizer": st.one_of(*OPTIMIZERS.values()),
}


@st.composite
def experiments(draw):
    """A tree of an experiment: each section from a preset or not, with changes; not every one is valid."""
    tree = {}
    for section, changes in CHANGES.items():
        names = [None, *(entry.name for entry in listing(f"{section}s") if entry.origin == "built-in")]
        preset = draw(st.sampled_from(names))
        tree[section] = draw(changes | st.just({})) | ({"preset": preset} if preset else {})
    if draw(st.booleans()):
        tree["schedule"] = draw(SCHEDULES)
    tree["data"] = draw(
        table(kind=st.sampled_from(["cifar100", "synthetic"]), root=st.text(min_size=1), limit=count, validation=sevens)
    )
    tree["training"] = draw(
        table(epochs=st.integers(1, 10**6), max_steps=count, seed=st.integers(0, 2**63 - 1), clip_norm=positive)
    )
    return tree | draw(table(description=st.text()))


@pytest.mark.slow
@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
@given(tree=experiments(), other=experiments())
def test_saving_and_composing_gives_the_identical_configuration(tree, other):
    first, second = composed_from(tree), composed_from(other)
    numbers = itertools.count()
    for composed in (first, second, first):
        save("experiments", "mine", composed, f"round {next(numbers)}", overwrite=True)
        again = compose("mine").config
        kept = {"name": "mine", "description": again.description}
        assert again == composed.config.model_copy(update=kept)


def composed_from(tree):
    from cifar_experiments.presets.composing import compose_preset
    from cifar_experiments.presets.files import Preset

    try:
        return compose_preset(Preset("experiments", "drawn", Path("drawn.toml"), "", tree))
    except ConfigError:
        assume(False)
