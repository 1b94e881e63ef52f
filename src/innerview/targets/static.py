"""Models that have a vector for each case they were trained with, and none for any other.

Such a target scores its own cases as they are, so no claim about a changed case can be replayed. A
*fold-in* can be declared in its place: a ridge regression that makes a vector out of a case's
parts. It is another model. So it carries how far it agrees with the one it stands for, measured on
cases that it was not fitted to, and whatever is explained with it says so.

Axes: N cases, O outcomes, P parts, d width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from innerview.errors import BundleError, CaseError
from innerview.targets.bundle import BundleTarget, Contents
from innerview.targets.manifest import Agreement, RidgeFoldIn, Static
from innerview.targets.protocol import Case, FloatArray, Target, blocked_rows, top_outcomes

__all__ = ["agreement_of", "approximation_of", "distinct_cases", "known_cases", "ridge_fold_in"]

_PENALTIES = tuple(10.0**power for power in range(-3, 4))
"""Tried for a fold-in, in units of its parts' mean squared length."""
_UNMEASURED = Agreement(n_cases=1, rank_correlation=0.0, same_top10=0.0)


def distinct_cases(
    cases: Sequence[Case], vectors: FloatArray
) -> tuple[tuple[Case, ...], FloatArray]:
    """Cases and their (N, d) vectors, without those of the same parts as one before: a target knows
    cases by their parts."""
    first: dict[frozenset[str], int] = {}
    for row, case in enumerate(cases):
        if case.parts:
            first.setdefault(frozenset(case.parts), row)
    rows = list(first.values())
    return tuple(cases[row] for row in rows), vectors[rows]


def known_cases(target: Target) -> tuple[Case, ...]:
    """All cases that a static target can score; none for targets that score any."""
    return target.contents.cases if isinstance(target, BundleTarget) else ()


def ridge_fold_in(target: BundleTarget, *, n_cases: int = 500, seed: int = 0) -> Contents:
    """A fold-in in the place of a static target: what ``save_bundle`` makes a bundle of.

    Its penalty is chosen on some cases, its agreement measured on others; the usual case vector and
    its spread are of all the rest.

    Args:
        target: a static one.
        n_cases: to choose on, and as many to measure on; a quarter of all at most.
        seed: of the draw.

    Raises:
        BundleError: the target is not static.
        CaseError: it has fewer than eight cases.
    """
    static = target.contents
    if not isinstance(static.spec, Static) or static.case_vectors is None:
        raise BundleError(f"target {target.name!r} is not static: it needs no fold-in")
    n = len(static.cases)
    if n < 8:
        raise CaseError(f"{n} static cases; a fold-in is fitted to eight or more")
    drawn, few = np.random.default_rng(seed).permutation(n), min(n_cases, n // 4)
    chosen_on, measured_on = (
        [static.cases[row] for row in drawn[start : start + few]] for start in (0, few)
    )
    fitted = _fitted(static, drawn[2 * few :].tolist())
    fold_ins = [_with_penalty(fitted, penalty) for penalty in _PENALTIES]
    best = max(
        fold_ins, key=lambda own: agreement_of(BundleTarget(own), target, chosen_on).same_top10
    )
    found = agreement_of(BundleTarget(best), target, measured_on)
    return replace(best, spec=_spec(best).model_copy(update={"agreement": found}))


def agreement_of(one: Target, other: Target, cases: Sequence[Case]) -> Agreement:
    """How far two targets of the same outcomes rank them alike, a case's own parts left out."""
    correlations, shared = [], []
    for case, mine, theirs in zip(cases, one.score(cases), other.score(cases), strict=True):
        left = np.delete(np.stack([mine, theirs]), blocked_rows(one, case), axis=1)
        places = left.argsort(axis=1).argsort(axis=1)
        correlations.append(np.corrcoef(places)[0, 1])
        tops = [set(top_outcomes(one, case, scores, 10)) for scores in (mine, theirs)]
        shared.append(len(tops[0] & tops[1]) / max(1, len(tops[0])))
    return Agreement(
        n_cases=len(cases),
        rank_correlation=round(float(np.nan_to_num(np.mean(correlations))), 4),
        same_top10=round(float(np.mean(shared)), 4),
    )


def approximation_of(target: Target) -> str | None:
    """In words, what a target is that stands for another model, and how far; None for others."""
    spec = target.contents.spec if isinstance(target, BundleTarget) else None
    if not isinstance(spec, RidgeFoldIn):
        return None
    own = spec.agreement
    return (
        "a ridge fold-in stands for a model that scores no changed case: on "
        f"{own.n_cases:,} cases its ranking correlates with the model's by "
        f"{own.rank_correlation:.2f}, and {own.same_top10:.0%} of the ten best are the same"
    )


def _fitted(static: Contents, rows: Sequence[int]) -> Contents:
    """A fold-in of these cases, its penalty still to be chosen."""
    assert static.case_vectors is not None
    vectors = static.case_vectors[list(rows)].astype(np.float64)
    sizes, axes = np.linalg.eigh(np.cov(vectors, rowvar=False).reshape(2 * vectors.shape[1:]))
    spread = axes * np.sqrt(np.maximum(sizes, 0.0))  # (d, d): its square is the covariance
    parts = static.part_vectors.astype(np.float64)
    known = [static.parts.rows(static.cases[row].parts) for row in rows]
    own = [
        float((parts[part_rows] @ x).mean()) for part_rows, x in zip(known, vectors, strict=True)
    ]
    spec = RidgeFoldIn(
        regularization=float(np.square(parts @ spread).sum(axis=1).mean()) or 1.0,
        own_score=float(np.mean(own)),
        agreement=_UNMEASURED,
    )
    return replace(
        static,
        name=f"{static.name}, folded in",
        spec=spec,
        capabilities=replace(static.capabilities, rescoring=True),
        cases=(),
        case_vectors=None,
        prior=np.vstack([vectors.mean(axis=0), spread]).astype(np.float32),
    )


def _with_penalty(fitted: Contents, times: float) -> Contents:
    spec = _spec(fitted)
    return replace(
        fitted,
        spec=spec.model_copy(update={"regularization": spec.regularization * times}),
    )


def _spec(contents: Contents) -> RidgeFoldIn:
    assert isinstance(contents.spec, RidgeFoldIn)
    return contents.spec
