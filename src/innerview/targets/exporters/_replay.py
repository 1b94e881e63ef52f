"""RePlay: SasRec, of ``replay.nn.sequential`` and of the older ``replay.models.nn.sequential``."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from ._model import Case, ExportError, FloatArray, Model
from ._torch import fed, session_model

__all__ = ["from_replay"]


def from_replay(
    model: Any, *, ids: Sequence[Any], item_feature: str = "item_id", session_length: int = 50
) -> Model:
    """A trained SasRec of RePlay 0.20 or newer that reads nothing but item ids.

    Args:
        model: a ``SasRec`` or ``SasRecModel``, or the lightning module around it.
        ids: item ids by their encoded number.
        item_feature: the name of the item id in the tensor schema.
        session_length: items that it was trained to read.

    Raises:
        ExportError: it is none of these.
    """
    import torch

    for inside in ("model", "_model"):
        model = getattr(model, inside, model)
    model = model.eval()
    newer = hasattr(model, "body")
    if not newer and not hasattr(model, "get_query_embeddings"):
        raise ExportError(f"{type(model).__name__}: not a SasRec of RePlay")
    ids, padding = list(map(str, ids)), len(ids)
    encoder = _encoder(model, item_feature, padding, newer)

    def answer(cases: Sequence[Case]) -> FloatArray:
        parts = torch.as_tensor(fed(cases, ids, session_length))
        features, mask = _inputs(parts, item_feature, padding)
        with torch.no_grad():
            given = model(features, mask)["logits"] if newer else model.predict(features, mask)
        return np.asarray(given, dtype=np.float32)[:, : len(ids)]

    with torch.no_grad():
        every = (
            model.body.embedder.get_item_weights()
            if newer
            else model.item_embedder.get_all_item_weights()
        )
    return session_model(
        encoder,
        every[: len(ids)],
        ids=ids,
        session_length=session_length,
        answer=answer,
        name="sasrec",
        libraries=("replay-rec", "torch"),
    )


def _inputs(parts: Any, item_feature: str, padding: int) -> Any:
    """RePlay counts from 0, and its padding comes after all items."""
    import torch

    mask = parts > 0
    numbers = torch.where(mask, parts - 1, torch.full_like(parts, padding))
    return {item_feature: numbers}, mask


def _encoder(model: Any, item_feature: str, padding: int, newer: bool) -> Any:
    import torch

    class Sessions(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, parts: torch.Tensor) -> torch.Tensor:
            features, mask = _inputs(parts, item_feature, padding)
            if newer:
                states: torch.Tensor = self.model.body(features, mask)
                return states[:, -1, :]
            encoded: torch.Tensor = self.model.get_query_embeddings(features, mask)
            return encoded

    return Sessions().eval()
