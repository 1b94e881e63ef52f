"""Keys and values of a decoding, with room for more.

Transformers' own cache copies all it holds for every token that comes; with a hundred rows behind
long contexts that takes longer than the token itself.

Axes: B rows, H heads that keys and values have, T tokens held, N tokens that come, s head size.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

__all__ = ["empty_cache", "rows_of"]

_ROOM = 32
"""Tokens that there is room for, whenever what is held has to be copied."""


def empty_cache() -> Any:
    """One that holds nothing yet, for any number of layers."""
    from transformers.cache_utils import Cache

    return Cache(layer_class_to_replicate=_growing_layer())


def rows_of(held: Any, rows: Sequence[int]) -> Any:
    """Some rows of a cache as one of their own; the other stays as it is."""
    from transformers.cache_utils import Cache

    layers: list[Any] = []
    for layer in held.layers:
        chosen = torch.tensor(rows, device=layer.keys.device)
        layers.append(_growing_layer()())
        layers[-1].update(layer.keys[chosen], layer.values[chosen])
    return Cache(layers=layers)


@cache
def _growing_layer() -> type[Any]:
    """The class of one layer's cache; made when it is needed, as transformers loads slowly."""
    from transformers.cache_utils import DynamicLayer

    class GrowingLayer(DynamicLayer):  # type: ignore[no-untyped-call]
        """Keys and values, (B, H, T, s) each: views of tensors with room behind them."""

        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]
            self._roomy: list[Tensor] = []

        def update(
            self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
        ) -> tuple[Tensor, Tensor]:
            """Append (B, H, N, s) of each; returns all that is held then."""
            if not self.is_initialized:
                self.lazy_initialization(key_states, value_states)
            start = self.get_seq_length()
            end = start + key_states.shape[-2]
            if not self._roomy or end > self._roomy[0].shape[-2]:
                self._make_room(key_states, end + _ROOM)
            for roomy, new in zip(self._roomy, (key_states, value_states), strict=True):
                roomy[..., start:end, :] = new
            self.keys, self.values = (roomy[..., :end, :] for roomy in self._roomy)
            return self.keys, self.values

        def _make_room(self, like: Tensor, size: int) -> None:
            held, before = self.get_seq_length(), (self.keys, self.values)
            shape = (*like.shape[:-2], size, like.shape[-1])
            self._roomy = [like.new_empty(shape) for _ in range(2)]
            for roomy, old in zip(self._roomy, before, strict=True):
                if held and old is not None:
                    roomy[..., :held, :] = old

        def batch_select_indices(self, indices: Tensor) -> None:
            """Keep some rows, in an order."""
            super().batch_select_indices(indices)
            self._roomy = []

    return GrowingLayer
