from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from innerview.alignment.labels import LabelSettings
from innerview.alignment.mixture import MixtureSettings, case_records
from innerview.alignment.records import Record
from innerview.errors import SurrogateError
from innerview.surrogate import memory
from innerview.surrogate.memory import (
    apply_edits,
    edits_from_tensors,
    edits_to_tensors,
    write_memory,
)
from innerview.surrogate.packing import Batch, Tree, collate, pack_rows, trees_of
from innerview.surrogate.surrogate import Surrogate
from innerview.targets.protocol import Case
from innerview.testing import ScriptedTarget

from .conftest import N
from .tiny import tiny_base

LAYERS = 12


@pytest.fixture
def deep(target: ScriptedTarget) -> Surrogate:
    return Surrogate(tiny_base(layers=LAYERS, width=128), target, lora_rank=4)


@pytest.fixture
def many(target: ScriptedTarget) -> list[list[Record]]:
    rng = np.random.default_rng(2)
    cases = [
        Case(f"m{i}", tuple(f"i{j}" for j in rng.choice(N, size=5, replace=False)))
        for i in range(70)
    ]
    mixture = MixtureSettings(ranking_frac=0.2, attribution_frac=0.2)
    return case_records(target, cases, mixture, LabelSettings(n_interest=6))


def _rows(surrogate: Surrogate, groups: list[list[Record]]) -> list[list[Tree]]:
    trees = (t for g in groups for t in trees_of(g, surrogate.encoder, surrogate.vectors))
    return list(pack_rows(trees, max_tokens=512))


def _write(surrogate: Surrogate, groups: list[list[Record]]) -> tuple[memory.Memory, list[Batch]]:
    surrogate.start(groups, features=64)
    rows = _rows(surrogate, groups)
    batches = [
        collate(rows[i : i + 2], surrogate.vectors, pad_id=0) for i in range(0, len(rows), 2)
    ]
    yes, no = (surrogate.encoder.text(word)[0] for word in (" Yes", " No"))
    assert yes != no
    return write_memory(surrogate.model, batches, yes=yes, no=no), batches


def test_titles_and_slots_tell_their_vectors_and_the_case(
    deep: Surrogate, many: list[list[Record]]
) -> None:
    written, _ = _write(deep, many)
    # Of the vectors' variance in prompts that nothing was fitted to.
    assert written.explained["mention"] > 0.6
    assert written.explained["case"] > 0.3
    assert written.explained["fits"] > 0.1


def test_a_token_is_handed_what_the_one_before_mentioned(
    deep: Surrogate, many: list[list[Record]], monkeypatch: pytest.MonkeyPatch
) -> None:
    agreement: list[float] = []
    real = memory._Writer.gather

    def watched(self: memory._Writer, at: int) -> None:
        said, heard = [], []
        for stream in self.streams:
            told = stream.batch.anchor_positions[stream.batch.anchor_kinds == 1]
            hidden = stream.hidden.float()
            said.append(hidden[told[:, 0], told[:, 1]] @ self.mention.T)
            heard.append(hidden[told[:, 0], told[:, 1] + 1] @ self.before.T)
        one, other = torch.cat(said).flatten(), torch.cat(heard).flatten()
        agreement.append(float(torch.corrcoef(torch.stack([one, other]))[0, 1]))
        real(self, at)

    monkeypatch.setattr(memory._Writer, "gather", watched)
    _write(deep, many)
    assert agreement[0] > 0.8


def test_edits_that_were_saved_make_the_same_model(
    deep: Surrogate, many: list[list[Record]]
) -> None:
    written, _ = _write(deep, many)
    assert written.edits
    again = edits_from_tensors(edits_to_tensors(written.edits))
    fresh = tiny_base(layers=LAYERS, width=128).model
    apply_edits(fresh, again)
    changed = deep.model.causal.state_dict()
    for name, tensor in fresh.state_dict().items():
        wrapped = name.replace("proj.weight", "proj.base_layer.weight")
        assert torch.equal(tensor, changed[wrapped if wrapped in changed else name]), name


def test_memory_is_written_once_and_kept(
    deep: Surrogate, many: list[list[Record]], target: ScriptedTarget, tmp_path: Path
) -> None:
    deep.start(many, features=64)
    rows, kept = _rows(deep, many), tmp_path / "memory.safetensors"
    first = deep.memorize(rows, kept=kept)
    other = Surrogate(tiny_base(layers=LAYERS, width=128), target, lora_rank=4)
    other.start(many, features=64)
    assert other.memorize(rows, kept=kept) == first
    a, b = deep.model.causal.state_dict(), other.model.causal.state_dict()
    assert all(torch.equal(a[name], b[name]) for name in a if "lora" not in name)
    kept.write_bytes(kept.read_bytes()[:-100])
    third = Surrogate(tiny_base(layers=LAYERS, width=128), target, lora_rank=4)
    third.start(many, features=64)
    with pytest.raises(SurrogateError, match="align the surrogate anew"):
        third.memorize(rows, kept=kept)


@pytest.mark.parametrize("base", ["shallow", "qwen"])
def test_models_that_are_built_otherwise_are_left_alone(
    target: ScriptedTarget, many: list[list[Record]], base: str
) -> None:
    made = (
        tiny_base(layers=3, width=128)
        if base == "shallow"
        else tiny_base(kind="qwen", layers=LAYERS, width=128)
    )
    surrogate = Surrogate(made, target, lora_rank=4)
    before = {n: t.clone() for n, t in surrogate.model.causal.state_dict().items()}
    written, _ = _write(surrogate, many[:10])
    assert not written.edits and not written.explained
    after = surrogate.model.causal.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
