"""Integrated gradients of a module whose attributions can be worked out on paper."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from innerview.errors import CaseError, TargetQueryError
from innerview.explanation.gradients import integrated_gradients
from innerview.targets.protocol import Case, FloatArray
from innerview.testing.fakes import ScriptedTarget

WEIGHTS = np.array([[0, 2, -1], [1, 0, 3], [0.5, 4, 0]], dtype=np.float32)
CASE = Case("c", ("i0", "i2"))


class Sum(nn.Module):
    """The scripted target as a module: scores are the sum of the parts' vectors, and a bias."""

    def __init__(self, bias: float = 0.5, power: int = 1) -> None:
        super().__init__()
        self.bias, self.power = bias, power

    def forward(self, slots: Tensor) -> Tensor:
        return slots.sum(1) ** self.power + self.bias


def target() -> ScriptedTarget:
    return ScriptedTarget(WEIGHTS, bias=[0.5, 0.5, 0.5])


def test_of_a_linear_module_they_are_the_weights_and_sum_to_the_score() -> None:
    found = integrated_gradients(CASE, "i1", target(), Sum().eval())
    assert found.parts == ("i0", "i2")
    assert found.values == pytest.approx((2.0, 4.0), abs=1e-5)
    assert found.base == 0.5
    assert abs(found.error) < 1e-5


def test_of_a_curved_module_they_share_the_score_and_say_what_is_lacking() -> None:
    class Squared(ScriptedTarget):
        def score(self, cases: Sequence[Case]) -> FloatArray:
            squared: FloatArray = (super().score(cases) - 0.5) ** 2 + np.float32(0.5)
            return squared

    curved = Squared(WEIGHTS, bias=[0.5, 0.5, 0.5])
    found = integrated_gradients(CASE, "i1", curved, Sum(power=2).eval(), steps=200)
    # Of (2 + 4) squared, each has its weight times the sum.
    assert found.values == pytest.approx((12.0, 24.0), abs=1e-3)
    assert sum(found.values) + found.base + found.error == pytest.approx(36.5, abs=1e-4)


def test_another_module_and_one_in_training_are_refused() -> None:
    with pytest.raises(TargetQueryError, match=r"the target at 6\.5"):
        integrated_gradients(CASE, "i1", target(), Sum(bias=1.0).eval())
    with pytest.raises(CaseError, match=r"training mode.*eval\(\)"):
        integrated_gradients(CASE, "i1", target(), Sum())
    blind = ScriptedTarget(WEIGHTS, bias=[0.5, 0.5, 0.5], vectors=False)
    with pytest.raises(TargetQueryError, match="no vectors"):
        integrated_gradients(CASE, "i1", blind, Sum().eval())


def test_the_seed_of_torch_is_left_alone() -> None:
    before = torch.get_rng_state()
    integrated_gradients(CASE, "i1", target(), Sum().eval())
    assert torch.equal(before, torch.get_rng_state())
