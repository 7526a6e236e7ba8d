"""Presets are found by name or path, read with one sentence for what is wrong, and listed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cifar_core.errors import ConfigError
from cifar_experiments import presets
from cifar_experiments.presets.files import BUILT_IN, NAME, find, read


def refusal(action, *arguments):
    with pytest.raises(ConfigError) as caught:
        action(*arguments)
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_the_current_folder_comes_before_the_user_and_the_user_before_the_built_in(preset):
    assert find("optimizers", "sgd").parent == BUILT_IN / "optimizers"
    users = preset("optimizers", "sgd", "lr = 1")
    assert find("optimizers", "sgd") == users
    preset("optimizers", "sgd", "lr = 2", Path("presets"))
    assert find("optimizers", "sgd") == Path("presets/optimizers/sgd.toml")


def test_a_word_with_a_separator_or_toml_at_its_end_is_a_path(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("lr = 3")
    assert presets.load("optimizers", str(path)).tree == {"lr": 3}
    os.chdir(tmp_path)
    assert presets.load("optimizers", "mine.toml").name == "mine"
    assert presets.load("optimizers", "./mine.toml").path == Path("mine.toml")
    (tmp_path / "odd").write_text("lr = 4")
    assert presets.load("optimizers", "./odd").tree == {"lr": 4}


def test_an_unknown_name_is_refused_with_the_nearest_one(preset):
    message = refusal(presets.load, "experiments", "notes-lenet-2epp")
    assert "no experiment 'notes-lenet-2epp'; did you mean notes-lenet-2ep?" in message
    assert "cifar-tui presets list" in message
    preset("models", "wonderful", "")
    assert "did you mean wonderful?" in refusal(presets.load, "models", "wonderfull")
    assert "did you mean" not in refusal(presets.load, "models", "qqqqqq")


def test_a_path_that_is_not_there_is_named():
    assert "some/where.toml: there is no such model preset file" in refusal(presets.load, "models", "some/where.toml")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a..b", ".hidden", "-x", "a b", "a\x1b", "ä", "x" * 101, "a\\b", "a\n", "../sgd"]
)
def test_a_name_can_never_leave_the_folder(name):
    assert not NAME.fullmatch(name)
    refusal(presets.load, "optimizers", name)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a = 1\nb = = 2", "is not valid TOML: Invalid value (at line 2, column 5)"),
        (b"a = 1\na = 2\nb = 1", "is not valid TOML: Cannot overwrite a value (at line 2"),
        (b"a = '\xff'", "is no UTF-8 text (byte 6)"),
        (b"a = " + b"[" * 1_000 + b"]" * 1_000, "is nested too deeply"),
        (b".".join([b"a"] * 100_000) + b" = 1", "is nested too deeply"),
        (b"a = " + b"1" * 10_000, "holds a number of too many digits"),
        (b"#" * (2**20 + 1), "is larger than 1 MiB"),
        (b"\x1b = 1", "is not valid TOML"),
        (b"description = 5", "description: must be text"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_sentence(preset, content, sentence):
    path = preset("models", "broken", content)
    message = refusal(presets.load, "models", "broken")
    assert message.startswith(f"{path}: ")
    assert sentence in message


def test_a_file_of_just_1_mib_is_read(preset):
    preset("models", "long", b"#" * 2**20)
    assert presets.load("models", "long").tree == {}


def test_a_byte_order_mark_is_no_fault(preset):
    preset("models", "windows", b"\xef\xbb\xbfname = 'resnet18'\r\n")
    assert presets.load("models", "windows").tree == {"name": "resnet18"}


def test_folders_pipes_and_odd_paths_are_refused(tmp_path):
    (tmp_path / "folder.toml").mkdir()
    assert "is no file, but a folder" in refusal(presets.load, "models", f"{tmp_path}/folder.toml")
    os.mkfifo(tmp_path / "pipe.toml")
    assert "is no file, but a device or pipe" in refusal(presets.load, "models", f"{tmp_path}/pipe.toml")
    (tmp_path / "loop.toml").symlink_to("loop.toml")
    assert "cannot be read" in refusal(presets.load, "models", f"{tmp_path}/loop.toml")
    assert "cannot be read" in refusal(read, Path("a\0b"))
    refusal(presets.load, "models", "a\0b.toml")
    refusal(presets.load, "models", "x" * 100_000 + ".toml")


def test_the_listing_tells_name_description_and_origin(preset):
    path = preset("models", "mine", 'description = "my own"')
    listed = {entry.name: entry for entry in presets.listing("models")}
    assert list(listed) == sorted(listed)
    assert listed["mine"] == presets.Listed("mine", "my own", path, "yours")
    assert listed["resnet18"].origin == "built-in"


def test_the_listing_shows_the_file_that_a_name_means(preset):
    preset("models", "resnet18", 'description = "changed"', Path("presets"))
    (entry,) = [entry for entry in presets.listing("models") if entry.name == "resnet18"]
    assert (entry.description, entry.origin) == ("changed", "here")


def test_a_broken_file_is_listed_with_its_error_and_the_others_stay_usable(preset):
    preset("models", "broken", "= 1")
    preset("models", "bad name", "")
    preset("models", ".hidden", "")
    listed = {entry.name: entry for entry in presets.listing("models")}
    assert "is not valid TOML" in listed["broken"].error
    assert "cannot be chosen by this name" in listed["bad name"].error
    assert listed["resnet18"].error is None
    assert ".hidden" not in listed


@pytest.mark.parametrize("kind", presets.KINDS)
def test_every_built_in_preset_is_listed_without_error_and_with_a_description(kind):
    entries = presets.listing(kind)
    assert entries
    assert all(entry.error is None and entry.description for entry in entries)


def test_editing_a_built_in_preset_begins_with_a_copy_in_the_users_folder():
    copy = presets.own_copy("optimizers", "sgd")
    assert copy == presets.user_folder() / "optimizers" / "sgd.toml"
    assert copy.read_bytes() == (BUILT_IN / "optimizers" / "sgd.toml").read_bytes()


def test_a_preset_of_the_users_own_is_edited_where_it_lies_even_when_broken(preset):
    path = preset("optimizers", "sgd", "= broken")
    assert presets.own_copy("optimizers", "sgd") == path
    assert path.read_text() == "= broken"


def test_listing_presets_needs_neither_pydantic_nor_tomlkit():
    code = (
        "import sys; from cifar_experiments import presets\n"
        "for kind in presets.KINDS: presets.listing(kind)\n"
        "print(*{'pydantic', 'tomlkit', 'torch', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


toml_like = st.lists(
    st.sampled_from(["a", "b", " = ", "1", "[", "]", "[[", "]]", "{", "}", '"', "'", '"""', ".", ",", "\n", "\\", "#"])
    | st.text(max_size=2),
    max_size=25,
).map("".join)


@settings(max_examples=1_000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=40) | toml_like.map(str.encode))
def test_any_file_is_a_tree_or_a_sentence(content, tmp_path):
    path = tmp_path / "any.toml"
    path.write_bytes(content)
    try:
        _, tree = read(path)
    except ConfigError as error:
        tree, message = {}, str(error)
        assert message.isprintable()
        assert message.startswith(str(path))
    assert isinstance(tree, dict)
