"""albumentations pipelines from TOML: each image has draws of its own, by its place, and a wrong file is a sentence."""

import sys
from pathlib import Path

import numpy as np
import pytest
import tomli
import torch

from cifar_core import trainer
from cifar_core.checkpoint import CheckpointError
from cifar_core.config import Config
from cifar_core.control import Control
from cifar_core.data import resident, synthetic, transforms
from cifar_core.errors import ConfigError
from cifar_core.events import StepCompleted, Warned
from cifar_core.probe import probe

pytest.importorskip("albumentations")

FLIP = '[[transform]]\nname = "HorizontalFlip"\np = 0.5\n'
FLIPS = FLIP + '[[transform]]\nname = "VerticalFlip"\np = 0.5\n'
NOISE = '[[transform]]\nname = "GaussNoise"\nstd_range = [0.1, 0.2]\np = 1.0\n'


@pytest.fixture
def written(tmp_path):
    """Writes a file and returns its name."""

    def write(text):
        file = tmp_path / "mine.toml"
        file.write_text(text)
        return str(file)

    return write


@pytest.fixture(scope="module")
def images():
    """Of which no two and no mirror images are alike."""
    return torch.randint(256, (400, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def numbers(count):
    return np.arange(count, dtype=np.int64)


def flipped(before, after, axis):
    return [torch.equal(one.flip(axis), other) for one, other in zip(before, after, strict=True)]


def test_what_is_drawn_for_an_image_depends_on_seed_epoch_and_index_alone(images, written):
    file = written(FLIPS + NOISE)
    whole = transforms.read(file, 1)(images[:20], numbers(20), 3)
    again = transforms.read(file, 1)
    again(images[:7], numbers(7), 1)  # whatever it did before
    turned = np.array([15, 3, 8])
    assert torch.equal(again(images[turned], turned, 3), whole[turned])
    for seed, epoch in ((1, 4), (2, 3)):
        other = transforms.read(file, seed)(images[:20], numbers(20), epoch)
        assert not any(map(torch.equal, other, whole))


def test_images_are_given_as_they_are_and_come_back_in_their_layout(images, written):
    before = images[:20].clone()
    after = transforms.read(written(FLIP), 0)(images[:20], numbers(20), 1)
    assert (after.dtype, after.shape) == (torch.uint8, before.shape)
    assert after.is_contiguous()
    assert torch.equal(images[:20], before)
    mirrored = flipped(before, after, -1)
    assert all(mirror or torch.equal(one, other) for mirror, one, other in zip(mirrored, before, after, strict=True))
    assert 0 < sum(mirrored) < 20


def test_transforms_draw_independently_of_each_other_and_as_often_as_they_say(images, written):
    after = transforms.read(written(FLIPS), 0)(images, numbers(400), 1)
    upright = flipped(images, after, -1)
    upside_down = flipped(images, after, -2)
    both = flipped(images, after, (-1, -2))
    neither = [torch.equal(one, other) for one, other in zip(images, after, strict=True)]
    # 100 each of 400, give or take 5 standard deviations of 8.7.
    for share in (upright, upside_down, both, neither):
        assert 57 <= sum(share) <= 143
    assert sum(map(sum, (upright, upside_down, both, neither))) == 400


def test_one_of_several_is_taken_where_that_is_said(images, written):
    one_of = (
        '[[transform]]\nname = "OneOf"\np = 1.0\n'
        '[[transform.transforms]]\nname = "InvertImg"\np = 1.0\n'
        '[[transform.transforms]]\nname = "VerticalFlip"\np = 1.0\n'
    )
    after = transforms.read(written(one_of), 0)(images[:100], numbers(100), 1)
    inverted = [torch.equal(255 - one, other) for one, other in zip(images[:100], after, strict=True)]
    upside_down = flipped(images[:100], after, -2)
    assert sum(inverted) + sum(upside_down) == 100
    assert 25 <= sum(inverted) <= 75


def test_arguments_reach_their_transform(images, written):
    hole = '[[transform]]\nname = "CoarseDropout"\nnum_holes_range = [1, 1]\nhole_height_range = [8, 8]\n'
    after = transforms.read(written(hole + "hole_width_range = [4, 4]\nfill = 77\np = 1.0\n"), 0)(
        images[:10], numbers(10), 1
    )
    assert ((after == 77) & (images[:10] != 77)).any(1).sum((1, 2)).tolist() == [32] * 10


def test_what_ships_can_be_named_and_changes_most_images(images):
    shipped = transforms.read("distort", 0)
    after = shipped(images[:50], numbers(50), 1)
    assert sum(map(torch.equal, images[:50], after)) < 20
    assert "albumentations 2" in shipped.fingerprint


def test_the_fingerprint_is_that_of_the_content(written):
    first = transforms.read(written(FLIP), 0).fingerprint
    assert transforms.read(written(FLIP), 1).fingerprint == first
    assert transforms.read(written(FLIP + "# changed\n"), 0).fingerprint != first


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("p = ", "mine.toml: is not valid TOML: Invalid value (at end of document)"),
        ("[[transform]]\np = 'é\xff", "mine.toml: is not valid TOML: "),
        ("", "mine.toml: transform: must be one or more tables, each a transform"),
        ("transform = 3", "mine.toml: transform: must be one or more tables, each a transform"),
        ("transform = [3]", "mine.toml: transform: must be one or more tables, each a transform"),
        ("[[transforms]]\nname = 'Blur'", "mine.toml: transforms: there is nothing but [[transform]] tables"),
        ("[[transform]]\np = 1.0", "mine.toml: transform[0].name: is missing"),
        (
            FLIP + "[[transform]]\nname = 'CoarseDropot'",
            "transform[1].name: albumentations has no transform 'CoarseDropot'; did you mean CoarseDropout?",
        ),
        ("[[transform]]\nname = 'Lambda'", "transform[0].name: albumentations has no transform 'Lambda'"),
        ("[[transform]]\nname = 'Compose'", "transform[0].name: albumentations has no transform 'Compose'"),
        ("[[transform]]\nname = 'os.system'", "transform[0].name: albumentations has no transform 'os.system'"),
        ("[[transform]]\nname = ['Blur']", "transform[0].name: albumentations has no transform a list"),
        (
            "[[transform]]\nname = 'CoarseDropout'\nnum_hole_range = [1, 2]",
            "transform[0].num_hole_range: CoarseDropout has no such argument; did you mean num_holes_range?",
        ),
        (
            "[[transform]]\nname = 'HorizontalFlip'\np = 2.0",
            "transform[0]: HorizontalFlip refuses its arguments: p: Input should be less than or equal to 1",
        ),
        (
            "[[transform]]\nname = 'OneOf'\ntransforms = [{ name = 'Blurr' }]",
            "transform[0].transforms[0].name: albumentations has no transform 'Blurr'; did you mean Blur?",
        ),
        ("[[transform]]\nname = 'OneOf'", "transform[0].transforms: must be one or more tables, each a transform"),
    ],
)
def test_a_wrong_file_is_told_in_one_sentence_with_its_place(text, sentence, written):
    with pytest.raises(ConfigError) as wrong:
        transforms.read(written(text), 0)
    assert str(wrong.value).startswith("augment.albumentations: ")
    assert sentence in str(wrong.value)
    assert "\n" not in str(wrong.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "[[transform]]\nname = 'Resize'\nheight = 40\nwidth = 40",
            "must return uint8 of shape (32, 32, 3), as it is ",
        ),
        ("[[transform]]\nname = 'ToFloat'\np = 1.0", "as it is given, not float32 of shape (32, 32, 3)"),
        ("[[transform]]\nname = 'RandomCrop'\nheight = 40\nwidth = 40\np = 1.0", "an image cannot be transformed: "),
        ("[[transform]]\nname = 'ToTensorV2'", "not torch.uint8 of shape (3, 32, 32)"),
    ],
)
def test_what_does_not_return_such_images_is_told_in_one_sentence(text, sentence, images, written):
    made = transforms.read(written(text), 0)
    with pytest.raises(ConfigError) as wrong:
        made(images[:50], numbers(50), 1)
    assert sentence in str(wrong.value)
    assert "\n" not in str(wrong.value)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing.toml", "augment.albumentations: missing.toml cannot be read: No such file or directory"),
        ("~nobody-of-this-name/a.toml", "cannot be read: Could not determine home directory"),
        ("a\0.toml", r"a\x00.toml cannot be read: embedded null byte"),
        ("distrot", "'distrot' is no file ending in .toml, nor one that ships: distort"),
    ],
)
def test_a_file_that_is_not_there_is_told_in_one_sentence(name, sentence):
    with pytest.raises(ConfigError) as missing:
        transforms.read(name, 0)
    assert sentence in str(missing.value)


