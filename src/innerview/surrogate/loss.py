"""Cross-entropy at answer positions without ever holding all of their logits.

Axes: A answer positions, M truths, h width, V vocabulary.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["answer_losses"]

_CHUNK, _GPU_CHUNK = 64, 1024
"""Rows of logits at a time: 12 MB in float32 for a vocabulary of 49,152, near the cache's size; on
a GPU 200 MB, to keep it busy."""
_MULTIPLE = 16
"""Rows of the last chunk are that many times some number, so that few shapes of it are met: a
matrix product may keep something for each."""


def answer_losses(
    states: Tensor, head: nn.Module, truth_rows: Tensor, truth_ids: Tensor, truth_shares: Tensor
) -> Tensor:
    """(A,) float32 cross-entropy of each answer position with its shares of truth, in nats.

    Args:
        states: (A, h) hidden states after the final norm.
        head: from h to V; frozen. A plain linear map is fused with the loss and its gradient.
        truth_rows: (M,) int64, ascending: the answer position of each truth.
        truth_ids: (M,) int64 token ids.
        truth_shares: (M,) float32; those of one position sum to 1.
    """
    if isinstance(head, nn.Linear) and getattr(head, "bias", None) is None:
        losses: Tensor = _Fused.apply(  # type: ignore[no-untyped-call]
            states, head.weight, truth_rows, truth_ids, truth_shares
        )
        return losses
    log_probs = torch.log_softmax(head(states).float(), dim=-1)
    hits = log_probs[truth_rows, truth_ids] * truth_shares
    return torch.zeros(len(states), device=states.device).index_add(0, truth_rows, -hits)


class _Fused(torch.autograd.Function):
    """The gradient is computed beside the loss, chunk by chunk, while the logits are at hand."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, *truths: Tensor) -> Tensor:
        rows, ids, shares = truths
        n, size = len(states), _GPU_CHUNK if states.is_cuda else _CHUNK
        states = nn.functional.pad(states.to(weight.dtype), (0, 0, 0, -n % _MULTIPLE))
        losses = torch.zeros(len(states), device=states.device)
        gradient = torch.empty_like(states)
        starts = torch.arange(0, len(states) + size, size, device=rows.device)
        cuts = torch.searchsorted(rows, starts).tolist()
        for at, (first, last) in enumerate(pairwise(cuts)):
            here = slice(at * size, (at + 1) * size)
            own, tokens, share = rows[first:last] - here.start, ids[first:last], shares[first:last]
            logits = (states[here] @ weight.T).float()
            hits = logits[own, tokens] * share
            normalizer = torch.logsumexp(logits, dim=-1)
            losses[here] = normalizer.index_add(0, own, -hits)
            probabilities = logits.sub_(normalizer[:, None]).exp_()
            probabilities.index_put_((own, tokens), -share, accumulate=True)
            gradient[here] = probabilities.to(weight.dtype) @ weight
        ctx.save_for_backward(gradient[:n])
        return losses[:n]

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor, None, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * outer[0][:, None].to(gradient.dtype), None, None, None, None
