from __future__ import annotations

import hashlib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from innerview.surrogate.recall import Recall, n_features

WIDTH, K, C = 24, 512, 3


def _recall(into: torch.Tensor | None = None) -> Recall:
    generator = torch.Generator().manual_seed(0)
    out = torch.randn(C, WIDTH, generator=generator)
    into = torch.randn(K, C, generator=generator) if into is None else into
    return Recall(torch.full((WIDTH,), 0.5), torch.full((WIDTH,), 2.0), into, out)


def test_projections_are_signs_and_the_same_on_every_machine() -> None:
    recall = _recall()
    both = torch.cat([recall.left, recall.right])
    torch.testing.assert_close(both.abs(), torch.full_like(both, WIDTH**-0.5))
    bits = (both > 0).numpy().tobytes()
    known = "107c696823ea64ca"
    assert hashlib.sha256(bits).hexdigest()[:16] == known
    assert abs(float(both.sign().mean())) < 0.02


def test_features_are_products_of_two_projections_of_the_standardized() -> None:
    recall = _recall()
    given = torch.randn(2, 5, WIDTH)
    z = (given - 0.5) / 2
    expected = torch.einsum("bth,kh->btk", z, recall.left) * torch.einsum(
        "bth,kh->btk", z, recall.right
    )
    torch.testing.assert_close(recall.features(given), expected)
    torch.testing.assert_close(recall(given), expected @ recall.into @ recall.out)


def test_more_things_than_dimensions_are_told_apart() -> None:
    # Ten times as many as the width, which no linear map could: 240 things, 512 features.
    generator = torch.Generator().manual_seed(1)
    things = torch.randn(10 * WIDTH, WIDTH, generator=generator)
    wanted = torch.randn(10 * WIDTH, C, generator=generator)
    features = _recall().features(things)
    recall = _recall(torch.linalg.lstsq(features, wanted, driver="gelsd").solution)
    numbers = recall(things) @ torch.linalg.pinv(recall.out)
    torch.testing.assert_close(numbers, wanted, atol=1e-2, rtol=0)
    linear = things @ torch.linalg.lstsq(things, wanted).solution
    assert float((linear - wanted).square().sum() / wanted.square().sum()) > 0.7


class _Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mlp = nn.Linear(WIDTH, WIDTH)
        self.post_attention_layernorm = nn.RMSNorm(WIDTH)
        nn.init.uniform_(self.post_attention_layernorm.weight, 0.5, 2.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_beside_a_feed_forward_part_it_adds_to_the_output_in_its_dtype(dtype: torch.dtype) -> None:
    layer = _Layer().to(dtype)
    given = torch.randn(4, WIDTH, generator=torch.Generator().manual_seed(0)).to(dtype)
    before = layer.mlp(given)
    recall = _recall()
    recall.copy().attach(layer, torch.zeros(0, WIDTH))
    after = layer.mlp(given)
    assert after.dtype == dtype
    added, wanted = (after - before).float(), recall(given.float())
    error = float((added - wanted).square().sum() / wanted.square().sum())
    assert error < (1e-8 if dtype == torch.float32 else 1e-3)
    assert not list(recall.parameters()), "it is fitted, not trained"


def test_nothing_but_an_end_is_recalled_where_something_stands_in_kept_places() -> None:
    layer = _Layer()
    norm = layer.post_attention_layernorm
    places = torch.linalg.qr(torch.randn(WIDTH, 5)).Q.T
    text = torch.randn(6, WIDTH)
    text -= text @ places.T @ places
    slot = text + 0.1 * torch.randn(6, 5) @ places
    recall = _recall().keep_off(places, norm)
    assert bool((recall(norm(text)) != 0).any(1).all())
    # The last number says that a title ends here, which it may do at a slot.
    ended = (recall.features(norm(slot)) @ recall.into)[:, -1:] * recall.out[-1]
    torch.testing.assert_close(recall(norm(slot)), ended)


@given(st.integers(0, 50_000), st.integers(0, 100_000))
def test_features_grow_with_the_titles_up_to_what_their_mentions_bear(n: int, told: int) -> None:
    k = n_features(n, told)
    assert 256 <= k <= 8192
    assert k <= max(256, told // 3)
    assert k >= min(3 * n, 8192, told // 3)
    assert n_features(n + 1, told) >= k and n_features(n, told + 1) >= k
