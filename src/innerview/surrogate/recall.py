"""Titles looked up by content: a wide layer of random products beside one feed-forward part.

What a language model's own feed-forward layers have to say about a title are a few thousand
features for thousands of titles, and a linear map of them can tell each title's vector only in
part. Products of random projections are as good a feature as its own, and there may be as many as
there are titles: the map from them is fitted, they are not, and need not be saved. At a vector's
slot, where no title is, nothing is recalled but that a title ends before it; slots are known by
what stands in the places that are kept for what is written: in text nothing does.

Axes: K features, n kept places, h width, c numbers written per position.
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

_HELD = 1e-4
"""Share of a token's energy in kept places from which on it is a slot: text has less than a
hundredth of that there, a slot eight times as much."""


class Recall(nn.Module):
    """(..., h) to (..., h): what is recalled where a feed-forward part is given (..., h).

    Args:
        center: (h,) what is taken off first.
        scale: (h,) what that is divided by.
        into: (K, c + 1) from features to numbers, and to the flag that a part ends.
        out: (c + 1, h) where these are written.
    """

    center: Tensor
    scale: Tensor
    into: Tensor
    out: Tensor
    left: Tensor
    right: Tensor
    kept: Tensor

    def __init__(self, center: Tensor, scale: Tensor, into: Tensor, out: Tensor) -> None:
        super().__init__()
        left, right = _signs(len(into), len(center))
        for name, tensor in (
            ("center", center), ("scale", scale), ("into", into), ("out", out),
            ("left", left.to(center)), ("right", right.to(center)),
            ("kept", center.new_zeros(0, len(center))),
        ):  # fmt: skip
            self.register_buffer(name, tensor, persistent=False)

    def features(self, given: Tensor) -> Tensor:
        """(..., h) to (..., K)."""
        standard = (given - self.center) / self.scale
        found: Tensor = (standard @ self.left.T) * (standard @ self.right.T)
        return found

    def keep_off(self, places: Tensor, norm: Any) -> Recall:
        """Recall no numbers where something stands in (n, h) places of the hidden state, which a
        norm hands on."""
        self.kept = (places.to(norm.weight) / norm.weight).to(self.center)
        return self

    def forward(self, given: Tensor) -> Tensor:
        """What is added to the output of the feed-forward part."""
        numbers = self.features(given) @ self.into
        held = (given @ self.kept.T).square().sum(-1, keepdim=True) > _HELD * given.shape[-1]
        told = numbers[..., :-1].masked_fill(held, 0.0)
        recalled: Tensor = torch.cat([told, numbers[..., -1:]], dim=-1) @ self.out
        return recalled

    def copy(self) -> Recall:
        """Another with the same tensors."""
        return Recall(self.center, self.scale, self.into, self.out)

    def attach(self, layer: Any, places: Tensor) -> None:
        """Stand beside a layer's feed-forward part from now on, in its dtype and on its device.

        Args:
            layer: of a language model.
            places: (n, h) kept for what is written.
        """
        weight = next(layer.mlp.parameters())
        own = self.to(weight.device, weight.dtype)
        layer.mlp.recall = own.keep_off(places, layer.post_attention_layernorm)
        layer.mlp.register_forward_hook(_add_recalled)


def _add_recalled(mlp: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    added: Tensor = output + mlp.recall(inputs[0])
    return added


def n_features(n_titles: int, n_mentions: int) -> int:
    """How many features so many titles want, if they are fitted to so many mentions: with more than
    a third of those, they would be learned by heart."""
    wanted = min(_MOST, -(-max(1, _PER_TITLE * n_titles) // _FEWEST) * _FEWEST)
    return min(wanted, max(_FEWEST // 2, n_mentions // 3))


def _signs(n: int, width: int) -> tuple[Tensor, Tensor]:
    """Two (K, h) of plus and minus one over the square root of h; always the same, bit by bit."""
    words = np.random.PCG64(0).random_raw(-(-2 * n * width // 64))
    bits = np.unpackbits(words.view(np.uint8))[: 2 * n * width]
    signs = torch.from_numpy(bits).float().mul_(2).sub_(1).div_(width**0.5)
    left, right = signs.reshape(2, n, width)
    return left, right
