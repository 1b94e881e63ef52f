from __future__ import annotations

from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import DynamicCache

from innerview.surrogate.cache import empty_cache, rows_of

HEADS, SIZE, LAYERS = 2, 4, 3

steps = st.lists(
    st.one_of(
        st.integers(1, 40),  # so many tokens come
        st.lists(st.integers(0, 99), min_size=1, max_size=5),  # these rows are kept
    ),
    min_size=1, max_size=12,
)  # fmt: skip


@given(steps, st.integers(1, 4))
@settings(deadline=None, max_examples=60)
def test_it_holds_what_transformers_own_cache_holds(
    steps: list[int | list[int]], rows: int
) -> None:
    ours, theirs = empty_cache(), DynamicCache()
    generator = torch.Generator().manual_seed(0)
    for step in [3, *steps]:
        if isinstance(step, int):
            for layer in range(LAYERS):
                new = torch.randn(2, rows, HEADS, step, SIZE, generator=generator)
                found = ours.update(new[0], new[1], layer)
                wanted = theirs.update(new[0], new[1], layer)
                assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))
        else:
            chosen = torch.tensor([i % rows for i in step])
            for cache in (ours, theirs):
                cache.batch_select_indices(chosen)
            rows = len(chosen)
        assert ours.get_seq_length() == theirs.get_seq_length()
        layers: Any = theirs.layers
        for a, b in zip(ours.layers, layers, strict=True):
            assert torch.equal(a.keys, b.keys) and torch.equal(a.values, b.values)


def test_what_is_held_is_not_copied_for_every_token() -> None:
    cache = empty_cache()
    cache.update(*torch.randn(2, 3, HEADS, 50, SIZE), 0)
    held = cache.layers[0].keys.data_ptr()
    for _ in range(20):
        cache.update(*torch.randn(2, 3, HEADS, 1, SIZE), 0)
        assert cache.layers[0].keys.data_ptr() == held


def test_rows_of_a_cache_grow_apart_from_it() -> None:
    cache = empty_cache()
    cache.update(*torch.randn(2, 3, HEADS, 5, SIZE), 0)
    before = cache.layers[0].keys.clone()
    side = rows_of(cache, [2, 0])
    assert torch.equal(side.layers[0].keys, before[[2, 0]])
    side.update(*torch.randn(2, 2, HEADS, 1, SIZE), 0)
    assert torch.equal(cache.layers[0].keys, before) and side.get_seq_length() == 6
