"""The words of every question: our own phrases, some of them kept out of training.

``{X}`` stands where an outcome or part goes in (its title, its vector slot, or both), ``{list}``
where several do. What a field calls things, and questions that only it can put so, its ``Domain``
says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from innerview.alignment.records import Form, Piece, Slot, SlotKind, Task, Text
from innerview.data.domain import Domain

__all__ = ["LIST_SEPARATOR", "PHRASES", "mention", "phrase_pieces", "phrases"]

LIST_SEPARATOR = ";"
"""Ends every title of a list. Titles keep their own; ids, not text, say what was meant."""

# Per task: phrases for training, then phrases only for testing; others are the domain's.
PHRASES: Mapping[Task, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "ranking": (
        (
            "Which is best:{list}",
            "Pick the most fitting:{list}",
            "The first choice of these:{list}",
            "Which of these ranks first:{list}",
        ),
        ("The favourite among these:{list}", "Choose the best one:{list}"),
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


def phrases(task: Task, domain: Domain, *, heldout: bool) -> tuple[str, ...]:
    """The phrases of a task for training, or those kept for testing."""
    known = domain.phrases[task] if task in domain.phrases else PHRASES[task]
    return known[1 if heldout else 0]


def mention(form: Form, kind: SlotKind, ref: str, title: str) -> tuple[Piece, ...]:
    """How a form names one thing: its title, its vector slot, or the title and the slot."""
    if form == "behavior":
        return (Text(f" {title}", kind, ref),)
    if form == "intention":
        return (Slot(kind, ref),)
    return (Text(f" {title}", kind, ref), Slot(kind, ref))


def phrase_pieces(
    phrase: str,
    noun: str,
    *,
    subject: Sequence[Piece] = (),
    listed: Sequence[Piece] = (),
    attribute: str = "",
) -> tuple[Piece, ...]:
    """Fill a phrase; text from data is inserted as pieces of its own, never formatted in."""
    filled = phrase.replace("{noun}", noun).replace("{attribute}", attribute)
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
