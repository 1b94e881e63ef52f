"""Whether an explanation lets its reader foresee the target: what happens if a part is taken away.

Forward simulation of changed cases (Hase and Bansal, ACL 2020; Doshi-Velez and Kim, 2017). The
reader is a linear model, so that it can only know what the words say: it learns from some cases'
explanations which wording means that the outcome hangs on the part that is named, and is asked
about others. Titles of the catalogues are masked before it reads, so it learns none; that a
sentence is about the part asked about it is told.

Needs the extra ``evaluation``.

Axes: N questions, one for each part of each case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from innerview.evaluation.bootstrap import Figure, bootstrap_auc
from innerview.evaluation.controls import counterparts, of_other_cases
from innerview.evaluation.free_prose import mentions
from innerview.evaluation.given import Given
from innerview.explanation.evidence import Evidence
from innerview.targets.protocol import Case, Target

__all__ = ["FEWEST_CASES", "folds_of", "masked", "simulated_changes"]

FEWEST_CASES = 20
"""Fewer tell a reader nothing."""
_FOLDS = 5
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_ASKED, _OTHER = "theasked", "theother"
_WORD = re.compile(r"\w\w")
_WEIGHT = 10.0
"""Of a mistake, beside the size of the reader's weights."""


Spot = tuple[int, int, str | None]
"""Where a title stands in a text: start, end, and the id if it is a part of the case."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a reader sees of an explanation, asked about one part.

    Attributes:
        about: the sentences that name the part, titles masked, and as how many-th it is named.
        whole: all of the text, titles masked.
        chance: one over the number of parts.
    """

    about: str
    whole: str
    chance: float


def simulated_changes(
    given: Sequence[Given], evidence: Sequence[Evidence], target: Target, *, seed: int = 0
) -> dict[str, Figure]:
    """How well a reader foresees, for each part, whether the outcome falls without it.

    ``simulated``
        AUC of a reader of the explanations, over questions about cases it did not learn from;
    ``simulated_without_text``
        of one that is told only how many parts there are;
    ``simulated_constant``, ``simulated_shuffled``, ``simulated_masked``
        controls: of readers of one text for all cases, titles masked; of another case's
        explanations, in which that case's parts stand for parts of this one, by chance; and of
        texts in which it is not told which titles are whose. They should know no more than without
        text, or than what a text says of its case as a whole.

    Nothing where there are fewer than ``FEWEST_CASES``, or all questions have one answer.

    Args:
        given: explanations with texts.
        evidence: of each, with every part left out in turn.
        target: whose catalogues name things.
        seed: of the folds and intervals.
    """
    told = [
        (one, measured.decisive())
        for one, measured in zip(given, evidence, strict=True)
        if one.text.strip() and len(set(one.case.parts)) > 1
    ]
    given = [one for one, _ in told]
    cases = [one.case.case_id for one in given]
    if len(set(cases)) < FEWEST_CASES:
        return {}
    falls = [p in decisive for one, decisive in told for p in dict.fromkeys(one.case.parts)]
    owners = [one.case.case_id for one in given for _ in dict.fromkeys(one.case.parts)]
    if len(set(falls)) < 2:
        return {}
    spots = [mentions(one.text, one.case, target) for one in given]
    others = [given[at] for at in of_other_cases(cases, seed=seed)]
    elsewhere = [
        _handed_over(mentions(o.text, o.case, target), o.case, one.case, seed)
        for one, o in zip(given, others, strict=True)
    ]
    same = masked(given[0].text, [(start, end, _OTHER) for start, end, _ in spots[0]])
    own = list(zip(given, [one.text for one in given], spots, strict=True))
    texts = {
        "simulated": [_readings(*one) for one in own],
        "simulated_without_text": [_readings(one, "", []) for one in given],
        "simulated_constant": [_readings(one, same, []) for one in given],
        "simulated_shuffled": [
            _readings(one, other.text, where)
            for one, other, where in zip(given, others, elsewhere, strict=True)
        ],
        "simulated_masked": [_readings(*one, told=False) for one in own],
    }
    folds = folds_of(cases, owners, seed)
    found = {}
    for name, read in texts.items():
        foreseen = _foreseen([r for own in read for r in own], falls, folds)
        found[name] = bootstrap_auc(foreseen.tolist(), falls, owners, seed=seed)
    return found


def _handed_over(spots: Sequence[Spot], theirs: Case, mine: Case, seed: int) -> list[Spot]:
    """Spots of one case's parts as those of another's."""
    # By title, what both cases hold would keep its place, and what is said of it may be true.
    stands_for = counterparts(theirs, mine, seed=seed)
    return [(start, end, stands_for.get(part or "")) for start, end, part in spots]


def _readings(
    one: Given, text: str, spots: Sequence[Spot], *, told: bool = True
) -> Iterator[_Reading]:
    """One for each part; nothing is told apart from another part unless ``told`` which is which."""
    parts = list(dict.fromkeys(one.case.parts))
    whole = masked(text, [(start, end, _OTHER) for start, end, _ in spots])
    firsts = list(dict.fromkeys(whose for _, _, whose in spots if whose is not None))
    for part in parts:
        about = ""
        if told:
            named = [
                (start, end, _ASKED if whose == part else _OTHER) for start, end, whose in spots
            ]
            sentences = _SENTENCE.split(masked(text, named)) if part in firsts else []
            place = f"named{firsts.index(part) + 1} " if part in firsts else "unnamed "
            about = place + " ".join(s for s in sentences if _ASKED in s)
        yield _Reading(about, whole, 1 / len(parts))


def masked(text: str, spots: Sequence[tuple[int, int, str]]) -> str:
    """A text with a word in place of what stands from some starts to some ends, in order."""
    for start, end, word in reversed(spots):
        text = text[:start] + word + text[end:]
    return text


def folds_of(cases: Sequence[str], owners: Sequence[str], seed: int) -> npt.NDArray[np.int64]:
    """(N,) which fold each question is in; a case is in one."""
    names = sorted(set(cases))
    order = np.random.default_rng(seed).permutation(len(names))
    fold = {names[int(at)]: n % _FOLDS for n, at in enumerate(order)}
    return np.array([fold[owner] for owner in owners])


def _foreseen(
    readings: Sequence[_Reading], falls: Sequence[bool], folds: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """(N,) log-odds beyond those of the questions it learned from, each by a reader that learned
    from the other folds: who knows nothing says 0, whatever the fold."""
    from scipy.sparse import csr_matrix, hstack
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    truth = np.array(falls)
    found = np.zeros(len(truth))
    chance = csr_matrix(np.array([[r.chance] for r in readings]))
    columns = [[r.about for r in readings], [r.whole for r in readings]]
    for fold in range(_FOLDS):
        learned, asked = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        usual = truth[learned].mean()
        if not len(asked) or not 0 < usual < 1:
            continue
        seen, unseen = [chance[learned]], [chance[asked]]
        for column in columns:
            read = [column[at] for at in learned]
            if any(map(_WORD.search, read)):
                words = TfidfVectorizer(ngram_range=(1, 3), sublinear_tf=True)
                seen.append(words.fit_transform(read))
                unseen.append(words.transform([column[at] for at in asked]))
        reader = LogisticRegression(C=_WEIGHT, max_iter=500)
        reader.fit(hstack(seen).tocsr(), truth[learned])
        odds = reader.decision_function(hstack(unseen).tocsr())
        # No finer than a reader is fitted, or rounding would put folds in an order.
        found[asked] = np.round(odds - np.log(usual / (1 - usual)), 2)
    return found
