"""LensKit: implicit-feedback ALS by its fold-in, EASE and SLIM as matrices, others static."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from ._arrays import from_item_item, from_static, from_vectors
from ._model import Case, ExportError, FloatArray, Model

__all__ = ["from_lenskit"]


def from_lenskit(model: Any, *, max_parts: int = 50) -> Model:
    """A trained scorer of LensKit 2025.1 or newer, or a pipeline that has one.

    Args:
        model: ``ImplicitMFScorer``, ``EASEScorer``, ``SLIMScorer``; ``BiasedMFScorer`` and others
            with vectors of users and items are static.
        max_parts: items of a history that are looked at.

    Raises:
        ExportError: it is none of these, or weighs events by their rating.
    """
    scorer = model.node("scorer").component if hasattr(model, "node") else model
    name = type(scorer).__name__
    if not hasattr(scorer, "items"):
        raise ExportError(f"{name}: not trained, or not a scorer of items")
    ids = scorer.items.ids()

    def answer(cases: Sequence[Case]) -> FloatArray:
        return np.stack([_scores(scorer, ids, None, case.parts) for case in cases])

    if name == "ImplicitMFScorer":
        if scorer.config.use_ratings:
            raise ExportError(
                "ImplicitMFScorer with use_ratings: an event must weigh the same in any history"
            )
        return from_vectors(
            scorer.item_embeddings,
            ids=ids,
            encoder={
                "kind": "als_fold_in",
                "alpha": 1.0 + float(scorer.config.weight),
                "regularization": float(scorer.config.user_reg),
            },
            answer=answer,
            name="lenskit-als",
            max_parts=max_parts,
            libraries=("lenskit",),
        )
    if hasattr(scorer, "weights"):
        return from_item_item(
            scorer.weights,
            ids=ids,
            answer=answer,
            name=name,
            max_parts=max_parts,
            libraries=("lenskit",),
        )
    users, user_vectors = getattr(scorer, "users", None), _numpy(scorer, "user_embeddings")
    if users is None or user_vectors is None:
        raise ExportError(f"{name}: has no vectors of users, and no way to make them")
    return from_static(
        user_vectors,
        _numpy(scorer, "item_embeddings"),
        user_ids=users.ids(),
        ids=ids,
        score_user=_Known(scorer, ids, users.ids()),
        name=name,
        libraries=("lenskit",),
    )


class _Known:
    """Scores of users as trained, by the id as text."""

    def __init__(self, scorer: Any, ids: Any, users: Any) -> None:
        self.scorer, self.ids, self.user_of = scorer, ids, {str(user): user for user in users}

    def __call__(self, user: str) -> FloatArray:
        return _scores(self.scorer, self.ids, self.user_of[user], None)


def _scores(scorer: Any, ids: Any, user: Any, parts: Sequence[str] | None) -> FloatArray:
    """(O,) scores of a user, or of a history that belongs to none."""
    from lenskit.data import ItemList, RecQuery

    items = None
    if parts is not None:
        of = {str(item): item for item in ids}
        items = ItemList(item_ids=[of[part] for part in parts])
    found = scorer(RecQuery(user_id=user, user_items=items), ItemList(item_ids=ids))
    return np.asarray(found.scores(), dtype=np.float32)


def _numpy(scorer: Any, name: str) -> Any:
    found: Any = getattr(scorer, name, None)
    return found.detach().cpu().numpy() if hasattr(found, "detach") else found
