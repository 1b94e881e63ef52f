"""Who sees whom, told by spans: as a dense mask and as the blocks that FlexAttention computes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.attention.flex_attention import flex_attention

from innerview.surrogate.attention import additive_mask, block_mask, dense_mask, is_real

TREES = st.lists(
    st.tuples(
        st.integers(1, 9),  # ids of the context
        st.lists(
            st.tuples(st.integers(0, 9), st.integers(1, 6), st.booleans()), min_size=1, max_size=4
        ),
    ),
    min_size=1,
    max_size=4,
)
"""Per tree its context, and per branch how much of it is visible, its ids, and whether it shares
the first branch's stem."""


def _spans(trees: list[tuple[int, list[tuple[int, int, bool]]]], padding: int) -> Tensor:
    rows: list[list[int]] = []
    for context, branches in trees:
        start = len(rows)
        rows += [[start, 0, 0, 0, 0]] * context
        first = len(rows)
        for at, (visible, n, shares) in enumerate(branches):
            stem = [first, first + 1] if at and shares else [0, 0]
            rows += [[len(rows), start, start + min(visible, context), *stem]] * n
    width = len(rows) + padding
    return torch.tensor([rows + [[width, 0, 0, 0, 0]] * padding])


@settings(deadline=None)
@given(TREES, st.integers(0, 5))
def test_a_token_sees_itself_its_context_its_stem_and_its_own_branch_before_it(
    trees: list[tuple[int, list[tuple[int, int, bool]]]], padding: int
) -> None:
    spans = _spans(trees, padding)
    seen = dense_mask(spans)[0, 0]
    n = spans.shape[1]
    assert bool(seen.diagonal().all()) and not bool(seen.triu(1).any())
    for query, (own, context, context_end, stem, stem_end) in enumerate(spans[0].tolist()):
        known = {*range(own, query), *range(context, context_end), *range(stem, stem_end), query}
        assert set(seen[query].nonzero()[:, 0].tolist()) == known
    assert is_real(spans)[0].tolist() == [True] * (n - padding) + [False] * padding
    assert not bool(seen[:, n - padding :].sum(0).gt(1).any()), "something sees padding"


@pytest.mark.parametrize("padding", [0, 40])
def test_blocks_give_what_the_dense_mask_gives(padding: int) -> None:
    # More than one block of 128, some of them empty.
    trees = [(40, [(30, 20, False), (40, 25, True), (10, 9, False)]) for _ in range(4)]
    spans = _spans(trees, padding)
    n = spans.shape[1]
    q, k, v = torch.randn(3, 1, 2, n, 16, generator=torch.Generator().manual_seed(0)).unbind(0)
    dense = torch.nn.functional.scaled_dot_product_attention(
        q, k, v, attn_mask=additive_mask(spans, q.dtype)
    )
    blocks = block_mask(spans)
    assert blocks.sparsity() > 0
    found = flex_attention(q, k, v, block_mask=blocks)
    assert isinstance(found, Tensor)
    torch.testing.assert_close(found, dense, atol=1e-5, rtol=1e-5)
