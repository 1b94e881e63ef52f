"""From tables to explanations by the command line, without a surrogate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from innerview.cli import app
from innerview.explanation.explanation import Explanation, Explanations

from .conftest import invoke

pytest.importorskip("implicit")


def _test_cases(run: Path) -> list[str]:
    from innerview.alignment.cases import read_cases

    return [case.case_id for case in read_cases(run).test]


def test_trained_bundle_is_fit_and_says_so(run: Path) -> None:
    text = invoke("target", "check", run / "target")
    assert text.exit_code == 0, text.stderr
    assert text.stdout.endswith("target: fit to be explained\n")
    wire = json.loads(invoke("target", "check", run / "target", "--json").stdout)
    assert wire["ok"] is True
    assert wire["bundle"] == str(run / "target")


def test_damaged_bundle_is_an_error_on_stderr(run: Path, tmp_path: Path) -> None:
    for file in (run / "target").iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "vectors.safetensors").write_bytes(b"damaged")
    text = invoke("target", "check", tmp_path)
    assert (text.exit_code, text.stdout) == (2, "")
    assert "vectors.safetensors" in text.stderr
    wire = invoke("target", "check", tmp_path, "--json")
    assert (wire.exit_code, wire.stderr) == (2, "")
    assert json.loads(wire.stdout)["ok"] is False


def test_one_case_goes_to_stdout(run: Path) -> None:
    user = _test_cases(run)[0]
    text = invoke("explain", "--run", run, "--user", user)
    assert text.exit_code == 0, text.stderr
    assert "[verified]" in text.stdout
    wire = invoke("explain", "--run", run, "--user", user, "--json")
    one = Explanation.from_dict(json.loads(wire.stdout))
    assert (one.case_id, one.rank) == (user, 1)
    assert not (run / "explanations").exists()


def test_the_outcome_can_be_named(run: Path) -> None:
    user = _test_cases(run)[0]
    first = json.loads(invoke("explain", "--run", run, "--user", user, "--json").stdout)
    seen = {*first["parts"], first["outcome_id"]}
    other = next(str(i) for i in range(24) if str(i) not in seen)
    wire = invoke("explain", "--run", run, "--user", user, "--item", other, "--json")
    assert json.loads(wire.stdout)["outcome_id"] == other


@pytest.mark.parametrize(
    "words", [["--user", "nobody"], ["--user", "{user}", "--item", "nothing"]], ids=" ".join
)
def test_unknown_ids_are_one_line(words: list[str], run: Path) -> None:
    user = _test_cases(run)[0]
    result = invoke("explain", "--run", run, *(word.format(user=user) for word in words))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert "unknown" in result.stderr


def test_all_test_cases_go_to_a_file_once(run: Path) -> None:
    done = invoke("explain", "--run", run, "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    path = Path(found["file"])
    assert path.parent == run / "explanations"
    assert [one.case_id for one in Explanations.from_jsonl(path)] == _test_cases(run)
    before = path.read_bytes()
    assert invoke("explain", "--run", run).stdout == f"{path}\n"
    assert path.read_bytes() == before


def test_chat_answers_line_by_line(run: Path) -> None:
    user = _test_cases(run)[0]
    first = Explanation.from_dict(
        json.loads(invoke("explain", "--run", run, "--user", user, "--json").stdout)
    )
    gone = first.title(first.parts[0])
    lines = [f'what if I had not watched "{gone}"?', "", "how are you?", "quit", "not read"]
    command = ["chat", "--run", str(run), "--user", user, "--json"]
    done = CliRunner().invoke(app, command, input="\n".join(lines) + "\n")
    assert done.exit_code == 0, done.stderr
    explanation, changed, free = map(json.loads, done.stdout.splitlines())
    assert explanation["case_id"] == user
    assert changed["checked"] and changed["claims"][0]["parts"] == [first.parts[0]]
    assert changed["claims"][0]["verdict"] == "verified"
    assert not free["checked"]
    text = CliRunner().invoke(app, command[:-1], input="\n".join(lines) + "\n").stdout
    assert "[verified]" in text and "(unchecked) Ask what if" in text
