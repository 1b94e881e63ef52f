"""Numbers in texts that somebody else made: whether anything that can be measured bears them out.

Knows texts, catalogues and evidence, and not who wrote the texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from innerview.evaluation.bootstrap import Figure, bootstrap_mean
from innerview.evaluation.free_prose import mentions
from innerview.evaluation.given import Given
from innerview.explanation.claims import CheckedClaim
from innerview.explanation.evidence import (
    AttributeEffect,
    Evidence,
    PartEffect,
    SetEffect,
    Thresholds,
    measure_many,
)
from innerview.explanation.grounded import claims_from
from innerview.explanation.verify import verify_many
from innerview.targets.protocol import Case, Target

__all__ = ["Truths", "number_figures"]

_ALL_GROUPS = Thresholds(max_groups=999)
"""Whatever value of an attribute a text is about, it was tried."""
_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
)  # fmt: skip
_MASK = "\ufffc"
"""Stands where a title or a value of an attribute stood."""
_PLACE = r"(?:ranks?|ranked|ranking|places?|placed|position|spot)"
_FILLER = rf"(?:[\s:={_MASK}\"'“”]|\b(?:is|at|in|as|the|ranking|number)\b|\bof\s+[\"'“]?{_MASK})*"
_NUMBER = re.compile(
    r"(?<![\w.,/:+−–-])(?P<sign>[-+−](?=\d))?(?P<whole>\d{1,3}(?:,\d{3})+|\d+)(?P<part>\.\d+)?"
    r"(?P<ordinal>st|nd|rd|th)?(?P<percent>\s?%|\sper\s?cent)?(?!\w|[-−–.,:/]\w)"
)
_RANK_BEFORE = re.compile(rf"\b(?:{_PLACE}|rank\s+of)\b{_FILLER}$", re.I)
_PLACE_AFTER = re.compile(rf"\s+{_PLACE}\b", re.I)
_TOP = re.compile(rf"\btop[\s-]+(?P<n>\d+|{'|'.join(_WORDS)})\b(?!\s+(?:reasons|factors))", re.I)
_NAMED_PLACE = re.compile(
    rf"(?<!\bin the )\b(?P<place>{'|'.join(_ORDINALS)})\s+(?:rank|place|position)\b"
    rf"|\b(?:ranks|ranked)\s+(?P<rank>{'|'.join(_ORDINALS)})\b",
    re.I,
)


def number_figures(
    given: Sequence[Given], target: Target, *, known: Truths | None = None, seed: int = 0
) -> dict[str, Figure]:
    """How far the numbers in texts are those of the target.

    ``numbers_stated``
        share of texts with a number that counts;
    ``numbers_ungrounded``
        share of texts with one that nothing bears out.

    What counts: numbers in digits that stand alone, ordinals as well ("14th"), tops ("top ten"),
    and places in words ("second place", "ranks first"). Titles and values of attributes are taken
    out before; what is part of a longer sign ("1990s", "5-star", "24/7") does not count, and nor do
    other numbers in words.

    What bears a number out, by how it is said:

    * a rank ("rank 14", "14th place"): it is the outcome's, in the whole case or in one of those
      that an explanation of ours would try: without any one part, without or with only the
      strongest few, without all with one value of an attribute;
    * a top ("top 10"): the outcome is in it, in one of those cases, or it is the top that it is
      held to;
    * a number with decimals or per cent: rounded to as many decimals, it is the score in one of
      those cases, or how far that is from the score in the whole case, per cent also as a share of
      it; with a sign it is a difference, and has that sign;
    * any other whole number: one of these, or up to the number of parts, or how many ranks are
      between the whole case and one of the others, or it stands in a title or a value of the
      outcome or of a part, or it is how many queries verify a claim of ours.

    So only what no measurement bears out counts against a text; a right number in the wrong place
    passes. Nothing where no explanation has a text, or the target answers the same case
    differently.

    Args:
        given: explanations; those without text are left out.
        target: it is asked about cases whose texts state numbers that count.
        known: what was found out before about cases and outcomes; what is found out now is added.
        seed: of the intervals.
    """
    told = [one for one in given if one.text.strip()]
    if not told or not target.capabilities.deterministic:
        return {}
    said = [list(_numbers(_masked(one, target))) for one in told]
    known = {} if known is None else known
    asked = {(g.case, g.outcome): g for g, own in zip(told, said, strict=True) if own}
    new = [one for pair, one in asked.items() if pair not in known]
    known |= zip(((one.case, one.outcome) for one in new), _truths(new, target), strict=True)
    wrong = [
        bool(own) and not known[g.case, g.outcome].bears_out(own)
        for g, own in zip(told, said, strict=True)
    ]
    cases = [one.case.case_id for one in told]
    shares = {"numbers_stated": [bool(own) for own in said], "numbers_ungrounded": wrong}
    return {
        name: bootstrap_mean([float(flag) for flag in own], cases, seed=seed)
        for name, own in shares.items()
    }


@dataclass(frozen=True, slots=True)
class _Number:
    """A number as it is said.

    Attributes:
        kind: ``rank``, ``top``, ``score``, or ``whole`` where that is open.
        value: without its sign; per cent as a share.
        sign: that is written, or none.
        half: of a unit of its last decimal.
        percent: whether it is per cent.
    """

    kind: str
    value: float
    sign: str = ""
    half: float = 0.5
    percent: bool = False


def _numbers(text: str) -> Iterator[_Number]:
    """Those that count, in a text without titles and values."""
    for match in _TOP.finditer(text):
        word = match["n"].lower()
        yield _Number("top", float(word) if word.isdigit() else _WORDS.index(word) + 1)
    text = _TOP.sub(_blank, text)
    for match in _NAMED_PLACE.finditer(text):
        place = (match["place"] or match["rank"]).lower()
        yield _Number("rank", _ORDINALS.index(place) + 1)
    for match in _NUMBER.finditer(text):
        yield _number(match, text)


def _number(match: re.Match[str], text: str) -> _Number:
    decimals = len(match["part"] or ".") - 1
    value, half = float(match["whole"].replace(",", "") + (match["part"] or "")), 0.5 / 10**decimals
    sign = (match["sign"] or "").replace("−", "-")
    if match["percent"]:
        return _Number("score", value / 100, sign, half / 100, percent=True)
    if sign or decimals:
        return _Number("score", value, sign, half)
    placed = match["ordinal"] and _PLACE_AFTER.match(text, match.end())
    placed = placed or _RANK_BEFORE.search(text[max(0, match.start() - 60) : match.start()])
    return _Number("rank" if placed else "whole", value)


def _masked(one: Given, target: Target) -> str:
    """A text without titles, and without values of attributes that are not numbers alone."""
    text = one.text
    for start, end, _ in reversed(mentions(text, one.case, target)):
        text = text[:start] + _MASK + text[end:]
    for value in sorted(_values(one, target), key=lambda value: (-len(value), value)):
        if not value.isdigit():
            text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", _MASK, text)
    return text


def _values(one: Given, target: Target) -> set[str]:
    """Of the attributes of a case's parts and of the outcome."""
    known = {value for part in set(one.case.parts) for name in target.parts.groupings
             for value in target.parts.groupings[name][target.parts.rows([part])[0]]}  # fmt: skip
    outcomes = target.outcomes
    own = {value for name in outcomes.groupings
           for value in outcomes.groupings[name][outcomes.rows([one.outcome])[0]]}  # fmt: skip
    return (known | own) - {""}


