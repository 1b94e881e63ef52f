"""Answerers without a language model: chance, popularity, and a table of the target's favourites.

A surrogate that does not beat them has learned nothing about single cases. They answer the same
records as a surrogate, from a table of scores per outcome that is the same for every case.

Axes: O outcomes, P parts.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from innerview.alignment.labels import case_seed
from innerview.alignment.records import Record, Task
from innerview.data.tables import Catalogue
from innerview.evaluation.answers import AnswerValue
from innerview.targets.protocol import Case, Target

__all__ = ["constant_answers", "popularity_answers", "random_answers"]

Scores = npt.NDArray[np.float64]

_TOP = 5


def random_answers(records: Sequence[Record], target: Target, seed: int = 0) -> list[AnswerValue]:
    """Chance: every admissible answer is as likely as any other.

    Args:
        records: what is asked.
        target: whose catalogues are drawn from; it is not asked anything.
        seed: the same record gets the same answer wherever it stands among the records.
    """
    return _Table({}, target, seed, chance=True).answers(records)


def popularity_answers(
    records: Sequence[Record], target: Target, popularity: Mapping[str, float], *, seed: int = 0
) -> list[AnswerValue]:
    """The most popular first, for every case; ties at random.

    The probability of yes is the outcome's percentile by popularity, so that yes begins at the
    median outcome.

    Args:
        records: what is asked.
        target: whose catalogues are answered from; it is not asked anything.
        popularity: how often each outcome or part occurs in training; those not named, never.
        seed: of the order of ties.
    """
    return _Table(popularity, target, seed).answers(records)


def constant_answers(
    records: Sequence[Record], target: Target, train_top1: Sequence[str], *, seed: int = 0
) -> list[AnswerValue]:
    """The target's own most frequent first answers, for every case; ties at random.

    The probability of yes is the outcome's percentile by that frequency. Outcomes that were never
    first are tied, just below one half wherever any was first.

    Args:
        records: what is asked.
        target: whose catalogues are answered from; it is not asked anything.
        train_top1: the target's first outcome for each training case; never for the test's.
        seed: of the order of ties.
    """
    return _Table(Counter(train_top1), target, seed).answers(records)


class _Table:
    """Scores per outcome and per part, and how each task is answered from them."""

    def __init__(
        self, scores: Mapping[str, float], target: Target, seed: int, *, chance: bool = False
    ) -> None:
        self.target, self.seed, self.chance = target, seed, chance
        self.outcome_scores = _column(scores, target.outcomes)
        self.part_scores = _column(scores, target.parts)
        rng = np.random.default_rng(seed)
        self.outcome_order = _order(self.outcome_scores, rng)
        self.part_order = _order(self.part_scores, rng)
        n = len(target.outcomes)
        self.percentiles = (rankdata(self.outcome_scores) - 0.5) / n
        self.say: Mapping[Task, Callable[[Record, np.random.Generator], AnswerValue]] = {
            "retrieval": self._retrieval,
            "ranking": self._ranking,
            "interest": self._interest,
            "history": self._reconstruction,
            "attribution": self._attribution,
            "item_title": self._title,
            "item_similar": self._nearest,
        }

    def answers(self, records: Sequence[Record]) -> list[AnswerValue]:
        """One answer per record; tasks that ask for words get none."""
        return [
            self.say[record.task](record, self._generator(record))
            if record.task in self.say
            else ""
            for record in records
        ]

    def _generator(self, record: Record) -> np.random.Generator:
        asked = json.dumps(dict(record.label), sort_keys=True, ensure_ascii=False)
        return case_seed(self.seed, Case(record.case_id, record.parts), f"{record.task} {asked}")

    def _retrieval(self, record: Record, rng: np.random.Generator) -> AnswerValue:
        seen = record.parts[: record.visible]
        excluded = seen if self.target.capabilities.excludes_parts else ()
        return self._first(self.target.outcomes, self.outcome_order, _TOP, rng, excluded)

    def _ranking(self, record: Record, rng: np.random.Generator) -> AnswerValue:
        shown: list[str] = list(record.label["shown"])
        return self._sorted(shown, self.target.outcomes, self.outcome_scores, rng)

    def _interest(self, record: Record, rng: np.random.Generator) -> AnswerValue:
        if self.chance:
            return float(rng.random())
        return float(self.percentiles[self.target.outcomes.rows([record.label["outcome"]])[0]])

    def _reconstruction(self, record: Record, rng: np.random.Generator) -> AnswerValue:
        # A surrogate sees one slot per part, so their number is no secret from the table either.
        return self._first(self.target.parts, self.part_order, record.visible, rng)

    def _attribution(self, record: Record, rng: np.random.Generator) -> AnswerValue:
        parts = list(dict.fromkeys(record.parts[: record.visible]))
        return self._sorted(parts, self.target.parts, self.part_scores, rng)[0]

    def _title(self, record: Record, rng: np.random.Generator) -> AnswerValue:
        return self._first(self.target.outcomes, self.outcome_order, 1, rng)[0]

    def _nearest(self, record: Record, rng: np.random.Generator) -> AnswerValue:
        excluded = (str(record.label["outcome"]),)
        others = self._first(self.target.outcomes, self.outcome_order, 1, rng, excluded)
        return others[0] if others else ""

    def _first(
        self,
        catalogue: Catalogue,
        order: Sequence[int],
        k: int,
        rng: np.random.Generator,
        excluded: Sequence[str] = (),
    ) -> tuple[str, ...]:
        """The ``k`` best by the table, or any ``k``, leaving some out."""
        gone = set(excluded)
        enough = min(len(order), k + len(gone))
        rows = rng.choice(len(order), enough, replace=False) if self.chance else order[:enough]
        return tuple(one for row in rows if (one := catalogue.ids[row]) not in gone)[:k]

    @staticmethod
    def _sorted(
        ids: Sequence[str], catalogue: Catalogue, scores: Scores, rng: np.random.Generator
    ) -> tuple[str, ...]:
        """Ids by falling score; ties in a fresh random order each time."""
        return tuple(ids[at] for at in _order(scores[catalogue.rows(ids)], rng))


def _column(scores: Mapping[str, float], catalogue: Catalogue) -> Scores:
    """(O,) or (P,) float64: the score of each row, 0 where none is given."""
    return np.asarray([scores.get(one, 0.0) for one in catalogue.ids], dtype=np.float64)


def _order(scores: Scores, rng: np.random.Generator) -> list[int]:
    """Rows by falling score, ties at random."""
    return [int(row) for row in np.lexsort((rng.permutation(len(scores)), -scores))]
