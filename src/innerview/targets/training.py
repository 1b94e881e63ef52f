"""What every target trainer takes and reports."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from innerview.data.splits import HoldOut, Split
from innerview.data.tables import Catalogue, Interactions
from innerview.errors import DataError
from innerview.targets.baselines import item_knn, popularity
from innerview.targets.metrics import HeldOut, Scorer, TopMetrics, constant_surrogate, evaluate
from innerview.targets.protocol import Case

__all__ = ["OnLook", "TrainingData", "held_out_from", "sample_cases", "training_report"]


OnLook = Callable[[int, float], bool]
"""Told, at every look at the valid cases, how many rounds are trained and their NDCG@10; says
whether to go on."""


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Histories to learn from, and held-out outcomes to stop early on and to report on.

    Attributes:
        train: each user's items, oldest first.
        valid: cases made of training items, with one outcome kept from each.
        test: cases made of all items but the test outcome.
        catalogue: every item; its row order becomes the target's.
        split: how the outcomes were chosen, for the report ("random", "last").
    """

    train: Mapping[str, Sequence[str]]
    valid: HeldOut
    test: HeldOut
    catalogue: Catalogue
    split: str
    n_unknown: int = 0
    """Test cases left out because no training history holds their outcome."""

    def __post_init__(self) -> None:
        if not self.train or not len(self.valid) or not len(self.test):
            raise DataError(
                f"{len(self.train)} training histories, {len(self.valid)} valid and "
                f"{len(self.test)} test cases; each needs at least one, add data"
            )

    def known(self, *, fewest: int = 1) -> TrainingData:
        """The same without items that no training history of ``fewest`` items or more holds.

        For models with no vector for them. Held-out outcomes among them cannot be ranked, and
        their cases are left out.
        """
        train = {user: items for user, items in self.train.items() if len(items) >= fewest}
        met = {item for items in train.values() for item in items}
        if met.issuperset(self.catalogue.ids):
            return self
        catalogue = self.catalogue.keep(met)
        valid, test = _known(self.valid, met), _known(self.test, met)
        lost = self.n_unknown + len(self.test) - len(test)
        return TrainingData(train, valid, test, catalogue, self.split, lost)

    @classmethod
    def from_split(
        cls, interactions: Interactions, split: Split, catalogue: Catalogue, *, how: HoldOut
    ) -> TrainingData:
        """Training data from held-out interactions; every history in the order of time.

        Args:
            interactions: what was split.
            split: one valid and one test item of each user.
            catalogue: every item.
            how: as the split was made, for the report.
        """
        train = split.train.histories()
        whole = interactions.histories()
        before_test = {
            user: tuple(item for item in whole[user] if item != outcome)
            for user, outcome in split.test.items()
        }
        return cls(
            train=train,
            valid=held_out_from(train, split.valid),
            test=held_out_from(before_test, split.test),
            catalogue=catalogue,
            split=how,
        )


def _known(held_out: HeldOut, met: set[str]) -> HeldOut:
    pairs = [
        (case.keep(met), outcome)
        for case, outcome in zip(held_out.cases, held_out.outcomes, strict=True)
        if outcome in met and not met.isdisjoint(case.parts)
    ]
    return HeldOut(tuple(case for case, _ in pairs), tuple(outcome for _, outcome in pairs))


def held_out_from(cases: Mapping[str, Sequence[str]], outcomes: Mapping[str, str]) -> HeldOut:
    """Held-out cases from plain dictionaries by user; empty cases are left out."""
    kept = [user for user in outcomes if cases.get(user)]
    return HeldOut(
        cases=tuple(Case(user, tuple(cases[user])) for user in kept),
        outcomes=tuple(outcomes[user] for user in kept),
    )


def sample_cases(held_out: HeldOut, n: int, *, seed: int) -> list[Case]:
    """``n`` cases drawn without putting back, in the order they stand."""
    chosen = random.Random(seed).sample(range(len(held_out)), min(n, len(held_out)))
    return [held_out.cases[i] for i in sorted(chosen)]


def training_report(
    score: Scorer, data: TrainingData, *, seconds: float, valid_ndcg10: Sequence[float]
) -> dict[str, JsonValue]:
    """The target's own test metrics beside popularity and item-kNN.

    Args:
        score: the finished target.
        data: what it was trained on.
        seconds: training time.
        valid_ndcg10: valid NDCG@10 after each round, in order.
    """
    own = evaluate(score, data.test, data.catalogue)
    rivals = {
        "popularity": popularity(data.train, data.catalogue),
        "item_knn": item_knn(data.train, data.catalogue),
    }
    constant = constant_surrogate(own.first)
    report: dict[str, JsonValue] = {
        "split": data.split,
        "n_train": len(data.train),
        "n_valid": len(data.valid),
        "n_test": len(data.test),
        "n_test_unknown": data.n_unknown,
        "target": _figures(own),
        "distinct_first": own.distinct_first,
        "constant_hr5": round(constant.hr5, 4),
        "valid_ndcg10": [round(v, 4) for v in valid_ndcg10],
        "seconds": round(seconds, 1),
    }
    for name, rival in rivals.items():
        report[name] = _figures(evaluate(rival, data.test, data.catalogue))
    return report


def _figures(metrics: TopMetrics) -> dict[str, JsonValue]:
    return {"hr10": round(metrics.hr10, 4), "ndcg10": round(metrics.ndcg10, 4)}
