"""Whether an explanation lets its reader tell what the target would choose.

*The same case*: a text is read with the title of what it explains masked, and the reader picks that
out of five. *Unseen candidates*: a text is read as it is, and the reader says which of two outcomes
that it does not name the target puts higher for the case. Wrong candidates are right ones of other
cases, so that nobody gets far by what is liked in general.

Readers: a linear model, of how far the words of a text are those of a candidate's title and of its
attributes; and a frozen language model, by how much a text raises its odds of yes. The linear one
needs the extra ``evaluation``.

Axes: N questions, k candidates.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from innerview.alignment.labels import case_seed
from innerview.alignment.records import Record, Text
from innerview.evaluation.bootstrap import Figure, bootstrap_mean
from innerview.evaluation.controls import of_other_cases
from innerview.evaluation.free_prose import mentions
from innerview.evaluation.given import Given
from innerview.evaluation.metrics import log_odds
from innerview.evaluation.simulatability import FEWEST_CASES, folds_of, masked
from innerview.targets.protocol import Target, blocked_rows

__all__ = ["LanguageReader", "Question", "Reader", "WordReader", "chosen"]

_N_SAME = 5
_CHOICE, _FAR = 10, 100
"""A right candidate is among a case's first so many; a wrong one is not among so many, or, of fewer
than twice as many outcomes, not in the better half."""
_IT, _SOMETHING = "this one", "something"
_WORD = r"\w+"
_WEIGHT = 10.0
_AT_ONCE = 256

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Question:
    """What a reader is asked.

    Attributes:
        case_id: whose explanation it is; a reader that learns must not learn from the same.
        text: as the reader sees it.
        candidates: k ids of outcomes.
        right: which of them the target chooses.
    """

    case_id: str
    text: str
    candidates: tuple[str, ...]
    right: str


Reader = Callable[[Sequence[Question]], list[list[float]]]
"""For each question a number for each candidate: the higher, the likelier."""


@dataclass(frozen=True, slots=True)
class _Choice:
    """Candidates for one explanation, the right one first."""

    at: int
    candidates: tuple[str, ...]


def chosen(
    given: Sequence[Given], target: Target, read: Reader, *, name: str = "chosen", seed: int = 0
) -> dict[str, Figure]:
    """How often a reader of explanations makes the target's choice; a tie is shared.

    ``chosen_same``, ``chosen_unseen``
        of a reader of the explanations; by chance .2 and .5;
    ``chosen_same_masked``, ``chosen_unseen_masked``
        of one from whom the titles of parts are kept: what the wording alone tells;
    ``chosen_same_shuffled``, ``chosen_unseen_shuffled``
        controls: of one who reads another case's explanation;
    ``chosen_same_liked``, ``chosen_unseen_liked``
        of one who reads nothing, and takes the candidate that is right for most of the others: how
        far the controls can get by what is liked in general;
    ``chosen_same_shuffled_beats``, ``chosen_same_liked_beats``
        of these, how many of the four wrong candidates come behind the right one; by chance .5. Who
        knows nothing may be right more often than once in five, as wrong ones are all far from the
        right one and may be near each other; but not in more than half of such pairs.

    Nothing where fewer than ``FEWEST_CASES`` have texts, or can be asked about.

    Args:
        given: explanations; those without text are left out.
        target: scores each whole case once.
        read: the reader.
        name: of the reader, in place of ``chosen``.
        seed: of candidates, controls and intervals.
    """
    given = [one for one in given if one.text.strip()]
    cases = [one.case.case_id for one in given]
    if len(set(cases)) < FEWEST_CASES:
        return {}
    ranked = _ranked(given, target)
    others = of_other_cases(cases, seed=seed)
    figures: dict[str, Figure] = {}
    for kind, ask in (("same", _same), ("unseen", _unseen)):
        choices = ask(given, ranked, target, seed)
        asked = [cases[choice.at] for choice in choices]
        if len(set(asked)) < FEWEST_CASES:
            continue
        told: dict[str, list[list[float]]] = {}
        for control, texts in _texts(given, others, target, outcome=kind == "same").items():
            questions = [
                Question(case, texts[c.at], tuple(sorted(c.candidates)), c.candidates[0])
                for case, c in zip(asked, choices, strict=True)
            ]
            told[control] = read(questions)
        liked = _right_for(given, ranked, target, outcome=kind == "same")
        told["_liked"] = _by_liking(questions, liked, cases)
        for control, scores in told.items():
            right = [_share_right(*one) for one in zip(questions, scores, strict=True)]
            figures[f"{name}_{kind}{control}"] = bootstrap_mean(right, asked, seed=seed)
            if kind == "same" and control in ("_shuffled", "_liked"):
                beaten = [_share_beaten(*one) for one in zip(questions, scores, strict=True)]
                figures[f"{name}_same{control}_beats"] = bootstrap_mean(beaten, asked, seed=seed)
    return figures


def _right_for(
    given: Sequence[Given], ranked: npt.NDArray[np.int64], target: Target, *, outcome: bool
) -> list[set[str]]:
    """What is right for each explanation: what it explains, or all that the target puts first."""
    if outcome:
        return [{one.outcome} for one in given]
    ids = target.outcomes.ids
    return [{ids[row] for row in np.argsort(ranks)[:_CHOICE]} for ranks in ranked]


def _by_liking(
    questions: Sequence[Question], right_for: Sequence[set[str]], cases: Sequence[str]
) -> list[list[float]]:
    """For how many other cases each candidate is right."""
    total = Counter(outcome for own in right_for for outcome in own)
    own: dict[str, Counter[str]] = defaultdict(Counter)
    for case, right in zip(cases, right_for, strict=True):
        own[case].update(right)
    return [[float(total[c] - own[q.case_id][c]) for c in q.candidates] for q in questions]


def _texts(
    given: Sequence[Given], others: Sequence[int], target: Target, *, outcome: bool
) -> dict[str, list[str]]:
    """By what is done to them, the texts as readers see them; ``outcome``: what they explain is
    masked."""
    told = [_told(one, target, outcome=outcome) for one in given]
    return {
        "": told,
        "_masked": [_told(one, target, outcome=outcome, parts=True) for one in given],
        "_shuffled": [told[at] for at in others],
    }


def _share_right(question: Question, scores: Sequence[float]) -> float:
    """1 for the right choice, 0 for a wrong one; equals share."""
    best = [c for c, s in zip(question.candidates, scores, strict=True) if s == max(scores)]
    return (question.right in best) / len(best)


def _share_beaten(question: Question, scores: Sequence[float]) -> float:
    """Of the wrong candidates, how many are below the right one; equals count half."""
    right = scores[question.candidates.index(question.right)]
    lower = sum((s < right) + (s == right) / 2 for s in scores) - 1 / 2
    return lower / (len(scores) - 1)


def _ranked(given: Sequence[Given], target: Target) -> npt.NDArray[np.int64]:
    """(N, O) the rank of every outcome for each case, from 0; a case's own parts come last."""
    ranks = np.empty((len(given), len(target.outcomes)), dtype=np.int64)
    for start in range(0, len(given), _AT_ONCE):
        cases = [one.case for one in given[start : start + _AT_ONCE]]
        for at, (case, row) in enumerate(zip(cases, target.score(cases), strict=True), start):
            scores = np.array(row, dtype=np.float32)
            scores[blocked_rows(target, case)] = -np.inf
            ranks[at, np.argsort(-scores, kind="stable")] = np.arange(len(scores))
    return ranks


