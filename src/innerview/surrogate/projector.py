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

_FAR = 8.0
"""Standard deviations beyond which a vector that was not fitted to may not lie."""
_STRAIGHT = 0.5
"""Share of a slot's energy on the straight path."""
_PIECE = 1024
"""Rows of a fit whose features are held together."""


class Projector(nn.Module):
    """(S, d) to (S, h): standardize; random features, linear, norm-match; plus an isometry."""

    center: Tensor
    scale: Tensor
    basis: Tensor
    straight: Tensor
    mark: Tensor

    def __init__(
        self, d: int, h: int, *, features: int = 1024, numbers: int | None = None, seed: int = 0
    ) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.first = nn.Linear(d + 1, features)
        self.second = nn.Linear(features, h)
        self.gain = nn.Parameter(torch.ones(()))
        self.register_buffer("center", torch.zeros(d + 1))
        self.register_buffer("scale", torch.ones(d + 1))
        n = d + 1 if numbers is None else numbers
        self.register_buffer("basis", torch.eye(d + 1, n))
        self.register_buffer("straight", _isometry(n, h) * (_STRAIGHT / n) ** 0.5)
        self.register_buffer("mark", torch.zeros(h))
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
        return standard.clamp(-_FAR, _FAR)

    def numbers(self, vectors: Tensor) -> Tensor:
        """(S, d) to (S, n): what is told of a vector: all of it, or its principal components."""
        told: Tensor = self.standard(vectors) @ self.basis
        return told

    def features(self, vectors: Tensor) -> Tensor:
        """(S, d) to (S, m)."""
        hidden: Tensor = torch.tanh(self.first(self.standard(vectors)))
        return hidden

    def forward(self, vectors: Tensor) -> Tensor:
        """(S, d) float32 to (S, h) float32, in embedding units."""
        raw = self.second(self.features(vectors))
        matched = raw * ((1 - _STRAIGHT) ** 0.5 / raw.norm(dim=-1, keepdim=True).clamp_min(1e-6))
        straight = self.numbers(vectors) @ self.straight + self.mark
        out: Tensor = self.gain * (matched + straight)
        return out

    @torch.no_grad()
    def carry_on(self, directions: Tensor, mark: Tensor, reserved: Tensor) -> None:
        """Send the straight path along given directions and the network around reserved ones.

        Args:
            directions: (n, h) orthonormal, one per number.
            mark: (h,) added to every output, in the same unit.
            reserved: (n, h) orthonormal directions that the network must not write to.
        """
        unit = (_STRAIGHT / len(directions)) ** 0.5
        self.straight.copy_(directions * unit)
        self.mark.copy_(mark * unit)
        for parameter in (self.second.weight, self.second.bias):
            parameter.sub_(reserved.T @ (reserved @ parameter))

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
        left, whole = 0.0, 0.0
        for own, target in pieces:
            phi = self.features(own)
            off = target.double() - mean_target
            left += float((off - (phi.double() - mean_phi) @ weight).pow(2).sum())
            whole += float(off.pow(2).sum())
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
        self,
        d: int,
        h: int,
        *,
        shared_parts: bool,
        features: int = 1024,
        numbers: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        numbers = d + 1 if numbers is None else numbers
        self.settings = {
            "d": d, "h": h, "shared_parts": shared_parts, "features": features, "numbers": numbers
        }  # fmt: skip
        self.case, self.part = (
            Projector(d, h, features=features, numbers=numbers, seed=seed + i) for i in range(2)
        )
        self.outcome = (
            self.part
            if shared_parts
            else Projector(d, h, features=features, numbers=numbers, seed=seed + 2)
        )

    @torch.no_grad()
    def reduce(self, outcomes: Tensor) -> None:
        """Let all kinds tell the same principal components, those of (N, d) outcomes' vectors."""
        basis = self.outcome.basis
        if basis.shape[0] > basis.shape[1]:
            standard = self.outcome.standard(outcomes)
            # By rising variance; complete also where there are fewer outcomes than numbers.
            main = torch.linalg.eigh(standard.T @ standard).eigenvectors.flip(1)
            for projector in (self.case, self.part, self.outcome):
                projector.basis.copy_(main[:, : basis.shape[1]])

    @property
    def straight_unit(self) -> float:
        """Length of one standard deviation of a number on the straight path, in embedding units."""
        gain = float(self.case.gain)
        return float(gain * (_STRAIGHT / self.settings["numbers"]) ** 0.5)

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
