"""The help page runs."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "targets.md"
ROUND_TRIPS = sorted((ROOT / "docs" / "roundtrips").glob("*.json"))


def test_examples_of_the_page_run_and_print_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("implicit")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 6
    namespace: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), namespace)
    printed = capsys.readouterr().out.splitlines()
    promised = [said for block in blocks for said in re.findall(r"print\(.*?\)\s+# (.+)", block)]
    # The last line is measured, and may move with library versions.
    assert printed[:-1] == promised[:-1]
    assert len(printed) == len(promised)


def test_table_of_round_trips_is_made_of_what_they_left() -> None:
    table = runpy.run_path(str(ROOT / "scripts" / "targets" / "table.py"))["table"]
    assert table(ROOT / "docs" / "roundtrips") in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", ROUND_TRIPS, ids=lambda path: path.stem)
def test_every_round_trip_agrees(path: Path) -> None:
    for row in json.loads(path.read_text(encoding="utf-8")):
        assert row["n_cases"] == 200
        assert row["max_difference"] <= 1e-4
        assert row["same_top20"] == 1.0


def test_every_library_with_a_script_has_been_run() -> None:
    scripts = (ROOT / "scripts" / "targets").glob("roundtrip_*.py")
    names = {path.stem.partition("_")[2] for path in scripts}
    assert names == {path.stem for path in ROUND_TRIPS}
    pinned = {path.stem for path in (ROOT / "scripts" / "targets" / "requirements").glob("*.txt")}
    assert names == pinned
