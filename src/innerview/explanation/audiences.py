"""Ways to put claims to audiences that nothing is learned for; see ``wording.py`` for the others.

Customers get no ranks and no scores, engineers get both, and auditors also the type of a claim and
what it took to verify it. More fields than in ``wording.py``: ``before`` the rank; ``change`` of
the score, signed, and ``control``, the same without as many parts at random, on average; ``type``
and ``queries``; ``outcome_noun``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from innerview.explanation.style import Audience, Tone
from innerview.explanation.wording import WAYS, Ways

__all__ = ["ways_for"]

_CUSTOMER: Mapping[str, Ways] = {
    "OUTCOME first": Ways(
        train=("{p} comes first.", "{p} is the first choice.", "{p} fits best of all.")
    ),
    "OUTCOME": Ways(
        train=(
            "{p} is among the first choices.",
            "{p} is one of the first choices.",
            "{p} is among what fits best.",
        )
    ),
    "OUTCOME wide": Ways(
        train=("{p} is not among the first choices.", "Others fit better than {p}.")
    ),
    "EVIDENCE": Ways(
        train=(
            "{p} speaks for it most.",
            "The strongest reason is {p}.",
            "It is here most of all because of {p}.",
            "{p} counts most for it.",
        )
    ),
    "EVIDENCE next": Ways(
        train=(
            "Another of the strongest reasons is {p}.",
            "{p} is among the strongest reasons, too.",
            "One more of the strongest reasons is {p}.",
        )
    ),
    "NECESSARY first": Ways(
        train=(
            "Without {p}, something else would come first.",
            "It depends on {p}: without {that}, it would not be the first choice.",
            "Take away {p} and another {outcome_noun} comes first.",
        )
    ),
    "NECESSARY": Ways(
        train=(
            "Without {p}, it would not be among the first choices.",
            "It depends on {p}: without {that}, others would take its place.",
            "Take away {p} and it is gone from the first choices.",
        )
    ),
    "NECESSARY wide": Ways(
        train=(
            "Without {p}, it would be further down.",
            "It depends on {p}: without {that}, it would come later.",
        )
    ),
    "SUFFICIENT first": Ways(
        train=(
            "{p} alone would be reason enough.",
            "Just {p} would be enough to make it the first choice.",
            "Even with only {p}, it would come first.",
        )
    ),
    "SUFFICIENT": Ways(
        train=(
            "{p} alone would keep it among the first choices.",
            "Just {p} would be enough to keep it among the first choices.",
            "Even with only {p}, it would be among the first choices.",
        )
    ),
    "SUFFICIENT wide": Ways(
        train=(
            "{p} alone would keep it about where it is.",
            "Just {p} would be enough to keep it about where it is.",
        )
    ),
    "ATTRIBUTE for": Ways(
        train=(
            "The {nouns} of {attribute} {value} speak for it.",
            "It gains from the {nouns} of {attribute} {value}.",
            "The {nouns} of {attribute} {value} help it.",
        )
    ),
    "ATTRIBUTE against": Ways(
        train=(
            "The {nouns} of {attribute} {value} speak against it.",
            "It suffers from the {nouns} of {attribute} {value}.",
            "The {nouns} of {attribute} {value} hold it back.",
        )
    ),
    "UNDECIDED": Ways(
        train=(
            "No single {noun} decides it.",
            "It does not rest on any single {noun}.",
            "No single {noun} is behind it.",
        )
    ),
}

_WARM: Mapping[str, Ways] = {
    "OUTCOME first": Ways(
        train=(
            "{p} is our first choice for you.",
            "For you, we would choose {p} first.",
            "We think of {p} first when we think of you.",
        )
    ),
    "OUTCOME": Ways(
        train=("{p} is among our first choices for you.", "We would gladly offer you {p}.")
    ),
    "OUTCOME wide": Ways(
        train=("{p} is not among our first choices for you.", "We have others for you before {p}.")
    ),
    "EVIDENCE": Ways(
        train=(
            "It is here for you most of all because of {p}.",
            "{p} speaks for it most of all that you have.",
            "Your strongest reason for it is {p}.",
        )
    ),
    "EVIDENCE next": Ways(
        train=(
            "Another of your strongest reasons for it is {p}.",
            "{p} is among the strongest reasons for it, too.",
        )
    ),
    "NECESSARY first": Ways(
        train=(
            "Without {p}, we would have chosen something else first.",
            "It needs {p}: without {that}, another {outcome_noun} would be our first choice.",
        )
    ),
    "NECESSARY": Ways(
        train=(
            "Without {p}, it would not be among our first choices.",
            "It needs {p}: without {that}, others would take its place.",
        )
    ),
    "NECESSARY wide": Ways(train=("Without {p}, it would come later.",)),
    "SUFFICIENT first": Ways(
        train=(
            "{p} alone would be reason enough for us.",
            "Even if we knew only of {p}, we would choose it first.",
        )
    ),
    "SUFFICIENT": Ways(
        train=(
            "{p} alone would keep it among our first choices.",
            "Even if we knew only of {p}, it would be among our first choices.",
        )
    ),
    "SUFFICIENT wide": Ways(train=("{p} alone would keep it about where it is.",)),
    "ATTRIBUTE for": Ways(
        train=(
            "Your {nouns} of {attribute} {value} speak for it.",
            "It gains from your {nouns} of {attribute} {value}.",
        )
    ),
    "ATTRIBUTE against": Ways(
        train=(
            "Your {nouns} of {attribute} {value} speak against it.",
            "Your {nouns} of {attribute} {value} hold it back.",
        )
    ),
    "UNDECIDED": Ways(
        train=(
            "No single {noun} of yours decides it.",
            "It does not rest on any single {noun} of yours.",
        )
    ),
}

_ENGINEER: Mapping[str, Ways] = {
    "OUTCOME": Ways(
        train=("{p} ranks {ordinal}.", "{p} is at rank {rank}.", "The rank of {p} is {rank}.")
    ),
    "EVIDENCE": Ways(
        train=(
            "{p} speaks for it most: without it, the score changes by {change} and it {move}.",
            "Leaving out {p} lowers the score most, {change}: it {move}.",
            "The strongest support is {p}: left out, the score changes by {change} and it {move}.",
        )
    ),
    "EVIDENCE brief": Ways(
        train=("{p} speaks for it most.", "The strongest support is {p}.", "It leans most on {p}.")
    ),
    "EVIDENCE next": Ways(
        train=(
            "{p} speaks for it {place} most: without it, the score changes by {change} and it"
            " {move}.",
            "Leaving out {p} lowers the score {place} most, {change}: it {move}.",
            "The {place} strongest support is {p}: left out, the score changes by {change} and it"
            " {move}.",
        )
    ),
    "NECESSARY": Ways(
        train=(
            "Without {p}, it leaves {top} and {move}; the score changes by {change}.",
            "It needs {p} for {top}: without, it {move} and the score changes by {change}.",
            "Remove {p} and it loses {top}: it {move}, the score changes by {change}.",
        )
    ),
    "SUFFICIENT": Ways(
        train=(
            "With only {p}, it stays {in_top}, at rank {after}; the score changes by {change}.",
            "With {p} alone, it is still {in_top}, at rank {after}; the score changes by {change}.",
            "With just {p}, it stays {in_top}: rank {after}, the score changed by {change}.",
        )
    ),
    "ATTRIBUTE for": Ways(
        train=(
            "The {attribute} {value} speaks for it: without those {n} {nouns} the score changes by"
            " {change}, without as many at random by {control}.",
            "It gains from {attribute} {value}: without those {n} {nouns} the score changes by"
            " {change}, without as many at random by {control}.",
            "The {attribute} {value} helps it: its {n} {nouns} gone, the score changes by {change};"
            " as many at random gone, by {control}.",
        )
    ),
    "ATTRIBUTE against": Ways(
        train=(
            "The {attribute} {value} speaks against it: without those {n} {nouns} the score changes"
            " by {change}, without as many at random by {control}.",
            "It suffers from {attribute} {value}: without those {n} {nouns} the score changes by"
            " {change}, without as many at random by {control}.",
            "The {attribute} {value} holds it back: its {n} {nouns} gone, the score changes by"
            " {change}; as many at random gone, by {control}.",
        )
    ),
    "UNDECIDED": Ways(
        train=(
            "No single {noun} decides it: left out one by one, it stays {in_top}.",
            "Leave out any single {noun} and it is still {in_top}.",
            "No single {noun} takes it out of {top}.",
        )
    ),
}


@cache
def ways_for(audience: Audience, tone: Tone = "plain") -> Mapping[str, Ways]:
    """The ways to put each kind of sentence to an audience."""
    if audience == "customer":
        return _WARM if tone == "warm" else _CUSTOMER
    if audience == "engineer":
        return _ENGINEER
    if audience == "auditor":
        return {kind: ways if kind == "OUTCOME" else _audited(ways)
                for kind, ways in _ENGINEER.items()}  # fmt: skip
    return WAYS


def _audited(ways: Ways) -> Ways:
    """With the type of the claim, and what it took to verify it."""
    return Ways(
        tuple(f"{way.removesuffix('.')} ({{type}}, verified; queries: {{queries}})."
              for way in ways.train)
    )  # fmt: skip
