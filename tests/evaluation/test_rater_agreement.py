"""Agreement of raters, beside numbers worked out by hand and other people's code."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from innerview.evaluation.rater_agreement import STATISTICS, agreement_figures

levels = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=30)
Pairs = list[tuple[int, int]]


def agreement(pairs: Pairs) -> dict[str, float]:
    one, other = ({str(n): pair[at] for n, pair in enumerate(pairs)} for at in (0, 1))
    figures = agreement_figures(one, other, {str(n): str(n) for n in range(len(pairs))})
    assert all(f.low <= f.value <= f.high and f.n == len(pairs) for f in figures.values())
    return {name: figure.value for name, figure in figures.items()}


def statistics(pairs: Pairs) -> dict[str, float]:
    """Without intervals, which take their time; without those that are not defined."""
    table = np.zeros((1, 4, 4))
    for one, other in pairs:
        table[0, one, other] += 1
    found = {name: float(statistic(table)[0]) for name, statistic in STATISTICS.items()}
    return {name: value for name, value in found.items() if not np.isnan(value)}


def test_kappa_is_what_is_worked_out_by_hand() -> None:
    # Of 50, both say 1 of 20 and 0 of 15; 35/50 are the same, 25/50 by chance: (.7 - .5) / .5.
    pairs = [(1, 1)] * 20 + [(1, 0)] * 5 + [(0, 1)] * 10 + [(0, 0)] * 15
    found = agreement(pairs)
    assert found["same"] == pytest.approx(0.7) and found["texts"] == 50
    assert found["kappa"] == pytest.approx(0.4)
    # With two levels a square is what it is a square of, and rho is phi: 250 / sqrt(30·20·25·25).
    assert found["weighted_kappa"] == pytest.approx(0.4)
    assert found["spearman"] == pytest.approx(250 / np.sqrt(375_000))


def test_weighted_kappa_forgives_near_misses() -> None:
    # Squares found: 1 + 1 = 2. By chance: each of 4 levels with each, 4·(1·6 + 4·4 + 9·2)/16 = 10.
    pairs = [(0, 0), (1, 2), (2, 1), (3, 3)]
    found = agreement(pairs)
    assert found["weighted_kappa"] == pytest.approx(1 - 2 / 10)
    assert found["kappa"] == pytest.approx((0.5 - 0.25) / 0.75)
    assert found["spearman"] == pytest.approx(0.8)


def test_only_what_both_have_rated_counts() -> None:
    cases = {"a": "u", "b": "u", "c": "v"}
    figures = agreement_figures({"a": 1, "b": 2}, {"b": 2, "c": 0}, cases)
    assert figures["texts"].value == 1 and figures["same"].value == 1.0
    assert not {"kappa", "weighted_kappa", "spearman"} & set(figures), "there is nothing to say"
    assert agreement_figures({"a": 1}, {"c": 1}, cases) == {}


def test_intervals_resample_cases() -> None:
    rng = np.random.default_rng(0)
    one = {str(n): int(rng.integers(4)) for n in range(200)}
    other = {n: int(np.clip(level + rng.integers(-1, 2), 0, 3)) for n, level in one.items()}
    apart = agreement_figures(one, other, {n: n for n in one})
    together = agreement_figures(one, other, {n: str(int(n) % 10) for n in one})
    for name in ("kappa", "weighted_kappa", "spearman"):
        assert apart[name].value == together[name].value
        assert (apart[name].n, together[name].n) == (200, 10)
        assert apart[name].low < apart[name].value < apart[name].high


@given(levels)
def test_others_find_the_same(pairs: Pairs) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    found, (one, other) = statistics(pairs), zip(*pairs, strict=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        truth = {
            "kappa": metrics.cohen_kappa_score(one, other, labels=[0, 1, 2, 3]),
            "weighted_kappa": metrics.cohen_kappa_score(
                one, other, labels=[0, 1, 2, 3], weights="quadratic"
            ),
            "spearman": spearmanr(one, other).statistic,
        }
    for name, value in truth.items():
        if np.isnan(value):
            assert name not in found
        else:
            assert found[name] == pytest.approx(value, abs=1e-9)


@given(levels, st.permutations(range(4)))
def test_what_must_hold_of_any_two_raters(pairs: Pairs, others: list[int]) -> None:
    found = statistics(pairs)
    assert all(-1 - 1e-9 <= value <= 1 + 1e-9 for value in found.values())
    swapped = statistics([(b, a) for a, b in pairs])
    upside_down = statistics([(3 - a, 3 - b) for a, b in pairs])
    shuffled = statistics(pairs[::-1])
    renamed = statistics([(others[a], others[b]) for a, b in pairs])
    for name, value in found.items():
        assert swapped[name] == pytest.approx(value)
        assert upside_down[name] == pytest.approx(value)
        assert shuffled[name] == pytest.approx(value)
    if "kappa" in found:
        assert renamed["kappa"] == pytest.approx(found["kappa"]), "kappa knows no order of levels"
        assert (found["kappa"] > 1 - 1e-9) == all(a == b for a, b in pairs)