def test_a_missing_library_is_told_with_what_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "albumentations", None)
    with pytest.raises(
        ConfigError, match=r'albumentations is not installed; pip install "cifar-tui\[albumentations\]"'
    ):
        transforms.read("distort", 0)


def test_the_extra_never_brings_the_successor_whose_licence_is_another():
    project = tomli.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["optional-dependencies"]["albumentations"] == ["albumentations>=2.0.8"]
    assert "albumentationsx" not in str(project)


@pytest.fixture
def few_images(monkeypatch):
    monkeypatch.setattr(synthetic, "TRAIN_IMAGES", 60)
    monkeypatch.setattr(synthetic, "TEST_IMAGES", 20)
    monkeypatch.setattr(resident, "BLOCK_IMAGES", 20)


def experiment(file, **data):
    return Config.model_validate(
        {
            "model": {"name": "lenet-notes"},
            "data": {"kind": "synthetic", "loader": "workers", **data},
            "augment": {"albumentations": file, "flip": "random"},
            "training": {"epochs": 2, "batch_size": 10, "evaluate_every": 4, "threads": 1, "device": "cpu"},
        }
    )


def losses(config, folder=None, resume=None, stop_at=None):
    """The loss of every step and all warnings; the training stops after step ``stop_at``, which it evaluates at."""
    control, found, warnings = Control(), {}, []
    for event in trainer.run(config, control, checkpoint_dir=folder, resume=resume):
        if isinstance(event, StepCompleted):
            found[event.step] = event.loss
            if event.step == stop_at:
                control.stop()
        elif isinstance(event, Warned):
            warnings.append(event.message)
    return found, warnings


