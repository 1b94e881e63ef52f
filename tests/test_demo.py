"""The demo must not touch what is not its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from innerview import pipeline
from innerview.errors import RunError, TargetQueryError
from innerview.pipeline import _whole, shipped_folder


def test_the_demo_leaves_another_run_alone(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "mine.txt").write_text("mine")
    with pytest.raises(RunError, match="choose another folder"):
        pipeline.demo(tmp_path, lambda event: None)
    assert (tmp_path / "target" / "mine.txt").read_text() == "mine"


def test_a_report_does_without_what_the_target_cannot_be_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = shipped_folder()
    for name in ("target", "labels"):
        shutil.copytree(shipped / name, tmp_path / name)
    said: list[str] = []

    def fail(*_: object, **__: object) -> None:
        raise TargetQueryError("the target is tired")

    with monkeypatch.context() as failing:
        failing.setattr(_whole, "write_overview", fail)
        _whole._what_drives_it(tmp_path, lambda event: said.append(event.text), seed=0)
    assert said == ["left out: the target is tired"]
    monkeypatch.setattr(_whole, "_OVERVIEW_CASES", 8)
    path = tmp_path / "report" / "overview.json"
    _whole._what_drives_it(tmp_path, lambda _: None, seed=0)
    first = path.stat().st_mtime_ns
    _whole._what_drives_it(tmp_path, lambda _: None, seed=0)
    assert path.stat().st_mtime_ns == first, "known already"
