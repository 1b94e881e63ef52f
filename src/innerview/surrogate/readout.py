"""Readouts: what the surrogate's middle layers hold about the target, read out linearly.

A title and a vector slot say the same thing through different channels. In training, one linear
map per kind must read the target's vector of a part, an outcome or a case from the surrogate's
hidden state where it was mentioned, whichever channel it came through. So titles become what
vectors are, in one code that every task can use, and every mention teaches, not only answers.

Readouts are scaffolding: they train with the adapters and are not saved.

Axes: N anchors, d width of the target's vectors, h width of the surrogate.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from innerview.surrogate.projector import ProjectorSet
from innerview.surrogate.vectors import KINDS

__all__ = ["Readouts"]

_MENTION_DEPTH = 0.5
_CASE_DEPTH = 0.67
"""Of the layers: parts are known first, a case is put together from them afterwards, and the
layers above are left for answering."""


class Readouts(nn.Module):
    """(N, h) hidden states to (N, d + 1) standardized target vectors, one linear map per kind."""

    def __init__(self, d: int, h: int, *, n_layers: int, seed: int = 0) -> None:
        super().__init__()
        mention = max(1, round(n_layers * _MENTION_DEPTH))
        self.layers = {
            kind: max(1, round(n_layers * _CASE_DEPTH)) if kind == "case" else mention
            for kind in KINDS
        }
        generator = torch.Generator().manual_seed(seed)
        maps = [nn.Linear(h, d + 1) for _ in KINDS]
        with torch.no_grad():
            for own in maps:
                own.weight.normal_(0.0, 0.1 * h**-0.5, generator=generator)
                own.bias.zero_()
        self.maps = nn.ModuleDict(dict(zip(KINDS, maps, strict=True)))

    def forward(
        self,
        states: Sequence[Tensor],
        positions: Tensor,
        kinds: Tensor,
        vectors: Tensor,
        projectors: ProjectorSet,
    ) -> dict[str, Tensor]:
        """Mean squared error by kind, in units of the vectors' variance: knowing nothing costs 1.

        Args:
            states: hidden states (B, T, h), the embeddings first, then one per layer.
            positions: (N, 2) row and token of each anchor.
            kinds: (N,) index into KINDS.
            vectors: (N, d) what should be known there, in target units.
            projectors: lend their centers and scales.
        """
        losses: dict[str, Tensor] = {}
        for index, kind in enumerate(KINDS):
            chosen = (kinds == index).nonzero()[:, 0]
            if len(chosen):
                rows, tokens = positions[chosen].unbind(1)
                hidden = states[self.layers[kind]][rows, tokens].float()
                found = self.maps[kind](functional.rms_norm(hidden, hidden.shape[-1:]))
                wanted = projectors.of_kind(index).standard(vectors[chosen])
                losses[kind] = functional.mse_loss(found, wanted)
        return losses
