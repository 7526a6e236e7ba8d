"""Seeds for every use of randomness, each derived from the experiment's one seed."""

from __future__ import annotations

import hashlib


def derived_seed(seed: int, purpose: str, *position: int) -> int:
    """Return a seed, 0 to 2**63 - 1, that depends on all arguments and on nothing else.

    Each epoch's order and each block's augmentation gets a generator of its own, seeded from its
    position. So no draw depends on how many came before it, and training can go on at any position
    without a record of generator states.
    """
    text = ":".join((str(seed), purpose, *map(str, position)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
