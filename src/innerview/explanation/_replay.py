"""One replay per claim type: which variants to ask about, and what their answers prove.

Knows nothing of evidence: everything a verdict rests on is asked anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from innerview.errors import CaseError
from innerview.explanation._ask import Answer, Question, negligible
from innerview.explanation._groups import attributes_of, random_groups, with_value
from innerview.explanation.claims import Claim, ClaimType, Value, Verdict
from innerview.targets.protocol import Case, Target, blocked_rows

__all__ = ["Finding", "Replay", "UntestableError", "by_vectors", "plan"]

# Enough for a mean whose error is a quarter of one group's spread; evidence draws fewer, others.
_CONTROL_DRAWS = 16

# Cosines of float32 vectors that differ by less are the same.
_SAME_COSINE = 1e-6


class UntestableError(CaseError):
    """The target cannot be asked what this claim is about."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict with the numbers it rests on, and why it is no ``verified``."""

    verdict: Verdict
    measured: Mapping[str, Value]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Replay:
    """What to ask besides the outcome's place in the whole case, and what to make of the answers
    (that one first)."""

    asks: tuple[Question, ...]
    judge: Callable[[Answer, Sequence[Answer]], Finding]


def plan(claim: Claim, case: Case, target: Target) -> Replay:
    """The replay of one claim.

    Raises:
        UntestableError: the claim is about parts the case lacks, or cannot fail or cannot be
            asked by its form.
    """
    _check_present(claim, case)
    return _PLANS[claim.type](claim, case, target)


def by_vectors(claim: Claim, case: Case, target: Target) -> Finding:
    """The verdict on a SIMILAR claim, by the target's vectors; nothing is scored.

    Raises:
        UntestableError: the target has no vectors of parts and outcomes that can be compared, or
            the claim is about parts the case lacks.
    """
    _check_present(claim, case)
    if not target.capabilities.vectors:
        raise UntestableError("the target gives no vectors")
    vectors, outcomes = target.part_vectors, target.outcome_vectors
    if vectors.shape[1] != outcomes.shape[1]:
        raise UntestableError("vectors of parts and of outcomes are of different width")
    parts = tuple(dict.fromkeys(case.parts))
    outcome = outcomes[target.outcomes.rows([claim.outcome])[0]].astype(np.float64)
    rows = vectors[list(target.parts.rows(parts))].astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(outcome)
    if not lengths.all():
        raise UntestableError("a vector of length zero has no angle")
    cosines = rows @ outcome / lengths
    own = float(cosines[parts.index(claim.parts[0])])
    tied = int((np.abs(cosines - own) <= _SAME_COSINE).sum())
    ahead = int((cosines > own + _SAME_COSINE).sum())
    places, stated = range(ahead + 1, ahead + tied + 1), claim.number("rank")
    measured: dict[str, Value] = {
        "similarity": own,
        "rank": stated if stated in places else places[0],
    }
    if stated not in places:
        return Finding("refuted", measured, f"it is number {places[0]} by angle, not {stated}")
    return Finding("verified", measured)


def _check_present(claim: Claim, case: Case) -> None:
    absent = [part for part in claim.parts if part not in case.parts]
    if absent:
        raise UntestableError(f"part {absent[0]!r} is not in the case")


def _evidence(claim: Claim, case: Case, target: Target) -> Replay:
    parts = tuple(dict.fromkeys(case.parts))
    at = parts.index(claim.parts[0])

    def judge(before: Answer, after: Sequence[Answer]) -> Finding:
        changes = [answer.score - before.score for answer in after]
        own = changes[at]
        noise = [negligible(change - own, before.score, after[at].score) for change in changes]
        ahead = sum(c < own and not same for c, same in zip(changes, noise, strict=True))
        # Parts with the same effect share their places: either order of them is true.
        places = range(ahead + 1, ahead + sum(noise) + 1)
        stated = claim.number("rank")
        rank = stated if stated in places else places[0]
        measured = {**_effect(before, after[at]), "rank": rank}
        if own >= 0 or negligible(own, before.score):
            return Finding("refuted", measured, "the score does not fall without it")
        if stated not in places:
            return Finding("refuted", measured, f"it is number {rank} by effect, not {stated}")
        return Finding("verified", measured)

    return Replay(_asks(claim, case, [_without(case, [part]) for part in parts]), judge)


