"""Memory on the real base language model: a random one has no hidden states worth reading."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from innerview import pipeline
from innerview.alignment.cases import read_cases
from innerview.alignment.labels import LabelSettings
from innerview.alignment.mixture import MixtureSettings, case_records
from innerview.surrogate.base import load_base
from innerview.surrogate.packing import pack_rows, trees_of
from innerview.surrogate.surrogate import Surrogate
from innerview.targets import load_bundle

pytestmark = pytest.mark.e2e


def test_titles_and_slots_tell_their_vectors_and_the_case(tmp_path: Path) -> None:
    shipped = pipeline.shipped_folder()
    target = load_bundle(shipped / "target")
    every = read_cases(shipped).train
    cases = [every[i] for i in np.random.default_rng(0).permutation(len(every))[:120]]
    mixture = MixtureSettings(attribution_frac=0.0)
    groups = case_records(target, cases, mixture, LabelSettings(n_interest=6))
    surrogate = Surrogate(load_base(), target)
    surrogate.start(groups, features=256)
    trees = (t for g in groups for t in trees_of(g, surrogate.encoder, surrogate.vectors))
    rows = list(pack_rows(trees, max_tokens=480))[:160]
    explained = surrogate.memorize(rows, kept=tmp_path / "memory.safetensors")
    # Shares of the variance in prompts that nothing was fitted to; knowing nothing gives 0, and
    # so does the case where a token is not handed what the one before it mentioned.
    assert explained["mention"] > 0.2
    assert explained["case"] > 0.2
