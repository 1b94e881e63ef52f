"""Cornac: what has vectors of users and items is static; EASE is a matrix."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from ._arrays import from_item_item, from_static
from ._model import Case, ExportError, FloatArray, Model

__all__ = ["from_cornac"]


def from_cornac(model: Any, *, max_parts: int = 50) -> Model:
    """A trained model of Cornac 2 or newer that scores by dot products: MF, PMF, BPR, WMF,
    LightGCN and others with ``get_user_vectors``; or EASE.

    Cornac cannot fold a history in. Biases are found from the scores.

    Args:
        model: fitted; it keeps its users' and items' ids.
        max_parts: items of a history that are looked at, by EASE.

    Raises:
        ExportError: it measures something else than dot products.
    """
    name = type(model).__name__
    ids = _by_number(model.iid_map)[: model.num_items]
    row_of = {str(user): row for user, row in model.uid_map.items()}
    if not hasattr(model, "get_vector_measure") or not hasattr(model, "get_user_vectors"):
        raise ExportError(f"{name}: has no vectors of users and items")

    def score_user(user: str) -> Any:
        return np.asarray(model.score(row_of[user])).reshape(-1)

    def answer(cases: Sequence[Case]) -> FloatArray:
        rows = [score_user(case.case_id) for case in cases]
        return np.asarray(rows, dtype=np.float32)

    if hasattr(model, "B"):
        return from_item_item(
            model.B,
            ids=ids,
            answer=answer,
            name=name,
            max_parts=max_parts,
            whole_histories=True,
            libraries=("cornac",),
        )
    if not str(model.get_vector_measure()).startswith("dot"):
        raise ExportError(
            f"{name}: measures {model.get_vector_measure()}; only dot products can be exported"
        )
    return from_static(
        model.get_user_vectors(),
        model.get_item_vectors(),
        user_ids=_by_number(model.uid_map)[: model.num_users],
        ids=ids,
        score_user=score_user,
        name=name,
        libraries=("cornac",),
    )


def _by_number(map_: Any) -> Sequence[str]:
    return [str(each) for each, _ in sorted(map_.items(), key=lambda pair: int(pair[1]))]
