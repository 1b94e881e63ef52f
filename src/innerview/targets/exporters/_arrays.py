"""Models that are arrays: vectors with a closed form, an item-item matrix, vectors of given users.

Any library whose scores are dot products can be exported by these, with its own scores as
``answer``: two towers, LightGCN, matrix factorization.
"""

from __future__ import annotations

from typing import Any, Callable, Sequence

import numpy as np

from ._model import Answer, Case, ExportError, FloatArray, Model, float32

__all__ = ["from_item_item", "from_static", "from_vectors"]

MAX_MATRIX_BYTES = 4 * 2**30
NO_BIAS = 1e-5
"""What may be left of scores, relative to the largest, without there being a bias."""


def from_vectors(
    vectors: Any,
    *,
    ids: Sequence[Any],
    encoder: dict[str, Any],
    answer: Answer,
    part_vectors: Any = None,
    name: str = "vectors",
    max_parts: int | None = 50,
    whole_histories: bool = False,
    libraries: Sequence[str] = (),
) -> Model:
    """A model whose case vector is a closed form of its parts' vectors.

    Args:
        vectors: (O, d), one for each id.
        ids: O item ids.
        encoder: ``{"kind": "mean"}``, ``{"kind": "sum"}``, or ``{"kind": "als_fold_in", "alpha":
            ..., "regularization": ...}``.
        answer: the library's own scores of cases, (N, O).
        part_vectors: (O, d), where items are other vectors in a history than as answers.
        name: short name for reports.
        max_parts: see ``Model``; so is what follows.
        whole_histories: the library answers only for users as it was trained.
        libraries: packages whose versions are kept.
    """
    return Model(
        name=name,
        ids=list(map(str, ids)),
        encoder=encoder,
        answer=answer,
        vectors=float32(vectors),
        part_vectors=None if part_vectors is None else float32(part_vectors),
        max_parts=max_parts,
        whole_histories=whole_histories,
        libraries=tuple(libraries),
    )


def from_item_item(
    matrix: Any,
    *,
    ids: Sequence[Any],
    answer: Answer,
    name: str = "item-item",
    max_parts: int | None = 50,
    whole_histories: bool = False,
    libraries: Sequence[str] = (),
) -> Model:
    """A model whose scores are sums of a matrix' rows (EASE, SLIM, item-kNN). It has no vectors.

    Args:
        matrix: (O, O), or a sparse one; what an item in the history gives to each item.
        ids: O item ids.
        answer: the library's own scores of cases, (N, O).
        name: short name for reports.
        max_parts: see ``Model``; so is what follows.
        whole_histories: the library answers only for users as it was trained.
        libraries: packages whose versions are kept.

    Raises:
        ExportError: the dense matrix would take more than 4 GiB.
    """
    size = 4 * int(matrix.shape[0]) * int(matrix.shape[1])
    if size > MAX_MATRIX_BYTES:
        raise ExportError(
            f"an item-item matrix of {size / 2**30:.1f} GiB; at most 4 are written, "
            "so keep fewer items"
        )
    dense = matrix.toarray() if hasattr(matrix, "toarray") else matrix
    return Model(
        name=name,
        ids=list(map(str, ids)),
        encoder={"kind": "item_item"},
        answer=answer,
        item_item=float32(dense),
        max_parts=max_parts,
        whole_histories=whole_histories,
        libraries=tuple(libraries),
    )


def from_static(
    user_vectors: Any,
    item_vectors: Any,
    *,
    user_ids: Sequence[Any],
    ids: Sequence[Any],
    score_user: Callable[[str], Any],
    name: str = "static",
    libraries: Sequence[str] = (),
) -> Model:
    """A model that has vectors of the users it was trained with, and cannot make others.

    Biases that the library adds besides (of items, of users, of everything) are found from its
    scores and appended to the vectors, so that the dot product is the score.

    Args:
        user_vectors: (N, d), one for each user id.
        item_vectors: (O, d), one for each item id.
        user_ids: N.
        ids: O.
        score_user: the library's own scores, (O,), of one user.
        name: short name for reports.
        libraries: packages whose versions are kept.

    Raises:
        ExportError: more or fewer ids than vectors.
    """
    users, items = float32(user_vectors), float32(item_vectors)
    known = list(map(str, user_ids))
    if len(known) != len(users):
        raise ExportError(f"{len(known)} user ids for {len(users)} user vectors")

    def answer(cases: Sequence[Case]) -> FloatArray:
        rows = [np.asarray(score_user(case.case_id), dtype=np.float32) for case in cases]
        return np.stack([row.reshape(-1) for row in rows])

    users, items = _with_biases(users, items, known, answer)
    return Model(
        name=name,
        ids=list(map(str, ids)),
        encoder={"kind": "static"},
        answer=answer,
        vectors=items,
        case_vectors=dict(zip(known, users)),
        max_parts=None,
        libraries=tuple(libraries),
    )


def _with_biases(
    users: FloatArray, items: FloatArray, known: Sequence[str], answer: Answer
) -> tuple[FloatArray, FloatArray]:
    """Vectors with a column for item biases, and one for user biases, where there are any.

    What dot products leave of the scores is split as if it were the sum of the two; if it is not,
    the comparison at export finds out.
    """
    wide_users, wide_items = users.astype(np.float64), items.astype(np.float64)
    few = list(range(0, len(known), max(1, len(known) // 8)))[:8]
    scores = answer([Case(known[row], ()) for row in few]).astype(np.float64)
    if scores.shape[1] != len(items):
        raise ExportError(f"{scores.shape[1]} scores for {len(items)} item vectors")
    left = scores - wide_users[few] @ wide_items.T
    if np.abs(left).max() <= NO_BIAS * max(1e-12, float(np.abs(scores).max())):
        return users, items
    of_item = (left - left.mean(axis=1, keepdims=True)).mean(axis=0)
    center = wide_items.mean(axis=0)
    of_user = np.array([answer([Case(user, ())]).mean(dtype=np.float64) for user in known])
    of_user -= wide_users @ center
    ones_for_users, ones_for_items = np.ones((len(users), 1)), np.ones((len(items), 1))
    return (
        float32(np.hstack([wide_users, ones_for_users, of_user[:, None]])),
        float32(np.hstack([wide_items, of_item[:, None], ones_for_items])),
    )
