"""Holding prose to the claims it is made of, whoever wrote it: nothing stray, nothing missing.

Knows claims and titles, never a target. Works by sentence: a sentence may use the titles and
numbers of the claims it cites, and no others, so a right number beside the wrong title is stray.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from innerview.explanation._titles import TitleIndex
from innerview.explanation.claims import CheckedClaim

__all__ = ["SENTENCE", "ProseCheck", "TitleIndex", "check_prose", "signed"]

_QUOTED = re.compile(r'"([^"]*)"')
_NUMBER = re.compile(r"(?<![\w.])[-−+]?\d+(?:[.,]\d+)*")
SENTENCE = re.compile(r"(?<=[.!?])\s+")
"""Where one sentence ends and the next begins, outside of titles."""

# Words by which a sentence states a claim of the type; the parts it names must be there too.
_CUES: Mapping[str, re.Pattern[str]] = {
    "EVIDENCE": re.compile(r"\b(most|strongest|greatest|as much as|supports? it more)\b", re.I),
    "NECESSARY": re.compile(
        r"\b(without|needs?|needed|take away|remov\w+|depends?|owes?|leave out|gone|loses?)\b", re.I
    ),
    "SUFFICIENT": re.compile(r"\b(only|alone|just|enough|nothing|no more than)\b", re.I),
    "ATTRIBUTE for": re.compile(r"\b(for it|gains?|help\w*|supports?|lifts?)\b", re.I),
    "ATTRIBUTE against": re.compile(
        r"\b(against|suffers?|back|weighed down|lowers?|hurts?)\b", re.I
    ),
    "UNDECIDED": re.compile(r"\b(single|no one|any one|whichever)\b", re.I),
}
_RANK_BEFORE = re.compile(r"\bfrom rank (\d+)", re.I)
_RANK_AFTER = re.compile(r"(?<!from )\brank (\d+)", re.I)
_AGAINST = re.compile(r"\bagainst\b", re.I)


@dataclass(frozen=True, slots=True)
class ProseCheck:
    """What prose says beyond its claims, and which claims it leaves out.

    Attributes:
        stray_titles: quoted texts and catalogue titles that no claim is about.
        stray_numbers: numbers that no claim cited by their sentence holds.
        unsupported: sentences about parts or numbers that state none of the claims.
        missing_claims: claims that no sentence states.
    """

    stray_titles: tuple[str, ...]
    stray_numbers: tuple[str, ...]
    unsupported: tuple[str, ...]
    missing_claims: tuple[CheckedClaim, ...]

    @property
    def grounded(self) -> bool:
        """Every title and number comes from the claims."""
        return not (self.stray_titles or self.stray_numbers)

    @property
    def ok(self) -> bool:
        """Nothing is said that the claims do not say."""
        return self.grounded and not self.unsupported

    @property
    def complete(self) -> bool:
        """Nothing beyond the claims is said, and every claim is."""
        return self.ok and not self.missing_claims


def signed(value: float) -> str:
    """A change of score with its sign: three decimals, or three digits of one that is smaller."""
    small = abs(value) < 0.1 and value != 0
    decimals = 2 - math.floor(math.log10(abs(value))) if small else 3
    return f"{value:+.{decimals}f}"


def check_prose(
    text: str,
    claims: Sequence[CheckedClaim],
    *,
    outcome: str,
    rank: int,
    titles: Mapping[str, str],
    index: TitleIndex | None = None,
    ranked: bool = True,
) -> ProseCheck:
    """Compare prose with the claims it should state.

    Args:
        text: the prose; titles in straight or curly double quotes.
        claims: those it may and should state.
        outcome: id of the outcome.
        rank: its rank in the whole case.
        titles: of the outcome and of every part of the case.
        index: of all catalogue titles, to find those that stand in the text unquoted.
        ranked: whether a claim counts as stated only where its top is named.
    """
    masked = _Masked(text, claims, outcome, titles, ranked=ranked)
    strays = [*masked.stray, *_unquoted(masked, index)]
    stray_numbers: list[str] = []
    unsupported: list[str] = []
    stated: set[int] = set()
    before: list[int] = []
    for sentence in SENTENCE.split(masked.text):
        numbers = _NUMBER.findall(sentence)
        cited = [n for n, c in enumerate(claims) if masked.cites(sentence, c)] or before
        allowed = {str(rank)}.union(*(_numbers(claims[n]) for n in cited))
        stray_numbers += [n for n in numbers if n not in allowed]
        said = [n for n in cited if masked.states(sentence, claims[n])]
        stated.update(said)
        if not said and masked.says_something(sentence, [claims[n] for n in cited], rank):
            unsupported.append(masked.unmask(sentence))
        before = cited
    missing = tuple(c for n, c in enumerate(claims) if n not in stated)
    return ProseCheck(tuple(strays), tuple(stray_numbers), tuple(unsupported), missing)


def _unquoted(masked: _Masked, index: TitleIndex | None) -> list[str]:
    """Catalogue titles outside quotes that no claim is about."""
    if index is None:
        return []
    return [title for title in index.find(masked.text) if title not in masked.allowed_titles]


class _Masked:
    """A text whose allowed titles and attribute values are replaced by marks.

    Titles may hold full stops, digits and quotes; behind a mark none of them is mistaken for the
    prose's own.
    """

    def __init__(
        self,
        text: str,
        claims: Sequence[CheckedClaim],
        outcome: str,
        titles: Mapping[str, str],
        *,
        ranked: bool = True,
    ) -> None:
        self.ranked = ranked
        cited = {part for c in claims for part in c.claim.parts}
        self._marks: dict[str, str] = {}
        self._mark_of: dict[str, str] = {}
        self.allowed_titles = {titles[i] for i in (*cited, outcome)}
        self.outcome = outcome
        self.text = re.sub("[“”]", '"', text)
        for one in sorted({*cited, outcome}, key=lambda i: (-len(titles[i]), i)):
            self._mark("id " + one, re.escape(f'"{titles[one]}"'), f'"{titles[one]}"')
        self.stray = _QUOTED.findall(self.text)
        self.text = _QUOTED.sub(" ", self.text)
        values = {
            str(c.claim.stated["value"]): str(c.claim.stated["attribute"])
            for c in claims
            if c.claim.type == "ATTRIBUTE"
        }
        for value, attribute in sorted(values.items(), key=lambda item: (-len(item[0]), item[0])):
            # A value that is itself a number counts as one, but where its attribute names it.
            only_after = f"(?<={re.escape(attribute)} )" if value.isdigit() else r"(?<!\w)"
            self._mark("value " + value, only_after + rf"{re.escape(value)}(?!\w)", value)

    def _mark(self, key: str, pattern: str, original: str) -> None:
        """Replace what matches by one private-use character."""
        mark = chr(0xF0000 + len(self._marks))
        self._marks[mark], self._mark_of[key] = original, mark
        self.text = re.sub(pattern, mark, self.text)

    def unmask(self, sentence: str) -> str:
        """The sentence as it was written."""
        return "".join(self._marks.get(character, character) for character in sentence)

    def _names(self, sentence: str, part: str) -> bool:
        return self._mark_of.get("id " + part, "\0") in sentence

    def cites(self, sentence: str, checked: CheckedClaim) -> bool:
        """Whether the sentence is about what the claim is about."""
        claim = checked.claim
        if claim.type == "UNDECIDED":
            return bool(_CUES["UNDECIDED"].search(sentence))
        if claim.type == "ATTRIBUTE":
            return self._mark_of["value " + str(claim.stated["value"])] in sentence
        return any(self._names(sentence, part) for part in claim.parts)

    def states(self, sentence: str, checked: CheckedClaim) -> bool:
        """Whether the sentence says what the claim says."""
        claim = checked.claim
        key = claim.type
        if claim.type == "ATTRIBUTE":
            cue = _CUES[f"{key} {claim.stated['direction']}"]
            return bool(cue.search(sentence)) and _right_ranks(sentence, checked)
        top = claim.stated.get("leaves_top", claim.stated.get("stays_in_top"))
        if not _CUES[key].search(sentence):
            return False
        # What is kept at a place within the top is kept in the top.
        implied = key == "SUFFICIENT" and _RANK_AFTER.search(sentence)
        if self.ranked and top is not None and not (implied or _says_top(sentence, top)):
            return False
        named = {key for key, mark in self._mark_of.items() if mark in sentence}
        own = {"id " + part for part in claim.parts}
        about = {key for key in named if key.startswith("id ")} - {"id " + self.outcome}
        return about == own and _right_ranks(sentence, checked)

    def says_something(self, sentence: str, cited: Sequence[CheckedClaim], rank: int) -> bool:
        """Whether a sentence that states no claim is more than filler or a claim's number.

        Naming the outcome with its rank is fine, and so is a second sentence on a cited claim
        that brings its number, unless it turns against the outcome what no claim does.
        """
        numbers = set(_NUMBER.findall(sentence)) - {str(rank)}
        own = self._mark_of["id " + self.outcome]
        others = [m for m in self._marks if m != own and m in sentence]
        if not others and not numbers:
            return False
        if _AGAINST.search(sentence):
            return not any(c.claim.stated.get("direction") == "against" for c in cited)
        return not any(numbers <= _numbers(c) and _right_ranks(sentence, c) for c in cited)


def _right_ranks(sentence: str, checked: CheckedClaim) -> bool:
    """Whether every rank the sentence gives is the one measured after the removal.

    A rank may also be the one before, where the sentence says so ("from rank 1").
    """
    measured = checked.measured
    before = [int(n) for n in _RANK_BEFORE.findall(sentence)]
    after = [int(n) for n in _RANK_AFTER.findall(sentence)]
    return set(before) <= {measured.get("rank_before")} and set(after) <= {
        measured.get("rank_after")
    }


def _says_top(sentence: str, top: object) -> bool:
    """Whether the sentence names the top: "the top 10", or "first place"."""
    if re.search(rf"\btop {top}\b", sentence, re.I):
        return True
    return top == 1 and bool(re.search(r"\bfirst place\b|\brank 1\b|\b1st\b", sentence, re.I))


def _numbers(checked: CheckedClaim) -> set[str]:
    """Numbers a claim holds, as prose would write them."""
    values = [*checked.claim.stated.values(), *checked.measured.values()]
    values += [len(checked.claim.parts), checked.queries]
    written: set[str] = set()
    for value in values:
        if isinstance(value, float):
            written |= {f"{value:.{digits}f}" for digits in (1, 2, 3)}
            written |= {f"{abs(value):.{digits}f}" for digits in (1, 2, 3)}
            written.add(signed(value))
        elif isinstance(value, int):
            written.add(str(value))
    return written
