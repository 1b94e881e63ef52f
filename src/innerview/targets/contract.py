"""What every target must keep, rule by rule.

A rule is given a target and a few of its cases, and says in one line what is broken, if anything
is. ``innerview.testing.TargetContract`` makes tests of them, ``innerview target check`` findings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from inspect import getattr_static
from types import MappingProxyType
from typing import Any

import numpy as np

from innerview.errors import CaseError, TargetQueryError
from innerview.targets.protocol import Case, FloatArray, Target, ranks_of, top_outcomes

__all__ = ["RULES", "TOLERANCE", "Rule", "difference"]

Rule = Callable[[Target, Sequence[Case]], str | None]

TOLERANCE = 1e-5
"""Relative to the largest score: float32 sums in another order."""
_MEMBERS = (
    "name",
    "fingerprint",
    "capabilities",
    "outcomes",
    "parts",
    "queries",
    "score",
    "case_vectors",
    "part_vectors",
    "outcome_vectors",
)
_STRANGER = "no such part"


def difference(one: FloatArray, other: FloatArray) -> float:
    """Largest difference between scores, relative to the largest score."""
    if one.shape != other.shape:
        return float("inf")
    scale = max(1e-12, float(np.abs(other).max(initial=0.0)))
    return float(np.abs(one - other).max(initial=0.0)) / scale


def _moved(one: FloatArray, other: FloatArray, what: str) -> str | None:
    worst = difference(one, other)
    return None if worst <= TOLERANCE else f"{what}, scores differ by {worst:.3g}"


def _refuses(
    act: Callable[[], Any], error: type[Exception], what: str, naming: str = ""
) -> str | None:
    try:
        act()
    except error as raised:
        text = str(raised)
        if text and "\n" not in text and naming in text:
            return None
        return f"{what} is refused by {text!r}; expected one line" + (" with its id" * bool(naming))
    except Exception as raised:
        return f"{what} raises {type(raised).__name__}; expected {error.__name__}"
    return f"{what} is not refused; expected {error.__name__}"


def is_a_target(target: Target, cases: Sequence[Case]) -> str | None:
    """Every member of the protocol is there, with a name and a fingerprint."""
    # Static, for asking a property may rightly raise (vectors where there are none).
    missing = [m for m in _MEMBERS if getattr_static(target, m, None) is None]
    if missing:
        return f"the target lacks {missing}"
    return None if target.name and target.fingerprint else "its name or fingerprint is empty"


def ids_are_strings_with_titles(target: Target, cases: Sequence[Case]) -> str | None:
    """Catalogues hold unique strings, each with a text; parts that are no answer are outcomes."""
    for what, catalogue in (("outcome", target.outcomes), ("part", target.parts)):
        for one, title in zip(catalogue.ids, catalogue.titles, strict=True):
            if not (isinstance(one, str) and one and isinstance(title, str) and title.strip()):
                return f"{what} {one!r} has title {title!r}; both must be texts"
        if not len(catalogue):
            return f"there is no {what}"
    if target.capabilities.excludes_parts and target.outcomes.index.keys().isdisjoint(
        target.parts.ids
    ):
        return "excludes_parts is on, yet no part is an outcome"
    return None


def scores_have_a_row_per_case_and_a_column_per_outcome(
    target: Target, cases: Sequence[Case]
) -> str | None:
    """(N, O) float32, finite."""
    scores, wanted = target.score(cases), (len(cases), len(target.outcomes))
    if scores.shape != wanted or scores.dtype != np.float32:
        return f"scores are {scores.dtype} {scores.shape}; expected float32 {wanted}"
    return None if np.isfinite(scores).all() else "scores hold NaN or infinity"


def no_case_gives_an_empty_answer(target: Target, cases: Sequence[Case]) -> str | None:
    """(0, O), not an error, and no query."""
    before = target.queries.used
    shape = target.score([]).shape
    if shape != (0, len(target.outcomes)):
        return f"scores of no case are {shape}; expected {(0, len(target.outcomes))}"
    return None if target.queries.used == before else "scoring no case counts as a query"


def same_case_scores_the_same(target: Target, cases: Sequence[Case]) -> str | None:
    """Twice in a row, whatever became of the first answer; unless declared otherwise."""
    if not target.capabilities.deterministic:
        return None
    first = target.score(cases)
    kept = first.copy()
    if first.flags.writeable:
        first[:] = 0.0  # an answer is the asker's own
    if np.array_equal(target.score(cases), kept):
        return None
    return "the same cases score otherwise when asked again"


def batching_changes_nothing(target: Target, cases: Sequence[Case]) -> str | None:
    """Alone, in a batch of 32, and in another order of the batch."""
    if not target.capabilities.deterministic:
        return None
    many = (list(cases) * 32)[:32]
    batched = target.score(many)
    alone = np.concatenate([target.score([case]) for case in many])
    turned = target.score(many[::-1])[::-1]
    return _moved(alone, batched, "alone or in a batch of 32") or _moved(
        turned, batched, "in another order of the batch"
    )


def order_of_parts_matters_only_where_declared(target: Target, cases: Sequence[Case]) -> str | None:
    """Reversed parts change no score of an order-free target."""
    able = target.capabilities
    if able.order_sensitive or not able.deterministic:
        return None
    turned = [Case(case.case_id, case.parts[::-1]) for case in cases]
    return _moved(target.score(turned), target.score(cases), "with reversed parts")


def the_case_id_changes_nothing(target: Target, cases: Sequence[Case]) -> str | None:
    """Only the parts are looked at."""
    if not target.capabilities.deterministic:
        return None
    renamed = [Case(f"other-{case.case_id}", case.parts) for case in cases]
    return _moved(target.score(renamed), target.score(cases), "under another case id")


def parts_beyond_max_parts_are_not_seen(target: Target, cases: Sequence[Case]) -> str | None:
    """The oldest parts of a longer case change nothing."""
    able = target.capabilities
    if not (able.deterministic and able.rescoring) or len(target.parts) <= able.max_parts:
        return None
    ids = target.parts.ids[: able.max_parts + 1]
    longer, seen = Case("long", ids), Case("seen", ids[1:])
    return _moved(target.score([longer]), target.score([seen]), "of a case that is too long")


def every_case_scored_is_one_query(target: Target, cases: Sequence[Case]) -> str | None:
    """However it was batched; vectors cost none."""
    before = target.queries.used
    target.score(cases)
    target.score(cases[:1])
    if target.capabilities.vectors:
        target.case_vectors(cases)
    counted = target.queries.used - before
    if counted == len(cases) + 1:
        return None
    return f"{len(cases) + 1} cases scored count as {counted} queries"


def a_case_without_parts_is_refused(target: Target, cases: Sequence[Case]) -> str | None:
    """Removing all parts leaves nothing to score."""
    empty = cases[0].without(cases[0].parts)
    return _refuses(lambda: target.score([empty]), CaseError, "an empty case")


def an_unknown_part_is_refused(target: Target, cases: Sequence[Case]) -> str | None:
    """With its id in the message."""
    case = Case("stranger", (*cases[0].parts[1:], _STRANGER))
    return _refuses(lambda: target.score([case]), CaseError, "an unknown part", naming=_STRANGER)


def vectors_are_there_only_where_declared(target: Target, cases: Sequence[Case]) -> str | None:
    """(P, d), (O, d) and (N, d), float32, finite; or each refused."""
    readings: dict[str, tuple[Callable[[], FloatArray], int]] = {
        "part vectors": (lambda: target.part_vectors, len(target.parts)),
        "outcome vectors": (lambda: target.outcome_vectors, len(target.outcomes)),
        "case vectors": (lambda: target.case_vectors(cases), len(cases)),
    }
    if not target.capabilities.vectors:
        broken = (
            _refuses(read, TargetQueryError, f"reading {what}")
            for what, (read, _) in readings.items()
        )
        return next((text for text in broken if text), None)
    width = target.outcome_vectors.shape[1]
    for what, (read, n) in readings.items():
        found = read()
        if found.shape != (n, width) or found.dtype != np.float32:
            return f"{what} are {found.dtype} {found.shape}; expected float32 {(n, width)}"
        if not np.isfinite(found).all():
            return f"{what} hold NaN or infinity"
    return None


def a_changed_case_is_scored_only_where_declared(
    target: Target, cases: Sequence[Case]
) -> str | None:
    """A case without its first part gets scores; or is refused, where it cannot be rescored."""
    shorter = [case.without(case.parts[:1]) for case in cases]
    changed = [case for case in shorter if case.parts]
    if not changed:
        return None
    if target.capabilities.rescoring:
        return scores_have_a_row_per_case_and_a_column_per_outcome(target, changed)
    # One of them may be a case of its own; all of them are not.
    broken = [
        _refuses(partial(target.score, [case]), CaseError, "a changed case") for case in changed
    ]
    return None if None in broken else broken[0]


def own_parts_are_never_an_answer_where_excluded(
    target: Target, cases: Sequence[Case]
) -> str | None:
    """And every answer has the rank of its place."""
    case, scores = cases[0], target.score(cases[:1])[0]
    top = top_outcomes(target, case, scores, 5)
    if target.capabilities.excludes_parts and set(top) & set(case.parts):
        return "a part of the case is among its answers, yet excludes_parts is on"
    ranks = ranks_of(target, case, np.repeat(scores[None], len(top), axis=0), top)
    return None if ranks == list(range(1, len(top) + 1)) else f"the best answers have ranks {ranks}"


RULES: Mapping[str, Rule] = MappingProxyType({
    rule.__name__: rule
    for rule in (
        is_a_target,
        ids_are_strings_with_titles,
        scores_have_a_row_per_case_and_a_column_per_outcome,
        no_case_gives_an_empty_answer,
        same_case_scores_the_same,
        batching_changes_nothing,
        order_of_parts_matters_only_where_declared,
        the_case_id_changes_nothing,
        parts_beyond_max_parts_are_not_seen,
        every_case_scored_is_one_query,
        a_case_without_parts_is_refused,
        an_unknown_part_is_refused,
        vectors_are_there_only_where_declared,
        a_changed_case_is_scored_only_where_declared,
        own_parts_are_never_an_answer_where_excluded,
    )
})  # fmt: skip
"""By name."""
