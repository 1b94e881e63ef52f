"""Classifiers have a few outcomes: what says nothing of so few shrinks, and nothing fails."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from innerview.alignment.mixture import MixtureSettings
from innerview.alignment.records import read_records
from innerview.data.domain import CLASSIFIER
from innerview.data.tables import Catalogue
from innerview.evaluation.answers import alignment_metrics
from innerview.evaluation.baselines import random_answers
from innerview.evaluation.bootstrap import Figure
from innerview.evaluation.findings import Findings
from innerview.evaluation.report import render_report
from innerview.evaluation.showing import can_show
from innerview.explanation.evidence import Thresholds, measure
from innerview.explanation.grounded import claims_from
from innerview.pipeline import begin, fidelity, label, report
from innerview.targets import Capabilities, Case, Contents, check_target, load_bundle, save_bundle
from innerview.targets.manifest import MeanOfParts
from innerview.testing.fakes import ScriptedTarget


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A classifier of three classes over twelve parts, with the cases of a run."""
    rng = np.random.default_rng(0)
    parts = Catalogue(
        tuple(f"p{i}" for i in range(12)), tuple(f"Sign {i}" for i in range(12)),
        {"kind": tuple((("wet", "dry")[i % 2],) for i in range(12))},
        noun="sign", domain=CLASSIFIER,
    )  # fmt: skip
    classes = ("rain", "snow", "sun")
    contents = Contents(
        name="weather",
        spec=MeanOfParts(),
        capabilities=Capabilities(
            vectors=True, rescoring=True, order_sensitive=False, deterministic=True,
            excludes_parts=False, max_parts=8,
        ),
        outcomes=Catalogue(classes, classes, noun="class", domain=CLASSIFIER),
        parts=parts,
        outcome_vectors=rng.normal(size=(3, 4)).astype(np.float32),
        part_vectors=rng.normal(size=(12, 4)).astype(np.float32),
    )  # fmt: skip
    cases = {f"c{c}": tuple(f"p{i}" for i in rng.permutation(12)[:6]) for c in range(40)}
    save_bundle(tmp_path / "target", contents, check_cases=[Case("c0", cases["c0"])])
    begin(tmp_path, cases, lambda event: None, frequency={"rain": 20}, n_test=10)
    return tmp_path


def test_a_bundle_carries_the_words_of_its_field(run: Path) -> None:
    target = load_bundle(run / "target")
    assert target.outcomes.domain is target.parts.domain is CLASSIFIER
    assert json.loads((run / "target" / "manifest.json").read_bytes())["domain"] == "classifier"
    assert (target.outcomes.noun, target.parts.noun) == ("class", "sign")


def test_a_run_of_three_classes_goes_from_labels_to_its_report(run: Path) -> None:
    said: list[str] = []
    label(run, lambda event: said.append(event.text), mixture=MixtureSettings(n_prose=5), n_test=5)
    assert sum(line.startswith("There are 3 outcomes: lists of five or ten") for line in said) == 1
    train = read_records(run / "records" / "train" / "records.parquet")
    assert {r.task for r in train} >= {"retrieval", "interest", "ranking", "attribution", "prose"}
    assert not any("ecommend" in repr(r.question) for r in train)
    fidelity(run, lambda event: None, n_cases=20)
    found = json.loads((run / "report" / "fidelity.json").read_text())["fidelity"]["grounded"]
    assert {"necessity_skill", "deletion_skill", "sufficiency"} <= set(found)
    assert report(run, lambda event: None).exists()


def test_of_few_outcomes_the_first_one_counts_and_fives_do_not(run: Path) -> None:
    label(run, lambda event: None, mixture=MixtureSettings(n_prose=2), n_test=5)
    asked = read_records(run / "records" / "test.parquet")
    target = load_bundle(run / "target")
    figures = alignment_metrics(asked, random_answers(asked, target), few=True)
    assert "retrieval_first" in figures
    assert not {"retrieval_hr5", "retrieval_overlap5"} & set(figures)
    assert "retrieval_first" not in alignment_metrics(asked, random_answers(asked, target))
    page = render_report(Findings(metrics={"alignment": {"random": figures}}, domain=CLASSIFIER))
    shown = re.sub(r"<style.*?</style>|<script.*?</script>|<[^>]*>", "", page, flags=re.DOTALL)
    assert "Held-out classes" in shown and "Case, class recovery" in shown
    assert not re.search(r"\b(history|items?|users?)\b", shown, re.IGNORECASE)
    first = Figure(1.0, 0.97, 1.0, 100)
    ruling = can_show({"alignment": {"behavior": {"retrieval_first": first}}}, []).rulings[-1]
    assert ruling.answer == "yes" and ruling.because.startswith("Its first is the target's first")


def test_sufficient_among_few_is_what_keeps_the_first_place() -> None:
    weights = np.array([[4.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 2.0]], dtype=np.float32)
    outcomes, parts = (
        Catalogue(tuple(f"{p}{i}" for i in range(3)), tuple(f"{p} {i}" for i in range(3)))
        for p in ("o", "p")
    )
    target = ScriptedTarget(weights, outcomes, parts=parts)
    case = Case("c", parts.ids)
    found = measure(case, "o0", target)
    assert (found.leaves_top, found.stays_in_top) == (1, 1)
    assert found.keep_only is not None and found.keep_only.parts == ("p0",)
    stated = {(c.type, c.parts): c.stated for c in claims_from(found, target)}
    assert stated["SUFFICIENT", ("p0",)] == {"stays_in_top": 1}
    assert Thresholds().tops(2, 3) == (2, 2)
    assert Thresholds().tops(3, 3) == (None, None)
    assert Thresholds().tops(500, 900) == (None, None)


def test_five_favourites_are_not_held_against_a_classifier(run: Path) -> None:
    target = load_bundle(run / "target")
    rng = np.random.default_rng(1)
    cases = [Case(f"x{c}", tuple(f"p{i}" for i in rng.permutation(12)[:5])) for c in range(60)]
    assert not [one for one in check_target(target, cases).findings if "table imitates" in one.text]
