"""What the claims about many cases are worth, once they have been replayed on the target."""

from __future__ import annotations

from collections.abc import Sequence

from innerview.evaluation.bootstrap import Figure, bootstrap_mean
from innerview.explanation.claims import CLAIM_TYPES, CheckedClaim, Claim

__all__ = ["claim_figures"]

Claims = Sequence[Sequence[CheckedClaim]]
"""Of each case."""


def claim_figures(
    claims: Claims, truth: Claims, cases: Sequence[str], *, seed: int = 0
) -> dict[str, Figure]:
    """Figures of one explainer's claims.

    ``verified_share``
        of the claims that could be tested; ``verified_share_TYPE`` by type;
    ``coverage``
        cases of which a claim that names a part was verified: what is left to say once all others
        are dropped;
    ``claims_left``
        verified claims a case;
    ``undecided_precision``, ``undecided_recall``
        of saying that no single part's removal costs first place.

    Args:
        claims: N cases' claims.
        truth: N cases' claims that were read off the target.
        cases: (N,) names of the cases.
        seed: of the intervals.
    """
    tested = [
        (one, case)
        for own, case in zip(claims, cases, strict=True)
        for one in own
        if one.verdict != "untestable"
    ]
    found = {"verified_share": tested}
    for kind in CLAIM_TYPES:
        found[f"verified_share_{kind.lower()}"] = [p for p in tested if p[0].claim.type == kind]
    undecided = [p for p in tested if _says_undecided(p[0].claim)]
    figures = {
        name: bootstrap_mean([float(c.verdict == "verified") for c, _ in own],
                             [case for _, case in own], seed=seed)
        for name, own in (found | {"undecided_precision": undecided}).items()
        if own
    }  # fmt: skip
    left = [[c for c in own if c.verdict == "verified"] for own in claims]
    covered = [float(any(c.claim.parts for c in own)) for own in left]
    figures["coverage"] = bootstrap_mean(covered, cases, seed=seed)
    figures["claims_left"] = bootstrap_mean([float(len(own)) for own in left], cases, seed=seed)
    true = [at for at, own in enumerate(truth) if any(_says_undecided(c.claim) for c in own)]
    if true:
        said = [float(any(_says_undecided(c.claim) for c in claims[at])) for at in true]
        figures["undecided_recall"] = bootstrap_mean(said, [cases[at] for at in true], seed=seed)
    return figures


def _says_undecided(claim: Claim) -> bool:
    return claim.type == "UNDECIDED" and claim.number("stays_in_top") == 1
