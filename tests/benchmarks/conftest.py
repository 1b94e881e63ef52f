from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from innerview import pipeline
from innerview.alignment.mixture import MixtureSettings
from innerview.pipeline import RunSettings
from surrogate.tiny import tiny_base

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random base language model in a folder."""
    made, folder = tiny_base(layers=3), tmp_path_factory.mktemp("base")
    made.model.save_pretrained(folder)
    made.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def run(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 30 users and 12 items, with an aligned surrogate."""
    folder = tmp_path_factory.mktemp("run")
    rows = ["user_id,item_id,timestamp"]
    rows += [f"u{u},i{(u * 7 + k * k) % 12},{k}" for u in range(30) for k in range(8)]
    (folder / "events.csv").write_text("\n".join(rows) + "\n")
    items = ["item_id,title", *(f"i{i},Title {i}" for i in range(12))]
    (folder / "items.csv").write_text("\n".join(items) + "\n")
    settings = RunSettings(
        folder / "events.csv", folder / "items.csv", folder / "run", k_core=2, n_test=5
    )
    say: Callable[[Any], None] = lambda event: None  # noqa: E731
    pipeline.train_target(settings, say)
    pipeline.label(settings.out, say, mixture=MixtureSettings(max_cases=12), n_test=5)
    pipeline.align(settings.out, say, base=str(base), max_steps=1)
    return settings.out


def run_script(name: str, *options: object, folder: Path) -> dict[str, Any]:
    """Run a benchmark and read what it wrote."""
    path = folder / "out.json"
    command = [sys.executable, str(ROOT / "benchmarks" / name), "--json", str(path)]
    done = subprocess.run(
        [*command, *map(str, options)], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    report: dict[str, Any] = json.loads(path.read_text())
    return report
