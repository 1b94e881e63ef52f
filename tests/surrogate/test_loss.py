from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from innerview.surrogate.loss import answer_losses


class _Opaque(nn.Module):
    """A head that cannot be fused: the ordinary way, as the truth."""

    def __init__(self, head: nn.Linear) -> None:
        super().__init__()
        self.head = head

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(states)
        return logits


@given(st.integers(1, 150), st.integers(0, 2**16))
@settings(max_examples=25)
def test_the_fused_loss_and_its_gradient_are_those_of_plain_cross_entropy(
    n: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    head = nn.Linear(6, 11, bias=False)
    head.requires_grad_(False)
    truths = torch.randint(1, 4, (n,), generator=generator)
    rows = torch.arange(n).repeat_interleave(truths)
    ids = torch.randint(0, 11, (len(rows),), generator=generator)
    shares = torch.rand(len(rows), generator=generator)
    shares /= torch.zeros(n).index_add(0, rows, shares)[rows]
    weights = torch.rand(n, generator=generator)
    found = []
    for own in (head, _Opaque(head)):
        states = torch.randn(n, 6, generator=torch.Generator().manual_seed(seed))
        states.requires_grad_(True)
        losses = answer_losses(states, own, rows, ids, shares)
        (losses * weights).sum().backward()
        assert states.grad is not None
        found.append((losses.detach(), states.grad))
    torch.testing.assert_close(found[0], found[1], atol=1e-5, rtol=1e-5)


def test_one_truth_is_ordinary_cross_entropy() -> None:
    torch.manual_seed(0)
    states, head = torch.randn(5, 6), nn.Linear(6, 11, bias=False).requires_grad_(False)
    ids = torch.tensor([3, 1, 4, 1, 5])
    wanted = nn.functional.cross_entropy(head(states), ids, reduction="none")
    torch.testing.assert_close(
        answer_losses(states, head, torch.arange(5), ids, torch.ones(5)), wanted
    )
