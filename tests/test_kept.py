"""What was found before a run was killed is not looked for again."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from innerview.alignment.records import Record
from innerview.alignment.tasks import Asker, Context
from innerview.pipeline._kept import Kept
from innerview.pipeline._own_reasons import KeptReader
from innerview.pipeline._stage import Event
from innerview.testing import ScriptedTarget

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False)
    | st.text()
)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)


def never() -> Any:
    raise AssertionError("looked for again")


@given(found=st.dictionaries(st.text(), JSON, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_what_was_kept_comes_back_as_it_was_found(tmp_path: Path, found: dict[str, Any]) -> None:
    path = tmp_path / "kept.jsonl"
    path.unlink(missing_ok=True)
    kept = Kept(path, "these")
    for name, value in found.items():
        assert kept.get(name, lambda value=value: value) == value
    again = Kept(path, "these")
    for name, value in found.items():
        assert again.get(name, never) == value


def test_floats_come_back_to_the_last_digit(tmp_path: Path) -> None:
    values = (0.1 + 0.2, 1e-310, math.pi, -0.0, float("inf"))
    Kept(tmp_path / "kept.jsonl", "these").get("x", lambda: values)
    assert repr(Kept(tmp_path / "kept.jsonl", "these").get("x", never)) == repr(values)


def test_what_was_made_from_something_else_is_thrown_away(tmp_path: Path) -> None:
    path = tmp_path / "report" / "kept.jsonl"
    Kept(path, "these").get("x", lambda: 1)
    assert Kept(path, "those").get("x", lambda: 2) == 2
    assert Kept(path, "these").get("x", lambda: 3) == 3


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_file_that_was_cut_off_keeps_what_is_whole(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "kept.jsonl"
    kept = Kept(path, "these")
    kept.get("first", lambda: ["a", 1.5])
    whole = len(path.read_bytes())
    kept.get("second", lambda: ["b" * 40])
    path.write_bytes(path.read_bytes()[: whole + cut])
    again = Kept(path, "these")
    assert again.get("first", never) == ("a", 1.5)
    assert again.get("second", lambda: ["c"]) == ("c",)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line).get("name") for line in lines] == [None, "first", "second"]


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    kept = Kept(path, "these")
    kept.get("x", lambda: 1)
    path.write_bytes(b'{"made_from": "these"}\n{"name": \xff}\n')
    assert Kept(path, "these").get("x", lambda: 2) == 2
    assert Kept(path, "these").get("x", never) == 2


def test_a_language_model_that_reads_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = ScriptedTarget(np.eye(4, dtype=np.float32))
    asker = Asker(target.outcomes, target.parts)
    case, rng = Context("c", ("i0", "i1"), 2), np.random.default_rng(0)
    records = asker.interest(case, "behavior", [(f"i{at % 4}", True) for at in range(70)], rng)
    asked: list[int] = []

    def ask(self: KeptReader, some: list[Record]) -> list[float]:
        asked.append(len(some))
        return [0.25] * len(some)

    monkeypatch.setattr(KeptReader, "_ask", ask)
    said: list[Event] = []
    for _ in range(2):
        kept = Kept(tmp_path / "it.jsonl", "1")
        reader = KeptReader("base", target, kept, said.append, seed=0)
        assert reader.answer(records) == [0.25] * 70
    assert asked == [64, 6]
    assert said[1].text == "base reads: 64 of 70 questions"
