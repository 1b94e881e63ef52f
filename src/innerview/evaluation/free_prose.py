"""The third way to explain: a surrogate writes freely, and whatever it names are its reasons.

So RecExplainer does (arXiv 2311.10947, section 3.3): its language model is shown a case and an
outcome and asked why. Nothing holds the text to anything; which parts it names is found out by
their titles.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, Protocol

from innerview.alignment.records import Form, Record, Text
from innerview.data.tables import Catalogue
from innerview.evaluation.orders import named_first
from innerview.targets.protocol import Case, Target

__all__ = [
    "Answering",
    "foreign_titles",
    "free_prose_orders",
    "mentions",
    "named_parts",
    "solved",
]

_TOKENS, _LEAST_LETTERS, _LEAST_WORDS = 96, 4, 2
_QUOTES = (('"', '"'), ("“", "”"))


class Answering(Protocol):
    """Whoever answers records with text; a surrogate does."""

    def answer(self, records: Sequence[Record], *, max_new_tokens: int) -> list[Any]:
        """One answer to each."""
        ...


def free_prose_orders(
    surrogate: Answering,
    target: Target,
    pairs: Sequence[tuple[Case, str]],
    *,
    form: Form = "behavior",
    seed: int = 0,
) -> list[tuple[str, ...]]:
    """Each case's parts in the order in which a free text names them; the rest by chance."""
    asked = [_question(case, outcome, target.outcomes, form) for case, outcome in pairs]
    texts = surrogate.answer(asked, max_new_tokens=_TOKENS)
    return [
        named_first(case, named_parts(str(text), case, target), seed=seed)
        for (case, _), text in zip(pairs, texts, strict=True)
    ]


def _question(case: Case, outcome: str, outcomes: Catalogue, form: Form) -> Record:
    text = (
        f'Explain in a few sentences why "{outcomes.title(outcome)}" is {outcomes.domain.chosen} '
        "here, naming what speaks for it."
    )
    return Record(
        "chat", form, case.case_id, case.parts, len(case.parts), (Text(text),), "?"
    )  # fmt: skip


def solved(case: Case, outcome: str, target: Target, text: str) -> Record:
    """The same question with an answer, to be shown as an example."""
    return replace(_question(case, outcome, target.outcomes, "behavior"), answer=text)


def named_parts(text: str, case: Case, target: Target) -> list[str]:
    """Ids of the parts of a case whose titles stand in a text, in its order; see ``mentions``."""
    return [part for _, _, part in mentions(text, case, target) if part is not None]


def mentions(text: str, case: Case, target: Target) -> list[tuple[int, int, str | None]]:
    """Where titles of the catalogues stand in a text: start, end, and the id if it is a part of the
    case; in its order.

    A title that is part of a longer one of the catalogues is not taken for it ("Toy Story" in "Toy
    Story 2"); titles of fewer than four letters count in quotes only.
    """
    own = {target.parts.title(part): part for part in reversed(case.parts)}
    known = {id(one): one for one in (target.parts, target.outcomes)}.values()  # often the same
    titles = (title for one in known for title in one.titles)
    there = {title for title in titles if title in text} if text else set()
    found: list[tuple[int, int, str | None]] = []
    for title in sorted(there, key=lambda title: (-len(title), title)):
        pattern = re.escape(title)
        bare = rf"(?<!\w){pattern}(?!\w)"
        matched = bare if len(title) >= _LEAST_LETTERS else rf'"{pattern}"'
        for match in list(re.finditer(matched, text)):
            found.append((match.start(), match.end(), own.get(title)))
            blank = " " * len(match.group())
            text = text[: match.start()] + blank + text[match.end() :]
    return sorted(found, key=lambda spot: spot[:2])


def foreign_titles(
    text: str, case: Case, target: Target, *, outcomes: Collection[str]
) -> list[str]:
    """Titles in a text, in its order, that are neither of parts of the case nor of some outcomes.

    What may be a word before it is a title does not count: titles of one word, and those that are a
    value of an attribute too ("Science Fiction"), count in quotes only.

    Args:
        text: any.
        case: whose parts may be named.
        target: whose catalogues name things.
        outcomes: ids of those that may be named.
    """
    own = {*map(target.parts.title, case.parts), *map(target.outcomes.title, outcomes)}
    found = []
    for start, end, _ in mentions(text, case, target):
        title = text[start:end]
        quoted = (text[:start][-1:], text[end:][:1]) in _QUOTES
        if title not in own and (quoted or _is_surely_a_title(title, target)):
            found.append(title)
    return found


def _is_surely_a_title(title: str, target: Target) -> bool:
    if len(re.findall(r"\w+", title)) < _LEAST_WORDS:
        return False
    return not any(
        title in values
        for one in (target.parts, target.outcomes)
        for rows in one.groupings.values()
        for values in rows
    )
