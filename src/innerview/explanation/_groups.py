"""Groups of parts: those that share a value of an attribute, and random ones of the same size.

Attributes are the catalogue's, the decades of its years, and what a case marks its own parts with,
such as a user's ratings; where two have one name, the catalogue's counts.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from innerview.data.tables import Catalogue
from innerview.targets.protocol import Case

__all__ = ["Group", "attributes_of", "random_groups", "shared_values", "stand_out", "with_value"]


@dataclass(frozen=True, slots=True)
class Group:
    """The parts of a case that carry one value of an attribute, in the order of the case."""

    attribute: str
    value: str
    parts: tuple[str, ...]


def attributes_of(case: Case, catalogue: Catalogue) -> tuple[str, ...]:
    """What the parts of a case can be grouped by."""
    return tuple(dict.fromkeys((*catalogue.groupings, *case.marks)))


def with_value(case: Case, catalogue: Catalogue, attribute: str, value: str) -> tuple[str, ...]:
    """Those of a case's distinct parts that carry a value of one of its attributes."""
    parts = tuple(dict.fromkeys(case.parts))
    if attribute not in catalogue.groupings:
        return tuple(p for p in parts if case.marks[attribute].get(p) == value)
    values = catalogue.groupings[attribute]
    rows = zip(catalogue.rows(parts), parts, strict=True)
    return tuple(part for row, part in rows if value in values[row])


def shared_values(case: Case, catalogue: Catalogue) -> list[Group]:
    """Values that at least two and not all of a case's distinct parts carry."""
    parts = tuple(dict.fromkeys(case.parts))
    members: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row, part in zip(catalogue.rows(parts), parts, strict=True):
        for attribute, values in catalogue.groupings.items():
            for value in sorted(set(values[row])):
                members[attribute, value].append(part)
        for attribute, marked in case.marks.items():
            if attribute not in catalogue.groupings and part in marked:
                members[attribute, marked[part]].append(part)
    return [
        Group(attribute, value, tuple(carriers))
        for (attribute, value), carriers in members.items()
        if 2 <= len(carriers) < len(parts)
    ]


def stand_out(groups: Sequence[Group], changes: Mapping[str, float], limit: int) -> list[Group]:
    """The groups most worth asking about: half that should lower the score most, half raise it.

    Judged by the sum of their parts' own changes beyond the case's average part, since asking
    about every value a case carries would cost more than all else together.
    """
    if len(groups) <= limit:
        return list(groups)
    mean = sum(changes.values()) / len(changes)
    ordered = sorted(groups, key=lambda g: sum(changes[p] - mean for p in g.parts))
    n_for = (limit + 1) // 2
    return ordered[:n_for] + ordered[len(ordered) - (limit - n_for) :]


def random_groups(
    parts: Sequence[str], group: Sequence[str], draws: int, *, key: str
) -> list[tuple[str, ...]]:
    """Random groups as large as ``group``, made of the other parts as far as they suffice.

    All distinct groups there are, where they are no more than ``draws``. Otherwise drawn by a
    generator seeded from ``key``, the parts and the group, whatever their order: one group always
    meets the same controls, in whatever batch it is asked about and however a case is ordered.
    """
    inside, everything = set(group), sorted(set(parts))
    others = [p for p in everything if p not in inside]
    members = sorted(inside)
    size = len(members)
    spare = max(0, size - len(others))
    if not spare and comb(len(others), size) <= draws:
        return list(combinations(others, size))
    generator = np.random.default_rng(_seed(key, *everything, "", *members))
    return [
        tuple(sorted(_draw(generator, others, size) + _draw(generator, members, spare)))
        for _ in range(draws)
    ]


def _draw(generator: np.random.Generator, pool: Sequence[str], size: int) -> list[str]:
    """``size`` distinct members of a pool."""
    return [pool[i] for i in generator.permutation(len(pool))[:size]]


def _seed(*texts: str) -> int:
    """A 64-bit seed that is the same on every machine (``hash`` of a string is not)."""
    digest = hashlib.blake2b("\x1f".join(texts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")
