"""The commands of docs/robustness.md, with few kills and flips."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parent.parent / "scripts"


def _run(script: str, counts: Path, *options: str) -> dict[str, Any]:
    command = [sys.executable, str(SCRIPTS / script), *options, "--json", str(counts)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(counts.read_bytes())
    return found


@pytest.mark.slow
def test_killed_work_ends_as_if_it_had_never_been(tmp_path: Path) -> None:
    found = _run("kill_test.py", tmp_path / "counts.json", "--kills", "6")
    assert set(found) == {"training", "explanation"}
    for counts in found.values():
        assert counts["equal"]
        assert counts["kills"] == counts["restarts"] == 6


@pytest.mark.slow
def test_no_damage_goes_unseen(tmp_path: Path) -> None:
    found = _run("flip_test.py", tmp_path / "counts.json", "--flips", "40")
    assert found.pop("full_disk") == {"saves": 5, "wrong": 0}
    assert len(found) == 5
    assert all(c == {"detected": 40, "undetected": 0} for c in found.values())