@dataclass(frozen=True, slots=True)
class _Truth:
    """What bears numbers out.

    Attributes:
        ranks: of the outcome, that of the whole case first.
        tops: that the outcome is held to.
        scores: of the outcome, that of the whole case first.
        changes: of its score.
        wholes: other whole numbers that are true of the case.
    """

    ranks: list[int]
    tops: set[int]
    scores: list[float]
    changes: list[float]
    wholes: set[float] = field(default_factory=set)

    def bears_out(self, said: Sequence[_Number]) -> bool:
        """Whether all of them are true."""
        return all(self._bears_out(one) for one in said)

    def _bears_out(self, said: _Number) -> bool:
        if said.kind == "rank":
            return said.value in self.ranks
        if said.kind == "top":
            return said.value in self.tops or said.value >= min(self.ranks)
        if said.kind == "score":
            return self._is_a_score(said)
        moved = {abs(rank - self.ranks[0]) for rank in self.ranks}
        whole = {*self.ranks, *self.tops, *self.wholes, *moved}
        return said.value in whole or self._is_a_score(said)

    def _is_a_score(self, said: _Number) -> bool:
        known = list(self.changes)
        if said.percent and self.scores[0]:
            known += [change / abs(self.scores[0]) for change in self.changes]
        # What float32 and another batch make of a score is no error of whoever rounded it.
        near = said.half * (1 + 1e-6) + 1e-6 * abs(self.scores[0])
        if not said.sign:
            return any(abs(abs(one) - said.value) <= near for one in (*known, *self.scores))
        signed = -said.value if said.sign == "-" else said.value
        return any(abs(one - signed) <= near for one in known)


Truths = dict[tuple[Case, str], _Truth]
"""By a case and an outcome, what bears numbers about them out."""


def _truths(given: Sequence[Given], target: Target) -> list[_Truth]:
    """What is true of each case, as far as our own explanations would say it."""
    pairs = [(one.case, one.outcome) for one in given]
    evidence = list(measure_many(pairs, target, thresholds=_ALL_GROUPS))
    abouts = (None, *target.parts.groupings)
    stated = [
        {str(c): c for about in abouts for c in claims_from(one, target, about=about)}.values()
        for one in evidence
    ]
    flat = [(claim, case) for own, (case, _) in zip(stated, pairs, strict=True) for claim in own]
    replayed = iter(verify_many(flat, target))
    return [
        _truth(one, e, [next(replayed) for _ in own], target)
        for one, e, own in zip(given, evidence, stated, strict=True)
    ]


def _truth(
    one: Given, evidence: Evidence, claims: Sequence[CheckedClaim], target: Target
) -> _Truth:
    effects: list[PartEffect | SetEffect | AttributeEffect] = [
        *evidence.leave_out, *evidence.removed, *evidence.kept, *evidence.attributes,
    ]  # fmt: skip
    changes = [e.score_change for e in effects if e.score_change is not None]
    scores = [evidence.score, *(evidence.score + change for change in changes)]
    controls = [checked.measured.get("control_change") for checked in claims]
    changes += [control for control in controls if isinstance(control, float)]
    changes += [attribute.control_change for attribute in evidence.attributes]
    names = [*map(target.parts.title, one.case.parts), target.outcomes.title(one.outcome)]
    in_names = {
        float(n) for name in (*names, *_values(one, target)) for n in re.findall(r"\d+", name)
    }
    return _Truth(
        ranks=[evidence.rank, *(e.rank_after for e in effects if e.rank_after is not None)],
        tops={t for t in (evidence.leaves_top, evidence.stays_in_top) if t is not None},
        scores=scores,
        changes=changes,
        wholes={*range(1, len(one.case.parts) + 1), *in_names, *(c.queries for c in claims)},
    )


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])
