"""Seeds depend on all that they are derived from."""

from cifar_core.randomness import derived_seed


def test_every_place_and_purpose_has_a_seed_of_its_own():
    places = [
        (seed, purpose, epoch, block)
        for seed in (0, 1, 2**63 - 1)
        for purpose in ("order", "augment")
        for epoch in range(20)
        for block in range(20)
    ]
    seeds = {derived_seed(*place) for place in places}
    assert len(seeds) == len(places)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_seed_never_changes_from_release_to_release():
    assert derived_seed(0, "order", 1) == 610367673687440295
