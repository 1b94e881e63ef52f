"""The demo must not touch what is not its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerview import pipeline
from innerview.errors import RunError


def test_the_demo_leaves_another_run_alone(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "mine.txt").write_text("mine")
    with pytest.raises(RunError, match="choose another folder"):
        pipeline.demo(tmp_path, lambda event: None)
    assert (tmp_path / "target" / "mine.txt").read_text() == "mine"
