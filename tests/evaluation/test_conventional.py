"""Local surrogates of targets whose parts' effects are known on paper."""

from __future__ import annotations

import numpy as np
import pytest

from innerview.evaluation.conventional import (
    Masked,
    by_boosted_trees,
    by_lime,
    masked_scores,
)
from innerview.targets.protocol import Case
from innerview.testing import ScriptedTarget, small_catalogue

pytest.importorskip("sklearn")

N = 12
CASE = Case("c", tuple(f"i{n}" for n in range(6)))
EFFECTS = (0.5, -2.0, 4.0, 0.0, 1.5, -0.7)
BY_EFFECT = ("i2", "i4", "i0", "i3", "i5", "i1")


@pytest.fixture
def target() -> ScriptedTarget:
    """What the parts of the case add to outcome i11 is told by ``EFFECTS``."""
    weights = np.zeros((N, N), dtype=np.float32)
    weights[:6, 11] = EFFECTS
    return ScriptedTarget(weights, small_catalogue(N))


def test_subsets_are_never_empty_and_scored_as_they_are(target: ScriptedTarget) -> None:
    (masked,) = masked_scores([(CASE, "i11")], target, budget=50)
    assert masked.parts == CASE.parts
    assert masked.masks.shape == (50, 6) and masked.masks.any(axis=1).all()
    assert masked.masks[0].all() and not masked.masks[1:].all(axis=1).any()
    assert len({int(n) for n in masked.masks.sum(axis=1)}) == 6
    np.testing.assert_allclose(masked.scores, masked.masks @ np.array(EFFECTS), atol=1e-5)
    assert target.queries.used == len({tuple(mask) for mask in masked.masks.tolist()})


def test_an_additive_target_is_put_in_its_order(target: ScriptedTarget) -> None:
    (masked,) = masked_scores([(CASE, "i11")], target)
    # The lasso's penalty may leave small effects at nothing, in an order left to chance.
    assert by_lime(CASE, masked)[:3] == BY_EFFECT[:3] and by_lime(CASE, masked)[-1] == "i1"
    assert by_boosted_trees(CASE, masked) == BY_EFFECT


def test_the_same_seed_gives_the_same_order_and_ties_are_left_to_chance(
    target: ScriptedTarget,
) -> None:
    first, again = (masked_scores([(CASE, "i11")], target, seed=3)[0] for _ in range(2))
    assert (first.masks == again.masks).all()
    assert by_boosted_trees(CASE, first) == by_boosted_trees(CASE, again)
    flat = Masked(CASE.parts, first.masks, np.zeros(len(first.masks)))
    for order in (by_lime, by_boosted_trees):
        assert len({order(CASE, flat, seed=seed) for seed in range(8)}) > 1


def test_a_part_that_comes_twice_is_one(target: ScriptedTarget) -> None:
    case = Case("c", ("i2", "i1", "i2"))
    (masked,) = masked_scores([(case, "i11")], target, budget=20)
    assert masked.parts == ("i2", "i1")
    assert by_boosted_trees(case, masked) == ("i2", "i1")
