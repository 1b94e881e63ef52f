"""The script runs and says what it promises; how fast anything is, no test asserts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from .conftest import run_script

RATIOS = {
    "explanation_vs_generate_batch1",
    "explanation_vs_generate_best_batch",
    "retrieval_vs_generate_batch1",
    "retrieval_vs_generate_best_batch",
}


@pytest.fixture(scope="module")
def report(run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run_script(
        "decoding.py", "--run", run, "--cases", 2, "--batches", "1", "--max-new-tokens", 16,
        "--trie-titles", 50, "--dtype", "float32", folder=tmp_path_factory.mktemp("decoding"),
    )  # fmt: skip


def test_ratios_are_there_finite_and_positive(report: dict[str, Any]) -> None:
    assert report["ratios"].keys() == RATIOS
    assert all(math.isfinite(v) and v > 0 for v in report["ratios"].values())


def test_the_questions_are_those_that_explain_asks(report: dict[str, Any]) -> None:
    """Per case and form a title, a judgement and a reason; and the prose."""
    assert report["retrieval"]["ours"]["prompts"] == 2 * 3
    assert report["explanation"]["ours"]["prompts"] == 2 * (3 * 3 + 1)


def test_shares_are_shares(report: dict[str, Any]) -> None:
    shares = [s for what in ("retrieval", "explanation")
              for own in report[what]["equal_answers"].values() for s in own.values()]  # fmt: skip
    shares += [*report["ours_batch_1_and_32"].values(), report["free_titles_valid_share"]]
    assert all(0 <= share <= 1 for share in shares)


def test_both_ways_give_the_same_answers(report: dict[str, Any]) -> None:
    for what in ("retrieval", "explanation"):
        assert set(report[what]["equal_answers"]["1"].values()) == {1.0}
    assert set(report["ours_batch_1_and_32"].values()) == {1.0}


def test_the_trie_has_been_built(report: dict[str, Any]) -> None:
    assert report["trie"]["titles"] == 50
    assert report["trie"]["build_seconds"] > 0
