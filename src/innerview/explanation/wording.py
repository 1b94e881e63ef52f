"""The sentences Innerview writes itself: several ways to say each kind of claim.

``train`` and ``held_out`` ways never meet: a language model that learns to write from the first
is judged on listings whose wording it has not seen. Every sentence is true of a verified claim
whatever its numbers are, has 25 words or fewer beside titles, and calls the outcome "it".

Fields: ``p`` quoted titles, ``that`` "that film" or "those films", ``noun`` and ``nouns``,
``move`` "falls to rank 14", ``after`` the rank, ``top`` "the top 10" or "first place", ``in_top``
the same with "in", ``place`` "second", ``n`` how many parts, ``foil`` and ``added`` quoted titles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["ANSWERS", "WAYS", "Split", "Ways", "plural"]

Split = Literal["train", "held_out"]


@dataclass(frozen=True, slots=True)
class Ways:
    """Paraphrases of one kind of sentence; no sentence is in both."""

    train: tuple[str, ...]
    held_out: tuple[str, ...] = ()


WAYS: Mapping[str, Ways] = {
    "OUTCOME": Ways(
        train=(
            "{p} ranks {ordinal}.",
            "{p} stands at rank {rank}.",
            "{p} comes out at rank {rank}.",
            "{p} is placed at rank {rank}.",
            "{p} holds rank {rank}.",
            "The rank of {p} is {rank}.",
        ),
        held_out=(
            "{p} lands at rank {rank}.",
            "The place of {p} in the ranking is {rank}.",
        ),
    ),
    "EVIDENCE": Ways(
        train=(
            "{p} speaks for it most: without that {noun}, it {move}.",
            "Its strongest support is {p}: without that {noun}, it {move}.",
            "Nothing supports it more than {p}; without that {noun}, it {move}.",
            "{p} counts most for it: with that {noun} removed, it {move}.",
            "It leans most on {p}: with that {noun} gone, it {move}.",
            "The strongest reason is {p}: take that {noun} away and it {move}.",
        ),
        held_out=(
            "{p} lifts it most: when that {noun} is left out, it {move}.",
            "No other {noun} helps it as much as {p}: once that is dropped, it {move}.",
        ),
    ),
    # The same where the next sentence tells what happens without that part.
    "EVIDENCE brief": Ways(
        train=(
            "{p} speaks for it most.",
            "Its strongest support is {p}.",
            "Nothing supports it more than {p}.",
            "{p} counts most for it.",
            "It leans most on {p}.",
            "The strongest reason is {p}.",
        ),
        held_out=("{p} lifts it most.", "No other {noun} helps it as much as {p}."),
    ),
    "EVIDENCE next": Ways(
        train=(
            "The {place} strongest support is {p}: without that {noun}, it {move}.",
            "{p} speaks for it {place} most: without that {noun}, it {move}.",
            "{p} counts {place} most for it: with that {noun} removed, it {move}.",
            "It leans {place} most on {p}: with that {noun} gone, it {move}.",
            "The {place} strongest reason is {p}: take that {noun} away and it {move}.",
        ),
        held_out=(
            "The {place} greatest help is {p}: when that {noun} is left out, it {move}.",
            "{p} lifts it {place} most: once that is dropped, it {move}.",
        ),
    ),
    "EVIDENCE next brief": Ways(
        train=(
            "The {place} strongest support is {p}.",
            "{p} speaks for it {place} most.",
            "{p} counts {place} most for it.",
            "It leans {place} most on {p}.",
            "The {place} strongest reason is {p}.",
        ),
        held_out=("The {place} greatest help is {p}.", "{p} lifts it {place} most."),
    ),
    "NECESSARY": Ways(
        train=(
            "Without {p}, it leaves {top} and falls to rank {after}.",
            "It needs {p} to hold {top}: without {that}, it falls to rank {after}.",
            "Take away {p} and it drops out of {top}, to rank {after}.",
            "It depends on {p} for {top}: without {that}, it is at rank {after}.",
            "It owes {top} to {p}: with {that} removed, it falls to rank {after}.",
            "Remove {p} and it loses {top}, falling to rank {after}.",
        ),
        held_out=(
            "It could not keep {top} without {p}: it would sink to rank {after}.",
            "Leave out {p}, and {top} is lost: it goes down to rank {after}.",
        ),
    ),
    "SUFFICIENT": Ways(
        train=(
            "With only {p} left, it stays {in_top}, at rank {after}.",
            "With {p} alone, it is still {in_top}, at rank {after}.",
            "Just {p} would be enough to keep it {in_top}, at rank {after}.",
            "Keep nothing but {p} and it is still {in_top}, at rank {after}.",
            "On {p} alone, it would hold rank {after}, still {in_top}.",
            "Only {p} would be enough: it stays {in_top}, at rank {after}.",
        ),
        held_out=(
            "Even with nothing left but {p}, it keeps its place {in_top}, at rank {after}.",
            "It takes no more than {p} to keep it {in_top}, at rank {after}.",
        ),
    ),
    # The same where it does not even lose its place.
    "SUFFICIENT unmoved": Ways(
        train=(
            "With only {p} left, it still holds rank {after}.",
            "With {p} alone, it is still at rank {after}.",
            "Just {p} would be enough to keep it at rank {after}.",
            "Keep nothing but {p} and it is still at rank {after}.",
            "On {p} alone, it holds rank {after}.",
            "Only {p} would be enough: it stays at rank {after}.",
        ),
        held_out=(
            "Even with nothing left but {p}, it keeps rank {after}.",
            "It takes no more than {p} to keep it at rank {after}.",
        ),
    ),
    "ATTRIBUTE for": Ways(
        train=(
            "The {n} {nouns} of {attribute} {value} speak for it: without them, it {move}.",
            "It gains from {attribute} {value}: without those {n} {nouns}, it {move}.",
            "The {attribute} {value} counts for it: with those {n} {nouns} gone, it {move}.",
            "The {n} {nouns} of {attribute} {value} help it: take them away and it {move}.",
            "The {attribute} {value} supports it: remove those {n} {nouns} and it {move}.",
        ),
        held_out=(
            "Together, the {n} {nouns} of {attribute} {value} lift it: if they go, it {move}.",
            "It is helped by {attribute} {value}: once those {n} {nouns} are left out, it {move}.",
        ),
    ),
    "ATTRIBUTE against": Ways(
        train=(
            "The {n} {nouns} of {attribute} {value} speak against it: without them, it {move}.",
            "It suffers from {attribute} {value}: without those {n} {nouns}, it {move}.",
            "The {attribute} {value} counts against it: with those {n} {nouns} gone, it {move}.",
            "The {n} {nouns} of {attribute} {value} hold it back: take them away and it {move}.",
            "The {attribute} {value} works against it: remove those {n} {nouns} and it {move}.",
        ),
        held_out=(
            "It is weighed down by {attribute} {value}: if those {n} {nouns} go, it {move}.",
            "Against it stand {n} {nouns} of {attribute} {value}: without them, it {move}.",
        ),
    ),
    "UNDECIDED": Ways(
        train=(
            "No single {noun} decides it: whichever is removed, it stays {in_top}.",
            "It hangs on no single {noun}: take any one away and it is still {in_top}.",
            "No single {noun} is decisive: it remains {in_top} whichever is left out.",
            "Remove any single {noun} and it still stays {in_top}.",
            "It does not rest on a single {noun}: it stays {in_top} without any one of them.",
        ),
        held_out=(
            "Whatever single {noun} goes, it keeps its place {in_top}.",
            "There is no single {noun} it could not do without: it stays {in_top}.",
        ),
    ),
}

# Claims that answer a question rather than explain: one way each, as no prose is learned from them.
ANSWERS: Mapping[str, str] = {
    "CONTRAST": "Without {p}, {foil} comes ahead of it.",
    "COUNTERFACTUAL removed": "Without {p}, it {move}.",
    "COUNTERFACTUAL added": "With {added} added, it {move}.",
    "COUNTERFACTUAL both": "With {added} instead of {p}, it {move}.",
    "SIMILAR": "{p} is the {noun} most like it, by the target's own vectors.",
    "SIMILAR next": "{p} is the {noun} {place} most like it, by the target's own vectors.",
}

# What a claim says without any measurement; for claims that were refuted or could not be tested.
STATEMENTS: Mapping[str, str] = {
    "EVIDENCE": "{p} speaks for it most.",
    "EVIDENCE next": "{p} speaks for it {place} most.",
    "NECESSARY": "Without {p}, it leaves {top}.",
    "SUFFICIENT": "With only {p} left, it stays {in_top}.",
    "ATTRIBUTE for": "The {n} {nouns} of {attribute} {value} speak for it.",
    "ATTRIBUTE against": "The {n} {nouns} of {attribute} {value} speak against it.",
    "CONTRAST": "Without {p}, {foil} comes ahead of it.",
    "COUNTERFACTUAL removed": "Without {p}, it is at rank {new_rank}.",
    "COUNTERFACTUAL added": "With {added} added, it is at rank {new_rank}.",
    "COUNTERFACTUAL both": "With {added} instead of {p}, it is at rank {new_rank}.",
    "SIMILAR": "{p} is the {noun} most like it.",
    "SIMILAR next": "{p} is the {noun} {place} most like it.",
    "UNDECIDED": "No single {noun} takes it out of {top}.",
}


def plural(noun: str, n: int = 2) -> str:
    """The regular English plural, which is what nouns for catalogue entries have."""
    if n == 1:
        return noun
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and not noun.endswith(("ay", "ey", "oy", "uy")):
        return noun[:-1] + "ies"
    return noun + "s"
