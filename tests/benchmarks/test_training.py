"""The script runs and says what it promises; how fast anything is, no test asserts."""

from __future__ import annotations

import math
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from .conftest import ROOT, run_script

RATIOS = {
    "examples_per_s_vs_reference",
    "examples_per_s_vs_common_practice",
    "peak_memory_vs_reference",
    "peak_memory_vs_common_practice",
    "checkpoint_size_vs_reference",
    "matrix_rate_share",
}


@pytest.fixture(scope="module")
def report(run: Path, base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("training")
    return run_script(
        "training.py", "--run", run, "--base", base, "--steps", 2, "--examples-per-step", 8,
        "--reference-examples", 2, "--reference-micro-batch", 1, "--micro-batches", "4",
        "--attentions", "sdpa",
        "--held-out", 6, "--scaling", 8, "--plot", folder / "curves.svg",
        folder=folder,
    )  # fmt: skip


def test_ratios_are_there_finite_and_positive(report: dict[str, Any]) -> None:
    assert report["ratios"].keys() >= RATIOS
    assert all(math.isfinite(v) and v > 0 for v in report["ratios"].values())


def test_every_way_has_trained_on_what_it_should(report: dict[str, Any]) -> None:
    modes = report["modes"]
    assert set(modes) == {"reference", "common", "ours", "ours_checkpointed"}
    assert (modes["reference"]["examples"], modes["common"]["examples"]) == (2, 16)
    for mode in modes.values():
        assert 0 < mode["useful_token_share"] <= 1
        assert all(math.isfinite(loss) for _, loss in mode["loss_curve"])
        assert all(one[0] < other[0] for one, other in pairwise(mode["loss_curve"]))
        assert mode["loss_curve"][0][0] == 0


def test_the_same_untrained_weights_have_the_same_loss(report: dict[str, Any]) -> None:
    """So the tokens, the vectors and what counts as an answer are the same in both layouts."""
    ours, common = (report["modes"][name]["loss_curve"][0][1] for name in ("ours", "common"))
    # Where the base runs in bfloat16, products of other shapes round otherwise.
    assert ours == pytest.approx(common, rel=0.02)


def test_the_cost_curve_has_all_its_points(report: dict[str, Any]) -> None:
    assert [report["scaling"][s]["records"] for s in ("1x", "4x", "16x")] == [8, 32, 128]
    for result in report["scaling"].values():
        assert result["seconds_per_record_ratio"] > 0
        assert result["peak_memory_ratio"] > 0


def test_counted_operations_are_those_of_torch(
    run: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch counts each matrix product that is run; ours are counted from the shapes alone."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from torch.utils.flop_counter import FlopCounterMode

    from _material import Groups
    from _ours import flops_of_row
    from innerview.surrogate.base import load_base
    from innerview.surrogate.packing import collate, pack_rows, trees_of
    from innerview.surrogate.surrogate import Surrogate
    from innerview.targets import load_bundle

    surrogate = Surrogate(load_base(str(base)), load_bundle(run / "target"), lora_rank=4)
    groups = Groups(run, 0, 40)
    surrogate.start(groups, features=16)
    model = surrogate.model
    model.projectors.requires_grad_(False)  # type: ignore[union-attr]
    model.causal.set_attn_implementation("eager")
    trees = (t for g in groups for t in trees_of(g, surrogate.encoder, surrogate.vectors))
    row = next(iter(pack_rows(trees, max_tokens=480)))
    batch = collate([row], surrogate.vectors, pad_id=0).as_dict()
    with FlopCounterMode(display=False) as counter:
        model(**batch)["loss"].backward()
    # torch also counts the projectors and the rotary angles, and nothing else that we do not.
    assert flops_of_row(model, row) == pytest.approx(counter.get_total_flops(), rel=0.05)
    for name in ("_material", "_ours", "_process", "_ways"):
        sys.modules.pop(name, None)
