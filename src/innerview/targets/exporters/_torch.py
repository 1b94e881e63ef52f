"""Any torch module that reads a history: its item vectors, and itself as ``encoder.onnx``.

The exporters of RecTools, RePlay, RecBole and UniRec say how each numbers items and pads, and come
here. Torch is imported when one is called.
"""

from __future__ import annotations

from typing import Any, Callable, Sequence

import numpy as np

from ._model import Case, ExportError, FloatArray, Model, float32
from ._onnx import encoder_bytes

__all__ = ["fed", "from_torch", "session_model", "turned"]

BATCH_CASES = 256


def from_torch(
    encoder: Any,
    vectors: Any,
    *,
    ids: Sequence[Any],
    session_length: int,
    scores: Callable[[Any], Any] | None = None,
    order_sensitive: bool = True,
    name: str = "torch",
    libraries: Sequence[str] = (),
) -> Model:
    """A torch module of yours that encodes histories.

    Args:
        encoder: in ``eval()`` mode; maps (N, L) int64 item rows + 1, 0 on the left as padding, to
            (N, d) float32.
        vectors: (O, d) of items; a score is the dot product of the two.
        ids: O item ids, by row.
        session_length: L.
        scores: your own model's scores, (N, O), of the same (N, L) input; without it the dot
            products stand in, which shows less: ids of other vectors are not found then.
        order_sensitive: the order of items moves scores.
        name: short name for reports.
        libraries: packages whose versions are kept.

    Raises:
        ExportError: the module is in training mode, or something does not fit.
    """
    import torch

    ids, items = list(map(str, ids)), float32(vectors)

    def answer(cases: Sequence[Case]) -> FloatArray:
        parts = torch.as_tensor(fed(cases, ids, session_length))
        with torch.no_grad():
            given = (scores or dots)(parts)
        return np.asarray(given.cpu() if hasattr(given, "cpu") else given, dtype=np.float32)

    def dots(parts: Any) -> Any:
        return np.asarray(encoder(parts).cpu()) @ items.T

    return session_model(
        encoder,
        items,
        ids=ids,
        session_length=session_length,
        answer=answer,
        name=name,
        order_sensitive=order_sensitive,
        libraries=("torch", *libraries),
    )


def session_model(
    encoder: Any,
    vectors: Any,
    *,
    ids: Sequence[str],
    session_length: int,
    answer: Callable[[Sequence[Case]], FloatArray],
    name: str,
    libraries: Sequence[str],
    order_sensitive: bool = True,
) -> Model:
    """A model with an encoder in the form that a bundle wants; see ``from_torch``.

    Raises:
        ExportError: the module is in training mode, or gives vectors of another width.
    """
    import torch

    items = float32(vectors)
    onnx = encoder_bytes(encoder, session_length=session_length)

    def encode(cases: Sequence[Case]) -> FloatArray:
        parts = fed(cases, ids, session_length)
        with torch.no_grad():
            rows = [
                encoder(torch.as_tensor(parts[at : at + BATCH_CASES]))
                for at in range(0, len(parts), BATCH_CASES)
            ]
        found = float32(torch.cat(rows))
        if found.shape != (len(cases), items.shape[1]):
            raise ExportError(
                f"the encoder gives {found.shape} for {len(cases)} cases; "
                f"item vectors have {items.shape[1]} numbers"
            )
        return found

    return Model(
        name=name,
        ids=list(ids),
        encoder={"kind": "onnx", "session_length": session_length},
        answer=answer,
        vectors=items,
        onnx=onnx,
        encode=encode,
        order_sensitive=order_sensitive,
        max_parts=session_length,
        libraries=tuple(libraries),
    )


def fed(cases: Sequence[Case], ids: Sequence[str], session_length: int) -> Any:
    """(N, L) int64 item rows + 1, 0 on the left, as ``encoder.onnx`` gets them."""
    number = {item: row + 1 for row, item in enumerate(ids)}
    parts = np.zeros((len(cases), session_length), dtype=np.int64)
    for row, case in zip(parts, cases):
        seen = [number[part] for part in case.parts[-session_length:]]
        row[session_length - len(seen) :] = seen
    return parts


def turned(parts: Any) -> Any:
    """The same item numbers with the padding on the right, where RecBole wants it."""
    import torch

    length = parts.shape[1]
    lengths = (parts > 0).sum(dim=1, keepdim=True)
    places = (torch.arange(length).unsqueeze(0) + (length - lengths)) % length
    return torch.gather(parts, 1, places)
