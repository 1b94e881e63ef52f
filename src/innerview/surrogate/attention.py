"""Who sees whom in packed rows: told by three spans per token, laid out as a mask where needed.

A token sees itself; a stretch of its context; a stretch of the stem that its branch shares with
others; and, of its own branch, what lies before it. That is linear in the tokens, where a mask is
quadratic: small batches get one all the same, and for long rows on a GPU the spans decide, block by
block, what is computed at all.

Axes: B rows, T tokens, P pieces of a span table: starts and ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["N_PIECES", "additive_mask", "block_mask", "dense_mask", "is_real"]

N_PIECES = 5
"""Per token: where its own stretch starts, then where its context's and its stem's start and end.
The own stretch of padding starts behind the row, so that padding sees nothing but itself."""


def is_real(spans: Tensor) -> Tensor:
    """(B, T) bool, False at padding, from (B, T, P) spans."""
    places = torch.arange(spans.shape[1], device=spans.device)
    return spans[..., 0] <= places


def dense_mask(spans: Tensor) -> Tensor:
    """(B, 1, T, T) bool, True where the row's token attends to the column's."""
    columns = torch.arange(spans.shape[1], device=spans.device)
    seen = _seen([piece[..., None] for piece in spans.unbind(-1)], columns[:, None], columns)
    return seen[:, None]


def additive_mask(spans: Tensor, dtype: torch.dtype) -> Tensor:
    """(B, 1, T, T) the same as what is added to attention's scores: nothing, or nearly minus
    infinity."""
    seen = dense_mask(spans)
    bias = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
    return bias.masked_fill(~seen, torch.finfo(dtype).min)


def block_mask(spans: Tensor) -> Any:
    """The same for FlexAttention, which computes only the blocks in which anything is seen."""
    from torch.nn.attention.flex_attention import create_block_mask

    pieces = [piece.contiguous() for piece in spans.unbind(-1)]

    def sees(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return _seen([piece[row, query] for piece in pieces], query, key)

    n_rows, n_tokens, _ = spans.shape
    return create_block_mask(sees, n_rows, None, n_tokens, n_tokens, device=str(spans.device))


def _seen(pieces: Sequence[Tensor], query: Tensor, key: Tensor) -> Tensor:
    """Whether a query sees a key, by the query's spans; all broadcast against each other."""
    own, context, context_end, stem, stem_end = pieces
    return (
        (key == query)
        | ((own <= key) & (key <= query))
        | ((context <= key) & (key < context_end))
        | ((stem <= key) & (key < stem_end))
    )
