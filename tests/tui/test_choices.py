"""What a list of presets tells of each: for networks of torchvision what is published, which no preset repeats."""

from __future__ import annotations

import re

import pytest
from apps import make_app
from launch_pad import own_folders, picker, preset, settled, text

from cifar_experiments.presets import listing
from cifar_experiments.presets.draft import Draft
from cifar_tui.choices import effect


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    own_folders(tmp_path, monkeypatch)


def described(name, kind="models"):
    (entry,) = [entry for entry in effect(Draft("quickstart")).choices[kind].entries if entry.name == name]
    return entry.description


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("tv-resnet18", "11.7 M, 1.8 G multiply-adds, error 30.2/10.9 %"),
        ("tv-resnet50", "25.6 M, 4.1 G multiply-adds, error V1 23.9/7.1 %, V2 19.1/4.6 %"),
        ("tv-shufflenet-v2-x1-0", "2.3 M, 145 M multiply-adds, error 30.6/11.7 %"),
        ("tv-vgg16", "138 M, 15.5 G multiply-adds, error 28.4/9.6 %"),  # it has weights without an error besides
    ],
)
def test_a_network_of_torchvision_is_listed_with_its_size_and_the_errors_of_its_weights(name, figures):
    assert described(name).startswith(f"on ImageNet {figures}; torchvision's ")


def test_a_preset_of_ones_own_is_too():
    preset("models", "mine", 'description = "with my stem"\nname = "torchvision:alexnet"')
    assert described("mine") == ("on ImageNet 61.1 M, 714 M multiply-adds, error 43.5/20.9 %; with my stem (yours)")


@pytest.mark.parametrize(
    "content", ["", 'name = "timm:resnet18"', 'name = "torchvision:none"', "name = 3", "name = []"]
)
def test_of_others_nothing_is_added(content):
    preset("models", "mine", f'description = "words"\n{content}')
    assert described("mine") == "words (yours)"


def test_no_preset_repeats_what_is_published():
    for listed in listing("models"):
        if listed.subject.startswith("torchvision:"):
            assert not re.search(r"\d ?(M|G|%)", listed.description)
            assert listed.name == "tv-" + listed.subject.partition(":")[2].replace("_", "-")


async def test_the_figures_can_be_read_on_80_columns(tmp_path):
    app = make_app(tmp_path, draft=Draft("quickstart", model="tv-resnet18"))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("tab")
        await settled(pilot)
        assert picker(app, "models").entry.name == "tv-resnet18"
        assert "tv-resnet18: on ImageNet 11.7 M, 1.8 G multiply-adds, error 30.2/10.9 %" in text(app)
