"""Two versions of a target on the same cases: what they put first, and for the same reasons or not.

The reasons are claims, so a change of reasons is no matter of words: what is true of the one target
is replayed on the other.

Axes: N cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from innerview.alignment.prose import checked_claims
from innerview.errors import RunError
from innerview.evaluation.bootstrap import Figure, bootstrap_mean
from innerview.evaluation.metrics import overlap, rank_biased_overlap
from innerview.explanation._ask import best_outcomes
from innerview.explanation.claims import CLAIM_TYPES, CheckedClaim
from innerview.explanation.verify import verify_many
from innerview.targets.protocol import Case, Target

__all__ = ["Versions", "compare_targets"]

_FIRST = 5


@dataclass(frozen=True, slots=True)
class Versions:
    """What two targets say about one case.

    Attributes:
        case: as both see it.
        before, after: their first outcomes, best first.
        claims: true of what the first target puts first, as replayed on the second.
    """

    case: Case
    before: tuple[str, ...]
    after: tuple[str, ...]
    claims: tuple[CheckedClaim, ...]

    @property
    def same_first(self) -> bool:
        """Whether both put the same outcome first."""
        return self.before[:1] == self.after[:1]

    @property
    def lost(self) -> list[CheckedClaim]:
        """Claims that are no longer true."""
        return [one for one in self.claims if one.verdict == "refuted"]


def compare_targets(
    before: Target,
    after: Target,
    cases: Sequence[Case],
    *,
    n_cases: int | None = None,
    seed: int = 0,
) -> tuple[dict[str, Figure], list[Versions]]:
    """How far a target's answers, and the reasons for them, hold for another.

    Figures, each a mean over cases or claims:

    ``first_same``
        cases of which both put the same outcome first;
    ``overlap5``, ``rbo5``
        how far their first five agree, as sets and in order;
    ``claims_hold``, ``claims_hold_TYPE``
        claims true of the first target's first outcome that are true of it in the second, among
        those that it can be asked;
    ``claims_untestable``
        claims that it cannot be asked any more: it has no such outcome, or answers at random;
    ``claims_hold_same_first``
        the same where both put it first: other reasons for the same answer;
    ``strongest_part_same``
        cases, of those, in which the same part carries most of its score.

    Args:
        before: whose claims are replayed.
        after: on whom.
        cases: those with parts that one of them does not know are left out, and those to which one
            of them has nothing to recommend.
        n_cases: so many of the others at most.
        seed: of the intervals.

    Raises:
        RunError: there is no case that both could answer, or one of them cannot rescore.
    """
    for target in (before, after):
        if not target.capabilities.rescoring:
            raise RunError(f"{target.name} cannot score a changed case; reasons cannot be compared")
    n = min(before.capabilities.max_parts, after.capabilities.max_parts)
    known = before.parts.index.keys() & after.parts.index.keys()
    shared = [case.last(n) for case in cases if known.issuperset(case.parts[-n:])]
    shared = [case for case in shared if len(set(case.parts)) > 1]
    shared = shared[:n_cases]
    wholes = [(case, case) for case in shared]
    firsts = [best_outcomes(target, wholes, _FIRST) for target in (before, after)]
    answered = [at for at, both in enumerate(zip(*firsts, strict=True)) if all(both)]
    if not answered:
        raise RunError(
            f"{before.name} and {after.name} know no case in common; compare runs on the same data"
        )
    shared = [shared[at] for at in answered]
    old, new = ([own[at] for at in answered] for own in firsts)
    pairs = [(case, first[0]) for case, first in zip(shared, old, strict=True)]
    stated = [
        [one.claim for one in own if one.verdict == "verified"]
        for _, own in checked_claims(before, pairs)
    ]
    flat = [(c, case) for own, case in zip(stated, shared, strict=True) for c in own]
    replayed = iter(verify_many(flat, after))
    found = [
        Versions(case, first, second, tuple(next(replayed) for _ in own))
        for case, first, second, own in zip(shared, old, new, stated, strict=True)
    ]
    return _figures(found, seed), found


def _figures(found: Sequence[Versions], seed: int) -> dict[str, Figure]:
    same = [one for one in found if one.same_first]
    worth = {
        "first_same": [(float(one.same_first), one) for one in found],
        "overlap5": [(overlap(one.after, one.before, k=_FIRST), one) for one in found],
        "rbo5": [(rank_biased_overlap(one.after, one.before), one) for one in found],
        "claims_hold": _holding(found),
        **{f"claims_hold_{kind.lower()}": _holding(found, kind) for kind in CLAIM_TYPES},
        "claims_untestable": [
            (float(checked.verdict == "untestable"), one) for one in found for checked in one.claims
        ],
        "claims_hold_same_first": _holding(same),
        "strongest_part_same": [
            (float(verdict == "verified"), one)
            for one in same
            if (verdict := _strongest(one)) is not None
        ],
    }
    return {
        name: bootstrap_mean([w for w, _ in own], [v.case.case_id for _, v in own], seed=seed)
        for name, own in worth.items()
        if own
    }


def _holding(found: Sequence[Versions], kind: str | None = None) -> list[tuple[float, Versions]]:
    return [
        (float(checked.verdict == "verified"), one)
        for one in found
        for checked in one.claims
        if checked.verdict != "untestable" and kind in (None, checked.claim.type)
    ]


def _strongest(one: Versions) -> str | None:
    """What became of the claim about the part that carries most; None where there is none."""
    for checked in one.claims:
        if checked.claim.type == "EVIDENCE" and checked.claim.number("rank") == 1:
            return None if checked.verdict == "untestable" else checked.verdict
    return None
