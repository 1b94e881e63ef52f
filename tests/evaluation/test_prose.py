"""Figures of prose see what strays from its style or its claims, and count what repeats."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from innerview.data.tables import Catalogue
from innerview.evaluation.bootstrap import Figure
from innerview.evaluation.prose import keeps_style, prose_figures
from innerview.explainer import Explainer
from innerview.explanation.explanation import Explanation
from innerview.explanation.style import AUDIENCES, Audience, Style
from innerview.targets.protocol import Case
from innerview.testing import ScriptedTarget

N = 30


@pytest.fixture(scope="module")
def target() -> ScriptedTarget:
    rng = np.random.default_rng(0)
    ids = tuple(f"i{i}" for i in range(N))
    genres = tuple(("drama",) if i % 3 else ("crime", "drama") for i in range(N))
    titles = tuple(f"Title {chr(65 + i // 5)}{i % 5}" for i in range(N))
    catalogue = Catalogue(ids, titles, {"genre": genres}, noun="film")
    return ScriptedTarget(rng.normal(size=(N, N)), catalogue)


def explained(target: ScriptedTarget, style: Style) -> list[Explanation]:
    rng = np.random.default_rng(1)
    cases = [
        Case(f"c{n}", tuple(f"i{i}" for i in rng.choice(N, size=7, replace=False)))
        for n in range(12)
    ]
    return list(Explainer(target, style=style)(cases))


def value(figure: Figure | float) -> float:
    return figure.value if isinstance(figure, Figure) else figure


@pytest.mark.parametrize("audience", AUDIENCES)
@pytest.mark.parametrize("about", [None, "genre"])
def test_texts_made_in_a_style_keep_it_and_their_claims(
    target: ScriptedTarget, audience: Audience, about: str | None
) -> None:
    plain = explained(target, Style())
    for length in ("line", "short", "full"):
        own = explained(target, Style(audience, length, about))
        figures = prose_figures(own, plain)
        assert value(figures["keeps_style"]) == value(figures["same_claims"]) == 1
        assert value(figures["written"]) == 0


def _with(one: Explanation, style: Style | None = None, more: str = "") -> Explanation:
    wire = one.provenance if style is None else {**one.provenance, "style": _wire(style)}
    return replace(one, text=one.text + more, provenance=wire)


def _wire(style: Style) -> dict[str, Any]:
    return asdict(style)


def test_texts_of_another_style_do_not_keep_it(target: ScriptedTarget) -> None:
    support, customer = (explained(target, Style(a)) for a in ("support", "customer"))
    assert not any(keeps_style(_with(one, Style("customer"))) for one in support)
    assert not any(keeps_style(_with(one, Style("auditor"))) for one in support)
    assert not any(keeps_style(_with(one, Style("support"))) for one in customer)
    full = explained(target, Style("support", "full"))
    assert not any(keeps_style(_with(one, Style("support", "line"))) for one in full)


def test_what_no_claim_says_is_seen(target: ScriptedTarget) -> None:
    for one in explained(target, Style()):
        assert not keeps_style(_with(one, more=" It is liked by 90 percent."))
        assert not keeps_style(_with(one, more=' It is like "Title A1".')) or "Title A1" in one.text


def test_another_verdict_is_another_claim(target: ScriptedTarget) -> None:
    plain = explained(target, Style())
    changed = [replace(plain[0], claims=plain[0].claims[1:]), *plain[1:]]
    figures = prose_figures(changed, plain)
    assert value(figures["same_claims"]) == pytest.approx(11 / 12)


def test_repeats_are_counted(target: ScriptedTarget) -> None:
    one = explained(target, Style())[0]
    texts = ('"A" is it. "B" is it.', '"C" is it. "B" is it.')
    twice = [replace(one, text=text, case_id=text) for text in texts]
    figures = prose_figures(twice, twice)
    # T is it . T is it . of both: four distinct words of 16, and of 14 pairs T is, is it, it ., . T
    assert value(figures["words"]) == 8
    assert value(figures["distinct_1"]) == 4 / 16
    assert value(figures["distinct_2"]) == 4 / 14
    assert value(figures["commonest_opening"]) == 1
