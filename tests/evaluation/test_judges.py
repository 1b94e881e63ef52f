"""Figures of ratings and comparisons, and whether a judge that knows nothing is found out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from innerview.errors import EndpointError
from innerview.evaluation.asking import Judge
from innerview.evaluation.endpoint import Endpoint
from innerview.evaluation.judge_tables import believed, judge_notes, judge_rows
from innerview.evaluation.judges import Judged, judge_texts, pair_figures
from innerview.evaluation.ratings import (
    agreements,
    mean_difference,
    rating_differences,
    rating_figures,
)
from innerview.evaluation.rubric import Rating, Shown

from .served import Answering, Reply, said, serving

N = 12


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


def shown(text: str) -> list[Shown]:
    """One text a case, about the one part that the case has."""
    return [
        Shown(f"c{n}", "film", (f"Film {n:02}",), f"Outcome {n}", 1, text.format(n=n))
        for n in range(N)
    ]


GOOD, VAGUE = shown("It is like Film {n:02}."), shown("It is good.")


def rating(levels: Sequence[int], texts: Sequence[Shown]) -> dict[str, Rating]:
    return {one.id: Rating(level) for one, level in zip(texts, levels, strict=False)}


def quoted(body: dict[str, Any]) -> list[str]:
    lines = body["messages"][1]["content"].split("\n")
    return [json.loads(line) for line in lines if line.startswith('"')]


def reader(body: dict[str, Any], n: int) -> Reply:
    """Likes texts that name the case's part; of two alike, neither."""
    part, _, *texts = quoted(body)
    worth = [3 if part in text else 1 for text in texts]
    if len(worth) == 1:
        return said({"reason": "read", "rating": worth[0]})
    better = "same" if worth[0] == worth[1] else "first" if worth[0] > worth[1] else "second"
    return said({"reason": "read", "better": better})


def lazy(body: dict[str, Any], n: int) -> Reply:
    """Reads nothing, and likes what stands first."""
    if "first" in body["messages"][1]["content"]:
        return said({"reason": "", "better": "first"})
    return said({"reason": "", "rating": 2})


def judged(answer: Answering, tmp_path: Path, **settings: Any) -> Judged:
    with serving(answer) as served:
        judge = Judge(Endpoint(served.url, "m", pause_s=0.001, tries=2), tmp_path / "kept")
        texts = {"good": GOOD, "vague": VAGUE}
        return judge_texts(judge, texts, **{"pairwise": True, "at_most": 999, **settings})


def test_quality_is_told_again_of_texts_that_give_the_right_decision() -> None:
    figures = rating_figures(GOOD, rating([0, 0, 1, 2, 2, 3], GOOD))
    values = {name: figure.value for name, figure in figures.items()}
    assert values == {
        "mean": pytest.approx(8 / 6),
        "level_0": pytest.approx(2 / 6),
        "level_1": pytest.approx(1 / 6),
        "level_2": pytest.approx(2 / 6),
        "level_3": pytest.approx(1 / 6),
        "mean_if_right": pytest.approx(2.0),
    }
    assert figures["mean"].n == 6 and figures["mean_if_right"].n == 4
    assert "mean_if_right" not in rating_figures(GOOD, rating([0, 0], GOOD))
    assert rating_figures(VAGUE, rating([1], GOOD)) == {}


def test_explainers_are_compared_where_both_are_rated() -> None:
    ann = rating([3] * N, GOOD) | rating([1] * (N - 2), VAGUE)
    bob = rating([2] * N, GOOD)
    found = rating_differences({"good": GOOD, "vague": VAGUE}, {"ann": ann, "bob": bob})
    assert set(found) == {"ann"}
    figure = found["ann"]["good"]["vague"]
    assert (figure.value, figure.n) == (2.0, N - 2)
    assert figure.p is not None and figure.p < 0.01
    assert mean_difference(GOOD, VAGUE, bob) is None


def test_probabilities_are_corrected_for_all_raters_together() -> None:
    ratings = rating([3, 3, 2, 1] * 3, GOOD) | rating([1, 3, 2, 0] * 3, VAGUE)
    texts = {"good": GOOD, "vague": VAGUE}
    alone = rating_differences(texts, {"ann": ratings})["ann"]["good"]["vague"].p
    both = rating_differences(texts, {"ann": ratings, "bob": ratings})
    assert alone is not None
    found = [both[rater]["good"]["vague"].p for rater in ("ann", "bob")]
    assert found == pytest.approx([2 * alone] * 2)


def test_raters_are_held_against_each_other_over_what_both_rated() -> None:
    ann, bob = rating([0, 1, 2, 3], GOOD), rating([0, 1, 3], GOOD)
    found = agreements({"good": GOOD}, {"ann": ann, "bob": bob, "cyd": {"none": Rating(1)}})
    assert set(found) == {"ann"} and set(found["ann"]) == {"bob"}
    assert found["ann"]["bob"]["texts"].value == 3


def test_a_win_is_one_in_both_orders() -> None:
    verdicts = [
        ("first", "second"),  # A
        ("second", "first"),  # B
        ("same", "same"),
        ("first", "first"),  # whatever stands first
        ("second", "second"),
        ("first", "same"),
        ("first", "second"),
        ("first", "second"),
    ]
    figures = pair_figures(verdicts, [str(n) for n in range(8)])  # type: ignore[arg-type]
    assert figures["win_rate"].value == pytest.approx((3 + 4 / 2) / 8)
    assert figures["ties"].value == pytest.approx(4 / 8)
    assert figures["flips"].value == pytest.approx(3 / 8)


