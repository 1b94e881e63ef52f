"""What we claim, as texts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from innerview.alignment.prose import checked_claims
from innerview.data.tables import Catalogue
from innerview.evaluation import orders
from innerview.evaluation.numbers import number_figures
from innerview.evaluation.own_texts import AS_STATED, own_texts
from innerview.explainer import Explainer
from innerview.explanation._ask import first_outcomes
from innerview.explanation.claims import CheckedClaim
from innerview.targets.protocol import Case
from innerview.testing import ScriptedTarget

N = 30


@pytest.fixture(scope="module")
def target() -> ScriptedTarget:
    ids = tuple(f"i{i}" for i in range(N))
    genres = {"genre": tuple(("drama",) if i % 3 else ("crime", "drama") for i in range(N))}
    titles = tuple(f"Title {chr(65 + i // 5)}{i % 5}" for i in range(N))
    weights = np.random.default_rng(0).normal(size=(N, N))
    return ScriptedTarget(weights, Catalogue(ids, titles, genres, noun="film"))


@pytest.fixture(scope="module")
def pairs(target: ScriptedTarget) -> list[tuple[Case, str]]:
    rng = np.random.default_rng(1)
    cases = [
        Case(f"c{n}", tuple(f"i{i}" for i in rng.choice(N, size=7, replace=False)))
        for n in range(12)
    ]
    return list(zip(cases, first_outcomes(target, [(c, c) for c in cases]), strict=True))


def refuted(claims: list[list[CheckedClaim]]) -> list[list[CheckedClaim]]:
    return [[replace(one, verdict="refuted") for one in own] for own in claims]


def test_grounded_claims_are_told_as_whoever_explains_the_case_reads_them(
    target: ScriptedTarget, pairs: list[tuple[Case, str]]
) -> None:
    claims = {"grounded": [own for _, own in checked_claims(target, pairs)]}
    texts = own_texts(target, pairs, claims)
    assert list(texts) == [AS_STATED, "grounded"], "none shares anything, as nobody asks"
    read = [one.text for one in Explainer(target)([case for case, _ in pairs])]
    assert [one.text for one in texts["grounded"]] == read
    assert [(one.case, one.outcome) for one in texts["grounded"]] == pairs
    assert all(one.reasons and set(one.reasons) <= set(one.case.parts) for one in texts["grounded"])


def test_claims_of_a_surrogate_are_told_as_claimed_whatever_became_of_them(
    target: ScriptedTarget, pairs: list[tuple[Case, str]]
) -> None:
    grounded = [own for _, own in checked_claims(target, pairs)]
    claims = {"surrogate_hybrid": refuted(grounded), "grounded": grounded}
    texts = own_texts(target, pairs, claims)
    assert texts["surrogate_hybrid"] == texts[AS_STATED], "verdicts and measurements do not count"
    first = texts[AS_STATED][0].text
    assert "speaks for it most." in first and "rank" not in first.split(". ", 1)[1]
    assert number_figures(texts["surrogate_hybrid"], target)["numbers_ungrounded"].value == 0


def test_what_sounds_plausible_is_told_as_shared_attributes(
    target: ScriptedTarget, pairs: list[tuple[Case, str]]
) -> None:
    claims = {"grounded": [own for _, own in checked_claims(target, pairs)]}
    own = [orders.by_attributes(case, outcome, target) for case, outcome in pairs]
    for one, order in zip(own_texts(target, pairs, claims, plausible=own)["plausible"], own,
                          strict=True):  # fmt: skip
        title = target.parts.title
        assert one.text.startswith(f'"{title(one.outcome)}" comes first. It shares genre ')
        a, b, c = (f'"{title(part)}"' for part in order[:3])
        told = f"It shares genre drama with {a}, {b} and {c}."
        assert told in one.text, "all have it, so those come that share most"
        assert set(one.reasons) <= set(one.case.parts)


def test_what_shares_nothing_says_so(pairs: list[tuple[Case, str]]) -> None:
    alone = {"genre": tuple((f"g{i}",) for i in range(N))}
    ids = tuple(f"i{i}" for i in range(N))
    target = ScriptedTarget(np.eye(N), Catalogue(ids, ids, alone))
    claims: dict[str, list[list[CheckedClaim]]] = {"grounded": [[] for _ in pairs]}
    texts = own_texts(target, pairs, claims, plausible=[case.parts for case, _ in pairs])
    assert all("shares nothing with" in one.text for one in texts["plausible"])
    assert all("could not be verified" in one.text for one in texts["grounded"])
