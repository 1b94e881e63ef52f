"""The malformed corpus through the command line: exit code, one line, nothing written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from corpus.build import Malformed, malformed
from innerview.cli import app

CASES = malformed()
RUNNER = CliRunner()


def _files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _arguments(case: Malformed, folder: Path) -> list[str]:
    interactions, items = case.write(folder)
    arguments = ["--interactions", str(interactions)]
    return arguments + (["--items", str(items)] if items else [])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_malformed_input_has_its_pinned_line_and_exit_code(
    case: Malformed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, empty = tmp_path / "in", tmp_path / "cwd"
    folder.mkdir()
    empty.mkdir()
    monkeypatch.chdir(empty)
    arguments = _arguments(case, folder)
    before = _files(folder)
    result = RUNNER.invoke(app, ["data", "check", *arguments])
    out, err = (text.replace(str(folder), "{path}") for text in (result.stdout, result.stderr))
    if case.error is not None:
        assert (result.exit_code, out, err) == (2, "", f"{case.error}\n")
    else:
        assert (result.exit_code, err) == (0, "")
        assert case.note in out.splitlines()
    assert "Traceback" not in out + err
    assert _files(folder) == before
    assert not _files(empty)


@pytest.mark.parametrize("command", [["run"], ["target", "train"]], ids=" ".join)
@pytest.mark.parametrize("name", ["missing_file", "short_row", "mostly_unknown_items"])
def test_a_run_refuses_bad_input_with_the_same_line(
    command: list[str], name: str, tmp_path: Path
) -> None:
    case = next(case for case in CASES if case.name == name)
    out = tmp_path / "runs"
    arguments = [*command, *_arguments(case, tmp_path), "--out", str(out)]
    result = RUNNER.invoke(app, arguments)
    assert result.exit_code == 2
    last = result.stderr.splitlines()[-1]
    assert last.replace(str(tmp_path), "{path}") == case.error
    assert not list(out.rglob("*.*"))


def test_json_counts_and_notes(tmp_path: Path) -> None:
    case = next(case for case in CASES if case.name == "unknown_items")
    arguments = ["data", "check", *_arguments(case, tmp_path), "--k-core", "1", "--json"]
    result = RUNNER.invoke(app, arguments)
    found = json.loads(result.stdout)
    assert (found["events"], found["users"], found["items"], found["catalogue"]) == (3, 2, 2, 2)
    assert found["k_core"] == {"k": 1, "events": 3, "users": 2, "items": 2}
    assert [note.replace(str(tmp_path), "{path}") for note in found["notes"]] == [case.note]


def test_a_core_that_is_empty_is_told(tmp_path: Path) -> None:
    case = next(case for case in CASES if case.name == "unknown_items")
    result = RUNNER.invoke(app, ["data", "check", *_arguments(case, tmp_path), "--k-core", "9"])
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].startswith("k-core 9: no user and no item has 9 events")


def test_renamed_columns_and_no_times_are_read(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("who,what\nu1,7\nu1,8\n")
    (tmp_path / "i.csv").write_text("what,called\n7,Alien\n8,Heat\n")
    names = ["--user-col", "who", "--item-col", "what", "--title-col", "called", "--no-time"]
    files = ["--interactions", str(tmp_path / "r.csv"), "--items", str(tmp_path / "i.csv")]
    result = RUNNER.invoke(app, ["data", "check", *files, *names])
    assert result.exit_code == 0, result.stderr
    assert "2 events of 1 users on 2 items, 2 in the catalogue" in result.stdout