@pytest.mark.slow
@pytest.mark.usefixtures("few_images")
def test_a_training_with_transforms_repeats_whoever_does_them_and_goes_on_exactly(written, tmp_path):
    file = written(FLIPS + NOISE)
    whole, _ = losses(experiment(file, workers=0))
    assert list(whole) == list(range(1, 13))
    assert whole != (losses(experiment(written(FLIPS), workers=0)))[0]
    written(FLIPS + NOISE)
    assert (losses(experiment(file, workers=2)))[0] == whole
    begun, _ = losses(experiment(file, workers=0), tmp_path / "run", stop_at=8)
    rest, warnings = losses(experiment(file, workers=0), tmp_path / "run", tmp_path / "run")
    assert (list(begun), list(rest)) == (list(range(1, 9)), list(range(9, 13)))
    assert {**begun, **rest} == whole
    assert not warnings


@pytest.mark.usefixtures("few_images")
def test_a_file_that_was_changed_since_is_warned_of(written, tmp_path):
    file = written(FLIPS)
    losses(experiment(file, workers=0), tmp_path / "run", stop_at=8)
    written(NOISE)
    _, [warning] = losses(experiment(file, workers=0), tmp_path / "run", tmp_path / "run")
    assert warning.startswith("not exactly what it would have been: augment.albumentations was ")


@pytest.mark.usefixtures("few_images")
def test_another_file_is_another_experiment(written, tmp_path):
    losses(experiment(written(FLIPS), workers=0), tmp_path / "run", stop_at=8)
    with pytest.raises(CheckpointError, match=r"augment\.albumentations differ"):
        losses(experiment("distort", workers=0), tmp_path / "run", tmp_path / "run")


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.usefixtures("few_images")
def test_a_transform_that_fails_ends_the_training_with_its_sentence(count, written):
    file = written("[[transform]]\nname = 'Resize'\nheight = 40\nwidth = 40\np = 1.0")
    with pytest.raises(ConfigError, match=r"^augment\.albumentations: .*mine\.toml: must return uint8") as wrong:
        losses(experiment(file, workers=count))
    assert "\n" not in str(wrong.value)


def test_a_wrong_file_is_told_before_images_are_looked_for(written):
    config = experiment(written(""), kind="folder", root="/nowhere")
    with pytest.raises(ConfigError, match=r"augment\.albumentations"):
        losses(config)


def test_a_probe_leaves_out_what_only_another_loader_can_do(written):
    measured = probe(experiment(written(NOISE), workers=1), Control(), seconds=0.1)
    assert measured is not None
    assert measured.seconds_per_step > 0


def test_a_loader_that_cannot_do_them_says_which_can():
    with pytest.raises(ValueError, match=r"data\.loader=resident cannot do that, data\.loader=workers can"):
        experiment("distort", loader="resident")
