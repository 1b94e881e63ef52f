"""Explanations are rated by a model, by people, by both or by nobody."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from evaluation.served import Reply, said, serving
from innerview.alignment.cases import read_cases
from innerview.evaluation.results import read_metrics

from .conftest import invoke

KEY = "sk-very-secret"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("INNERVIEW_API_KEY", KEY)


@pytest.fixture
def files(run: Path, tmp_path: Path) -> list[Path]:
    """Two explainers' texts: one names a part of each case, the other is short of words."""
    cases = [case for case in read_cases(run).train if len(case.parts) > 1][:12]
    for name, text in (("ours", "It is like Film {}."), ("theirs", "It is good.")):
        lines = [{"case_id": c.case_id, "text": text.format(c.parts[-1])} for c in cases]
        lines = lines if name == "ours" else lines[:10]
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return [tmp_path / "ours.jsonl", tmp_path / "theirs.jsonl"]


def judge(run: Path, files: list[Path], *more: object) -> Any:
    given = [word for path in files for word in ("--explanations", path)]
    return invoke("judge", "--run", run, *given, *more)


def answer(body: dict[str, Any], n: int) -> Reply:
    """Likes texts that name a part of the case; of two, the one that stands first."""
    words = body["messages"][1]["content"]
    if "The second text:" in words:
        return said({"reason": "it stands first", "better": "first"})
    case, _, text = words.rpartition("The text:\n")
    named = text.strip('".').removeprefix("It is like ")
    return said({"reason": "so", "rating": 3 if f'"{named}"' in case else 1})


def test_without_judges_it_says_so(run: Path, files: list[Path]) -> None:
    done = judge(run, files)
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[1].split() == ["judge", "not", "run"]
    assert lines[2].split() == ["people", "not", "run"]
    assert "judge: not run (no --endpoint)" in lines
    assert lines[-1] == str(run / "report" / "judges.json")
    found = read_metrics(lines[-1])
    assert set(found["meta"]["not_run"]) == {"judge", "people", "pairs"}
    assert found["judges"] == {"ratings": {}, "differences": {}, "agreement": {}}


def test_a_model_and_people_rate_the_same_texts(
    run: Path, files: list[Path], tmp_path: Path
) -> None:
    sheet = tmp_path / "sheet"
    assert judge(run, files, "--sheet", sheet).exit_code == 0
    with (sheet / "ratings.csv").open(encoding="utf-8-sig", newline="") as stream:
        table = list(csv.DictReader(stream))
    assert len(table) == 20, "ten cases are explained in both files"
    for name, good in (("ann", "3"), ("bob", "2")):
        with (tmp_path / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(table[0]))
            writer.writeheader()
            for at, row in enumerate(table):
                level = "" if not at and name == "bob" else good if "Film" in row["text"] else "0"
                writer.writerow({**row, "rating": level, "comment": "’tis so"})
    people = ["--ratings", tmp_path / "ann.csv", "--ratings", tmp_path / "bob.csv"]
    with serving(answer) as served:
        asking = ["--endpoint", served.url, "--model", "m", "--pairwise"]
        done = judge(run, files, *asking, *people)
        assert done.exit_code == 0, done.stderr
        n_asked = len(served.bodies)
        again = judge(run, files, *asking, *people)
        assert len(served.bodies) == n_asked
    assert served.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert again.stdout == done.stdout
    found = read_metrics(run / "report" / "judges.json")
    ratings, meta = found["judges"]["ratings"], found["meta"]
    assert set(ratings) == {"judge", "ann", "bob"}
    assert ratings["judge"]["ours"]["mean"].value == 3.0
    assert ratings["ann"]["theirs"]["level_0"].value == 1.0
    assert "mean_if_right" not in ratings["ann"]["theirs"]
    assert found["judges"]["pairs"]["ours"]["theirs"]["flips"].value == 1.0
    assert found["judges"]["agreement"]["ann"]["bob"]["spearman"].value == pytest.approx(1.0)
    assert found["judges"]["agreement"]["judge"]["ann"]["kappa"].value < 1.0
    assert meta["model"] == "m" and meta["endpoint"] == served.url.split("/")[2]
    assert (meta["questions"], meta["from_cache"]) == (0, n_asked)
    assert meta["not_run"] == {} and meta["n_cases"] == 10
    lines = (run / "report" / "judges.jsonl").read_text("utf-8").splitlines()
    one = json.loads(lines[0])
    assert len(lines) == 20 and one["explainer"] == "ours"
    assert one["ratings"]["judge"] == {"level": 3, "comment": "so"}
    assert one["ratings"]["ann"] == {"level": 3, "comment": "’tis so"}
    told = done.stdout.splitlines()
    assert told[1].split()[:3] == ["judge", "ours", "3.00"]
    assert any(line.startswith("ours over theirs: win rate 0.50") for line in told)
    written = [path for path in run.rglob("*") if path.is_file()]
    assert not any(KEY.encode() in path.read_bytes() for path in written)
    assert KEY not in done.stdout + done.stderr


