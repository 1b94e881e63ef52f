"""The attention heads of one layer, about to be rewritten.

Axes: h width of the hidden state, size of one head.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from innerview.surrogate.memory import base_linear

__all__ = ["Heads", "repeats"]


def repeats(config: Any) -> int:
    """How many heads share keys and values."""
    return int(config.num_attention_heads // config.num_key_value_heads)


class Heads:
    """The first heads of one layer's attention, about to be rewritten: all that share the first
    few keys.

    Queries of these heads start from nothing.
    """

    def __init__(self, causal: Any, at: int, *, n_keys: int) -> None:
        self.name = f"model.layers.{at}.self_attn"
        self.size = int(causal.get_submodule(self.name).head_dim)
        self.repeats, self.n_keys = repeats(causal.config), n_keys
        self.n = n_keys * self.repeats
        self.width = self.n * self.size
        self.q, self.k, self.v, self.o = (
            base_linear(causal.get_submodule(f"{self.name}.{part}")).weight.float().clone()
            for part in ("q_proj", "k_proj", "v_proj", "o_proj")
        )
        self.q[: self.width] = 0

    def query(self, head: int) -> Tensor:
        """(size, h) one head's map to queries, to be written to."""
        own: Tensor = self.q[head * self.size :][: self.size]
        return own

    def share(self, key: Tensor, values: Sequence[Tensor]) -> None:
        """Give them all the same (size, h) map to keys, and one map to values per key."""
        n = self.n_keys * self.size
        self.k[:n], self.v[:n] = key.repeat(self.n_keys, 1), torch.cat(list(values))

    def weight(self, part: str) -> Tensor:
        """The new weight of one of the four maps."""
        new: Tensor = {
            "q_proj": self.q, "k_proj": self.k, "v_proj": self.v, "o_proj": self.o
        }[part]  # fmt: skip
        return new
