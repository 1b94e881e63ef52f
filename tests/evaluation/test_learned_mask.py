"""A mask that learned on some cases and is asked about others."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from innerview.evaluation.conventional import Masked, masked_scores
from innerview.evaluation.learned_mask import LearnedMask
from innerview.explanation._ask import first_outcomes
from innerview.targets.protocol import Case
from innerview.testing import ScriptedTarget, small_catalogue

N = 24
Pairs = list[tuple[Case, str]]


@pytest.fixture(scope="module")
def target() -> ScriptedTarget:
    """A part's vector times the outcome's is what the part adds to it."""
    weights = np.random.default_rng(0).normal(size=(N, N)).astype(np.float32)
    return ScriptedTarget(weights, small_catalogue(N))


def drawn(target: ScriptedTarget, n: int, *, seed: int) -> Pairs:
    rng = np.random.default_rng(seed)
    cases = [
        Case(
            f"{seed}-{i}", tuple(f"i{j}" for j in rng.choice(N, rng.integers(3, 7), replace=False))
        )
        for i in range(n)
    ]
    return list(zip(cases, first_outcomes(target, [(c, c) for c in cases]), strict=True))


def truth(target: ScriptedTarget, case: Case, outcome: str) -> tuple[str, ...]:
    column = target.outcomes.index[outcome]
    adds = {p: float(target.weights[target.parts.index[p], column]) for p in case.parts}
    return tuple(sorted(adds, key=lambda part: -adds[part]))


def test_what_was_learned_on_some_cases_holds_for_others_without_a_query(
    target: ScriptedTarget,
) -> None:
    learned, asked = drawn(target, 120, seed=1), drawn(target, 60, seed=2)
    masked = masked_scores(learned, target, budget=60)
    mask = LearnedMask(learned, masked, target)
    before = target.queries.used
    found = mask.orders(asked)
    assert target.queries.used == before
    wanted = [truth(target, case, outcome) for case, outcome in asked]
    assert np.mean([a[0] == b[0] for a, b in zip(found, wanted, strict=True)]) > 0.85
    assert all(sorted(a) == sorted(b) for a, b in zip(found, wanted, strict=True))
    again = LearnedMask(learned, masked, target).orders(asked)
    assert again == found
    assert mask.orders(asked[:7]) == found[:7], "others in a batch do not matter"


def test_scores_that_belong_to_other_cases_teach_nothing(target: ScriptedTarget) -> None:
    learned, asked = drawn(target, 120, seed=1), drawn(target, 200, seed=2)
    masked = masked_scores(learned, target, budget=60)
    rng = np.random.default_rng(3)
    shuffled = [Masked(m.parts, m.masks, rng.permutation(m.scores)) for m in masked]
    found = LearnedMask(learned, shuffled, target).orders(asked)
    right = [a[0] == truth(target, *pair)[0] for a, pair in zip(found, asked, strict=True)]
    assert np.mean(right) < 0.5


def test_a_target_that_hangs_on_nothing_leaves_all_to_chance(target: ScriptedTarget) -> None:
    flat = ScriptedTarget(np.zeros((N, N), dtype=np.float32), small_catalogue(N))
    learned = drawn(flat, 20, seed=1)
    mask = LearnedMask(learned, masked_scores(learned, flat, budget=20), flat)
    assert all(bool(torch.isfinite(p).all()) for p in mask.network.parameters())
    assert [len(order) for order in mask.orders(learned)] == [len(c.parts) for c, _ in learned]
