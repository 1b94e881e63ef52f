"""What is known of explainers by now, and what they cost."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from innerview.evaluation.orders import Order
from innerview.explanation.claims import CheckedClaim
from innerview.explanation.evidence import Evidence
from innerview.targets import Target

__all__ = ["Found", "Timed"]


@dataclass
class Found:
    """What is known of each case by now: by explainer draws of orders, and claims; and the target's
    evidence."""

    orders: dict[str, list[list[Order]]] = field(default_factory=dict)
    claims: dict[str, list[list[CheckedClaim]]] = field(default_factory=dict)
    cost: dict[str, dict[str, float]] = field(default_factory=dict)
    evidence: list[Evidence] = field(default_factory=list)


class Timed:
    """Notes queries and milliseconds per case of what happens within."""

    def __init__(self, target: Target, cost: dict[str, dict[str, float]], name: str, n: int):
        self.target, self.cost, self.name, self.n = target, cost, name, n

    def __enter__(self) -> None:
        self.queries, self.began = self.target.queries.used, time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.cost[self.name] = {
            "queries": round((self.target.queries.used - self.queries) / self.n, 1),
            "milliseconds": round(1000 * (time.perf_counter() - self.began) / self.n, 2),
        }
