"""About which cases a surrogate agrees with the target, and about which it does not.

Reads ``predictions.parquet``, so whatever was asked can be looked up there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from innerview.alignment.records import HELDOUT, Task
from innerview.errors import RunError

__all__ = ["AGREEMENT_TASKS", "CaseAgreement", "case_agreements"]

AGREEMENT_TASKS: tuple[Task, ...] = ("retrieval", "ranking", "interest", "attribution")
"""Those that are asked about every case in every form."""


@dataclass(frozen=True, slots=True)
class CaseAgreement:
    """How far a surrogate agrees with the target about a case.

    Attributes:
        agreement: mean over tasks, 1 at best.
        by_task: what the answers are worth, as in ``predictions.parquet``; a task's questions
            weigh the same.
    """

    case_id: str
    agreement: float
    by_task: Mapping[Task, float]


def case_agreements(path: Path, method: str) -> list[CaseAgreement]:
    """All cases that a method was asked about, worst first; those alike by their ids.

    Args:
        path: of ``predictions.parquet``.
        method: whose answers.

    Raises:
        RunError: the file is missing or is no predictions file.
    """
    try:
        found = (
            pl.scan_parquet(path)
            .filter(
                pl.col("method") == method,
                pl.col("task").is_in(AGREEMENT_TASKS),
                pl.col("worth").is_not_null(),
                pl.col("label").str.json_path_match(f"$.{HELDOUT}").is_null(),
            )
            .group_by("case_id", "task")
            .agg(pl.col("worth").mean())
            .collect()
        )
    except (OSError, pl.exceptions.PolarsError) as error:
        raise RunError(f"{path} is no readable predictions file: {error}") from None
    worth: dict[str, dict[Task, float]] = {}
    for case_id, task, own in found.sort("case_id").iter_rows():
        worth.setdefault(case_id, {})[task] = own
    cases = [
        CaseAgreement(case_id, sum(own.values()) / len(own), own) for case_id, own in worth.items()
    ]
    return sorted(cases, key=lambda one: (one.agreement, one.case_id))
