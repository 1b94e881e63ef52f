from __future__ import annotations

import numpy as np
import pytest
import torch

from innerview.alignment.labels import LabelSettings
from innerview.alignment.mixture import MixtureSettings, case_records, outcome_records
from innerview.alignment.records import Record
from innerview.surrogate.surrogate import Surrogate
from innerview.targets.protocol import Case
from innerview.testing import ScriptedTarget, small_catalogue

from .tiny import tiny_base

N = 12


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def target() -> ScriptedTarget:
    weights = np.random.default_rng(0).normal(size=(N, N)).astype(np.float32)
    return ScriptedTarget(weights, small_catalogue(N), max_parts=5)


@pytest.fixture
def cases() -> list[Case]:
    rng = np.random.default_rng(1)
    return [
        Case(f"c{i}", tuple(f"i{j}" for j in rng.choice(N, size=4 + i % 2, replace=False)))
        for i in range(6)
    ]


@pytest.fixture
def groups(target: ScriptedTarget, cases: list[Case]) -> list[list[Record]]:
    mixture = MixtureSettings(ranking_frac=1.0, attribution_frac=1.0, item_passes=1)
    own = case_records(target, cases, mixture, LabelSettings())
    return own + outcome_records(target, mixture)


@pytest.fixture
def surrogate(target: ScriptedTarget, groups: list[list[Record]]) -> Surrogate:
    made = Surrogate(tiny_base(), target, lora_rank=4)
    made.start(groups, features=16)
    # LoRA starts at zero; give it something to be wrong about.
    with torch.no_grad():
        for name, parameter in made.model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0.0, 0.05)
    return made
