"""Prose about many cases: whether it keeps to its style and its claims, and how much it varies."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from innerview.evaluation.bootstrap import Figure, bootstrap_mean
from innerview.explanation.claims import CheckedClaim
from innerview.explanation.explanation import Explanation
from innerview.explanation.prose import SENTENCE, check_prose
from innerview.explanation.render import choose
from innerview.explanation.style import Style

__all__ = ["keeps_style", "prose_figures", "text_figures"]

_QUOTED = re.compile(r'"[^"]*"')
_WORD = re.compile(r"\w+|[.,:;]")
_CHANGE = re.compile(r"[-+]\d")
_OPENING = 4
"""Words of an opening."""


def keeps_style(explanation: Explanation) -> bool:
    """Whether a text states exactly the claims that its style calls for, and in its way: to
    customers no number, to engineers changes of score, to auditors what verified each claim; and
    on one line no more than the outcome and a claim."""
    style = Style(**explanation.provenance["style"])
    own = choose([c for c in explanation.claims if _grounds(c, explanation)], style)
    text = explanation.text
    stated = check_prose(
        text, own, outcome=explanation.outcome_id, rank=explanation.rank,
        titles=explanation.titles, ranked=style.ranked,
    )  # fmt: skip
    for value in sorted({str(c.claim.stated.get("value", "")) for c in own} - {""}, key=len)[::-1]:
        text = text.replace(value, "X")
    sentences = SENTENCE.split(_QUOTED.sub("T", text))
    claiming = sentences[1:]
    if style.about is not None and claiming and claiming[-1].startswith("Nothing about"):
        claiming = claiming[:-1]
    in_its_way = {
        "customer": not any(char.isdigit() for sentence in sentences for char in sentence),
        "engineer": not own or bool(_CHANGE.search(text)) or own[0].claim.type == "UNDECIDED",
        "auditor": all("verified" in sentence for sentence in claiming),
        "support": True,
    }[style.audience]
    return stated.complete and in_its_way and len(claiming) <= style.n_claims


def prose_figures(
    explanations: Sequence[Explanation], plain: Sequence[Explanation], *, seed: int = 0
) -> dict[str, Figure | float]:
    """Figures of texts in one style.

    ``keeps_style``
        see there;
    ``same_claims``
        cases of which the same was verified as in the usual style; in one about an attribute, but
        for claims about attributes, of which others are measured there;
    ``written``
        texts that the surrogate wrote or chose the words of, not rendered from the claims;
    ``words``
        mean number of words, a title counting as one;
    ``distinct_1``, ``distinct_2``
        distinct words, and pairs of neighbours, by all (Li et al., NAACL 2016), titles aside;
    ``commonest_opening``
        share of texts that open with the commonest four words, titles aside.

    Args:
        explanations: N, all in one style.
        plain: of the same cases and outcomes, in the usual one.
        seed: of the intervals.
    """
    cases = [one.case_id for one in explanations]
    pairs = list(zip(explanations, plain, strict=True))
    about = any(Style(**one.provenance["style"]).about for one in explanations)
    shares = {
        "keeps_style": [keeps_style(one) for one in explanations],
        "same_claims": [_verified(a, about) == _verified(b, about) for a, b in pairs],
        "written": [one.provenance["prose"] != "rendered from the claims" for one in explanations],
    }
    figures: dict[str, Figure | float] = {
        name: bootstrap_mean([float(x) for x in own], cases, seed=seed)
        for name, own in shares.items()
    }
    return figures | _variety([one.text for one in explanations])


def text_figures(texts: Sequence[str], cases: Sequence[str], *, seed: int = 0) -> dict[str, Figure]:
    """Figures of texts that nothing else is known of: ``empty`` and ``repeated``, the shares of
    those without a word and of those that another says as well; ``words``, ``distinct_1``,
    ``distinct_2`` and ``commonest_opening`` as in ``prose_figures``, the last three without
    interval, as they are of all texts together.

    Args:
        texts: N.
        cases: (N,) which case each is about.
        seed: of the intervals.
    """
    times = Counter(texts)
    shares = {
        "empty": [not text.strip() for text in texts],
        "repeated": [bool(text.strip()) and times[text] > 1 for text in texts],
    }
    figures = {
        name: bootstrap_mean([float(x) for x in own], cases, seed=seed)
        for name, own in shares.items()
    }
    return figures | {
        name: Figure(value, value, value, len(set(cases)))
        for name, value in _variety(texts).items()
    }


def _variety(texts: Sequence[str]) -> dict[str, float]:
    words = [_WORD.findall(_QUOTED.sub("T", text)) for text in texts]
    openings = Counter(tuple(own[:_OPENING]) for own in words)
    return {
        "words": sum(map(len, words)) / len(words),
        "distinct_1": _distinct(words, 1),
        "distinct_2": _distinct(words, 2),
        "commonest_opening": openings.most_common(1)[0][1] / len(words),
    }


def _grounds(checked: CheckedClaim, explanation: Explanation) -> bool:
    """Whether prose may rest on a claim: not on a surrogate's reason beside grounded claims."""
    grounded = explanation.provenance["claims"] == "grounded"
    return checked.claim.source == "evidence" or not grounded


def _verified(explanation: Explanation, about: bool) -> list[object]:
    return [
        c.claim
        for c in explanation.claims
        if c.verdict == "verified" and not (about and c.claim.type == "ATTRIBUTE")
    ]


def _distinct(texts: Sequence[Sequence[str]], n: int) -> float:
    runs = [run for words in texts for run in _runs(words, n)]
    return len(set(runs)) / max(1, len(runs))


def _runs(words: Sequence[str], n: int) -> Iterator[tuple[str, ...]]:
    yield from (tuple(words[i : i + n]) for i in range(len(words) - n + 1))
