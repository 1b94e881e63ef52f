"""The notebooks run: their cells in order, in a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NEEDS = {"own_torch_model": "onnxscript", "classifier": "sklearn"}
MOST_SECONDS = 600
"""On a busy machine; alone on one core none takes two minutes."""


def cells(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        yield "".join(cell["source"]), cell


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_cells_run_in_order(path: Path, tmp_path: Path) -> None:
    pytest.importorskip(NEEDS.get(path.stem, "implicit"))
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "run_notebooks.py"), "--check", str(path)],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "[verified]" in done.stdout


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_small_and_shows_what_it_prints(path: Path) -> None:
    assert path.stat().st_size < 40_000
    for source, cell in cells(path):
        assert not source.lstrip().startswith(("%", "!")), "plain Python, so that it runs anywhere"
        if cell["cell_type"] == "code":
            assert all(out["output_type"] == "stream" for out in cell["outputs"])
            shown = "".join(line for out in cell["outputs"] for line in out["text"])
            assert bool(shown) == ("print(" in source), source


def test_the_readme_links_each() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [p for p in NOTEBOOKS if f"notebooks/{p.name}" not in readme] == []
    assert len(NOTEBOOKS) == 4
