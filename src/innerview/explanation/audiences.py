"""Ways to put claims to audiences that nothing is learned for; see ``wording.py`` for the others.

Customers get no ranks and no scores, engineers get both, and auditors also the type of a claim and
what it took to verify it. More fields than in ``wording.py``: ``before`` the rank; ``change`` of
the score, signed, and ``control``, the same without as many other parts; ``type``, ``queries``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from innerview.explanation.style import Audience
from innerview.explanation.wording import WAYS, Ways

__all__ = ["ways_for"]

_CUSTOMER: Mapping[str, Ways] = {
    "OUTCOME first": Ways(
        train=("{p} comes first.", "{p} is the first choice.", "{p} fits best of all.")
    ),
    "OUTCOME": Ways(
        train=("{p} is among what fits.", "{p} is one of the choices.", "{p} comes up, too.")
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
            "{p} counts for most of the rest.",
        )
    ),
    "NECESSARY first": Ways(
        train=(
            "Without {p}, something else would come first.",
            "It depends on {p}: without {that}, it would not be the first choice.",
            "Take away {p} and another {noun} comes first.",
        )
    ),
    "NECESSARY": Ways(
        train=(
            "Without {p}, it would not come up.",
            "It depends on {p}: without {that}, it would not be among the choices.",
            "Take away {p} and it is gone from the choices.",
        )
    ),
    "SUFFICIENT": Ways(
        train=(
            "{p} alone would be reason enough.",
            "Just {p} would be enough for it to come up.",
            "Even with only {p}, it would come up.",
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

_ENGINEER: Mapping[str, Ways] = {
    "OUTCOME": Ways(
        train=("{p} ranks {ordinal}.", "{p} is at rank {rank}.", "The rank of {p} is {rank}.")
    ),
    "EVIDENCE": Ways(
        train=(
            "{p} counts most: without it, from rank {before} to rank {after}, score {change}.",
            "Leaving out {p} moves it most: score {change}, from rank {before} to rank {after}.",
            "The strongest part is {p}: left out, score {change} and rank {after}.",
        )
    ),
    "EVIDENCE next": Ways(
        train=(
            "{p} counts {place} most: without it, from rank {before} to rank {after}, score"
            " {change}.",
            "Leaving out {p} moves it {place} most: score {change}, from rank {before} to rank"
            " {after}.",
            "The {place} strongest part is {p}: left out, score {change} and rank {after}.",
        )
    ),
    "NECESSARY": Ways(
        train=(
            "Without {p}, it leaves {top}: from rank {before} to rank {after}, score {change}.",
            "It needs {p} for {top}: without, score {change}, from rank {before} to rank {after}.",
            "Remove {p} and it loses {top}: score {change}, rank {after}.",
        )
    ),
    "SUFFICIENT": Ways(
        train=(
            "With only {p} left, it stays {in_top}, at rank {after}, score {change}.",
            "{p} alone is enough for {top}: score {change}, rank {after}.",
            "Just {p} keeps it {in_top}: from rank {before} to rank {after}, score {change}.",
        )
    ),
    "ATTRIBUTE for": Ways(
        train=(
            "{attribute} {value} speaks for it: without those {n} {nouns} score {change}, without"
            " as many others {control}.",
            "It gains from {attribute} {value}: without those {n} {nouns} score {change}, without"
            " as many others {control}.",
            "{attribute} {value} helps it: the {n} {nouns} left out, score {change}; as many others"
            " left out, {control}.",
        )
    ),
    "ATTRIBUTE against": Ways(
        train=(
            "{attribute} {value} speaks against it: without those {n} {nouns} score {change},"
            " without as many others {control}.",
            "It suffers from {attribute} {value}: without those {n} {nouns} score {change}, without"
            " as many others {control}.",
            "{attribute} {value} holds it back: the {n} {nouns} left out, score {change}; as many"
            " others left out, {control}.",
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
def ways_for(audience: Audience) -> Mapping[str, Ways]:
    """The ways to put each kind of sentence to an audience."""
    if audience == "customer":
        return _CUSTOMER
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
