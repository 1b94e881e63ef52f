from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from innerview.alignment.records import Record
from innerview.errors import InnerviewWarning, SurrogateError
from innerview.surrogate import surrogate as module
from innerview.surrogate.checkpoint import trained_tensors
from innerview.surrogate.manifest import sealed_manifest
from innerview.surrogate.packing import collate, pack_rows, trees_of
from innerview.surrogate.projector import Projector, ProjectorSet
from innerview.surrogate.surrogate import Surrogate
from innerview.surrogate.train import TrainSettings
from innerview.testing import ScriptedTarget

from .tiny import tiny_base

SETTINGS = TrainSettings(
    max_steps=6, rows_per_step=1, max_tokens=900, lora_rank=4, learning_rate=1e-2
)


def _fresh(target: ScriptedTarget) -> Surrogate:
    return Surrogate(tiny_base(), target, lora_rank=4)


def _weights(surrogate: Surrogate) -> dict[str, torch.Tensor]:
    return {n: t.clone() for n, t in trained_tensors(surrogate.model).items()}


def _align(surrogate: Surrogate, groups: list[list[Record]], folder: Path, **kw: object) -> None:
    surrogate.align(groups, SETTINGS, folder=folder, features=16, **kw)  # type: ignore[arg-type]


def test_training_lowers_the_loss_and_leaves_the_base_and_stdout_alone(
    target: ScriptedTarget,
    groups: list[list[Record]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    surrogate = _fresh(target)
    frozen = {n: p.clone() for n, p in surrogate.model.named_parameters() if not p.requires_grad}
    settings = TrainSettings(
        max_steps=40, rows_per_step=2, max_tokens=900, lora_rank=4, learning_rate=1e-2
    )
    surrogate.align(groups, settings, folder=tmp_path, features=16)
    lines = [json.loads(x) for x in (tmp_path / "training.jsonl").read_text().splitlines()]
    assert lines[-1]["loss"] < 0.8 * lines[0]["loss"]
    assert {"retrieval", "interest", "history"} <= set(lines[-1]["task_loss"])
    assert not capsys.readouterr().out
    own = dict(surrogate.model.named_parameters())
    assert all(torch.equal(own[n], p) for n, p in frozen.items())


def test_a_training_that_is_slower_than_planned_ends_in_time(
    target: ScriptedTarget,
    groups: list[list[Record]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from innerview.surrogate import train as training

    rates: list[float] = []
    real = training._rate

    def noted(step: float, steps: int, settings: TrainSettings) -> float:
        rates.append(real(step, steps, settings))
        return rates[-1]

    clock = itertools.count()
    monkeypatch.setattr(training, "_steps", lambda *_: 1000)
    monkeypatch.setattr(training, "_rate", noted)
    monkeypatch.setattr(training, "time", SimpleNamespace(perf_counter=lambda: float(next(clock))))
    settings = replace(SETTINGS, max_steps=None, max_seconds=60.0)
    summary = _fresh(target).align(groups, settings, folder=tmp_path, features=16)
    assert 5 < summary.steps < 60
    assert rates[-1] < 1.5 * settings.final_lr_frac < max(rates)
    again = _fresh(target).align(groups, settings, folder=tmp_path, features=16)
    assert again.steps == summary.steps


def test_checkpointed_activations_change_neither_loss_nor_gradients(
    surrogate: Surrogate, groups: list[list[Record]]
) -> None:
    from innerview.surrogate.train import _prepared

    trees = trees_of(groups[0], surrogate.encoder, surrogate.vectors, max_tokens=900)
    batch = collate(list(pack_rows(trees, max_tokens=900)), surrogate.vectors, pad_id=0).as_dict()
    model, causal = surrogate.model, surrogate.model.causal
    found = []
    for flag in (False, True):
        with _prepared(model, TrainSettings(checkpoint_activations=flag)):
            model.train()
            model.zero_grad()
            assert causal.model.layers[0].gradient_checkpointing is flag
            loss = model(**batch)["loss"]
            loss.backward()
        found.append([loss.detach(), *(p.grad for p in model.parameters() if p.grad is not None)])
    assert not causal.model.layers[0].gradient_checkpointing
    assert len(found[0]) > 1
    # The very same sums in the same order: nothing to allow for.
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


class _KilledError(Exception):
    pass


def test_a_killed_training_ends_in_the_same_weights(
    target: ScriptedTarget,
    groups: list[list[Record]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = _fresh(target)
    _align(whole, groups, tmp_path / "whole")

    from innerview.surrogate import train as training

    real = training._Watch.step

    def save_each_step_and_die(self: training._Watch, local_step: int) -> bool:
        self.saved = float("-inf")
        is_late = real(self, local_step)
        if self.done + local_step == 3:
            raise _KilledError
        return is_late

    monkeypatch.setattr(training._Watch, "step", save_each_step_and_die)
    with pytest.raises(_KilledError):
        _align(_fresh(target), groups, tmp_path / "killed")
    monkeypatch.setattr(training._Watch, "step", real)
    again = _fresh(target)
    _align(again, groups, tmp_path / "killed")
    expected, found = _weights(whole), _weights(again)
    assert all(torch.equal(expected[n], found[n]) for n in expected)


def test_a_damaged_checkpoint_is_passed_over(
    target: ScriptedTarget, groups: list[list[Record]], tmp_path: Path
) -> None:
    first = _fresh(target)
    _align(first, groups, tmp_path)
    (weights,) = tmp_path.glob("checkpoint-*/weights.safetensors")
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    again = _fresh(target)
    with pytest.warns(InnerviewWarning, match="weights.*changed.*starts again"):
        _align(again, groups, tmp_path)
    expected, found = _weights(first), _weights(again)
    assert all(torch.equal(expected[n], found[n]) for n in expected)


def test_nothing_to_train_on_is_said(target: ScriptedTarget, tmp_path: Path) -> None:
    with pytest.raises(SurrogateError, match="no alignment records"):
        _fresh(target).align([], SETTINGS, folder=tmp_path, features=16)


@pytest.fixture
def saved(
    target: ScriptedTarget,
    surrogate: Surrogate,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    monkeypatch.setattr(module, "load_base", lambda name, dtype="auto": tiny_base())
    surrogate.save(tmp_path / "surrogate", provenance={"seed": 0})
    return tmp_path / "surrogate"


def test_a_saved_surrogate_answers_the_same(
    target: ScriptedTarget, surrogate: Surrogate, groups: list[list[Record]], saved: Path
) -> None:
    loaded = Surrogate.load(saved, target)
    own = _weights(surrogate)
    for name, tensor in _weights(loaded).items():
        assert torch.equal(tensor, own[name].to(torch.bfloat16).float()), name
    again = Surrogate.load(saved, target)
    records = [r for g in groups for r in g if r.task == "retrieval"][:6]
    assert loaded.answer(records) == again.answer(records)
    assert not any(
        "base_layer" in f for f in json.loads((saved / "manifest.json").read_text())["sha256"]
    )


def test_an_aligned_surrogate_comes_back_with_its_projectors(
    target: ScriptedTarget,
    groups: list[list[Record]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "load_base", lambda name, dtype="auto": tiny_base())
    aligned = _fresh(target)
    _align(aligned, groups, tmp_path / "training")
    aligned.save(tmp_path / "saved", provenance={})
    own, back = _weights(aligned), _weights(Surrogate.load(tmp_path / "saved", target))
    assert {"projectors.case.first.weight", "projectors.case.straight"} <= set(own)
    assert set(own) == set(back)
    for name, tensor in back.items():
        assert torch.equal(tensor, own[name].to(torch.bfloat16).float()), name


def test_a_changed_file_is_refused(target: ScriptedTarget, saved: Path) -> None:
    file = saved / "lora" / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x00")
    with pytest.raises(SurrogateError, match="missing or changed"):
        Surrogate.load(saved, target)


def test_another_target_is_refused(saved: Path) -> None:
    with pytest.raises(SurrogateError, match="align it anew"):
        Surrogate.load(saved, ScriptedTarget([[1.0, 0.0], [0.0, 1.0]]))


@pytest.mark.parametrize("name", ["../escape", "/etc/hostname"])
def test_a_manifest_that_leaves_its_folder_is_refused(
    target: ScriptedTarget, saved: Path, name: str
) -> None:
    path = saved / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["sha256"][name] = "0"
    path.write_bytes(sealed_manifest(manifest))
    with pytest.raises(SurrogateError, match="outside its folder"):
        Surrogate.load(saved, target)


def test_a_projector_fit_with_many_features_reproduces_its_targets() -> None:
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(40, 8, generator=generator)
    wanted = torch.randn(40, 16, generator=generator)
    projector = Projector(8, 16, features=256)
    explained = projector.fit(vectors, wanted, norm=3.0, ridge=1e-6)
    assert explained > 0.99
    out = projector(vectors).detach()
    straight = 3.0 * projector.numbers(vectors) @ projector.straight
    torch.testing.assert_close((out - straight).norm(dim=1), torch.full((40,), 3.0 * 0.5**0.5))
    network = projector.second(projector.features(vectors))
    cosine = torch.nn.functional.cosine_similarity(network, wanted)
    assert float(cosine.min()) > 0.95


def test_a_projector_can_be_fitted_to_a_single_vector() -> None:
    vector, wanted = torch.randn(1, 8), torch.randn(1, 16)
    projector = Projector(8, 16, features=16)
    assert projector.fit(vector, wanted, norm=3.0) == 0.0
    # All of it is what the network says: a single vector has no standard units.
    torch.testing.assert_close(projector(vector).norm(), torch.tensor(3.0 * 0.5**0.5))


@pytest.mark.parametrize("n_outcomes", [4, 40])
def test_fewer_numbers_than_a_vector_has_are_its_principal_components(n_outcomes: int) -> None:
    vectors = torch.randn(n_outcomes, 8, generator=torch.Generator().manual_seed(0))
    projectors = ProjectorSet(8, 32, shared_parts=True, features=16, numbers=6)
    projectors.outcome.fit(vectors, torch.randn(n_outcomes, 32), norm=3.0)
    projectors.reduce(vectors)
    basis, standard = projectors.case.basis, projectors.outcome.standard(vectors)
    assert torch.equal(basis, projectors.outcome.basis)
    torch.testing.assert_close(basis.T @ basis, torch.eye(6), atol=1e-5, rtol=0)
    wanted = torch.linalg.svdvals(standard)[:6].square().sum()
    torch.testing.assert_close((standard @ basis).square().sum(), wanted)


def test_a_projector_keeps_the_angles_between_vectors() -> None:
    vectors = torch.randn(40, 8, generator=torch.Generator().manual_seed(0))
    projector = Projector(8, 64, features=16)
    projector.fit(vectors, torch.randn(40, 64), norm=3.0)
    kept = projector.standard(vectors)
    straight = kept @ projector.straight
    torch.testing.assert_close(
        torch.nn.functional.cosine_similarity(straight[:20], straight[20:]),
        torch.nn.functional.cosine_similarity(kept[:20], kept[20:]),
    )
    # On average as long as what the network says.
    assert float(straight.pow(2).sum(-1).mean()) == pytest.approx(0.5, abs=0.02)
