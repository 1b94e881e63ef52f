"""Does an explanation stay as it is while nothing that matters changes?"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from innerview.alignment.cases import read_cases
from innerview.errors import MissingExtraError, RunError
from innerview.evaluation import orders
from innerview.evaluation.results import MetricTree, write_metrics
from innerview.evaluation.rewording import RewordedTarget, unchanged_titles
from innerview.evaluation.stability import (
    Said,
    agreement,
    ignores_order,
    in_another_order,
    of_another_case,
)
from innerview.explanation._ask import first_outcomes
from innerview.explanation.claims import Claim
from innerview.explanation.evidence import Evidence, measure_many
from innerview.explanation.grounded import claims_from
from innerview.pipeline._measured import (
    fewest_queries,
    fingerprint_in,
    forms_of,
    is_measured,
    readable_surrogate,
    rescoring_target,
    usable_cases,
)
from innerview.pipeline._stage import Event, Say, digest
from innerview.targets import Case, Target

if TYPE_CHECKING:
    from innerview.surrogate.surrogate import Surrogate

__all__ = ["stability"]

_AT_ONCE = 8
_VERSION = 2
"""Of what is measured."""
_SHAPLEY_BUDGET = 500

Pairs = Sequence[tuple[Case, str]]
Both = tuple[Sequence[Said], Sequence[Said]]
"""What is said of each case, and what is said again."""


def stability(
    run: Path,
    say: Say,
    *,
    n_cases: int = 50,
    beside: Path | None = None,
    target_only: bool = False,
    seed: int = 0,
) -> Path:
    """Explain held-out cases again: with titles in other words, with parts in another order, by
    another surrogate, with other random numbers; and measure how far what is said agrees.

    Args:
        run: with a target and its cases, and a surrogate if there is one.
        say: told how far it is.
        n_cases: at most.
        beside: the folder of another surrogate of the same target.
        target_only: ask no surrogate, even if there is one.
        seed: of wordings, orders, chance and intervals.

    Raises:
        RunError: the target cannot rescore, fewer than two cases have parts to leave out, or one
            of two surrogates is missing or has no memory to read claims in.
        SurrogateError: a surrogate is damaged, or was aligned with another target.
    """
    target = rescoring_target(run)
    folders = () if target_only else (run / "surrogate", beside)
    whose = [fingerprint_in(folder) for folder in folders if folder is not None]
    made_from = digest([target.fingerprint, whose, n_cases, seed, _VERSION])
    path = run / "report" / "stability.json"
    if is_measured(path, "stability", made_from):
        say(Event("stability", "unchanged, kept"))
        return path
    began = time.monotonic()
    cases = usable_cases(read_cases(run).test, target)[:n_cases]
    if len(cases) < 2:
        raise RunError(f"{run}: {len(cases)} cases have parts to leave out; two or more are needed")
    surrogate, other = (None, None) if target_only else _surrogates(run, beside, target, say)
    pairs = list(zip(cases, first_outcomes(target, [(c, c) for c in cases]), strict=True))
    asked = _asked(target, pairs, say, seed=seed)
    said = {change: {"grounded": _grounded(*own)} for change, own in asked.items()}
    if surrogate is not None:
        for change, own in asked.items():
            said[change] |= _of_surrogate(surrogate, *own, say)
    if other is not None:
        said["surrogates"] = _of_surrogate(other, target, pairs, say)
    unchanged = said.pop("unchanged")
    twice: dict[str, dict[str, Both]] = {
        change: {name: (unchanged[name], again) for name, again in own.items()}
        for change, own in said.items()
    }
    twice["seeds"] = _by_two_seeds(target, pairs, say, seed=seed)
    twice["chance"] = {"random": (_by_chance(cases, seed), _by_chance(cases, seed + 1))}
    names = [case.case_id for case in cases]
    tree: dict[str, MetricTree] = {
        change: {name: agreement(*both, names, seed=seed) for name, both in own.items()}
        for change, own in twice.items()
    }
    tree["another_case"] = _another_case(cases, unchanged, seed=seed)
    reworded, _ = asked["titles"]
    meta = {
        "target": target.fingerprint,
        "surrogate": surrogate.fingerprint if surrogate is not None else None,
        "beside": other.fingerprint if other is not None else None,
        "seed": seed,
        "innerview": version("innerview"),
        "queries": target.queries.used,
        "seconds": round(time.monotonic() - began, 1),
        "n_cases": len(cases),
        "order": "shuffled" if "order" in asked else "not applicable: the target minds it",
        "made_from": made_from,
        "titles_unchanged": unchanged_titles(target, reworded, pairs),
    }
    write_metrics(path, {"stability": tree}, meta=meta)
    say(Event("stability", f"{path}", 1.0))
    return path


def _surrogates(
    run: Path, beside: Path | None, target: Target, say: Say
) -> tuple[Surrogate | None, Surrogate | None]:
    """The run's, if it has one that can be read, and the one beside it."""
    own = readable_surrogate(run / "surrogate", target, say)
    if beside is None:
        return own, None
    other = readable_surrogate(beside, target, say)
    if own is None or other is None:
        lacking = run if own is None else beside
        raise RunError(f"{lacking}: no surrogate whose claims can be read; align one first")
    return own, other