def _necessary(claim: Claim, case: Case, target: Target) -> Replay:
    top = claim.number("leaves_top")

    def judge(before: Answer, after: Sequence[Answer]) -> Finding:
        measured = _effect(before, after[0])
        if before.rank > top:
            return Finding("refuted", measured, _was_not_in(before, top))
        if after[0].rank <= top:
            return Finding("refuted", measured, f"it stays in the top {top}")
        return Finding("verified", measured)

    return Replay(_asks(claim, case, [_without(case, claim.parts)]), judge)


def _sufficient(claim: Claim, case: Case, target: Target) -> Replay:
    top = _informative_top(claim, case, target)
    kept = case.keep(claim.parts)
    if kept == case:
        raise UntestableError("it keeps the whole case, so nothing changes")

    def judge(before: Answer, after: Sequence[Answer]) -> Finding:
        measured = _effect(before, after[0])
        if before.rank > top:
            return Finding("refuted", measured, _was_not_in(before, top))
        if after[0].rank > top:
            return Finding("refuted", measured, f"it leaves the top {top}")
        return Finding("verified", measured)

    return Replay(_asks(claim, case, [kept]), judge)


def _undecided(claim: Claim, case: Case, target: Target) -> Replay:
    top = _informative_top(claim, case, target)
    parts = tuple(dict.fromkeys(case.parts))

    def judge(before: Answer, after: Sequence[Answer]) -> Finding:
        worst = max(range(len(after)), key=lambda n: after[n].rank)
        measured = {**_effect(before, after[worst]), "part": parts[worst]}
        if before.rank > top:
            return Finding("refuted", measured, _was_not_in(before, top))
        if after[worst].rank > top:
            return Finding("refuted", measured, f"one part alone takes it out of the top {top}")
        return Finding("verified", measured)

    return Replay(_asks(claim, case, [_without(case, [part]) for part in parts]), judge)


def _attribute(claim: Claim, case: Case, target: Target) -> Replay:
    attribute, value = str(claim.stated["attribute"]), str(claim.stated["value"])
    if attribute not in attributes_of(case, target.parts):
        raise UntestableError(f"the parts have no attribute {attribute!r}")
    parts = tuple(dict.fromkeys(case.parts))
    carriers = with_value(case, target.parts, attribute, value)
    gone = _without(case, claim.parts)
    controls = random_groups(parts, claim.parts, _CONTROL_DRAWS, key="verify")
    sign = 1.0 if claim.stated["direction"] == "against" else -1.0

    def judge(before: Answer, after: Sequence[Answer]) -> Finding:
        own = after[0].score - before.score
        control = sum(answer.score - before.score for answer in after[1:]) / len(controls)
        measured = {**_effect(before, after[0]), "control_change": control}
        if set(carriers) != set(claim.parts):
            reason = f"{len(carriers)} parts carry {value!r}, and they are not those named"
            return Finding("refuted", measured, reason)
        if own * sign <= 0 or negligible(own, before.score, after[0].score):
            way = "rise" if sign > 0 else "fall"
            return Finding("refuted", measured, f"the score does not {way} without them")
        if (own - control) * sign <= 0 or negligible(own - control, before.score):
            return Finding("refuted", measured, "as many other parts do as much")
        return Finding("verified", measured)

    variants = [gone, *(_without(case, control) for control in controls)]
    return Replay(_asks(claim, case, variants), judge)


