from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from innerview.surrogate import recall as recall_module
from innerview.surrogate.recall import RECALLED, Recall, fit_recall

WIDTH, C = 24, 3


def _mentions(n: int, times: int, *, noise: float, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """States of n titles, each mentioned several times, with noise along a few strong directions;
    which title each is; and its numbers."""
    generator = torch.Generator().manual_seed(seed)
    titles = torch.randn(n, WIDTH, generator=generator)
    strong = torch.randn(4, WIDTH, generator=generator)
    told = torch.arange(n).repeat(times)
    context = torch.randn(len(told), 4, generator=generator) @ strong
    fine = torch.randn(len(told), WIDTH, generator=generator)
    numbers = torch.randn(n, C, generator=generator)
    return titles[told] + noise * (context + 0.1 * fine), told, numbers[told]


def _far(n: int) -> Tensor:
    return 20 * torch.randn(n, WIDTH, generator=torch.Generator().manual_seed(9))


def _share(found: Tensor, wanted: Tensor) -> float:
    return float(1 - (found - wanted).square().sum() / wanted.square().sum())


def test_many_more_titles_than_dimensions_are_told_apart_in_contexts_never_seen() -> None:
    # Contexts move a title farther than the nearest other title is, but in four directions only.
    states, told, numbers = _mentions(30 * WIDTH, 12, noise=0.7)
    seen = torch.arange(len(told)) < 30 * WIDTH * 8
    recall = fit_recall(states[seen], told[seen], numbers[seen], _far(500))
    assert _share(recall(states[~seen]), numbers[~seen]) > 0.98
    features = torch.cat([states, torch.ones(len(states), 1)], dim=1)
    linear = features @ torch.linalg.lstsq(features[seen], numbers[seen]).solution
    assert _share(linear[~seen], numbers[~seen]) < 0.1
    nearest = torch.cdist(states[~seen], states[: 30 * WIDTH]).argmin(1)
    assert _share(numbers[nearest], numbers[~seen]) < 0.8


def test_nothing_is_recalled_far_from_every_title() -> None:
    states, told, numbers = _mentions(50, 6, noise=0.2)
    recall = fit_recall(states, told, numbers, _far(500))
    others = 20 * torch.randn(200, WIDTH, generator=torch.Generator().manual_seed(5))
    assert float(recall(others).norm(dim=1).max()) < 0.01 * float(numbers.norm(dim=1).mean())


def test_between_two_titles_both_are_recalled_by_their_shares() -> None:
    keys = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    values = torch.tensor([[8.0], [4.0]])
    recall = Recall(torch.zeros(2), torch.eye(2), keys, values, torch.tensor([5.0]))
    at = torch.tensor([[0.5, 0.0], [0.0, 2.0]])
    scores = torch.tensor([[0.25, 2.25, 5.0], [5.0, 5.0, 5.0]]) / -2
    expected = torch.softmax(scores, 1)[:, :2] @ values
    torch.testing.assert_close(recall(at), expected)


@given(st.integers(2, 12), st.integers(1, 4), st.integers(0, 4), st.integers(0, 99))
@settings(deadline=None, max_examples=60)
def test_few_mentions_of_few_titles_are_recalled_too(
    n: int, times: int, others: int, seed: int
) -> None:
    states, told, numbers = _mentions(n, times, noise=0.01, seed=seed)
    recall = fit_recall(states, told * 7, numbers, _far(others))
    again = fit_recall(states, told * 7, numbers, _far(others))
    assert all(torch.equal(getattr(recall, name), getattr(again, name)) for name in RECALLED)
    assert recall.keys.shape[0] == n
    found = recall(states)
    assert bool(torch.isfinite(found).all())
    assert bool((found.abs() <= numbers.abs().max(0).values * 1.01 + 1e-6).all())


def test_what_is_saved_recalls_the_same() -> None:
    states, told, numbers = _mentions(40, 5, noise=0.3)
    recall = fit_recall(states, told, numbers, _far(100))
    saved = recall.saved()
    assert {n: t.dtype for n, t in saved.items() if t.ndim > 1} == dict.fromkeys(
        ("project", "keys", "values"), torch.bfloat16
    )
    again = Recall(*(saved[name] for name in RECALLED))
    assert torch.equal(again(states), recall(states))


def test_tensors_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(RuntimeError, match=r"keys of shape \(5, 3\) do not go with 4 titles"):
        Recall(
            torch.zeros(WIDTH), torch.zeros(3, WIDTH), torch.zeros(5, 3), torch.zeros(4, C),
            torch.ones(1),
        )  # fmt: skip


def test_many_positions_are_compared_with_all_keys_some_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    states, told, numbers = _mentions(40, 5, noise=0.3)
    recall = fit_recall(states, told, numbers, _far(100))
    whole = recall(states.reshape(10, 20, WIDTH))
    monkeypatch.setattr(recall_module, "_AT_ONCE", 7 * 40)
    assert whole.shape == (10, 20, C)
    torch.testing.assert_close(recall(states).reshape(10, 20, C), whole)


class _Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mlp = nn.Linear(WIDTH, WIDTH)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_beside_a_feed_forward_part_it_adds_to_the_output_in_float32(dtype: torch.dtype) -> None:
    layer = _Layer().to(dtype)
    states, told, numbers = _mentions(40, 5, noise=0.1)
    recall = fit_recall(states, told, numbers, _far(100))
    out = torch.randn(C, WIDTH, generator=torch.Generator().manual_seed(3))
    given = states[:6].to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        before = layer.mlp(given)
        recall.attach(layer, out)
        after = layer.mlp(given)
    assert after.dtype == torch.float32
    wanted = numbers[:6] @ out
    error = float((after - before - wanted).detach().float().square().sum() / wanted.square().sum())
    assert error < 1e-4
    assert [name for name, _ in layer.named_parameters()] == ["mlp.weight", "mlp.bias"]
    assert layer.state_dict().keys() == {"mlp.weight", "mlp.bias"}
