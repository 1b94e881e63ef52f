"""The cases of a run and the part each plays: to align on, to watch, to test on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from innerview.data.splits import split_ids
from innerview.data.tables import Catalogue
from innerview.errors import RunError
from innerview.files import write_whole
from innerview.targets.protocol import Case

__all__ = [
    "Cases",
    "cases_of",
    "read_cases",
    "read_times",
    "split_cases",
    "write_cases",
]

_RATING, _TIME = "rating", "time"
_SCHEMA: dict[str, Any] = {
    "group": pl.String,
    "case_id": pl.String,
    "parts": pl.List(pl.String),
    _RATING: pl.List(pl.Float64),
    _TIME: pl.Int64,
}
"""Of the file; ratings, one for each part, and when the last part came, in Unix seconds, are there
where the source has some."""


@dataclass(frozen=True, slots=True)
class Cases:
    """No case is in two of the groups."""

    train: tuple[Case, ...]
    valid: tuple[Case, ...]
    test: tuple[Case, ...]


def split_cases(
    parts: Mapping[str, Sequence[str]],
    *,
    n_test: int,
    seed: int,
    ratings: Mapping[str, Mapping[str, float]] | None = None,
) -> Cases:
    """Set cases aside for testing: as many as wished, but at most a third of them.

    Cases with fewer than two parts are left out: nothing can be removed from them. Ratings, by case
    and part, become marks.

    Raises:
        DataError: too few cases to leave any for training.
    """
    usable = {case_id: tuple(own) for case_id, own in parts.items() if len(own) >= 2}
    ids = split_ids(
        sorted(usable),
        n_valid=min(100, len(usable) // 10),
        n_test=min(n_test, len(usable) // 3),
        seed=seed,
    )
    groups = (ids.train, ids.valid, ids.test)
    rated = ratings or {}
    return Cases(
        *(tuple(_case(one, usable[one], rated.get(one, {})) for one in group) for group in groups)
    )


def cases_of(
    parts: Mapping[str, Sequence[str]],
    known: Catalogue,
    ratings: Mapping[str, Mapping[str, float]],
) -> dict[str, Case]:
    """Cases by id, of the parts that a target knows; ratings, by case and part, become marks."""
    kept = {
        case_id: tuple(part for part in own if part in known.index)
        for case_id, own in parts.items()
    }
    return {one: _case(one, own, ratings.get(one, {})) for one, own in kept.items() if own}


def _case(case_id: str, parts: tuple[str, ...], ratings: Mapping[str, float | None]) -> Case:
    marks = {p: f"{r:g}" for p in parts if (r := ratings.get(p)) is not None}
    return Case(case_id, parts, {_RATING: marks} if marks else {})


def write_cases(path: Path, cases: Cases, times: Mapping[str, int] | None = None) -> None:
    """Write as Parquet, whole or not at all.

    Args:
        path: of the file.
        cases: all of them.
        times: by case, when its last part came; nothing where no times are known.
    """
    rows = [(g, c) for g in ("train", "valid", "test") for c in getattr(cases, g)]
    columns: dict[str, list[Any]] = {
        "group": [g for g, _ in rows],
        "case_id": [c.case_id for _, c in rows],
        "parts": [list(c.parts) for _, c in rows],
    }
    if any(c.marks for _, c in rows):
        columns[_RATING] = [[_rating(c, part) for part in c.parts] for _, c in rows]
    if times:
        columns[_TIME] = [times.get(c.case_id) for _, c in rows]
    frame = pl.DataFrame(columns, schema={name: _SCHEMA[name] for name in columns})
    write_whole(path, lambda beside: frame.write_parquet(beside, compression="zstd"))


def _rating(case: Case, part: str) -> float | None:
    told = case.marks.get(_RATING, {}).get(part)
    return None if told is None else float(told)


def read_cases(run: Path) -> Cases:
    """The cases of a run folder.

    Raises:
        RunError: the folder has none, or the file is damaged.
    """
    rows = _rows(run, ("group", "case_id", "parts"), _RATING)
    return Cases(
        *(
            tuple(
                _case(
                    case_id,
                    tuple(parts),
                    dict(zip(parts, *ratings, strict=True) if ratings else ()),
                )
                for own, case_id, parts, *ratings in rows
                if own == group
            )
            for group in ("train", "valid", "test")
        )
    )


def read_times(run: Path) -> dict[str, int]:
    """When the last part of each case came, in Unix seconds; empty where the run does not know.

    Raises:
        RunError: as of ``read_cases``.
    """
    rows = _rows(run, ("case_id",), _TIME)
    return {case_id: time for case_id, *times in rows for time in times if time is not None}


def _rows(run: Path, columns: Sequence[str], optional: str) -> list[tuple[Any, ...]]:
    """Columns of the file of cases, and one more where it has it."""
    path = run / "labels" / "cases.parquet"
    if not path.exists():
        raise RunError(f"{path} is missing; make it with: innerview target train --out {run}")
    try:
        present = pl.read_parquet_schema(path)
        wanted = [*columns, *([optional] if optional in present else [])]
        return pl.read_parquet(path, columns=wanted).rows()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise RunError(f"{path} is no readable cases file: {error}") from None