def test_a_judge_that_reads_is_believed(tmp_path: Path) -> None:
    found = judged(reader, tmp_path)
    assert found.ratings[GOOD[0].id] == Rating(3, "read")
    assert rating_figures(VAGUE, found.ratings)["mean"].value == 1.0
    control: Any = found.figures["control"]
    assert control["by_explainer"]["good"].value == 2.0
    assert control["by_explainer"]["vague"].value == 0.0, "such texts fit any case"
    assert control["beyond_shuffled"].value == 1.0
    pairs: Any = found.figures["pairs"]
    assert pairs["good"]["vague"]["win_rate"].value == 1.0
    assert pairs["good"]["vague"]["flips"].value == 0.0
    assert believed({"judges": found.figures}) is True


def test_a_judge_that_does_not_read_is_found_out(tmp_path: Path) -> None:
    found = judged(lazy, tmp_path)
    pairs: Any = found.figures["pairs"]
    assert pairs["good"]["vague"]["win_rate"].value == 0.5
    assert pairs["good"]["vague"]["flips"].value == 1.0
    assert believed({"judges": found.figures}) is False


def test_what_is_never_answered_in_form_is_left_out(tmp_path: Path) -> None:
    def moody(body: dict[str, Any], n: int) -> Reply:
        return said("no") if "Film 03" in quoted(body)[0] else reader(body, n)

    found = judged(moody, tmp_path)
    assert rating_figures(GOOD, found.ratings)["mean"].n == N - 1
    pairs: Any = found.figures["pairs"]
    assert pairs["good"]["vague"]["win_rate"].n == N - 1
    nothing = judged(lambda body, n: said("no"), tmp_path / "none")
    assert nothing.ratings == {} and "control" not in nothing.figures


def test_texts_that_are_the_same_are_not_compared(tmp_path: Path) -> None:
    with serving(reader) as served:
        judge = Judge(Endpoint(served.url, "m"), tmp_path)
        found = judge_texts(judge, {"a": GOOD, "b": GOOD}, pairwise=True, at_most=2 * N)
    pairs: Any = found.figures["pairs"]
    assert pairs["a"]["b"]["ties"].value == 1.0 and pairs["a"]["b"]["flips"].value == 0.0


def test_questions_are_counted_before_any_is_asked(tmp_path: Path) -> None:
    # For each case: two ratings, that of another's good text, and two comparisons; texts that fit
    # any case are the same when they are another's.
    with pytest.raises(EndpointError, match=f"{5 * N} questions to ask, more than the {5 * N - 1}"):
        judged(reader, tmp_path, at_most=5 * N - 1)
    judged(reader, tmp_path, at_most=5 * N)


def test_what_was_not_run_is_said_so() -> None:
    metrics = {
        "judges": {"ratings": {}, "differences": {}, "agreement": {}},
        "meta": {"not_run": {"judge": "no --endpoint", "people": "no --ratings"}},
    }
    assert [(row.rater, row.mean) for row in judge_rows(metrics)] == [
        ("judge", "not run"),
        ("people", "not run"),
    ]
    assert list(judge_notes(metrics)) == [
        "judge: not run (no --endpoint)",
        "people: not run (no --ratings)",
    ]
    assert believed(metrics) is None


def test_a_table_says_what_raters_make_of_explainers(tmp_path: Path) -> None:
    found = judged(lazy, tmp_path)
    texts = {"good": GOOD, "vague": VAGUE}
    raters = {"judge": found.ratings, "ann": rating([0] * 3 + [2] * 3, GOOD)}
    metrics = {
        "judges": {
            **found.figures,
            "ratings": {
                rater: {
                    name: rating_figures(own, given)
                    for name, own in texts.items()
                    if rating_figures(own, given)
                }
                for rater, given in raters.items()
            },
            "differences": rating_differences(texts, raters),
            "agreement": agreements(texts, raters),
        },
        "meta": {"not_run": {}, "unanswered": 1234, "by_words": 5678},
    }
    rows = judge_rows(metrics)
    assert [(row.rater, row.explainer, row.n) for row in rows] == [
        ("judge", "good", "12"),
        ("judge", "vague", "12"),
        ("ann", "good", "6"),
    ]
    assert (rows[2].mean, rows[2].if_right) == ("1.00", "2.00")
    assert rows[2].levels == ("0.50", "0.00", "0.50", "0.00")
    notes = list(judge_notes(metrics))
    assert notes[0] == "judge: good less vague: 0.00 [0.00, 0.00], p 1.0000"
    assert notes[1].startswith("good over vague: win rate 0.50 [0.50, 0.50], ties 1.00, verdicts")
    # Half of each rater's are the same by chance alone: kappa is 0, and no rho of one level.
    assert notes[2].startswith("judge and ann: kappa 0.00 [")
    assert "spearman" not in notes[2] and notes[2].endswith("same 0.50 of 6 texts")
    assert notes[3].endswith("it is not to be believed")
    assert notes[4] == "judge: 1,234 questions never answered in form, and left out"
    assert notes[5].startswith("judge: 5,678 answers held to their form by words alone, not by")
    assert len(notes) == 6
