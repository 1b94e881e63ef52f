"""RecBole: sequential models as encoders, EASE as a matrix, BPR and LightGCN as static vectors."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from ._arrays import from_item_item, from_static
from ._model import Case, ExportError, FloatArray, Model
from ._torch import fed, session_model, turned

__all__ = ["from_recbole"]


def from_recbole(model: Any, dataset: Any, *, max_parts: int = 50) -> Model:
    """A trained model of RecBole 1.2.

    Exported are sequential models whose scores are dot products with ``item_embedding`` (SASRec,
    GRU4Rec, NARM, ...), models with ``item_similarity`` (EASE), and general ones with vectors of
    users and items (BPR, LightGCN). Others are refused, as their scores would not agree.

    Args:
        model: in memory; a checkpoint is a pickle, so load it in your own environment.
        dataset: that it was made with; it knows what the numbers stand for.
        max_parts: items of a history that are looked at; a sequential model takes its own length.

    Raises:
        ExportError: it is none of these.
    """
    model.eval()
    if hasattr(model, "max_seq_length"):
        return _sessions(model, dataset)
    ids = _tokens(dataset, dataset.iid_field)
    numbers = {token: at + 1 for at, token in enumerate(_tokens(dataset, dataset.uid_field))}

    def score_user(user: str) -> FloatArray:
        return _predicted(model, {model.USER_ID: [numbers[user]]})[0, 1:]

    def answer(cases: Sequence[Case]) -> FloatArray:
        return np.stack([score_user(case.case_id) for case in cases])

    name = type(model).__name__
    if hasattr(model, "item_similarity"):
        matrix = model.item_similarity
        matrix = matrix.toarray() if hasattr(matrix, "toarray") else np.asarray(matrix)
        return from_item_item(
            matrix[1:, 1:],
            ids=ids,
            answer=answer,
            name=name,
            max_parts=max_parts,
            whole_histories=True,
            libraries=("recbole",),
        )
    users, items = _vectors(model)
    return from_static(
        users[1:],
        items[1:],
        user_ids=list(numbers),
        ids=ids,
        score_user=score_user,
        name=name,
        libraries=("recbole", "torch"),
    )


def _tokens(dataset: Any, field: str) -> list[str]:
    """Ids by number, without the padding that is number 0."""
    return [str(token) for token in dataset.field2id_token[field][1:]]


def _predicted(model: Any, values: Any) -> FloatArray:
    """(N, 1 + O) scores as RecBole's own ``full_sort_predict`` gives them."""
    import torch
    from recbole.data.interaction import Interaction

    rows = len(next(iter(values.values())))
    inputs = Interaction({name: torch.as_tensor(value) for name, value in values.items()})
    with torch.no_grad():
        scores = model.full_sort_predict(inputs.to(model.device))
    return np.asarray(scores.detach().cpu(), dtype=np.float32).reshape(rows, -1)


def _vectors(model: Any) -> Any:
    import inspect

    import torch

    with torch.no_grad():
        if not inspect.signature(model.forward).parameters:  # a graph's, made for all at once
            found = model.forward()
            if isinstance(found, tuple) and len(found) >= 2:
                return found[0].cpu().numpy(), found[1].cpu().numpy()
        tables = [getattr(model, name, None) for name in ("user_embedding", "item_embedding")]
    if any(table is None for table in tables):
        raise ExportError(f"{type(model).__name__}: no vectors of users and items")
    return tuple(table.weight.detach().cpu().numpy() for table in tables if table is not None)


def _sessions(model: Any, dataset: Any) -> Model:
    import torch

    ids, length = _tokens(dataset, dataset.iid_field), int(model.max_seq_length)
    encoder = _encoder(model)

    def answer(cases: Sequence[Case]) -> FloatArray:
        parts = torch.as_tensor(fed(cases, ids, length))
        sequences = turned(parts)
        values = {model.ITEM_SEQ: sequences, model.ITEM_SEQ_LEN: (parts > 0).sum(dim=1)}
        return _predicted(model, values)[:, 1 : len(ids) + 1]

    return session_model(
        encoder,
        model.item_embedding.weight[1 : len(ids) + 1],
        ids=ids,
        session_length=length,
        answer=answer,
        name=type(model).__name__.lower(),
        libraries=("recbole", "torch"),
    )


def _encoder(model: Any) -> Any:
    """Row + 1 is RecBole's own number: both leave 0 to the padding."""
    import torch

    class Sessions(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, parts: torch.Tensor) -> torch.Tensor:
            encoded: torch.Tensor = self.model(turned(parts), (parts > 0).sum(dim=1))
            return encoded

    return Sessions().eval()
