"""docs/results.md and the script that makes it."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

from innerview.evaluation._tables import FIDELITY_METRICS, METHODS, TEXT_METRICS
from innerview.evaluation.answers import METRICS
from innerview.evaluation.channels import CHANGES
from innerview.evaluation.fidelity import MEASURES

ROOT = Path(__file__).parent.parent
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "make_results.py"))
FIGURE = {"value": 0.5, "low": 0.25, "high": 0.75, "n": 9}


def test_the_page_is_what_the_script_makes() -> None:
    made = SCRIPT["page"](ROOT / "docs" / "results")
    assert (ROOT / "docs" / "results.md").read_text(encoding="utf-8") == made


def test_every_method_metric_and_exchange_has_its_place(tmp_path: Path) -> None:
    tree = {
        "alignment": {method: dict.fromkeys(METRICS, FIGURE) for method in METHODS},
        "differences": {"behavior": dict.fromkeys(METRICS, FIGURE | {"p": 0.125})},
        "channels": {
            name: {"shift": FIGURE, "preference": FIGURE} for name in ("unchanged", *CHANGES)
        },
        "deciles": {"hybrid": {"yes": {"1": FIGURE}, "order": {"1": FIGURE, "2": FIGURE}}},
    }
    run = tmp_path / "films-als"
    run.mkdir()
    (run / "metrics.json").write_text(json.dumps(tree))
    (tmp_path / "intro.md").write_text("# Intro\n")
    for name in ("paper.md", "paper.json"):
        (tmp_path / name).write_bytes((ROOT / "docs" / "results" / name).read_bytes())
    lines = SCRIPT["page"](tmp_path).splitlines()
    assert f"| | {' | '.join(METHODS)} |" in lines
    shown = [line for line in lines if line.count("0.500 [0.250, 0.750]") == len(METHODS)]
    assert len(shown) == len(METRICS) - 2, "history precision and what it leaves"
    assert "| hybrid, less | behavior |" in lines
    differences = [line for line in lines if line.endswith("0.500 [0.250, 0.750], p 0.125 |")]
    assert len(differences) == len(shown)
    told = sum("0.500 [0.250, 0.750]" in line for line in lines)
    assert told == 2 * len(shown) + 1 + len(CHANGES) + 2
    assert "| tenth of the ranking | yes, both | pairs in order, both |" in lines
    assert "| 2 | – | 0.500 [0.250, 0.750] |" in lines
    paper = lines[lines.index("## Beside the paper") :]
    assert "| hybrid: history recall | 0.133 | 0.146 | 0.071 | 0.500 |" in paper
    assert "| distilled: retrieval HR@5 | 0.674 | 0.622 | 0.975 | 0.500 |" in paper


def test_explainers_have_a_table_of_skills_and_one_of_claims(tmp_path: Path) -> None:
    run = tmp_path / "games-als"
    run.mkdir()
    skills, claims, read = SCRIPT["SKILLS"], SCRIPT["OF_CLAIMS"], SCRIPT["OF_TEXTS"]
    tree = {name: dict.fromkeys([*skills, *claims], FIGURE) for name in SCRIPT["EXPLAINERS"]}
    tree["grounded_stated"] = dict.fromkeys(read, FIGURE)
    meta = {
        "n_cases": 1600,
        "n_surrogate_cases": 0,
        "cost": {"grounded": {"queries": 56.3, "milliseconds": 12.5}},
    }
    less = {"grounded": {"lime": dict.fromkeys(MEASURES, FIGURE | {"p": 0.125})}}
    whole = {"fidelity": tree, "fidelity_differences": less, "meta": meta}
    (run / "fidelity.json").write_text(json.dumps(whole))
    (tmp_path / "intro.md").write_text("# Intro\n")
    for name in ("paper.md", "paper.json"):
        (tmp_path / name).write_bytes((ROOT / "docs" / "results" / name).read_bytes())
    made = SCRIPT["page"](tmp_path)
    assert "1,600 cases, 0 for the surrogate. " in made
    assert "grounded in evidence 56.3 queries, 12.5 ms" in made
    assert f"| grounded in evidence, less | {' | '.join(skills.values())} |" in made
    assert made.count("0.500 [0.250, 0.750], p 0.125") == len(MEASURES)
    made = made.replace("0.750], p", "")
    counts = [line.count("0.500 [0.250, 0.750]") for line in made.splitlines()]
    assert counts.count(len(skills)) == counts.count(len(claims)) == len(tree) - 1
    assert "| as texts |" in made and counts.count(len(read)) == 1, "one has texts"
    assert "| words of texts |" not in made


def test_measures_and_explainers_are_those_of_the_package() -> None:
    assert [f"{measure}_skill" for measure in MEASURES] == list(SCRIPT["SKILLS"])
    assert set(SCRIPT["SKILLS"]) < set(FIDELITY_METRICS)
    assert set(SCRIPT["OF_WORDS"]) < set(TEXT_METRICS)


def test_seeds_are_shown_of_those_that_draw_at_random(tmp_path: Path) -> None:
    run = tmp_path / "films-als"
    run.mkdir()
    skills = {
        "lime": {"necessity_skill": [0.9, 1.0, 0.95]},
        "grounded": {"necessity_skill": [1, 1]},
    }
    told = {"seeds": [0, 1, 2], "n_cases": 9, "skills": skills}
    (run / "seeds.json").write_text(json.dumps(told))
    (tmp_path / "intro.md").write_text("# Intro\n")
    for name in ("paper.md", "paper.json"):
        (tmp_path / name).write_bytes((ROOT / "docs" / "results" / name).read_bytes())
    page = SCRIPT["page"](tmp_path)
    assert "| skill over 3 seeds | necessity | necessity of five |" in page
    assert "| LIME | 0.900 to 1.000 | – |" in page
    assert "grounded in evidence |" not in page, "what draws nothing is the same with every seed"
