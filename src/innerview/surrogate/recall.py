"""Titles looked up by content: a wide layer of random products beside one feed-forward part.

What a language model's own feed-forward layers have to say about a title are a few thousand
features for thousands of titles, and a linear map of them can tell each title's vector only in
part. Products of random projections are as good a feature as its own, and there may be as many as
there are titles: the map from them is fitted, they are not, and need not be saved.

Axes: K features, h width, c numbers written per position.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["RECALLED", "Recall", "n_features"]

RECALLED = ("center", "scale", "into", "out")
"""What of it is fitted, and saved."""

_PER_TITLE, _FEWEST, _MOST = 3, 512, 8192
"""Features per title that is to be told from the others; each costs four matrix rows of work at
every token, so there is an end to it."""


class Recall(nn.Module):
    """(..., h) to (..., h): what is recalled where a feed-forward part is given (..., h).

    Args:
        center: (h,) what is taken off first.
        scale: (h,) what that is divided by.
        into: (K, c) from features to numbers.
        out: (c, h) where these are written.
    """

    center: Tensor
    scale: Tensor
    into: Tensor
    out: Tensor
    left: Tensor
    right: Tensor

    def __init__(self, center: Tensor, scale: Tensor, into: Tensor, out: Tensor) -> None:
        super().__init__()
        left, right = _signs(len(into), len(center))
        for name, tensor in (
            ("center", center), ("scale", scale), ("into", into), ("out", out),
            ("left", left.to(center)), ("right", right.to(center)),
        ):  # fmt: skip
            self.register_buffer(name, tensor, persistent=False)

    def features(self, given: Tensor) -> Tensor:
        """(..., h) to (..., K)."""
        standard = (given - self.center) / self.scale
        found: Tensor = (standard @ self.left.T) * (standard @ self.right.T)
        return found

    def forward(self, given: Tensor) -> Tensor:
        """What is added to the output of the feed-forward part."""
        recalled: Tensor = self.features(given) @ self.into @ self.out
        return recalled

    def copy(self) -> Recall:
        """Another with the same tensors."""
        return Recall(self.center, self.scale, self.into, self.out)

    def attach(self, mlp: Any) -> None:
        """Stand beside a feed-forward part from now on, in its dtype and on its device."""
        weight = next(mlp.parameters())
        mlp.recall = self.to(weight.device, weight.dtype)
        mlp.register_forward_hook(_add_recalled)


def _add_recalled(mlp: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    added: Tensor = output + mlp.recall(inputs[0])
    return added


def n_features(n_titles: int) -> int:
    """How many features so many titles want."""
    return min(_MOST, -(-max(1, _PER_TITLE * n_titles) // _FEWEST) * _FEWEST)


def _signs(n: int, width: int) -> tuple[Tensor, Tensor]:
    """Two (K, h) of plus and minus one over the square root of h; always the same, bit by bit."""
    words = np.random.PCG64(0).random_raw(-(-2 * n * width // 64))
    bits = np.unpackbits(words.view(np.uint8))[: 2 * n * width]
    signs = torch.from_numpy(bits).float().mul_(2).sub_(1).div_(width**0.5)
    left, right = signs.reshape(2, n, width)
    return left, right