def _asked(target: Target, pairs: Pairs, say: Say, *, seed: int) -> dict[str, tuple[Target, Pairs]]:
    """By what is changed, whose titles are read and which cases are explained."""
    asked: dict[str, tuple[Target, Pairs]] = {
        "unchanged": (target, pairs),
        "titles": (RewordedTarget(target, seed=seed), pairs),
    }
    cases = [case for case, _ in pairs]
    shuffled = in_another_order(cases, seed=seed)
    if ignores_order(target, cases, shuffled):
        outcomes = [outcome for _, outcome in pairs]
        asked["order"] = target, list(zip(shuffled, outcomes, strict=True))
    else:
        say(Event("stability", f"{target.name} minds the order of parts; they are not shuffled"))
    return asked


def _grounded(target: Target, pairs: Pairs) -> list[Said]:
    return [_said(found, claims_from(found, target)) for found in measure_many(pairs, target)]


def _of_surrogate(
    surrogate: Surrogate, told: Target, pairs: Pairs, say: Say
) -> dict[str, list[Said]]:
    """What a surrogate claims in each form, while the target scores nothing.

    Args:
        surrogate: that is asked.
        told: whose titles cases are put to it in.
        pairs: cases with their outcomes.
        say: told how far it is.
    """
    from innerview.surrogate.stand_in import own_claims

    found: dict[str, list[Said]] = {}
    for form in forms_of(told):
        stand_in, own = surrogate.stand_in(form, told=told), []
        for start in range(0, len(pairs), _AT_ONCE):
            text = f"{start} cases put to the surrogate in {form} form"
            say(Event("stability", text, start / len(pairs)))
            own += [_said(*one) for one in own_claims(stand_in, pairs[start : start + _AT_ONCE])]
        found[f"surrogate_{form}"] = own
    return found


def _said(evidence: Evidence, claims: Sequence[Claim]) -> Said:
    return Said(orders.by_explanation(evidence), tuple(claims))


def _by_chance(cases: Sequence[Case], seed: int) -> list[Said]:
    return [Said(orders.by_chance(case, seed=seed)) for case in cases]


def _by_two_seeds(target: Target, pairs: Pairs, say: Say, *, seed: int) -> dict[str, Both]:
    """Explainers that draw subsets or orders of parts at random."""
    say(Event("stability", f"{len(pairs)} cases explained with other random numbers"))
    drawn = [_by_drawing(target, pairs, own) for own in (seed, seed + 1)]
    if "lime" not in drawn[0]:
        missing = MissingExtraError("scikit-learn", "evaluation")
        say(Event("stability", f"lime and boosted trees: not run; {missing}"))
    return {name: (one, drawn[1][name]) for name, one in drawn[0].items()}


def _by_drawing(target: Target, pairs: Pairs, seed: int) -> dict[str, list[Said]]:
    shapley = [
        orders.by_shapley(
            case, outcome, target, budget=max(_SHAPLEY_BUDGET, fewest_queries(case)), seed=seed
        )
        for case, outcome in pairs
    ]
    found = {"shapley": shapley}
    if find_spec("sklearn") is not None:
        from innerview.evaluation.conventional import by_boosted_trees, by_lime, masked_scores

        masked = masked_scores(pairs, target, seed=seed)
        for name, order in (("lime", by_lime), ("boosted_trees", by_boosted_trees)):
            found[name] = [
                order(case, own, seed=seed) for (case, _), own in zip(pairs, masked, strict=True)
            ]
    return {name: [Said(order) for order in own] for name, own in found.items()}


def _another_case(
    cases: Sequence[Case], said: Mapping[str, Sequence[Said]], *, seed: int
) -> MetricTree:
    """What is said of each case beside what is said of one that shares parts with it."""
    found: dict[str, MetricTree] = {}
    for name, own in said.items():
        others = of_another_case(cases, own, seed=seed)
        if others:
            places = [at for at, _ in others]
            ids = [cases[at].case_id for at in places]
            found[name] = agreement(
                [own[at] for at in places], [o for _, o in others], ids, seed=seed
            )
    return found
