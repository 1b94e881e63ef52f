"""What every target trainer takes and reports."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from innerview.data.tables import Catalogue
from innerview.errors import DataError
from innerview.targets.baselines import item_knn, popularity
from innerview.targets.metrics import HeldOut, Scorer, TopMetrics, constant_surrogate, evaluate
from innerview.targets.protocol import Case

__all__ = ["TrainingData", "held_out_from", "sample_cases", "training_report"]


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

    def __post_init__(self) -> None:
        if not self.train or not len(self.valid) or not len(self.test):
            raise DataError(
                f"{len(self.train)} training histories, {len(self.valid)} valid and "
                f"{len(self.test)} test cases; each needs at least one, add data"
            )


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
