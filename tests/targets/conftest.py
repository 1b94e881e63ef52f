"""Tiny bundles and data small enough for paper."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from innerview.targets import (
    BundleTarget,
    Capabilities,
    Case,
    Contents,
    HeldOut,
    TrainingData,
    distinct_cases,
    save_bundle,
)
from innerview.targets.manifest import AlsFoldIn, ItemItem, MeanOfParts, Static
from innerview.testing import small_catalogue

N_ITEMS, WIDTH = 30, 6


def able(**changes: object) -> Capabilities:
    standard: dict[str, object] = {
        "vectors": True,
        "rescoring": True,
        "order_sensitive": False,
        "deterministic": True,
        "excludes_parts": True,
        "max_parts": 5,
    }
    return Capabilities(**{**standard, **changes})  # type: ignore[arg-type]


def random_vectors(n: int, width: int = WIDTH, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32)


def als_contents() -> Contents:
    catalogue, vectors = small_catalogue(N_ITEMS), random_vectors(N_ITEMS)
    return Contents(
        name="als",
        spec=AlsFoldIn(alpha=40.0, regularization=1.0),
        capabilities=able(),
        outcomes=catalogue,
        parts=catalogue,
        outcome_vectors=vectors,
        part_vectors=vectors,
    )


def mean_contents() -> Contents:
    """Parts and outcomes differ, as in a classifier over words."""
    return Contents(
        name="mean",
        spec=MeanOfParts(),
        capabilities=able(excludes_parts=False),
        outcomes=small_catalogue(7, prefix="class-", noun="class"),
        parts=small_catalogue(N_ITEMS, prefix="word-", noun="word"),
        outcome_vectors=random_vectors(7),
        part_vectors=random_vectors(N_ITEMS, seed=4),
    )


def item_item_contents() -> Contents:
    catalogue = small_catalogue(N_ITEMS)
    return Contents(
        name="item-item",
        spec=ItemItem(),
        capabilities=able(vectors=False),
        outcomes=catalogue,
        parts=catalogue,
        outcome_vectors=np.zeros((N_ITEMS, 0), dtype=np.float32),
        part_vectors=random_vectors(N_ITEMS, N_ITEMS),
    )


def static_contents() -> Contents:
    """The vectors that ALS has for forty cases, and no way to make others."""
    als = als_contents()
    cases = cases_of(als.parts.ids, n=40)
    kept, vectors = distinct_cases(cases, BundleTarget(als).case_vectors(cases))
    return replace(
        als,
        name="static",
        spec=Static(),
        capabilities=able(rescoring=False),
        cases=kept,
        case_vectors=vectors,
    )


def cases_of(ids: tuple[str, ...], n: int = 12, most: int = 5) -> list[Case]:
    generator = np.random.default_rng(5)
    return [
        Case(f"c{row}", tuple(generator.permutation(ids)[: 2 + row % (most - 1)].tolist()))
        for row in range(n)
    ]


@pytest.fixture
def als_folder(tmp_path: Path) -> Path:
    contents = als_contents()
    save_bundle(tmp_path / "als", contents, check_cases=cases_of(contents.parts.ids))
    return tmp_path / "als"


@pytest.fixture(scope="session")
def groups() -> TrainingData:
    """60 users, 24 items in 4 groups; everyone stays within a group, so the answer is obvious."""
    catalogue = small_catalogue(24)
    generator = np.random.default_rng(0)
    train: dict[str, tuple[str, ...]] = {}
    valid: dict[str, str] = {}
    test: dict[str, str] = {}
    for user in range(60):
        own = [f"i{row}" for row in range(24) if row % 4 == user % 4]
        *rest, valid_item, test_item = generator.permutation(own).tolist()
        train[f"u{user}"], valid[f"u{user}"], test[f"u{user}"] = tuple(rest), valid_item, test_item
    cases = tuple(Case(user, parts) for user, parts in train.items())
    longer = tuple(Case(c.case_id, (*c.parts, valid[c.case_id])) for c in cases)
    return TrainingData(
        train=train,
        valid=HeldOut(cases, tuple(valid.values())),
        test=HeldOut(longer, tuple(test.values())),
        catalogue=catalogue,
        split="random",
    )