def _contrast(claim: Claim, case: Case, target: Target) -> Replay:
    foil = str(claim.stated["foil"])
    if target.outcomes.rows([foil])[0] in blocked_rows(target, case):
        raise UntestableError(f"outcome {foil!r} is part of the case; it has no rank")
    gone = _without(case, claim.parts)
    asks = (
        Question(case, case, foil),
        Question(case, gone, claim.outcome),
        Question(case, gone, foil),
    )

    def judge(before: Answer, after: Sequence[Answer]) -> Finding:
        rival, own, rival_after = after
        measured = {
            **_effect(before, own),
            "foil_rank_before": rival.rank,
            "foil_rank_after": rival_after.rank,
        }
        if before.rank > rival.rank:
            reason = f"it is behind to begin with, at rank {before.rank} and the foil at "
            return Finding("refuted", measured, f"{reason}{rival.rank}")
        if own.rank < rival_after.rank:
            return Finding("refuted", measured, "it stays ahead of the foil")
        return Finding("verified", measured)

    return Replay(asks, judge)


def _counterfactual(claim: Claim, case: Case, target: Target) -> Replay:
    changed = _changed(claim, case, target)
    # What is added can be no answer either.
    known = Case(case.case_id, tuple(dict.fromkeys((*case.parts, *changed.parts))))
    if target.outcomes.rows([claim.outcome])[0] in blocked_rows(target, known):
        raise UntestableError(f"outcome {claim.outcome!r} is what is added; it has no rank")

    def judge(before: Answer, after: Sequence[Answer]) -> Finding:
        measured = _effect(before, after[0])
        stated, found = claim.number("new_rank"), after[0].rank
        if stated != found:
            return Finding("refuted", measured, f"it is at rank {found} then, not {stated}")
        return Finding("verified", measured)

    return Replay((Question(known, changed, claim.outcome),), judge)


def _changed(claim: Claim, case: Case, target: Target) -> Case:
    """The case as a COUNTERFACTUAL claim has it, as the target sees it."""
    added = claim.stated.get("added")
    parts = case.without(claim.parts).parts
    if added is not None:
        target.parts.rows([str(added)])
        if added in case.parts:
            raise UntestableError(f"part {added!r} is in the case already")
        parts = (*parts, str(added))
    if not parts:
        raise UntestableError("removing that empties the case")
    return Case(case.case_id, parts).last(target.capabilities.max_parts)


_PLANS: Mapping[ClaimType, Callable[[Claim, Case, Target], Replay]] = {
    "EVIDENCE": _evidence,
    "NECESSARY": _necessary,
    "SUFFICIENT": _sufficient,
    "CONTRAST": _contrast,
    "ATTRIBUTE": _attribute,
    "COUNTERFACTUAL": _counterfactual,
    "UNDECIDED": _undecided,
}


def _asks(claim: Claim, case: Case, variants: Sequence[Case]) -> tuple[Question, ...]:
    """How the claim's own outcome fares in each variant."""
    return tuple(Question(case, variant, claim.outcome) for variant in variants)


def _without(case: Case, parts: Sequence[str]) -> Case:
    """The case without these parts, if that leaves any."""
    smaller = case.without(parts)
    if not smaller.parts:
        raise UntestableError("removing that empties the case")
    return smaller


def _informative_top(claim: Claim, case: Case, target: Target) -> int:
    """The stated top; untestable if it holds everything, since staying in it says nothing."""
    top = claim.number("stays_in_top")
    n_rankable = len(target.outcomes) - len(set(blocked_rows(target, case)))
    if top >= n_rankable:
        raise UntestableError(
            f"only {n_rankable} outcomes are ranked: none can leave the top {top}"
        )
    return top


def _was_not_in(before: Answer, top: int) -> str:
    return f"it is at rank {before.rank} to begin with, not in the top {top}"


def _effect(before: Answer, after: Answer) -> dict[str, Value]:
    """What every testable claim measures."""
    return {
        "score_change": after.score - before.score,
        "rank_before": before.rank,
        "rank_after": after.rank,
    }
