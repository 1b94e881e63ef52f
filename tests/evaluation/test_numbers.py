"""Numbers in texts: which count, and which are borne out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from innerview.data.tables import Catalogue
from innerview.evaluation.given import Given
from innerview.evaluation.numbers import number_figures
from innerview.explainer import Explainer
from innerview.explanation.style import AUDIENCES, LENGTHS, Audience, Style
from innerview.targets.protocol import Case, top_outcomes
from innerview.testing import ScriptedTarget

N = 30


@pytest.fixture(scope="module")
def target() -> ScriptedTarget:
    """Titles and attributes are full of numbers."""
    rng = np.random.default_rng(0)
    titles = tuple(f"Part {at}: {1950 + at} ({at / 7:.2f})" for at in range(N))
    attributes = {
        "genre": tuple(("Top 40",) if at % 3 else ("Rank 99", "Top 40") for at in range(N)),
        "year": tuple((str(1950 + at),) for at in range(N)),
    }
    ids = tuple(f"i{at}" for at in range(N))
    return ScriptedTarget(rng.normal(size=(N, N)), Catalogue(ids, titles, attributes, noun="film"))


def ranked(target: ScriptedTarget, case: Case) -> list[str]:
    return top_outcomes(target, case, target.score([case])[0], N - len(case.parts))


@pytest.mark.parametrize("audience", AUDIENCES)
@pytest.mark.parametrize("about", [None, "genre", "decade"])
def test_our_own_explanations_state_no_number_that_nothing_bears_out(
    target: ScriptedTarget, audience: Audience, about: str | None
) -> None:
    rng = np.random.default_rng(1)
    cases = [
        Case(f"c{n}", tuple(f"i{i}" for i in rng.choice(N, size=2 + n, replace=False)))
        for n in range(8)
    ]
    for length in LENGTHS:
        explain = Explainer(target, style=Style(audience, length, about))
        for rank in (1, 20):
            outcomes = [ranked(target, case)[rank - 1] for case in cases]
            own = [
                Given(case, one.outcome_id, (), one.text)
                for case, one in zip(cases, explain(cases, outcomes), strict=True)
            ]
            figures = number_figures(own, target)
            assert figures["numbers_ungrounded"].value == 0
            assert figures["numbers_stated"].value == (0 if audience == "customer" else 1)


W = (3.0, 1.5, 0.25, 0.0)
"""What four parts add to what is explained. The others score 2 and 1, so it is first, and second
without ``p0`` or with ``p1`` alone."""


@pytest.fixture(scope="module")
def plain() -> ScriptedTarget:
    weights = np.zeros((4, 3), dtype=np.float32)
    weights[:, 0] = W
    parts = Catalogue(("p0", "p1", "p2", "p3"), ("Ann", "Bob", "Cyd", "Dee 2049"), noun="friend")
    outcomes = Catalogue(("o0", "o1", "o2"), ("Tea", "Ale", "Gin"))
    return ScriptedTarget(weights, outcomes, parts=parts, bias=[0.0, 2.0, 1.0])


def ungrounded(text: str, plain: ScriptedTarget) -> bool | None:
    """None where no number counts."""
    found = number_figures([Given(Case("c", ("p0", "p1", "p2", "p3")), "o0", (), text)], plain)
    return bool(found["numbers_ungrounded"].value) if found["numbers_stated"].value else None


@pytest.mark.parametrize(
    "text",
    [
        "Tea is at rank 1, and at rank 2 without Ann.",
        "It ranks first; the 2nd place is what is left without Ann.",
        'The rank of "Tea" is 1.',
        "It is in the top 3, in the top ten, and in the top-2.",
        "Its score is 4.75, about 4.8 or 5, and falls to 1.75 without Ann.",
        "Without Ann its score changes by -3.000, so it loses 3.0 points.",
        "Ann is 63% of the score, Bob 31.6 per cent.",
        "It rests on 2 of the 4 friends.",
        "Without Ann it falls by 1 place.",
        "Dee, of 2049, says nothing.",
        "The 3rd reason is Cyd.",
    ],
)
def test_what_a_measurement_bears_out_is_grounded(text: str, plain: ScriptedTarget) -> None:
    assert ungrounded(text, plain) is False


@pytest.mark.parametrize(
    "text",
    [
        "Tea is at rank 5.",
        "Tea is placed at 4.",
        "It holds the 4th place.",
        "It is in fifth place.",
        "Tea ranks second; it falls to rank 7 without Bob.",
        "Without Ann it falls to 14.",
        "Its score is 4.6.",
        "Its score changes by +3.000.",
        "Ann is 80% of the score.",
        "All 12 friends like it.",
        "It was first brewed in 1848.",
        "1,000 people like it.",
        f"It is in the top {'9' * 5000}, with a score of {'9' * 5000}.",
    ],
)
def test_what_nothing_bears_out_is_not(text: str, plain: ScriptedTarget) -> None:
    assert ungrounded(text, plain) is True


@pytest.mark.parametrize(
    "text",
    [
        "It is the first choice of two or three friends.",
        "Dee 2049 likes it.",
        "A 5-star drink of the 1990s, open 24/7, from 1995-1999, version 1.2.3, at 10:30.",
        "In the first place, it is hot.",
        "Top reasons: Ann.",
    ],
)
def test_other_numbers_do_not_count(text: str, plain: ScriptedTarget) -> None:
    assert ungrounded(text, plain) is None


def test_an_outcome_far_down_is_not_in_the_top(target: ScriptedTarget) -> None:
    case = Case("c", ("i0", "i1", "i2"))
    said = Given(case, ranked(target, case)[-1], (), "It is in the top 5.")
    assert number_figures([said], target)["numbers_ungrounded"].value == 1
    said = replace(said, text="It is in the top 27.")
    assert number_figures([said], target)["numbers_ungrounded"].value == 0


def test_only_what_states_numbers_is_asked_about(plain: ScriptedTarget) -> None:
    case = Case("c", ("p0", "p1"))
    before = plain.queries.used
    figures = number_figures(
        [Given(case, "o0", (), "Ann likes it."), Given(case, "o1", ("p0",), "")], plain
    )
    assert plain.queries.used == before
    assert figures["numbers_ungrounded"].n == 1 and figures["numbers_stated"].value == 0
    assert number_figures([Given(case, "o0", ("p0",), " ")], plain) == {}


def test_nothing_is_said_of_a_target_that_answers_differently() -> None:
    noisy = ScriptedTarget(np.eye(4, dtype=np.float32), noise=1.0)
    said = Given(Case("c", ("i0", "i1")), "i2", (), "It is at rank 9.")
    assert number_figures([said], noisy) == {}
