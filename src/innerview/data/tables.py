"""The tables everything starts from: interactions and the catalogue. Knows nothing of models."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import polars as pl

from innerview.data.domain import RECOMMENDER, Domain
from innerview.errors import CaseError, DataError

__all__ = ["Catalogue", "Interactions"]


@dataclass(frozen=True, slots=True)
class Interactions:
    """Who met what, and when.

    Attributes:
        frame: columns ``user_id`` (String), ``item_id`` (String), ``timestamp`` (Int64, Unix
            seconds), sorted by user, then time, then the order of the source, without
            duplicate (user, item) pairs; ``rating`` (Float64, null where there is none) as well,
            where the source has ratings.
    """

    frame: pl.DataFrame

    @property
    def n_users(self) -> int:
        """Number of distinct users."""
        return self.frame["user_id"].n_unique()

    @property
    def n_items(self) -> int:
        """Number of distinct items."""
        return self.frame["item_id"].n_unique()

    def __len__(self) -> int:
        return self.frame.height

    def histories(self) -> dict[str, tuple[str, ...]]:
        """Each user's items, oldest first; users in the order of the table."""
        grouped = self.frame.group_by("user_id", maintain_order=True).agg("item_id")
        return {user: tuple(items) for user, items in grouped.iter_rows()}

    def ratings(self) -> dict[str, dict[str, float]]:
        """Each user's own ratings, by item; empty where the source has none."""
        return self._by_item("rating") if "rating" in self.frame.columns else {}

    def times(self) -> dict[str, dict[str, int]]:
        """When each user met each item, in Unix seconds; where the source has no times, in rows."""
        return self._by_item("timestamp")

    def _by_item(self, column: str) -> dict[str, dict[str, Any]]:
        """What a column holds, by user and item."""
        held = self.frame.filter(pl.col(column).is_not_null())
        grouped = held.group_by("user_id", maintain_order=True).agg("item_id", column)
        return {
            user: dict(zip(items, own, strict=True)) for user, items, own in grouped.iter_rows()
        }


_YEAR = re.compile(r"[12][0-9]{3}")


@dataclass(frozen=True)
class Catalogue:
    """Everything a target can name, with its text. Row order is the target's index order.

    Attributes:
        ids: unique identifiers.
        titles: one text per id, unique (readers make duplicates distinct), never empty.
        attributes: for each attribute its values per row; a row may have none or several.
        noun: what one entry is called, for prompts and pages ("film", "item").
        domain: the words of its field.
    """

    ids: tuple[str, ...]
    titles: tuple[str, ...]
    attributes: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    noun: str = "item"
    domain: Domain = RECOMMENDER

    def __post_init__(self) -> None:
        if len(self.titles) != len(self.ids):
            raise DataError(f"{len(self.titles)} titles for {len(self.ids)} ids")
        if len(self.index) != len(self.ids):
            raise DataError("the catalogue names an id twice")
        for name, values in self.attributes.items():
            if len(values) != len(self.ids):
                raise DataError(f"attribute {name!r} has {len(values)} rows, not {len(self.ids)}")

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def index(self) -> dict[str, int]:
        """Row number of each id."""
        return {item_id: row for row, item_id in enumerate(self.ids)}

    def rows(self, ids: Iterable[str]) -> list[int]:
        """Row numbers of ids.

        Raises:
            CaseError: an id is not in the catalogue.
        """
        try:
            return [self.index[item_id] for item_id in ids]
        except KeyError as error:
            raise CaseError(
                f"unknown id {error.args[0]!r}: not among the {len(self)} of the catalogue"
            ) from None

    @cached_property
    def groupings(self) -> Mapping[str, tuple[tuple[str, ...], ...]]:
        """What entries can be grouped by: the attributes, and of one that holds years the decades
        as well, as ``decade``, if no attribute has that name."""
        years = self.attributes.get("year", ())
        given = [value for row in years for value in row]
        if "decade" in self.attributes or not given or not all(map(_YEAR.fullmatch, given)):
            return self.attributes
        decades = tuple(tuple(dict.fromkeys(f"{v[:3]}0s" for v in row)) for row in years)
        return {**self.attributes, "decade": decades}

    def title(self, item_id: str) -> str:
        """The title of an id; raises CaseError if unknown."""
        return self.titles[self.rows([item_id])[0]]

    def values(self, item_id: str, attribute: str) -> tuple[str, ...]:
        """The values of one attribute of an id; empty if it has none."""
        return self.attributes[attribute][self.rows([item_id])[0]]

    def keep(self, ids: Iterable[str]) -> Catalogue:
        """The catalogue with only these ids, in its own order; CaseError if one is unknown."""
        rows = sorted(set(self.rows(ids)))
        return Catalogue(
            ids=tuple(self.ids[row] for row in rows),
            titles=tuple(self.titles[row] for row in rows),
            attributes={
                name: tuple(values[row] for row in rows) for name, values in self.attributes.items()
            },
            noun=self.noun,
            domain=self.domain,
        )

    def to_frame(self) -> pl.DataFrame:
        """``item_id, title`` and one List(String) column per attribute."""
        columns: dict[str, pl.Series] = {
            "item_id": pl.Series(self.ids, dtype=pl.String),
            "title": pl.Series(self.titles, dtype=pl.String),
        }
        for name, values in self.attributes.items():
            columns[name] = pl.Series([list(v) for v in values], dtype=pl.List(pl.String))
        return pl.DataFrame(columns)

    @classmethod
    def from_frame(
        cls, frame: pl.DataFrame, *, noun: str = "item", domain: Domain = RECOMMENDER
    ) -> Catalogue:
        """The inverse of ``to_frame``."""
        names: Sequence[str] = [c for c in frame.columns if c not in ("item_id", "title")]
        return cls(
            ids=tuple(frame["item_id"]),
            titles=tuple(frame["title"]),
            attributes={n: tuple(tuple(v or ()) for v in frame[n].to_list()) for n in names},
            noun=noun,
            domain=domain,
        )