def test_a_killed_command_goes_on(run: Path, files: list[Path], tmp_path: Path) -> None:
    def failing(body: dict[str, Any], n: int) -> Reply:
        return answer(body, n) if n < 5 else Reply(status=401)

    asking = ["--model", "another", "--at-once", 1]
    with serving(failing) as served:
        done = judge(run, files, "--endpoint", served.url, *asking)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith(f"{served.url.split('/')[2]}: status 401; check")
    with serving(answer) as served:
        done = judge(run, files, "--endpoint", served.url, *asking)
    assert done.exit_code == 0, done.stderr
    meta = read_metrics(run / "report" / "judges.json")["meta"]
    assert meta["from_cache"] == 5 and meta["questions"] == len(served.bodies)


def test_it_is_said_that_the_server_holds_no_answer_to_its_form(
    run: Path, files: list[Path]
) -> None:
    def formless(body: dict[str, Any], n: int) -> Reply:
        return Reply(status=422) if "response_format" in body else answer(body, n)

    asking = ["--model", "formless", "--n-cases", 4]
    with serving(formless) as served:
        done = judge(run, files, "--endpoint", served.url, *asking)
        again = judge(run, files, "--endpoint", served.url, *asking)
    assert done.exit_code == 0, done.stderr
    meta = read_metrics(run / "report" / "judges.json")["meta"]
    assert meta["by_words"] == meta["from_cache"] > 0
    told = f"judge: {meta['by_words']} answers held to their form by words alone, not by the server"
    assert told in done.stdout and again.stdout == done.stdout
    assert "the server takes no response_format" in done.stderr


def test_fewer_cases_are_drawn_by_the_seed(run: Path, files: list[Path]) -> None:
    def cases(*words: object) -> set[str]:
        assert judge(run, files, "--n-cases", 4, *words).exit_code == 0
        lines = (run / "report" / "judges.jsonl").read_text("utf-8").splitlines()
        return {json.loads(line)["case_id"] for line in lines}

    assert len(cases()) == 4
    assert cases() == cases("--seed", 0) != cases("--seed", 1)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--endpoint", "http://host/v1"], "--endpoint and --model go together"),
        (["--model", "m"], "--endpoint and --model go together"),
        (["--pairwise"], "--pairwise needs --endpoint"),
        (["--endpoint", "http://me:pw@host/v1", "--model", "m"], "more than host and path"),
        (["--endpoint", "http://host/v1", "--model", "m", "--timeout", "soon"], "is no duration"),
        (["--endpoint", "http://host", "--model", "x", "--max-questions", "1"], "more than the 1"),
        (["--ratings", "absent.csv"], "absent.csv: no such file"),
        (["--ratings", "judge.csv"], "rename the file"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    words: list[str], told: str, run: Path, files: list[Path]
) -> None:
    done = judge(run, files, *words)
    assert done.exit_code == 2 and not done.stdout
    assert told in " ".join(done.stderr.split())
    assert "me:pw" not in done.stderr


def test_a_text_is_needed_and_cases_in_common(run: Path, files: list[Path], tmp_path: Path) -> None:
    lines = files[0].read_text().splitlines()
    (tmp_path / "bare.jsonl").write_text(json.dumps({"case_id": "u1", "reasons": ["1"]}) + "\n")
    done = judge(run, [tmp_path / "bare.jsonl"])
    assert done.stderr.startswith(f"{tmp_path / 'bare.jsonl'}:1: column 'text': no text to be")
    (tmp_path / "last.jsonl").write_text("\n".join(lines[11:]))
    done = judge(run, [files[1], tmp_path / "last.jsonl"])
    assert done.stderr.startswith("0 cases are explained in every file")
    asking = ["--endpoint", "http://host/v1", "--model", "m", "--pairwise"]
    done = judge(run, files[:1], *asking)
    assert done.stderr.startswith("1 files of explanations; give 2 or more")
