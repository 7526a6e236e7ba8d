"""Blocks of images to augment, and comparisons of what was drawn."""

from collections import Counter
from math import sqrt

import torch

from cifar_core.augment import prepare

# With these, normalised pixels are the bytes themselves, up to rounding.
BYTES = {"mean": (0.0, 0.0, 0.0), "std": (1 / 255, 1 / 255, 1 / 255)}


def distinct(side):
    """An image whose pixels all differ and none of which is black: uint8 of shape (3, side, side)."""
    number = torch.arange(side * side).view(side, side)
    return torch.stack((number % 256, number // 256 + 1, 255 - number % 256)).to(torch.uint8)


def repeated(image, count):
    return image.expand(count, -1, -1, -1).contiguous()


def noise(count, side=32, seed=0):
    return torch.randint(256, (count, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def prepared(config, images, *, seed=0, classes=10):
    return prepare(config, images, seed, classes=classes, device=images.device)


def with_targets(config, images, *, seed=0, epoch=1, batch_size=None, classes=None):
    """The images augmented as a block, and their targets; each is a class of its own unless told otherwise."""
    numbers = torch.arange(len(images), device=images.device)
    classes = classes or len(images)
    return prepared(config, images, seed=seed, classes=classes)(
        images, numbers % classes, numbers, epoch=epoch, seed=seed, batch_size=batch_size or len(images)
    )


def augmented(config, images, **options):
    return with_targets(config, images, **options)[0]


def as_bytes(images):
    return [image.tobytes() for image in images.cpu().round().to(torch.uint8).numpy()]


def assert_uniform(drawn, possible):
    """Everything drawn is possible, and Pearson's chi-square lies within four standard deviations of its mean."""
    counts = Counter(drawn)
    assert set(counts) <= set(possible)
    expected = len(drawn) / len(possible)
    assert expected >= 5, "too few draws for a chi-square"
    statistic = sum((counts[outcome] - expected) ** 2 / expected for outcome in possible)
    freedom = len(possible) - 1
    assert abs(statistic - freedom) < 4 * sqrt(2 * freedom)


def assert_same_counts(ours, theirs):
    """The chi-square of two samples of equal size is within four deviations of what one distribution gives."""
    assert len(ours) == len(theirs)
    our_counts, their_counts = Counter(ours), Counter(theirs)
    seen = set(our_counts) | set(their_counts)
    statistic = sum(
        (our_counts[each] - their_counts[each]) ** 2 / (our_counts[each] + their_counts[each]) for each in seen
    )
    freedom = len(seen) - 1
    assert abs(statistic - freedom) < 4 * sqrt(2 * freedom)


def assert_same_distribution(ours, theirs):
    """Kolmogorov and Smirnov's distance of two samples of numbers is one that 1 in 1,000 equal pairs would exceed."""
    ours, theirs = (torch.as_tensor(sample, dtype=torch.float64).sort().values for sample in (ours, theirs))
    both = torch.cat((ours, theirs))
    shares = [torch.searchsorted(sample, both, right=True) / len(sample) for sample in (ours, theirs)]
    distance = (shares[0] - shares[1]).abs().max().item()
    assert distance < 1.95 * sqrt(1 / len(ours) + 1 / len(theirs))


def assert_uncorrelated(numbers):
    """What is drawn for an image says nothing about the next image's: a sample in the order of the block."""
    numbers = torch.as_tensor(numbers, dtype=torch.float64)
    [[_, correlation], _] = torch.corrcoef(torch.stack((numbers[:-1], numbers[1:]))).tolist()
    assert abs(correlation) < 4 / sqrt(len(numbers))


def assert_same_mean_image(ours, theirs):
    """The means of two samples of images, value by value, are within six of their standard errors."""
    ours, theirs = ours.double(), theirs.double()
    error = ((ours.var(0) / len(ours)) + (theirs.var(0) / len(theirs))).sqrt()
    assert ((ours.mean(0) - theirs.mean(0)).abs() <= 6 * error + 1e-9).all()


def one_by_one(transform, image, count):
    """What torchvision makes of ``count`` copies of the image, each transformed for itself."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return torch.stack([transform(image) for _ in range(count)])