def _same(
    given: Sequence[Given], ranked: npt.NDArray[np.int64], target: Target, seed: int
) -> list[_Choice]:
    """What is explained, among what others' explanations are of."""
    index = target.outcomes.index
    found = []
    for at, one in enumerate(given):
        named = _named(one, target)
        wrong = dict.fromkeys(
            given[i].outcome
            for i in case_seed(seed, one.case, "same").permutation(len(given))
            if _is_far(ranked[at], index[given[i].outcome])
        )
        rivals = [rival for rival in wrong if rival not in named and rival != one.outcome]
        if len(rivals) >= _N_SAME - 1:
            found.append(_Choice(at, (one.outcome, *rivals[: _N_SAME - 1])))
    return found


def _unseen(
    given: Sequence[Given], ranked: npt.NDArray[np.int64], target: Target, seed: int
) -> list[_Choice]:
    """One of what the target puts first after what is explained, and one that it puts first for
    another case."""
    ids = target.outcomes.ids
    tops = [np.argsort(row)[:_CHOICE] for row in ranked]
    found = []
    for at, one in enumerate(given):
        named = {*_named(one, target), one.outcome}
        rng = case_seed(seed, one.case, "unseen")
        right = [int(row) for row in rng.permutation(tops[at]) if ids[row] not in named]
        wrong = (
            int(row)
            for i in rng.permutation(len(given))
            for row in rng.permutation(tops[i])
            if ids[row] not in named and _is_far(ranked[at], row)
        )
        pair = (next(iter(right), None), next(wrong, None))
        if None not in pair:
            found.append(_Choice(at, tuple(ids[row] for row in pair if row is not None)))
    return found


