"""RecTools: SASRec and BERT4Rec as encoders, PureSVD in closed form, EASE, what it wraps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Sequence

import numpy as np

from ._arrays import from_item_item, from_vectors
from ._implicit import from_implicit
from ._model import Case, ExportError, FloatArray, Model
from ._torch import fed, session_model

__all__ = ["from_rectools"]

MASK = "MASK"
"""What RecTools calls the token that BERT4Rec asks at."""


def from_rectools(model: Any, *, dataset: Any = None, max_parts: int = 50) -> Model:
    """A trained model of RecTools, 0.12 or newer.

    Of a wrapped ALS, item-kNN or BPR it is the model inside, and implicit that is asked: by the
    fold-in of an ALS, as the user vectors that RecTools keeps are half an iteration older. PureSVD
    and EASE answer only for users as they were trained, so only histories of at most ``max_parts``
    items are compared.

    Args:
        model: SASRec, BERT4Rec, PureSVD, EASE, or a wrapped one of implicit, fitted.
        dataset: that it was fitted to; not needed for SASRec and BERT4Rec.
        max_parts: items of a history that are looked at; those two take their own length.

    Raises:
        ExportError: it is none of these.
    """
    if hasattr(model, "data_preparator"):
        return _sessions(model)
    if dataset is None:
        raise ExportError(f"{type(model).__name__}: pass the dataset it was fitted to")
    ids = list(map(str, dataset.item_id_map.external_ids))
    known = {str(user): user for user in dataset.user_id_map.external_ids}
    column = {item: row for row, item in enumerate(ids)}

    def answer(cases: Sequence[Case]) -> FloatArray:
        frame = model.recommend(
            [known[case.case_id] for case in cases],
            dataset=dataset,
            k=len(ids),
            filter_viewed=False,
        )
        row_of = {case.case_id: row for row, case in enumerate(cases)}
        scores = np.zeros((len(cases), len(ids)), dtype=np.float32)
        rows = [row_of[str(user)] for user in frame["user_id"]]
        columns = [column[str(item)] for item in frame["item_id"]]
        scores[rows, columns] = frame["score"]
        return scores

    if hasattr(model, "weight") and not hasattr(model, "get_vectors"):
        return from_item_item(
            model.weight.T,  # RecTools multiplies a user's row with the transposed matrix
            ids=ids,
            answer=answer,
            name="ease",
            max_parts=max_parts,
            whole_histories=True,
            libraries=("rectools",),
        )
    if type(model).__name__ == "PureSVDModel":
        # A user is his row of the matrix times V / sigma; the item vectors kept are V sigma.
        items = np.asarray(model.item_factors, dtype=np.float64)
        return from_vectors(
            items,
            part_vectors=items / (items**2).sum(axis=0),
            ids=ids,
            encoder={"kind": "sum"},
            answer=answer,
            name="pure-svd",
            max_parts=max_parts,
            whole_histories=True,
            libraries=("rectools",),
        )
    if hasattr(model, "model"):
        wrapped = from_implicit(model.model, ids=ids, user_ids=list(known), max_parts=max_parts)
        return replace(wrapped, libraries=("rectools", "implicit"))
    raise ExportError(
        f"{type(model).__name__}: exported are SASRec, BERT4Rec, PureSVD, EASE and "
        "implicit's; give its vectors to from_static"
    )


def _sessions(model: Any) -> Model:
    import torch

    backbone, preparator = model.torch_model.eval(), model.data_preparator
    tokens = dict(getattr(preparator, "extra_token_ids", {}))
    extra = int(preparator.n_item_extra_tokens)
    ids = [str(item) for item in preparator.item_id_map.external_ids[extra:]]
    length = int(preparator.session_max_len)
    mask = int(tokens[MASK]) if MASK in tokens else None
    with torch.no_grad():
        every = backbone.item_model.get_all_embeddings().detach().clone()
    read = length if mask is None else length - 1
    encoder = _encoder(backbone, every, extra, mask)

    def answer(cases: Sequence[Case]) -> FloatArray:
        parts = torch.as_tensor(fed(cases, ids, read))
        with torch.no_grad():
            logits = backbone({"x": _sessions_of(parts, extra, mask)})[:, -1, extra:]
        return np.asarray(logits, dtype=np.float32)

    return session_model(
        encoder,
        every[extra:],
        ids=ids,
        session_length=read,
        answer=answer,
        name="sasrec" if mask is None else "bert4rec",
        libraries=("rectools", "torch"),
    )


def _sessions_of(parts: Any, extra: int, mask: Any) -> Any:
    """Items in RecTools' numbers: padding is 0, the first item stands behind the extra tokens."""
    import torch

    numbers = torch.where(parts > 0, parts + (extra - 1), torch.zeros_like(parts))
    if mask is None:
        return numbers
    return torch.cat([numbers, torch.full_like(parts[:, :1], mask)], dim=1)


def _encoder(backbone: Any, every: Any, extra: int, mask: Any) -> Any:
    """The backbone with its item vectors frozen; made here, as torch may be missing above."""
    import torch

    class Sessions(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = backbone
            self.register_buffer("every", every)

        def forward(self, parts: torch.Tensor) -> torch.Tensor:
            sessions = _sessions_of(parts, extra, mask)
            encoded: torch.Tensor = self.backbone.encode_sessions({"x": sessions}, self.every)
            return encoded[:, -1, :]

    return Sessions().eval()
