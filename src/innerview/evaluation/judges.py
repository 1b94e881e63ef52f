"""A language model that judges explanations, and the controls that say whether to believe it.

It rates each text, and each case with the text of another, which it should like less. Asked which
of two texts is better, it is asked in both orders.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations

from innerview.evaluation.asking import Judge, Prompt
from innerview.evaluation.bootstrap import Figure, bootstrap_mean
from innerview.evaluation.controls import of_other_cases
from innerview.evaluation.ratings import Ratings, Texts, mean_difference
from innerview.evaluation.results import MetricTree
from innerview.evaluation.rubric import Better, Preferred, Rating, Shown, compared, rated

__all__ = ["Judged", "Verdicts", "judge_texts", "pair_figures"]

Verdicts = tuple[Better, Better]
"""Of two texts A and B, shown as A and B, and as B and A."""

_WON: Mapping[Verdicts, float] = {("first", "second"): 1.0, ("second", "first"): 0.0}
_STEADY = frozenset({*_WON, ("same", "same")})


@dataclass(frozen=True, slots=True)
class Judged:
    """What a model makes of texts.

    Attributes:
        ratings: of those that it has rated in form.
        figures: under ``control``, ``beyond_shuffled``: how much higher texts are rated about their
            own case than about another, and that ``by_explainer``; under ``pairs``, by explainer
            and other explainer, what ``pair_figures`` says.
    """

    ratings: Ratings
    figures: Mapping[str, MetricTree]


def judge_texts(
    judge: Judge,
    texts: Texts,
    *,
    pairwise: bool = False,
    at_most: int,
    tell: Callable[[int, int], None] = lambda done, total: None,
    seed: int = 0,
) -> Judged:
    """Have texts rated, and each two explainers' compared if ``pairwise``.

    Args:
        judge: who is asked.
        texts: by explainer, about two cases or more.
        pairwise: ask which is better, too.
        at_most, tell: as of ``Judge.ask``.
        seed: of the control and intervals.

    Raises:
        EndpointError: there is more to ask than is allowed, or the endpoint fails.
    """
    shuffled = {name: _shuffled(own, seed=seed) for name, own in texts.items()}
    own, others = list(chain(*texts.values())), list(chain(*shuffled.values()))
    prompts = {one.id: rated(one) for one in (*own, *others)}
    pairs = list(combinations(texts, 2)) if pairwise else []
    comparisons = [
        prompt
        for one, other in pairs
        for a, b in zip(texts[one], texts[other], strict=True)
        for prompt in _both_orders(a, b)
    ]
    judge.ask([*prompts.values(), *comparisons], at_most=at_most, tell=tell)
    ratings = {
        one: Rating(answer.rating, answer.reason)
        for one, prompt in prompts.items()
        if (answer := judge.answer(prompt)) is not None
    }
    beyond = mean_difference(own, others, ratings, seed=seed)
    control = {
        name: figure
        for name in texts
        if (figure := mean_difference(texts[name], shuffled[name], ratings, seed=seed))
    }
    found: dict[str, MetricTree] = {}
    if beyond is not None:
        found["control"] = {"beyond_shuffled": beyond, "by_explainer": control}
    told: dict[str, dict[str, MetricTree]] = {}
    for one, other in pairs:
        told.setdefault(one, {})[other] = _compared(judge, texts[one], texts[other], seed=seed)
    return Judged(ratings, found | ({"pairs": told} if told else {}))


def _shuffled(shown: Sequence[Shown], *, seed: int) -> list[Shown]:
    """Each case with the text of another."""
    other = of_other_cases([one.case_id for one in shown], seed=seed)
    return [replace(one, text=shown[at].text) for one, at in zip(shown, other, strict=True)]


def _both_orders(a: Shown, b: Shown) -> list[Prompt[Preferred]]:
    """None where the texts are the same, so that there is nothing to ask."""
    return [] if a.text == b.text else [compared(a, b), compared(b, a)]


def _compared(
    judge: Judge, ones: Sequence[Shown], others: Sequence[Shown], *, seed: int
) -> dict[str, Figure]:
    verdicts: list[Verdicts] = []
    cases = []
    for a, b in zip(ones, others, strict=True):
        answers = [judge.answer(prompt) for prompt in _both_orders(a, b)]
        forth, back = answers or (_NO_CHOICE, _NO_CHOICE)
        if forth is not None and back is not None:
            verdicts.append((forth.better, back.better))
            cases.append(a.case_id)
    return pair_figures(verdicts, cases, seed=seed) if verdicts else {}


_NO_CHOICE = Preferred(reason="", better="same")


def pair_figures(
    verdicts: Sequence[Verdicts], cases: Sequence[str], *, seed: int = 0
) -> dict[str, Figure]:
    """How often texts are preferred to others about the same decision.

    ``win_rate``
        share of wins, ties counting half; a win is one in both orders, all else is a tie;
    ``ties``
        share of those;
    ``flips``
        share of verdicts that change with the order: bias of position.

    Args:
        verdicts: N.
        cases: (N,) which case each is about.
        seed: of the resampling.
    """
    won = [_WON.get(one, 0.5) for one in verdicts]
    shares = {
        "win_rate": won,
        "ties": [float(one == 0.5) for one in won],
        "flips": [float(one not in _STEADY) for one in verdicts],
    }
    return {name: bootstrap_mean(own, cases, seed=seed) for name, own in shares.items()}
