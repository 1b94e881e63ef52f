"""What a target must beat to be worth explaining: popularity, and item-kNN beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import sparse

from innerview.data.tables import Catalogue
from innerview.targets.metrics import Scorer
from innerview.targets.protocol import Case, FloatArray

__all__ = ["interaction_matrix", "item_knn", "popularity"]


def interaction_matrix(
    histories: Mapping[str, Sequence[str]], outcomes: Catalogue
) -> sparse.csr_matrix:
    """(users, O) float32 matrix of ones, users in the order of the histories."""
    rows = [outcomes.rows(items) for items in histories.values()]
    indptr = np.cumsum([0, *map(len, rows)])
    indices = np.array([i for row in rows for i in row], dtype=np.int32)
    data = np.ones(len(indices), dtype=np.float32)
    matrix = sparse.csr_matrix((data, indices, indptr), shape=(len(rows), len(outcomes)))
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def popularity(histories: Mapping[str, Sequence[str]], outcomes: Catalogue) -> Scorer:
    """Scores every case by how many histories hold an outcome."""
    counts = np.asarray(interaction_matrix(histories, outcomes).sum(axis=0), dtype=np.float32)

    def score(cases: Sequence[Case]) -> FloatArray:
        return np.repeat(counts.reshape(1, -1), len(cases), axis=0)

    return score


def item_knn(
    histories: Mapping[str, Sequence[str]], outcomes: Catalogue, *, neighbours: int = 100
) -> Scorer:
    """Sums cosine similarities between the case's items and each outcome.

    Args:
        histories: training histories.
        outcomes: what is scored.
        neighbours: similar items kept for each item.
    """
    matrix = interaction_matrix(histories, outcomes)
    norms = np.sqrt(np.asarray(matrix.sum(axis=0)).ravel())
    scaled = matrix @ sparse.diags(1.0 / np.maximum(norms, 1.0))
    similar = (scaled.T @ scaled).toarray().astype(np.float32)
    np.fill_diagonal(similar, 0.0)
    if neighbours < len(outcomes):
        floor = np.partition(similar, -neighbours, axis=1)[:, -neighbours, None]
        similar[similar < floor] = 0.0

    kept = sparse.csr_matrix(similar)

    def score(cases: Sequence[Case]) -> FloatArray:
        parts = interaction_matrix({str(i): c.parts for i, c in enumerate(cases)}, outcomes)
        return np.asarray((parts @ kept).toarray(), dtype=np.float32)

    return score
