"""Finding catalogue titles in running text, however many there are."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

__all__ = ["TitleIndex"]

_WORD = re.compile(r"\w+(?:['’]\w+)*")

# Short single words ("It", "Heat") are words before they are titles.
_LEAST_WORDS = 2
_LEAST_CHARACTERS = 8


class TitleIndex:
    """Titles by their words; one pass over a text finds all of them.

    A title is found where the same words stand in the same order and case, punctuation aside.
    Titles of a single word with fewer than eight characters are not looked for.

    Args:
        titles: of the whole catalogue.
    """

    def __init__(self, titles: Iterable[str]) -> None:
        self._titles: dict[tuple[str, ...], str] = {}
        lengths: dict[str, set[int]] = defaultdict(set)
        for title in titles:
            words = tuple(_WORD.findall(title))
            long_enough = len(words) >= _LEAST_WORDS or len(title) >= _LEAST_CHARACTERS
            if words and long_enough:
                self._titles.setdefault(words, title)
                lengths[words[0]].add(len(words))
        self._lengths = {first: sorted(found, reverse=True) for first, found in lengths.items()}

    def __len__(self) -> int:
        return len(self._titles)

    def find(self, text: str) -> list[str]:
        """Titles in the text, in order; of titles that begin alike the longest."""
        words = _WORD.findall(text)
        found: list[str] = []
        at = 0
        while at < len(words):
            step = 1
            for length in self._lengths.get(words[at], ()):
                title = self._titles.get(tuple(words[at : at + length]))
                if title is not None:
                    found.append(title)
                    step = length
                    break
            at += step
        return found
