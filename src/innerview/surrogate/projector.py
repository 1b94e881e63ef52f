"""Projectors: from the target's vectors to vectors among the surrogate's token embeddings.

Each is a two-layer network beside a straight path. The network's first layer starts as random
features and its second as the closed-form ridge solution onto what the slot should mean (the
title's embeddings for a part or outcome; the titles of the target's top answers for a case), so
training does not begin blind. The straight path is an isometry: it keeps the angles between
vectors, which the network, fitted to titles, forgets, and it is the same for all kinds, so that
a case and an outcome can be compared. It has a quarter of the energy. Outputs are norm-matched to
the token embeddings they stand among.

Axes: S slots, d width of the target's vectors, m features, h width of the surrogate.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from innerview.errors import SlotMismatchError

__all__ = ["Projector", "ProjectorSet", "splice"]

_STRAIGHT = 0.25
"""Share of a slot's energy on the straight path."""
_PIECE = 1024
"""Rows of a fit whose features are held together."""


class Projector(nn.Module):
    """(S, d) to (S, h): standardize; random features, linear, plus an isometry; norm-match."""

    center: Tensor
    scale: Tensor
    straight: Tensor

    def __init__(self, d: int, h: int, *, features: int = 1024, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.first = nn.Linear(d + 1, features)
        self.second = nn.Linear(features, h)
        self.gain = nn.Parameter(torch.ones(()))
        self.register_buffer("center", torch.zeros(d + 1))
        self.register_buffer("scale", torch.ones(d + 1))
        self.register_buffer("straight", _isometry(d + 1, h) / (d + 1) ** 0.5)
        with torch.no_grad():
            weight = torch.randn(features, d + 1, generator=generator)
            self.first.weight.copy_(weight * (1.5 / (d + 1) ** 0.5))
            self.first.bias.copy_(torch.randn(features, generator=generator) * 0.5)
            self.second.weight.normal_(0.0, features**-0.5, generator=generator)
            self.second.bias.zero_()

    @staticmethod
    def _augment(vectors: Tensor) -> Tensor:
        """Direction and length apart: a vector's length is often its popularity."""
        norm = vectors.norm(dim=-1, keepdim=True)
        return torch.cat([vectors / norm.clamp_min(1e-6), norm.clamp_min(1e-6).log()], dim=-1)

    def standard(self, vectors: Tensor) -> Tensor:
        """(S, d) to (S, d + 1): direction and log-length, each with mean 0 and variance 1."""
        standard: Tensor = (self._augment(vectors) - self.center) / self.scale
        return standard

    def features(self, vectors: Tensor) -> Tensor:
        """(S, d) to (S, m)."""
        hidden: Tensor = torch.tanh(self.first(self.standard(vectors)))
        return hidden

    def forward(self, vectors: Tensor) -> Tensor:
        """(S, d) float32 to (S, h) float32 of norm ``gain``, in embedding units."""
        raw = self.second(self.features(vectors)) + self.standard(vectors) @ self.straight
        matched: Tensor = self.gain * raw / raw.norm(dim=-1, keepdim=True).clamp_min(1e-6)
        return matched

    @torch.no_grad()
    def fit(self, vectors: Tensor, wanted: Tensor, *, norm: float, ridge: float = 1e-2) -> float:
        """Solve the second layer for ``wanted``; returns the share of its variance explained.

        Args:
            vectors: (N, d) vectors of the target.
            wanted: (N, h) what each should become, in embedding units.
            norm: length of an output: the mean length of a token embedding.
            ridge: penalty, as a share of the features' mean square.
        """
        augmented = self._augment(vectors)
        self.center.copy_(augmented.mean(0))
        spread = augmented.std(0) if len(vectors) > 1 else torch.ones_like(self.scale)
        self.scale.copy_(spread.clamp_min(1e-6))
        # A piece at a time: a row's features take twenty times the memory of the row.
        pieces = list(zip(torch.split(vectors, _PIECE), torch.split(wanted, _PIECE), strict=True))
        sums = [self.features(v).double().sum(0) for v, _ in pieces]
        mean_phi = torch.stack(sums).sum(0) / len(vectors)
        mean_target = wanted.mean(0, dtype=torch.float64)
        gram = torch.zeros(len(mean_phi), len(mean_phi), dtype=torch.float64)
        moments = torch.zeros(len(mean_phi), len(mean_target), dtype=torch.float64)
        for own, target in pieces:
            centered = self.features(own).double() - mean_phi
            gram += centered.T @ centered
            moments += centered.T @ (target.double() - mean_target)
        penalty = (ridge * gram.diagonal().mean()).clamp_min(1e-9)  # one vector alone gives 0
        gram += penalty * torch.eye(len(gram), dtype=gram.dtype)
        weight = torch.linalg.solve(gram, moments)
        self.second.weight.copy_(weight.T.float())
        self.second.bias.copy_((mean_target - mean_phi @ weight).float())
        self.gain.fill_(norm)
        energy, left, whole = 0.0, 0.0, 0.0
        for own, target in pieces:
            phi = self.features(own)
            energy += float(self.second(phi).pow(2).sum())
            off = target.double() - mean_target
            left += float((off - (phi.double() - mean_phi) @ weight).pow(2).sum())
            whole += float(off.pow(2).sum())
        strength = (energy / len(vectors)) ** 0.5
        length = strength * (_STRAIGHT / (1 - _STRAIGHT)) ** 0.5
        self.straight.copy_(_isometry(*self.straight.shape) * (length / len(self.center) ** 0.5))
        return 1 - left / whole if whole else 0.0


def _isometry(d: int, h: int) -> Tensor:
    """(d, h) with orthonormal rows (columns, where d > h), the same for every kind."""
    drawn = torch.randn(max(d, h), min(d, h), generator=torch.Generator().manual_seed(0))
    orthonormal = torch.linalg.qr(drawn).Q
    turned: Tensor = orthonormal.T if d <= h else orthonormal
    return turned.contiguous()


class ProjectorSet(nn.Module):
    """One projector for cases, one for parts and one for outcomes (shared if they are the same)."""

    def __init__(
        self, d: int, h: int, *, shared_parts: bool, features: int = 1024, seed: int = 0
    ) -> None:
        super().__init__()
        self.settings = {"d": d, "h": h, "shared_parts": shared_parts, "features": features}
        self.case = Projector(d, h, features=features, seed=seed)
        self.part = Projector(d, h, features=features, seed=seed + 1)
        self.outcome = (
            self.part if shared_parts else Projector(d, h, features=features, seed=seed + 2)
        )

    def of_kind(self, kind: int) -> Projector:
        """The projector of a kind, by its index in ``KINDS``."""
        return (self.case, self.part, self.outcome)[kind]

    def forward(self, vectors: Tensor, kinds: Tensor) -> Tensor:
        """Project (S, d) vectors, each by the projector of its kind (S,), to (S, h)."""
        out = torch.zeros(len(vectors), self.case.second.out_features, device=vectors.device)
        for kind in range(3):
            chosen = (kinds == kind).nonzero()[:, 0]
            if len(chosen):
                out = out.index_copy(0, chosen, self.of_kind(kind)(vectors[chosen]))
        return out


def splice(embeddings: Tensor, slot_positions: Tensor, vectors: Tensor) -> Tensor:
    """Overwrite the embeddings at the vector slots with projected target vectors.

    Everything outside the slots comes back bit for bit; the inputs are left untouched.

    Axes: B rows, T tokens, S slots in the batch, h surrogate width.

    Args:
        embeddings: (B, T, h) token embeddings of the surrogate.
        slot_positions: (S, 2) int64, row and token of each slot.
        vectors: (S, h) projector output, in the same order; in embedding units, not target units.

    Returns:
        (B, T, h), dtype and device of ``embeddings``.

    Raises:
        SlotMismatchError: slots and vectors differ in number or width, or a slot lies outside.

    Source: RecExplainer adds the vector to a trained slot token (section 2.3; its code,
    ``models/LLM4Exp.py``); we overwrite, so no token embedding needs training.
    """
    if len(slot_positions) != len(vectors):
        raise SlotMismatchError(f"{len(slot_positions)} slots for {len(vectors)} vectors")
    if not len(vectors):
        return embeddings
    rows, tokens = slot_positions.unbind(1)
    n_rows, n_tokens, width = embeddings.shape
    if vectors.shape[1] != width:
        raise SlotMismatchError(f"vectors of width {vectors.shape[1]}; embeddings of {width}")
    if int(rows.max()) >= n_rows or int(tokens.max()) >= n_tokens or int(slot_positions.min()) < 0:
        raise SlotMismatchError(
            f"a slot lies outside the batch of {n_rows} rows, {n_tokens} tokens"
        )
    return embeddings.index_put((rows, tokens), vectors.to(embeddings.dtype))
