"""Explaining all test cases: cut off anywhere, it ends in the same bytes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from innerview import pipeline
from innerview.alignment.cases import Cases, write_cases
from innerview.data.tables import Catalogue
from innerview.errors import RunError
from innerview.pipeline import _report
from innerview.pipeline._shards import Shards
from innerview.targets import Capabilities, Case, Contents, save_bundle
from innerview.targets.manifest import MeanOfParts

KilledEverywhere = Callable[[Callable[[], object]], Iterator[int]]
IDS = [f"u{i}" for i in range(5)]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(_report, "_SHARD", 2)
    rng = np.random.default_rng(0)
    items = tuple(f"i{i}" for i in range(12))
    titles = tuple(f"Amélie {i} — 千と千尋" for i in range(12))
    vectors = rng.normal(size=(12, 4)).astype(np.float32)
    able = Capabilities(
        vectors=True, rescoring=True, order_sensitive=False, deterministic=True,
        excludes_parts=True, max_parts=5,
    )  # fmt: skip
    catalogue = Catalogue(ids=items, titles=titles, attributes={}, noun="item")
    cases = tuple(
        Case(i, tuple(items[j] for j in rng.choice(12, size=4, replace=False))) for i in IDS
    )
    save_bundle(
        tmp_path / "run" / "target",
        Contents("tiny", MeanOfParts(), able, catalogue, catalogue, vectors, vectors),
        check_cases=cases[:2],
    )
    write_cases(tmp_path / "run" / "labels" / "cases.parquet", Cases((), (), cases))
    return tmp_path / "run"


def _explain(run: Path) -> Path:
    return pipeline.explain(run, lambda event: None, case_ids=IDS)


def _ids(path: Path) -> list[str]:
    return [json.loads(line)["case_id"] for line in path.read_bytes().splitlines()]


class Killed(BaseException):
    """Like a kill: nothing catches it."""


def test_a_run_that_is_cut_off_in_a_shard_ends_in_the_same_bytes(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _explain(run)
    whole = path.read_bytes()
    assert _ids(path) == IDS
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    ends = [at + 1 for at, byte in enumerate(whole) if byte == ord("\n")]
    inside = whole.index("é".encode(), ends[2]) + 1
    for cut in (0, 7, ends[0], ends[1] + 1, ends[2], ends[2] + 9, inside, ends[3], ends[4]):
        path.unlink()

        def torn(self: Shards, lines: list[str], cut: int = cut) -> None:
            data = "".join(f"{line}\n" for line in lines).encode()
            size = path.stat().st_size if path.exists() else 0
            with path.open("ab") as out:
                out.write(data[: max(0, cut - size)])
            if size + len(data) > cut or len(whole) == cut == size + len(data):
                raise Killed
            self._mark(size + len(data))

        with monkeypatch.context() as patched:
            patched.setattr(Shards, "add", torn)
            with pytest.raises(Killed):
                _explain(run)
        assert _explain(run).read_bytes() == whole, cut


def test_a_torn_line_without_a_note_beside_it_is_repaired(run: Path) -> None:
    path = _explain(run)
    whole = path.read_bytes()
    os.truncate(path, len(whole) - 3)
    again = _explain(run)
    assert _ids(again) == IDS
    path.write_bytes(whole[: whole.index("é".encode()) + 1])
    assert _explain(run).read_bytes() == whole


def test_a_report_reads_past_a_line_that_is_being_written(run: Path) -> None:
    path = _explain(run)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:40])
    assert [e.case_id for e in _report._explanations(path)] == IDS
    assert path.read_bytes() == whole + whole[:40], "whoever writes it goes on"


def test_more_cases_later_keep_what_is_there(run: Path) -> None:
    path = pipeline.explain(run, lambda event: None, case_ids=["u3", "u3"])
    first = path.read_bytes()
    assert _ids(path) == ["u3"]
    assert _explain(run).read_bytes().startswith(first)
    assert _ids(path) == ["u3", "u0", "u1", "u2", "u4"]


def test_a_damaged_line_is_named(run: Path) -> None:
    path = _explain(run)
    data = bytearray(path.read_bytes())
    data[data.index(b"\n") + 1] = 0xFF
    path.write_bytes(data)
    with pytest.raises(RunError, match=rf"{path.name}:2: no explanation"):
        _explain(run)


def test_shards_are_whole_after_a_kill_at_any_step(
    tmp_path: Path, killed_everywhere: KilledEverywhere
) -> None:
    path = tmp_path / "x.jsonl"

    def grow() -> None:
        shards = Shards(path)
        n = path.read_bytes().count(b"\n") if path.exists() else 0
        assert n % 3 == 0
        for at in range(n, 9, 3):
            shards.add([f"line {at + i}" for i in range(3)])
        shards.finish()

    wanted = b"".join(f"line {i}\n".encode() for i in range(9))
    for _ in killed_everywhere(grow):
        if path.exists():
            assert wanted.startswith(path.read_bytes())
        grow()
        assert path.read_bytes() == wanted
        assert [p.name for p in tmp_path.iterdir()] == ["x.jsonl"]
        path.unlink()
    assert path.read_bytes() == wanted
