"""What a follow-up question asks, read off its words: a form of question, and ids for titles.

A small set of forms, in English. Whatever fits none of them is left to others.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from innerview.data.tables import Catalogue

__all__ = ["Asked", "Kind", "Titles", "read_question"]

Kind = Literal["change", "why not", "compare", "unknown title", "free"]

_WORD = re.compile(r"\w+(?:['’]\w+)*")
_QUOTED = re.compile(r'["“]([^"”]+)["”]')
_TAG = re.compile(r"\s*(?:\[\w+\]|\(\d{4}\))$")
"""What stands behind some titles to tell them apart: an id, or a year."""

# The first that fits decides.
_CUES: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("why not", re.compile(r"\bwhy (not\b|(is|was|did|do|does|are|am)(n['’]t| .*\bnot)\b)", re.I)),
    ("compare", re.compile(r"\b(compar\w+|versus|vs)\b", re.I)),
    ("change", re.compile(r"\b(what if|if i|had i|suppose|with|without|add|remove|drop|take away"
                          r"|leave out|forget)\b", re.I)),
    ("compare", re.compile(r"\b(rather than|and not|instead of|over|than|what about)\b", re.I)),
)  # fmt: skip
_INSTEAD = re.compile(r"\b(instead of|rather than|in place of|and not|but not)\b", re.I)
_REMOVES = re.compile(
    r"\b(not|never|without|remov\w*|drop\w*|leav\w+ out|left out|tak\w+ away|forget|gone"
    r"|\w+n['’]t)\b",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that was understood.

    Attributes:
        kind: which form it has.
        removed: ids of parts to take away; of a change.
        added: ids of parts to add; of a change.
        outcome: id of the other outcome, to compare with.
        near: titles that come close to what was named, where nothing by that name is known.
    """

    kind: Kind
    removed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    outcome: str = ""
    near: tuple[str, ...] = ()


class Titles:
    """Finds titles in questions, by their words, whatever their case and punctuation.

    A title of one short word ("It", "Heat") counts only in quotes, or written as it is.

    Args:
        catalogue: whose titles.
        first: ids that are meant where several have one title.
    """

    _SHORT = 8

    def __init__(self, catalogue: Catalogue, first: Iterable[str] = ()) -> None:
        self.catalogue = catalogue
        self._ids: dict[tuple[str, ...], str] = {}
        self._lengths: dict[str, set[int]] = defaultdict(set)
        known = dict.fromkeys(one for one in first if one in catalogue.index)
        for one in (*known, *catalogue.ids):
            title = catalogue.title(one)
            for name in (title, _TAG.sub("", title)):
                words = _words(name)
                if words and words not in self._ids:
                    self._ids[words] = one
                    self._lengths[words[0]].add(len(words))

    def find(self, text: str) -> list[tuple[int, str]]:
        """(where it begins, id) of each title, in order; of those that begin alike the longest."""
        quoted = [(m.start(1), m.end(1)) for m in _QUOTED.finditer(text)]
        found = list(_WORD.finditer(text))
        words = [m.group().casefold() for m in found]
        hits: list[tuple[int, str]] = []
        at = 0
        while at < len(words):
            step = 1
            for length in sorted(self._lengths.get(words[at], ()), reverse=True):
                one = self._ids.get(tuple(words[at : at + length]))
                if one is None or at + length > len(words):
                    continue
                start, end = found[at].start(), found[at + length - 1].end()
                inside = any(a <= start and end <= b for a, b in quoted)
                if inside or self._is_told(text[start:end], one, length, begins=at == 0):
                    hits.append((start, one))
                    step = length
                    break
            at += step
        return hits

    def _is_told(self, written: str, one: str, length: int, *, begins: bool) -> bool:
        """Whether words outside quotes mean a title."""
        if length > 1 or len(written) >= self._SHORT:
            return True
        as_it_is = written == _TAG.sub("", self.catalogue.title(one)) and written != written.lower()
        return as_it_is and not begins

    def near(self, text: str, n: int = 3) -> tuple[str, ...]:
        """Titles that share a word with what is named in a text and are spelled much like it."""
        named = _QUOTED.search(text)
        wanted = named.group(1) if named else _capitals(text)
        words = set(_words(wanted))
        pool = [t for t in self.catalogue.titles if words & set(_words(t))]
        close = get_close_matches(wanted, pool or self.catalogue.titles, n=n, cutoff=0.6)
        return tuple(close)


def read_question(text: str, parts: Titles, outcomes: Titles) -> Asked:
    """What a question asks about a case.

    Args:
        text: the question.
        parts: finds titles of parts.
        outcomes: finds titles of outcomes.
    """
    kind = next((kind for kind, cue in _CUES if cue.search(text)), None)
    if kind is None:
        return Asked("free")
    if kind == "change":
        hits = parts.find(text)
        change = _change(text, hits)
        known = change.removed and change.added if _INSTEAD.search(text) else hits
        if not known:
            return Asked("unknown title", near=parts.near(text)) if _names(text) else Asked("free")
        return change
    named = outcomes.find(text)
    if not named:
        return Asked("unknown title", near=outcomes.near(text)) if _names(text) else Asked("free")
    return Asked(kind, outcome=named[-1][1])


def _change(text: str, hits: Sequence[tuple[int, str]]) -> Asked:
    """Which of the titles are taken away, and which are added."""
    instead = _INSTEAD.search(text)
    if instead:
        removed = [one for at, one in hits if at > instead.start()]
        added = [one for at, one in hits if at < instead.start()]
    elif _REMOVES.search(text):
        removed, added = [one for _, one in hits], []
    else:
        removed, added = [], [one for _, one in hits]
    return Asked("change", tuple(dict.fromkeys(removed)), tuple(dict.fromkeys(added)))


def _names(text: str) -> bool:
    """Whether a question names something: in quotes, or by a capital inside."""
    return bool(_QUOTED.search(text) or _capitals(text))


def _capitals(text: str) -> str:
    """From the first word with a capital behind the first word, but "I", to the last with a capital
    or a digit."""
    words = _WORD.findall(text)
    capital = [
        i for i, w in enumerate(words)
        if i and w != "I" and not w.startswith(("I'", "I’")) and w[:1].isupper()
    ]  # fmt: skip
    digits = [i for i, w in enumerate(words) if w[:1].isdigit()]
    return " ".join(words[capital[0] : max(capital + digits) + 1]) if capital else ""


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.casefold() for word in _WORD.findall(text))
