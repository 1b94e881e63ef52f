"""Our own explanations as texts, to be measured as those are that somebody else made.

Knows claims, orders and catalogues, and asks the target nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from innerview.alignment.labels import case_seed
from innerview.alignment.prose import named_titles
from innerview.evaluation.free_prose import named_parts
from innerview.evaluation.given import Given
from innerview.evaluation.orders import Order
from innerview.explanation.claims import CheckedClaim
from innerview.explanation.render import render, render_stated
from innerview.targets.protocol import Case, Target

__all__ = ["AS_STATED", "own_texts"]

AS_STATED = "grounded_stated"
"""Explainer of the grounded claims in the words in which a surrogate's are put, so that nothing but
what is claimed tells the two apart."""

_FIRST = 1
"""Rank of what is explained here; whoever explains is told."""
_PARTS = 3
"""That one value is shared with, at most, in a text."""

Pairs = Sequence[tuple[Case, str]]


def own_texts(
    target: Target,
    pairs: Pairs,
    claims: Mapping[str, Sequence[Sequence[CheckedClaim]]],
    *,
    plausible: Sequence[Order] | None = None,
) -> dict[str, list[Given]]:
    """By explainer its texts, all about the same cases.

    ``grounded``
        as whoever explains a case with ``Explainer`` reads them: verified claims, with what was
        measured;
    ``grounded_stated``
        the same claims put as bare statements;
    ``surrogate_…``
        its claims as bare statements, those as well that the target refutes. What it took for its
        measurements is no claim, and what the target measured is not the surrogate's, so there are
        no numbers but those that claims state;
    ``plausible``
        which values of attributes the outcome shares with which parts, and nothing else.

    Args:
        target: whose catalogues name things.
        pairs: N cases with what the target puts first.
        claims: by explainer, N cases' claims, checked; ``grounded`` among them.
        plausible: N orders of each case's parts, if there are attributes to share.
    """
    told: dict[str, list[str]] = {
        AS_STATED: _each(target, pairs, claims["grounded"], render_stated)
    }
    for name, own in claims.items():
        told[name] = _each(target, pairs, own, render if name == "grounded" else render_stated)
    if plausible is not None:
        told["plausible"] = [
            _shared(target, case, outcome, order)
            for (case, outcome), order in zip(pairs, plausible, strict=True)
        ]
    return {
        name: [
            Given(case, outcome, tuple(dict.fromkeys(named_parts(text, case, target))), text)
            for (case, outcome), text in zip(pairs, texts, strict=True)
        ]
        for name, texts in told.items()
    }


def _each(
    target: Target,
    pairs: Pairs,
    claims: Sequence[Sequence[CheckedClaim]],
    put: Callable[..., str],
) -> list[str]:
    return [
        put(
            own,
            outcome=outcome,
            rank=_FIRST,
            titles=named_titles(target, case, outcome, own),
            noun=target.parts.noun,
            # The paraphrases that an explanation of this case would have.
            variant=int(case_seed(0, case, "render").integers(2**31)),
        )
        for (case, outcome), own in zip(pairs, claims, strict=True)
    ]


def _shared(target: Target, case: Case, outcome: str, order: Order) -> str:
    """ "It shares genre crime with "A" and "B"."""
    both = [name for name in target.parts.attributes if name in target.outcomes.attributes]
    said = []
    for name in both:
        for value in dict.fromkeys(target.outcomes.values(outcome, name)):
            having = [part for part in order if value in target.parts.values(part, name)]
            if having:
                titles = [f'"{target.parts.title(part)}"' for part in having[:_PARTS]]
                *some, last = titles
                named = f"{', '.join(some)} and {last}" if some else last
                said.append(f"It shares {name} {value} with {named}.")
    opening = f'"{target.outcomes.title(outcome)}" comes first.'
    return " ".join([opening, *(said or ["It shares nothing with what is there."])])
