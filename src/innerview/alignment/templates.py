"""The words of every question: our own phrases, some of them kept out of training.

``{X}`` stands where an outcome or part goes in (its title, its vector slot, or both), ``{list}``
where several do. ``Words`` carries what a domain calls things, so that no phrase does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from innerview.alignment.records import Form, Piece, Slot, SlotKind, Task, Text

__all__ = ["LIST_SEPARATOR", "PHRASES", "SYSTEM", "Words", "mention", "phrase_pieces", "phrases"]

SYSTEM = "You speak for a recommender."
"""Given explicitly, because chat templates otherwise add a longer one of their own."""

LIST_SEPARATOR = ";"
"""Ends every title of a list. Titles keep their own; ids, not text, say what was meant."""


@dataclass(frozen=True, slots=True)
class Words:
    """What the domain calls an outcome ("film", "item")."""

    noun: str = "item"


# Per task: phrases for training, then phrases only for testing.
PHRASES: dict[Task, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "retrieval": (
        (
            "Which {noun} comes next?",
            "Recommend the next {noun}.",
            "What is recommended now?",
            "Name the top {noun}.",
            "Which {noun} ranks first?",
        ),
        ("Your first recommendation?", "What would be suggested next?"),
    ),
    "ranking": (
        (
            "Which is best:{list}",
            "Pick the most fitting:{list}",
            "The first choice of these:{list}",
            "Which of these ranks first:{list}",
        ),
        ("The favourite among these:{list}", "Choose the best one:{list}"),
    ),
    "interest": (
        (
            "Does it fit, Yes or No?",
            "Would you recommend this {noun}?",
            "A good match?",
            "Yes or No to this {noun}?",
            "Is it of interest?",
        ),
        ("Would you suggest it?", "Does this {noun} match?"),
    ),
    "item_title": (
        ("Name it.", "Which {noun} is it?", "The title?", "Say what it is."),
        ("What is it called?", "Give its name."),
    ),
    "item_attribute": (
        ("The {attribute} of{X}?", "Which {attribute} has{X}?", "Name the {attribute} of{X}."),
        ("What {attribute} is{X}?",),
    ),
    "item_similar": (
        ("What is most like{X}?", "Name the closest {noun} to{X}.", "Which {noun} resembles{X}?"),
        ("The nearest neighbour of{X}?",),
    ),
    "history": (
        ("Name each of them.", "Which {noun} is each?", "Say what each one is."),
        ("Name every {noun} of the list.",),
    ),
    "attribution": (
        (
            "What speaks most for{X}?",
            "Which one led to{X}?",
            "The strongest reason for{X}?",
            "Why{X}?",
        ),
        ("What mattered most for{X}?",),
    ),
    "prose": (
        ("Explain{X} from these facts:{list}", "Facts about{X}:{list}Put them into words."),
        ("Tell why{X}, given:{list}",),
    ),
    "chat": (("{X}",), ("{X}",)),
}


def phrases(task: Task, *, heldout: bool) -> tuple[str, ...]:
    """The phrases of a task for training, or those kept for testing."""
    return PHRASES[task][1 if heldout else 0]


def mention(form: Form, kind: SlotKind, ref: str, title: str) -> tuple[Piece, ...]:
    """How a form names one thing: its title, its vector slot, or the title and the slot."""
    if form == "behavior":
        return (Text(f" {title}", kind, ref),)
    if form == "intention":
        return (Slot(kind, ref),)
    return (Text(f" {title}", kind, ref), Slot(kind, ref))


def phrase_pieces(
    phrase: str,
    words: Words,
    *,
    subject: Sequence[Piece] = (),
    listed: Sequence[Piece] = (),
    attribute: str = "",
) -> tuple[Piece, ...]:
    """Fill a phrase; text from data is inserted as pieces of its own, never formatted in."""
    filled = phrase.replace("{noun}", words.noun).replace("{attribute}", attribute)
    pieces: list[Piece] = []
    rest = filled
    while rest:
        spots = [(rest.find(m), m) for m in ("{X}", "{list}") if m in rest]
        at, marker = min(spots, default=(len(rest), ""))
        if at:
            pieces.append(Text(rest[:at]))
        pieces.extend(subject if marker == "{X}" else listed if marker == "{list}" else ())
        rest = rest[at + len(marker) :]
    return tuple(pieces)
