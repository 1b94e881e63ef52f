"""RecExplainer's own two tests of texts (Lei et al., KDD 2024), with the baselines that they lack.

*Coherence*: a reader learns from some cases' texts what score the target gave, and is asked about
others. Its squared errors are in units of the scores' variance, so that targets can be compared,
and whoever always says the mean has 1. A text that gives the decision away gives much of the score
away, whatever else it says; so there is a reader who is told the decision alone.

*Distinctness*: a classifier learns who wrote which text. That shows style and not truth; with
titles masked it shows nothing else.

Both readers are linear models on words and pairs of them, where the paper has BERT. They need the
extra ``evaluation``.

Axes: N texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from innerview.evaluation.bootstrap import Figure, bootstrap_mean
from innerview.evaluation.controls import of_other_cases
from innerview.evaluation.free_prose import mentions
from innerview.evaluation.given import Given
from innerview.evaluation.simulatability import FEWEST_CASES, folds_of, masked
from innerview.explanation.evidence import Evidence
from innerview.targets.protocol import Target

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["foretold_scores", "told_apart"]

_PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
_DECIDED_FOR = 10
"""Rank up to which a target counts as having decided for an outcome."""
_TITLE = "thetitle"
_WORD = r"\w+|[^\w\s]"
"""Also of one letter, and signs: whatever is not empty has words."""

_Floats = npt.NDArray[np.float64]


def foretold_scores(
    given: Sequence[Given], evidence: Sequence[Evidence], target: Target, *, seed: int = 0
) -> dict[str, Figure]:
    """How wrong a reader of explanations is about the scores of what they explain.

    ``score_error``
        mean squared error over the scores' variance, about cases it did not learn from; less is
        better;
    ``score_error_masked``
        of one from whom titles are kept, which alone can tell a score;
    ``score_error_shuffled``, ``score_error_constant``
        controls: of one who reads another case's text, and of one who reads the same of all cases,
        who should know no more than who is told nothing;
    ``score_error_decision``
        of one who is told only whether the outcome is among the case's first ten;
    ``score_error_mean``
        of one who is told nothing.

    Nothing where fewer than ``FEWEST_CASES`` have texts, or all scores are the same.

    Args:
        given: N explanations; those without text are left out.
        evidence: of each.
        target: whose catalogues name things.
        seed: of the folds and intervals.
    """
    told = [(g, e) for g, e in zip(given, evidence, strict=True) if g.text.strip()]
    cases = [g.case.case_id for g, _ in told]
    scores = np.array([e.score for _, e in told])
    if len(set(cases)) < FEWEST_CASES or not scores.std():
        return {}
    wanted = (scores - scores.mean()) / scores.std()
    texts = [g.text for g, _ in told]
    decided = [[float(e.rank <= _DECIDED_FOR)] for _, e in told]
    folds = folds_of(cases, cases, seed)
    read = {
        "score_error": texts,
        "score_error_masked": [_without_titles(g, target) for g, _ in told],
        "score_error_shuffled": [texts[at] for at in of_other_cases(cases, seed=seed)],
        "score_error_constant": [texts[0]] * len(texts),
    }
    errors = {name: _errors(own, wanted, folds) for name, own in read.items()}
    errors["score_error_decision"] = _errors(np.array(decided), wanted, folds)
    errors["score_error_mean"] = _errors(np.zeros((len(told), 1)), wanted, folds)
    return {name: bootstrap_mean(own.tolist(), cases, seed=seed) for name, own in errors.items()}


def told_apart(
    explainers: Mapping[str, Sequence[Given]], target: Target, *, seed: int = 0
) -> dict[str, dict[str, Figure]]:
    """By explainer, how many of its texts a classifier knows for its own; by chance, one in as many
    as there are.

    ``told_apart``
        from the texts as they are;
    ``told_apart_masked``
        with titles masked: from how they are worded.

    Nothing where fewer than two explainers have texts about ``FEWEST_CASES`` cases.

    Args:
        explainers: by name.
        target: whose catalogues name things.
        seed: of the folds and intervals.
    """
    texts = {name: [g for g in own if g.text.strip()] for name, own in explainers.items()}
    texts = {
        name: own
        for name, own in texts.items()
        if len({g.case.case_id for g in own}) >= FEWEST_CASES
    }
    if len(texts) < 2:
        return {}
    whose = np.array([name for name, own in texts.items() for _ in own])
    written = [g for own in texts.values() for g in own]
    cases = [g.case.case_id for g in written]
    folds = folds_of(cases, cases, seed)
    read = {
        "told_apart": [g.text for g in written],
        "told_apart_masked": [_without_titles(g, target) for g in written],
    }
    figures: dict[str, dict[str, Figure]] = {name: {} for name in texts}
    for measure, own in read.items():
        right = (_classified(own, whose, folds) == whose).astype(float)
        for name in texts:
            chosen = np.flatnonzero(whose == name)
            figures[name][measure] = bootstrap_mean(
                right[chosen].tolist(), [cases[at] for at in chosen], seed=seed
            )
    return figures


def _without_titles(one: Given, target: Target) -> str:
    spots = mentions(one.text, one.case, target)
    return masked(one.text, [(start, end, _TITLE) for start, end, _ in spots])


def _errors(
    read: Sequence[str] | _Floats, wanted: _Floats, folds: npt.NDArray[np.int64]
) -> _Floats:
    """(N,) squared errors, each of a reader that learned from the other folds.

    Args:
        read: N texts, or (N, 1) numbers.
        wanted: (N,) in standard units.
        folds: (N,).
    """
    from sklearn.linear_model import RidgeCV

    found = np.zeros(len(wanted))
    for learned, asked in _split(folds):
        seen, unseen = _features(read, learned, asked)
        reader = RidgeCV(_PENALTIES).fit(seen, wanted[learned])
        found[asked] = (reader.predict(unseen) - wanted[asked]) ** 2
    return found


def _classified(
    texts: Sequence[str], whose: npt.NDArray[Any], folds: npt.NDArray[np.int64]
) -> npt.NDArray[Any]:
    """(N,) whom each text is held to be by, by a classifier that learned from the other folds."""
    from sklearn.linear_model import LogisticRegression

    found = np.empty_like(whose)
    for learned, asked in _split(folds):
        seen, unseen = _features(texts, learned, asked)
        reader = LogisticRegression(C=10.0, max_iter=500, class_weight="balanced")
        found[asked] = reader.fit(seen, whose[learned]).predict(unseen)
    return found


def _split(folds: npt.NDArray[np.int64]) -> list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
    """What is learned from and what is asked, fold by fold."""
    return [(np.flatnonzero(folds != f), np.flatnonzero(folds == f)) for f in np.unique(folds)]


def _features(
    read: Sequence[str] | _Floats, learned: npt.NDArray[Any], asked: npt.NDArray[Any]
) -> tuple[csr_matrix | _Floats, csr_matrix | _Floats]:
    if isinstance(read, np.ndarray):
        return read[learned], read[asked]
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=_WORD)
    seen = words.fit_transform([read[at] for at in learned])
    return seen, words.transform([read[at] for at in asked])
