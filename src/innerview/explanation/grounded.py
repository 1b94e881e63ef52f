"""Claims read off the evidence: which of the true statements are worth making, in which order."""

from __future__ import annotations

from dataclasses import replace

from innerview.explanation._ask import negligible
from innerview.explanation.claims import Claim
from innerview.explanation.evidence import AttributeEffect, Evidence
from innerview.targets.protocol import Target

__all__ = ["claims_from"]

_MAX_EVIDENCE = 3


def claims_from(
    evidence: Evidence, target: Target, *, source: str = "evidence", about: str | None = None
) -> list[Claim]:
    """Claims to state, the most telling first; every one is true by the evidence.

    Up to three EVIDENCE, then NECESSARY with the CONTRAST it makes, or else UNDECIDED, SUFFICIENT,
    and at most one ATTRIBUTE for and one against. Empty where the target cannot rescore.

    Args:
        evidence: what was measured.
        target: on what; a surrogate in its place will do.
        source: who says so; see ``Claim``.
        about: an attribute; where any of its values speaks for or against, no other's is stated.
    """
    return [replace(claim, source=source) for claim in _claims(evidence, target, about)]


def _claims(evidence: Evidence, target: Target, about: str | None) -> list[Claim]:
    if not target.capabilities.rescoring:
        return []
    claims = _strongest_parts(evidence)
    claims += _necessary_or_undecided(evidence)
    if evidence.keep_only is not None and evidence.stays_in_top is not None:
        stated = {"stays_in_top": evidence.stays_in_top}
        claims.append(Claim("SUFFICIENT", evidence.outcome, evidence.keep_only.parts, stated))
    own = _attributes(evidence, about)
    return claims + (own if about is None or own else _attributes(evidence, None))


def _strongest_parts(evidence: Evidence) -> list[Claim]:
    """Parts that speak for the outcome, by the score they carry, if all parts were measured."""
    if any(effect.score_change is None for effect in evidence.leave_out):
        return []
    return [
        Claim("EVIDENCE", evidence.outcome, (effect.part,), {"rank": place})
        for place, effect in enumerate(evidence.strongest()[:_MAX_EVIDENCE], start=1)
        if effect.score_change is not None
        and effect.score_change < 0
        and not negligible(effect.score_change, evidence.score)
    ]


def _necessary_or_undecided(evidence: Evidence) -> list[Claim]:
    """The decisive set; or, where no single part is decisive, that statement."""
    top = evidence.leaves_top
    if top is None:
        return []
    if evidence.necessary is not None:
        parts = evidence.necessary.parts
        claims = [Claim("NECESSARY", evidence.outcome, parts, {"leaves_top": top})]
        if evidence.foil is not None:
            claims.append(Claim("CONTRAST", evidence.outcome, parts, {"foil": evidence.foil}))
        return claims
    ranks = [effect.rank_after for effect in evidence.leave_out]
    if all(rank is not None and rank <= top for rank in ranks):
        return [Claim("UNDECIDED", evidence.outcome, (), {"stays_in_top": top})]
    return []


def _attributes(evidence: Evidence, about: str | None) -> list[Claim]:
    """The value that speaks most for the outcome and the one that speaks most against it.

    Only where the effect lies beyond every random group, not merely beyond their mean: a verifier
    that draws other groups must come to the same answer.
    """
    told = [a for a in evidence.attributes if about is None or a.attribute == about]
    speaking_for = [
        a for a in told
        if a.score_change < min(0.0, a.control_low) and _clear(a, a.control_low, evidence)
    ]  # fmt: skip
    against = [
        a for a in told
        if a.score_change > max(0.0, a.control_high) and _clear(a, a.control_high, evidence)
    ]  # fmt: skip
    chosen = [(min(speaking_for, key=_beyond), "for")] if speaking_for else []
    chosen += [(max(against, key=_beyond), "against")] if against else []
    return [
        Claim(
            "ATTRIBUTE",
            evidence.outcome,
            effect.parts,
            {"attribute": effect.attribute, "value": effect.value, "direction": direction},
        )
        for effect, direction in chosen
    ]


def _beyond(effect: AttributeEffect) -> float:
    """Score change beyond that of the random groups."""
    return effect.score_change - effect.control_change


def _clear(effect: AttributeEffect, edge: float, evidence: Evidence) -> bool:
    """Whether the effect is more than noise, and more than noise away from its controls."""
    return not negligible(effect.score_change, evidence.score) and not negligible(
        effect.score_change - edge, evidence.score
    )