def _is_far(ranks: npt.NDArray[np.int64], row: int) -> bool:
    return bool(ranks[row] >= min(_FAR, len(ranks) // 2))


def _named(one: Given, target: Target) -> set[str]:
    """Outcomes whose titles stand in a text; parts that are outcomes, too."""
    titles = {one.text[start:end] for start, end, _ in mentions(one.text, one.case, target)}
    return {o for o, title in zip(target.outcomes.ids, target.outcomes.titles, strict=True)
            if title in titles} | set(one.case.parts)  # fmt: skip


def _told(one: Given, target: Target, *, outcome: bool, parts: bool = False) -> str:
    """A text with some titles masked: of what it explains, of the parts."""
    title = target.outcomes.title(one.outcome)
    spots = [
        (start, end, _IT if one.text[start:end] == title else _SOMETHING)
        for start, end, part in mentions(one.text, one.case, target)
        if (outcome and one.text[start:end] == title) or (parts and part is not None)
    ]
    return masked(one.text, spots)


class WordReader:
    """A linear model of how alike the words of a text and of a candidate are.

    It is asked about cases that it did not learn from.

    Args:
        target: whose titles and attributes describe candidates.
        seed: of the folds.
    """

    def __init__(self, target: Target, *, seed: int = 0) -> None:
        self.target, self.seed = target, seed

    def __call__(self, questions: Sequence[Question]) -> list[list[float]]:
        """See ``Reader``."""
        from sklearn.linear_model import LogisticRegression

        alike = self._alike(questions)  # (N, k, 2)
        right = np.array([[c == q.right for c in q.candidates] for q in questions])
        cases = [q.case_id for q in questions]
        folds = folds_of(cases, cases, self.seed)
        found = np.zeros(right.shape)
        for fold in np.unique(folds):
            learned, asked = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            reader = LogisticRegression(C=_WEIGHT)
            reader.fit(alike[learned].reshape(-1, 2), right[learned].ravel())
            said = reader.decision_function(alike[asked].reshape(-1, 2))
            found[asked] = np.round(said.reshape(len(asked), -1), 6)
        scores: list[list[float]] = found.tolist()
        return scores

    def _alike(self, questions: Sequence[Question]) -> _Floats:
        """(N, k, 2) cosines of a text and a candidate's title, and its attributes' values."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        outcomes = self.target.outcomes
        rows = [outcomes.rows(q.candidates) for q in questions]
        values = [
            " ".join(value for name in outcomes.attributes for value in outcomes.values(one, name))
            for one in outcomes.ids
        ]
        found = np.zeros((len(questions), len(rows[0]), 2))
        for at, described in enumerate((outcomes.titles, values)):
            words = TfidfVectorizer(sublinear_tf=True, token_pattern=_WORD)
            try:
                of_candidates = words.fit_transform(described)
            except ValueError:  # there are no words, as where there are no attributes
                continue
            texts = words.transform([q.text for q in questions])
            for i, own in enumerate(rows):
                found[i, :, at] = (of_candidates[list(own)] @ texts[i].T).toarray()[:, 0]
        return found


class Answering(Protocol):
    """Whoever judges yes or no; a language model before any alignment does."""

    def answer(self, records: Sequence[Record]) -> list[Any]:
        """The probability of yes to each."""
        ...


class LanguageReader:
    """A frozen language model: how far a text raises its odds of yes to a candidate.

    Args:
        model: that has not been aligned with the target.
        target: whose titles name candidates.
    """

    def __init__(self, model: Answering, target: Target) -> None:
        self.model, self.target = model, target
        self._known: dict[tuple[str, str], float] = {}

    def __call__(self, questions: Sequence[Question]) -> list[list[float]]:
        """See ``Reader``; what was asked before is not asked again."""
        asked = [(text, c) for q in questions for c in q.candidates for text in (q.text, "")]
        new = [one for one in dict.fromkeys(asked) if one not in self._known]
        self._known |= zip(new, self._odds(new), strict=True)
        odds = self._known
        return [[odds[q.text, c] - odds["", c] for c in q.candidates] for q in questions]

    def _odds(self, asked: Sequence[tuple[str, str]]) -> Iterator[float]:
        said = self.model.answer([self._record(*one) for one in asked])
        return (log_odds(p) for p in said)

    def _record(self, text: str, candidate: str) -> Record:
        domain = self.target.outcomes.domain
        question = (Text((f"{domain.told} {text}\n\n" if text else "") + domain.again),)
        lead = (Text(f" {self.target.outcomes.title(candidate)}:"),)
        label = {"outcome": candidate, "liked": True}
        return Record("interest", "behavior", "", (), 0, question, " yes", label, lead=lead)
