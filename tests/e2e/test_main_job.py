"""The main job with the real base language model: what ships, and a user's own small table.

Run alone with: pytest -m e2e
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from innerview import Explainer
from innerview.cli import app
from innerview.explanation.explanation import Explanations
from innerview.explanation.render import TitleIndex
from innerview.targets import load_bundle

pytestmark = pytest.mark.e2e


def _run(*args: str) -> str:
    result = CliRunner().invoke(app, list(args), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def _explanations(run: Path) -> Explanations:
    (file,) = (run / "explanations").glob("*.jsonl")
    return Explanations.from_jsonl(file)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo") / "run"
    _run("demo", "--out", str(out))
    return out


def test_the_demo_explains_twenty_cases_and_stamps_every_claim(demo: Path) -> None:
    explanations = _explanations(demo)
    assert len({e.case_id for e in explanations}) == 20
    for one in explanations:
        assert one.rank == 1
        assert one.claims
        grounded = [c for c in one.claims if c.claim.source == "evidence"]
        assert {c.verdict for c in grounded} == {"verified"}
        assert set(one.answers) == {"behavior", "intention", "hybrid"}
        assert all(a.reason_verdict is not None for a in one.answers.values())


def test_prose_names_nothing_but_the_case_and_the_outcome(demo: Path) -> None:
    index = TitleIndex(load_bundle(demo / "target").outcomes.titles)
    written = 0
    for one in _explanations(demo):
        allowed = {one.titles[p] for p in (*one.parts, one.outcome_id)}
        quoted = set(re.findall(r'"([^"]+)"', one.text))
        assert one.titles[one.outcome_id] in one.text
        assert quoted <= allowed, one.text
        unquoted = re.sub(r'"[^"]+"', " ", one.text)
        assert set(index.find(unquoted)) <= allowed, one.text
        written += one.provenance["prose"].startswith("surrogate")
    assert written >= 15, "nearly all prose should be the surrogate's own, free or repaired"


def test_the_report_asks_for_nothing_outside(demo: Path) -> None:
    page = (demo / "report" / "index.html").read_text(encoding="utf-8")
    assert not re.search(r'(?:src|href)\s*=\s*"(?!#|data:)', page)
    assert "url(http" not in page
    assert page.count("verified") > 20


def test_explaining_again_gives_the_same(demo: Path) -> None:
    explainer = Explainer.load(demo)
    before = _explanations(demo)[0]
    again = explainer(before.case_id, outcome=before.outcome_id)
    assert [c.to_dict() for c in again.claims if c.claim.source == "evidence"] == [
        c.to_dict() for c in before.claims if c.claim.source == "evidence"
    ]
    assert (again.score, again.rank) == (before.score, before.rank)


def test_a_hand_made_table_of_forty_users(tmp_path: Path) -> None:
    rng = random.Random(0)
    films = [f"Quiet Film {i}" if i % 2 else f"Loud Film {i}" for i in range(30)]
    items = ["item_id,title,mood"]
    items += [f"{i:03d},{title},{title.split()[0]}" for i, title in enumerate(films)]
    rows = ["user_id,item_id,timestamp"]
    for user in range(40):
        liked = [i for i in range(30) if i % 2 == user % 2]
        for at, item in enumerate(rng.sample(liked, 8) + rng.sample(range(30), 1)):
            rows.append(f"u{user},{item:03d},{1_600_000_000 + at}")
    (tmp_path / "events.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "items.csv").write_text("\n".join(items) + "\n")
    out = tmp_path / "run"
    _run(
        "run", "--interactions", str(tmp_path / "events.csv"), "--items",
        str(tmp_path / "items.csv"), "--out", str(out), "--time-budget", "100s",
        "--k-core", "2", "--n-explain", "3",
    )  # fmt: skip
    assert (out / "report" / "index.html").exists()
    metrics = json.loads((out / "report" / "metrics.json").read_text())
    assert {"behavior", "intention", "hybrid", "popularity", "constant"} <= set(
        metrics["alignment"]
    )
    assert len(_explanations(out)) == 3
    # Leading zeros survive the whole way.
    assert all(re.fullmatch(r"\d{3}", p) for e in _explanations(out) for p in e.parts)
