"""Outcomes that training never names."""

from __future__ import annotations

import torch

from innerview.alignment.labels import LabelSettings
from innerview.alignment.mixture import (
    MixtureSettings,
    case_records,
    heldout_outcomes,
    outcome_records,
)
from innerview.surrogate.checkpoint import trained_tensors
from innerview.surrogate.surrogate import Surrogate
from innerview.targets.protocol import Case
from innerview.testing import ScriptedTarget

from .tiny import tiny_base


def test_projectors_learn_nothing_of_heldout_outcomes(
    target: ScriptedTarget, cases: list[Case]
) -> None:
    mixture = MixtureSettings(heldout_outcome_frac=0.25)
    heldout = heldout_outcomes(target, mixture)
    assert len(heldout) == 3
    groups = case_records(target, cases, mixture, LabelSettings()) + outcome_records(
        target, mixture
    )
    started = []
    for wrong in (list(heldout), [], ["i0"] if "i0" not in heldout else ["i1"]):
        surrogate = Surrogate(tiny_base(), target, lora_rank=4)
        surrogate.vectors.outcome[target.outcomes.rows(wrong)] = 7.0
        surrogate.start(groups, features=16)
        started.append(trained_tensors(surrogate.model))
    blind, plain, changed = started
    assert all(torch.equal(blind[name], tensor) for name, tensor in plain.items())
    assert not all(torch.equal(changed[name], tensor) for name, tensor in plain.items())
