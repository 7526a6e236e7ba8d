"""Makes what is known of torchvision's networks without importing it: core/cifar_core/models/torchvision.json.

.venv/bin/python docs/catalog.py

Run it when torchvision has other networks or weights than when the file was made; a test tells.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import torchvision
from torchvision import models

from cifar_core.models.catalog import FILE, Catalog, Entry, Weights

_FROM_MINUS_1_TO_1 = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def made() -> Catalog:
    """Return what the torchvision installed tells of its networks for classification."""
    names = models.list_models(module=models)
    return Catalog(torchvision.__version__.partition("+")[0], tuple(_entry(name) for name in names))


def _entry(name: str) -> Entry:
    all_weights = models.get_model_weights(name)
    published = {each: _weights(name, each) for each in all_weights}
    # Some networks have weights for larger images besides, and vit_h_14 and regnet_y_128gf have no first ones.
    own = min(published, key=lambda each: published[each].side)
    return Entry(
        name,
        own.meta["num_params"],
        round(own.meta["_ops"] * 1e9),  # billions, to three decimal places
        published[own].side,
        all_weights.DEFAULT.name,
        tuple(published.values()),
    )


def _weights(name: str, weights: Any) -> Weights:  # noqa: ANN401, an enumeration of each network's own
    images = weights.transforms()
    mean, std = tuple(images.mean), tuple(images.std)
    if name in ("googlenet", "inception_v3"):
        # With weights, torchvision has these networks turn ImageNet's normalisation into that of their training.
        mean, std = _FROM_MINUS_1_TO_1
    accuracies = weights.meta["_metrics"]["ImageNet-1K"]
    (side,) = images.crop_size
    return Weights(weights.name, _error(accuracies["acc@1"]), _error(accuracies["acc@5"]), side, mean, std)


def _error(accuracy: float) -> float | None:
    # Weights that are for features alone have no classifier, and NaN for its accuracy.
    return None if math.isnan(accuracy) else round(100 - accuracy, 3)


def written(catalog: Catalog) -> bytes:
    """Return the text of the file: one network a line."""
    networks = b",\n".join(msgspec.json.encode(entry) for entry in catalog.networks)
    return b'{"made_with":%b,"networks":[\n%b\n]}\n' % (msgspec.json.encode(catalog.made_with), networks)


if __name__ == "__main__":
    FILE.write_bytes(written(made()))
