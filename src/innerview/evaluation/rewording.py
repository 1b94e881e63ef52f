"""Titles as other people would write them: nothing that a target looks at, and the same things.

Rules are of spelling, not of any one kind of thing: they know articles, subtitles and numerals, and
no list of names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from innerview.data.tables import Catalogue
from innerview.targets.derived import DerivedTarget
from innerview.targets.protocol import Case, Target

__all__ = ["RULES", "RewordedTarget", "reworded_catalogue", "unchanged_titles"]

_BEFORE = re.compile(r"(?P<article>the|an?) (?P<rest>\S.*)", re.IGNORECASE)
_BEHIND = re.compile(r"(?P<rest>.*\S), (?P<article>the|an?)", re.IGNORECASE)

# Of single letters nobody knows whether they are numbers.
_ROMAN = {
    "II": "2", "III": "3", "IV": "4", "VI": "6", "VII": "7", "VIII": "8", "IX": "9", "XI": "11",
    "XII": "12", "XIII": "13", "XIV": "14", "XV": "15", "XVI": "16",
}  # fmt: skip
_WORD_BEHIND = re.compile(r"(?<= )\w+(?!['’.,-]?\w)")


def _article_moved(title: str) -> str:
    """``The Matrix`` and ``Matrix, The``."""
    if found := _BEFORE.fullmatch(title):
        return f"{found['rest']}, {found['article']}"
    if found := _BEHIND.fullmatch(title):
        return f"{found['article']} {found['rest']}"
    return title


def _article_dropped(title: str) -> str:
    found = _BEFORE.fullmatch(title) or _BEHIND.fullmatch(title)
    return found["rest"] if found else title


def _subtitle_dropped(title: str) -> str:
    head, _, _ = title.partition(": ")
    return head if head.strip() else title


def _and_exchanged(title: str) -> str:
    """``&`` and ``and``."""
    return title.replace(" & ", " and ") if " & " in title else title.replace(" and ", " & ")


def _numerals_arabic(title: str) -> str:
    """``2`` for ``II``, behind other words; names of other things keep their 2."""
    return _WORD_BEHIND.sub(lambda found: _ROMAN.get(found[0], found[0]), title)


RULES: tuple[Callable[[str], str], ...] = (
    _subtitle_dropped, _and_exchanged, _numerals_arabic, _article_dropped, _article_moved,
    str.lower,
)  # fmt: skip
"""In the order in which they are applied; what a rule does not fit, it leaves as it is."""


def reworded_catalogue(catalogue: Catalogue, *, seed: int = 0) -> Catalogue:
    """The same things under other titles, each by some of the rules, drawn by chance.

    No title becomes one that the catalogue has, or has got, however it is capitalized; where each
    rule alone would make it so, or change nothing, it stays.
    """
    drawn = np.random.default_rng(seed).random((len(catalogue), len(RULES))) < 0.5
    taken, meant = set(catalogue.titles), {title.casefold() for title in catalogue.titles}
    titles: list[str] = []
    for title, chosen in zip(catalogue.titles, drawn.tolist(), strict=True):
        free = (
            told
            for told in _wordings(title, chosen)
            if told not in taken
            and (told.casefold() == title.casefold() or told.casefold() not in meant)
        )
        told = next(free, title)
        taken.add(told)
        meant.add(told.casefold())
        titles.append(told)
    return replace(catalogue, titles=tuple(titles))


def _wordings(title: str, chosen: Sequence[bool]) -> Iterator[str]:
    """By the chosen rules together, then by each alone."""
    together = title
    for rule, wanted in zip(RULES, chosen, strict=True):
        together = rule(together) if wanted else together
    yield together
    for rule in RULES:
        yield rule(title)


class RewordedTarget(DerivedTarget):
    """A target whose catalogues say the same in other words; its scores and vectors are the same.

    Args:
        target: that is asked.
        seed: of the wordings.
    """

    def __init__(self, target: Target, *, seed: int = 0) -> None:
        super().__init__(target)
        self._outcomes = reworded_catalogue(target.outcomes, seed=seed)
        self._parts = (
            self._outcomes
            if target.parts is target.outcomes
            else reworded_catalogue(target.parts, seed=seed)
        )

    @property
    def outcomes(self) -> Catalogue:
        """The target's, in other words."""
        return self._outcomes

    @property
    def parts(self) -> Catalogue:
        """The target's, in other words."""
        return self._parts


def unchanged_titles(target: Target, reworded: Target, pairs: Sequence[tuple[Case, str]]) -> float:
    """Share of the titles of cases' parts and outcomes that are the same in other words."""
    same = [
        before.title(one) == after.title(one)
        for case, outcome in pairs
        for before, after, ids in (
            (target.parts, reworded.parts, case.parts),
            (target.outcomes, reworded.outcomes, (outcome,)),
        )
        for one in ids
    ]
    return sum(same) / len(same) if same else 0.0
