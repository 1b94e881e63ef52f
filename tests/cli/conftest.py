"""A small run by the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from innerview.cli import app


def invoke(*words: object) -> Result:
    """The command line, as typed."""
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a target: two groups of users who like two groups of films."""
    pytest.importorskip("implicit")
    folder = tmp_path_factory.mktemp("tables")
    rows = [
        f"u{user},{item},{1000 * user + item}"
        for user in range(60)
        for item in range(24)
        if item % 2 == user % 2 and (item * 7 + user * 5) % 3
    ]
    films = [f"{item},Film {item}" for item in range(24)]
    (folder / "r.csv").write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n")
    (folder / "i.csv").write_text("\n".join(["item_id,title", *films]) + "\n")
    files = ["--interactions", folder / "r.csv", "--items", folder / "i.csv"]
    done = invoke("target", "train", *files, "--out", folder / "run", "--n-test", 8, "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["bundle"] == str(folder / "run" / "target")
    assert found["training"]["target"]["hr10"] >= 0
    return folder / "run"
