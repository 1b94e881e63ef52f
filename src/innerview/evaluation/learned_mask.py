"""A mask that is learned over many cases and then asked for without a query.

After LXR (Barkan et al., WWW 2024): a small network sees the vectors of a part, of the case and of
the outcome, and says how much the outcome hangs on the part. LXR learns by gradients through the
target, with masks that are soft. A target here need not have gradients, and takes whole parts; so
the network learns from scores of random subsets of other cases' parts: what parts that are gone
were worth adds up to what the score has lost, subsets near the whole counting for more, as with
LIME.

Axes: N cases, n parts of a case at most, M masks of a case, d width of a vector, f features.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from innerview.evaluation.conventional import Masked, nearness
from innerview.evaluation.orders import Order, best_first
from innerview.targets.protocol import Case, Target

__all__ = ["LearnedMask"]

_WIDTH, _EPOCHS, _BATCH, _RATE = 64, 40, 16, 3e-3
_WEIGHT_DECAY = 1e-3

Pairs = Sequence[tuple[Case, str]]
_Floats = npt.NDArray[np.float32]


class LearnedMask:
    """Says which parts an outcome hangs on; the target is asked for vectors only.

    Args:
        pairs: N cases to learn from, as the target sees them, with an outcome each.
        masked: (N,) their scored subsets.
        target: with vectors.
        seed: of the network and of the order in which it learns.
    """

    def __init__(
        self, pairs: Pairs, masked: Sequence[Masked], target: Target, *, seed: int = 0
    ) -> None:
        import torch
        from torch import nn

        self.target = target
        features, there = self._features(pairs)
        real = features[there]
        self.center, self.scale = real.mean(0), np.maximum(real.std(0), 1e-6)
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            self.network = nn.Sequential(
                nn.Linear(features.shape[2], _WIDTH), nn.ReLU(), nn.Linear(_WIDTH, 1)
            )
        seen = torch.from_numpy((features - self.center) / self.scale)
        gone, lost, weights = map(torch.from_numpy, _lost(masked, features.shape[1]))
        adam = torch.optim.AdamW(self.network.parameters(), lr=_RATE, weight_decay=_WEIGHT_DECAY)
        rng = np.random.default_rng(seed)
        for epoch in range(_EPOCHS):
            adam.param_groups[0]["lr"] = _RATE * (1 - epoch / _EPOCHS)
            for some in np.array_split(rng.permutation(len(pairs)), -(-len(pairs) // _BATCH)):
                worth = self.network(seen[some])  # (B, n, 1)
                errors = (gone[some] @ worth)[..., 0] - lost[some]
                loss = (weights[some] * errors.square()).mean()
                adam.zero_grad()
                loss.backward()
                adam.step()

    def orders(self, pairs: Pairs, *, seed: int = 0) -> list[Order]:
        """Each case's parts by what they are said to be worth.

        Args:
            pairs: cases as the target sees them, with an outcome each.
            seed: of the order of equals.
        """
        import torch

        features, _ = self._features(pairs)
        with torch.inference_mode():
            seen = torch.from_numpy((features - self.center) / self.scale)
            worth = self.network(seen)[..., 0]
        return [
            best_first(case, dict(zip(_parts(case), row, strict=False)), seed=seed)
            for (case, _), row in zip(pairs, worth.tolist(), strict=True)
        ]

    def _features(self, pairs: Pairs) -> tuple[_Floats, npt.NDArray[np.bool_]]:
        """(N, n, f) of every part, zeros beyond a case's last; and (N, n) whether there is one."""
        target = self.target
        cases = target.case_vectors([case for case, _ in pairs])
        outcomes = target.outcome_vectors[target.outcomes.rows([outcome for _, outcome in pairs])]
        longest = max(len(_parts(case)) for case, _ in pairs)
        d = target.part_vectors.shape[1]
        found = np.zeros((len(pairs), longest, 2 * d + 6), dtype=np.float32)
        there = np.zeros((len(pairs), longest), dtype=bool)
        for at, (case, _) in enumerate(pairs):
            parts = _parts(case)
            own = target.part_vectors[target.parts.rows(parts)]
            products = [own * outcomes[at], own * cases[at]]
            sums = [p.sum(1, keepdims=True) for p in products]
            lengths = np.linalg.norm(own, axis=1, keepdims=True)
            newest = np.arange(len(parts), dtype=np.float32)[::-1, None]
            n = np.full((len(parts), 1), len(parts), dtype=np.float32)
            beside = [*sums, lengths, 1 / (1 + newest), np.log(n), sums[0] / n]
            found[at, : len(parts)] = np.concatenate([*products, *beside], axis=1)
            there[at, : len(parts)] = True
        return found, there


def _parts(case: Case) -> tuple[str, ...]:
    return tuple(dict.fromkeys(case.parts))


def _lost(masked: Sequence[Masked], n: int) -> tuple[_Floats, _Floats, _Floats]:
    """(N, M, n) which parts are gone, (N, M) what the score has lost by it, in standard deviations
    of the case's scores, and (N, M) how much that counts."""
    gone = np.zeros((len(masked), len(masked[0].masks), n), dtype=np.float32)
    lost, weights = np.zeros((2, *gone.shape[:2]), dtype=np.float32)
    for at, own in enumerate(masked):
        gone[at, :, : len(own.parts)] = ~own.masks
        spread = own.scores.std()
        if spread:
            lost[at], weights[at] = (own.scores[0] - own.scores) / spread, nearness(own.masks)
    return gone, lost, weights
