"""Prose records: checked claims in, sentences that state exactly them out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from innerview.alignment.labels import case_seed
from innerview.alignment.records import Record
from innerview.alignment.tasks import Asker
from innerview.explanation.claims import CheckedClaim
from innerview.explanation.evidence import Evidence, Thresholds, measure_many
from innerview.explanation.grounded import claims_from
from innerview.explanation.render import listing, render
from innerview.explanation.verify import Patience, verify_many
from innerview.targets.protocol import Case, Target, top_outcomes

__all__ = ["checked_claims", "named_titles", "prose_record", "prose_records"]

_PATIENCE = Patience()


def named_titles(
    target: Target, case: Case, outcome: str, claims: Sequence[CheckedClaim] = ()
) -> dict[str, str]:
    """Titles of everything an explanation of this case and outcome may name."""
    titles = {part: target.parts.title(part) for part in case.parts}
    for checked in claims:
        stated = checked.claim.stated
        if "foil" in stated:
            titles[str(stated["foil"])] = target.outcomes.title(str(stated["foil"]))
        if "added" in stated:
            titles[str(stated["added"])] = target.parts.title(str(stated["added"]))
    titles[outcome] = target.outcomes.title(outcome)
    return titles


def checked_claims(
    target: Target,
    pairs: Sequence[tuple[Case, str]],
    *,
    patience: Patience = _PATIENCE,
    about: str | None = None,
) -> list[tuple[Evidence, list[CheckedClaim]]]:
    """Measure each case and outcome, read claims off the evidence, replay them on the target.

    Claims about an attribute come before others, if one is given.
    """
    evidence = list(measure_many(pairs, target, thresholds=Thresholds(about=about)))
    stated = [claims_from(e, target, about=about) for e in evidence]
    flat = [(c, case) for claims, (case, _) in zip(stated, pairs, strict=True) for c in claims]
    replayed = iter(verify_many(flat, target, patience=patience))
    return [
        (e, [next(replayed) for _ in claims]) for e, claims in zip(evidence, stated, strict=True)
    ]


def prose_record(
    asker: Asker,
    case: Case,
    claims: Sequence[CheckedClaim],
    titles: Mapping[str, str],
    *,
    outcome: str,
    rank: int,
) -> Record:
    """The question that asks for prose about these claims, with our own rendering as the answer."""
    rng = case_seed(0, case, f"prose-{outcome}")
    noun = asker.parts.noun
    facts = listing(claims, outcome=outcome, rank=rank, titles=titles, noun=noun).splitlines()
    text = render(
        claims,
        outcome=outcome,
        rank=rank,
        titles=titles,
        noun=noun,
        variant=int(rng.integers(2**31)),
    )
    return asker.prose(facts, outcome, text, rng)


def prose_records(
    target: Target, cases: Sequence[Case], *, seed: int, heldout: Collection[str] = ()
) -> list[list[Record]]:
    """Training records about one of each case's three best outcomes.

    Of ``heldout`` nothing is said; cases that are empty without them are left out.
    """
    gone = frozenset(heldout)
    told = [case for case in (c.without(gone) for c in cases) if case.parts]
    pairs: list[tuple[Case, str]] = []
    for start in range(0, len(told), 512):
        chunk = told[start : start + 512]
        for case, scores in zip(chunk, target.score(chunk), strict=True):
            ranked = top_outcomes(target, case, scores, 3 + len(gone))
            top = [outcome for outcome in ranked if outcome not in gone][:3]
            pairs.append((case, top[int(case_seed(seed, case, "prose").integers(len(top)))]))
    asker = Asker(target.outcomes, target.parts)
    groups: list[list[Record]] = []
    for (case, outcome), (evidence, claims) in zip(
        pairs, checked_claims(target, pairs), strict=True
    ):
        titles = named_titles(target, case, outcome)
        asked = prose_record(asker, case, claims, titles, outcome=outcome, rank=evidence.rank)
        groups.append([asked])
    return groups
