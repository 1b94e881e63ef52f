"""Claims of many explanations as one table, for polars, or through Arrow for other libraries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from innerview.explanation.claims import CheckedClaim

if TYPE_CHECKING:
    from innerview.explanation.explanation import Explanation

__all__ = ["claims_frame"]

_SCHEMA: dict[str, Any] = {
    "case_id": pl.String,
    "outcome_id": pl.String,
    "outcome": pl.String,
    "score": pl.Float64,
    "rank": pl.Int64,
    "type": pl.String,
    "source": pl.String,
    "parts": pl.List(pl.String),
    "titles": pl.List(pl.String),
    "verdict": pl.String,
    "score_change": pl.Float64,
    "rank_after": pl.Int64,
    "reason": pl.String,
    "stated": pl.String,
    "measured": pl.String,
}


def claims_frame(explanations: Sequence[Explanation]) -> pl.DataFrame:
    """One row per claim.

    Columns: ``case_id``, ``outcome_id``, ``outcome`` (its title), ``score``, ``rank``: of the whole
    case; ``type``, ``source``, ``parts`` (ids), ``titles`` (theirs), ``verdict``, ``score_change``,
    ``rank_after``, ``reason``: of the claim; ``stated`` and ``measured``: all of both, as JSON.
    What was not measured is null.
    """
    rows = [_row(one, checked) for one in explanations for checked in one.claims]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def _row(one: Explanation, checked: CheckedClaim) -> tuple[object, ...]:
    claim, measured = checked.claim, checked.measured
    return (
        one.case_id,
        one.outcome_id,
        one.title(one.outcome_id),
        one.score,
        one.rank,
        claim.type,
        claim.source,
        list(claim.parts),
        [one.title(part) for part in claim.parts],
        checked.verdict,
        measured.get("score_change"),
        measured.get("rank_after"),
        checked.reason,
        *(json.dumps(dict(told), ensure_ascii=False) for told in (claim.stated, measured)),
    )
