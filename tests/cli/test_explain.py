"""Explaining all cases: shards, resuming, and shards that are damaged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from innerview.cli import _explain
from innerview.cli._progress import Happening
from innerview.errors import RunError
from innerview.explanation.explanation import Explanation, Explanations


class Scripted:
    """An explainer whose words are known, and which counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fail_at: str | None = None

    def __call__(self, case_ids: Sequence[str], outcome: str | None = None) -> Explanations:
        if self.fail_at in case_ids:
            raise KeyboardInterrupt
        self.asked += case_ids
        return Explanations([_explanation(case_id) for case_id in case_ids])


def _explanation(case_id: str) -> Explanation:
    return Explanation(
        case_id=case_id,
        outcome_id="i",
        parts=("a",),
        decision="yes",
        score=1.0,
        rank=1,
        form="target",
        text="because\u2028",
        claims=(),
        titles={"i": "I", "a": "A"},
    )


def _explain_all(explainer: Scripted, n: int, folder: Path) -> tuple[int, int]:
    events: list[Happening] = []
    wanted = [f"u{i}" for i in range(n)]
    return _explain.explain_all(cast(Any, explainer), wanted, folder, events.append)


def test_every_case_is_explained_once_in_shards(tmp_path: Path) -> None:
    explainer = Scripted()
    assert _explain_all(explainer, 40, tmp_path) == (0, 40)
    assert len(list(tmp_path.iterdir())) == 3
    lines = [line for path in sorted(tmp_path.iterdir()) for line in path.read_bytes().splitlines()]
    assert [json.loads(line)["case_id"] for line in lines] == [f"u{i}" for i in range(40)]


def test_a_killed_command_goes_on_where_it_stopped(tmp_path: Path) -> None:
    explainer = Scripted()
    explainer.fail_at = "u20"
    with pytest.raises(KeyboardInterrupt):
        _explain_all(explainer, 40, tmp_path)
    explainer.fail_at = None
    assert _explain_all(explainer, 40, tmp_path) == (16, 24)
    assert explainer.asked == [f"u{i}" for i in range(40)]
    assert _explain_all(explainer, 40, tmp_path) == (40, 0)


def test_files_of_another_name_count_too(tmp_path: Path) -> None:
    Explanations([_explanation("u1"), _explanation("u2")]).to_jsonl(tmp_path / "run.jsonl")
    explainer = Scripted()
    assert _explain_all(explainer, 4, tmp_path) == (2, 2)
    assert explainer.asked == ["u0", "u3"]


@pytest.mark.parametrize("line", [b'{"case_id"', b"[1]", b"{}", b"\xff", b"7"])
def test_a_damaged_line_is_named(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "shard-00000.jsonl"
    path.write_bytes(b'{"case_id": "u0"}\n' + line + b"\n")
    with pytest.raises(RunError, match=r"shard-00000\.jsonl:2: not an explanation; remove"):
        _explain.explained(tmp_path)
