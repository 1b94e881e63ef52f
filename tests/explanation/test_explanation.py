"""An explanation survives its journeys: JSON, HTML, plots, SHAP, print."""

from __future__ import annotations

import builtins
import json
import re
from pathlib import Path

import numpy as np
import pytest

from innerview.errors import CaseError, MissingExtraError
from innerview.explanation.claims import Claim
from innerview.explanation.evidence import measure
from innerview.explanation.explanation import Explanation, Explanations, FormAnswer
from innerview.explanation.grounded import claims_from
from innerview.explanation.page import card_view, render_page
from innerview.explanation.render import render
from innerview.explanation.shapley import shapley_values
from innerview.explanation.verify import verify_many
from innerview.targets.protocol import Case

from .conftest import PaperTarget

WICKED = '<script>alert("x")</script> & $a_1$'


def explain(target: PaperTarget, case: Case, **titles: str) -> Explanation:
    """An explanation as the public path makes it, with one claim too many."""
    evidence = measure(case, "o0", target)
    planted = Claim("NECESSARY", "o0", ("p2",), {"leaves_top": 1}, source="surrogate_hybrid")
    empty = Claim("EVIDENCE", "o0", ("p9",), {"rank": 1}, source="surrogate_hybrid")
    claims = [*claims_from(evidence, target), planted, empty]
    checked = tuple(verify_many([(claim, case) for claim in claims], target))
    named = {i: target.outcomes.title(i) for i in (*case.parts, "o0", "o1", "o2")}
    named |= {"p9": "Part Number 9", **titles}
    return Explanation(
        case_id=case.case_id,
        outcome_id="o0",
        parts=case.parts,
        decision="yes",
        probability=0.93,
        score=evidence.score,
        rank=evidence.rank,
        form="hybrid",
        text=render(checked, outcome="o0", rank=evidence.rank, titles=named, noun="film"),
        claims=checked,
        titles=named,
        evidence=evidence,
        provenance={"target": "paper", "settings": {"seed": 0}},
        answers={
            "behavior": FormAnswer("yes", 0.9, ("o0", "o1"), "p0", "verified"),
            "intention": FormAnswer("no", 0.4, ("o1",), "p3", "refuted"),
        },
        noun="film",
    )


@pytest.fixture
def explanation(films: PaperTarget, case: Case) -> Explanation:
    return explain(films, case)


def test_explanation_survives_json(explanation: Explanation) -> None:
    wire = json.loads(json.dumps(explanation.to_dict()))
    assert Explanation.from_dict(wire) == explanation
    assert {"case_id", "outcome_id", "decision", "score", "rank", "form", "text", "claims",
            "provenance", "evidence", "answers"} <= set(wire)  # fmt: skip
    assert {"type", "parts", "outcome", "stated", "measured", "verdict"} <= set(wire["claims"][0])


def test_explanations_survive_a_file_even_with_odd_line_breaks(
    films: PaperTarget, case: Case, tmp_path: Path
) -> None:
    several = Explanations([explain(films, case), explain(films, case, p1="two\u2028lines\x85")])
    several.to_jsonl(tmp_path / "e.jsonl")
    assert list(Explanations.from_jsonl(tmp_path / "e.jsonl")) == list(several)
    assert isinstance(several[:1], Explanations) and len(several[:1]) == 1


def test_slicing_goes_over_claims(explanation: Explanation) -> None:
    assert explanation[0] == explanation.claims[0]
    assert explanation[:2].claims == explanation.claims[:2] and len(explanation[:2]) == 2
    assert next(iter(explanation)).claim.type == "EVIDENCE"


def test_print_shows_the_text_and_each_claim_with_its_verdict(explanation: Explanation) -> None:
    lines = str(explanation).splitlines()
    assert lines[0] == explanation.text
    assert lines[1] == '[verified]   support 1 "Part Number 0": rank 1 -> 2'
    assert lines[-2] == (
        "[refuted]    the surrogate (hybrid) says: "
        'needs "Part Number 2" for top 1: rank 1 -> 1 (it stays in the top 1)'
    )
    assert lines[-1].startswith("[untestable] ")
    assert lines[-1].endswith("support 1 \"Part Number 9\" (part 'p9' is not in the case)")


def test_page_is_self_contained_and_names_every_verdict(
    explanation: Explanation, tmp_path: Path
) -> None:
    page = explanation.to_html(tmp_path / "why.html")
    assert (tmp_path / "why.html").read_text(encoding="utf-8") == page
    assert not re.search(r"(src|href)\s*=|@import|url\(|<script", page)
    assert all(f">{v}</span>" in page for v in ("verified", "refuted", "untestable"))
    assert "Outcome Number 0" in page and "4 films" in page


def test_titles_are_escaped(films: PaperTarget, case: Case) -> None:
    page = explain(films, case, p0=WICKED, o0=WICKED).to_html()
    assert "<script" not in page and "&lt;script&gt;" in page


def test_page_of_several_and_of_none(explanation: Explanation) -> None:
    assert render_page([explanation] * 3).count("<article") == 3
    assert "nothing to explain" in render_page([])


def test_page_of_a_case_that_could_not_be_measured(films: PaperTarget) -> None:
    one = explain(films, Case("c", ("p0",)))
    assert "not measured" in one.to_html()
    assert card_view(one)["parts"][0]["bar"] is None
    with pytest.raises(CaseError, match="nothing was measured"):
        one.plot()


def test_bars_point_right_for_parts_that_speak_for_it(explanation: Explanation) -> None:
    bars = [part["bar"] for part in card_view(explanation)["parts"]]
    assert [bar.side for bar in bars] == ["for", "for", "for", "against"]
    assert [bar.label for bar in bars] == ["+5", "+3", "+1", "−2"]
    assert all(bar.x >= 0 and bar.x + bar.width <= 100 for bar in bars)


def test_plot_has_a_bar_for_each_part_and_draws_any_title(films: PaperTarget, case: Case) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    axes = explain(films, case, p0=WICKED, o0=WICKED).plot()
    assert [bar.get_width() for bar in axes.patches] == [-2.0, 1.0, 3.0, 5.0]
    axes.figure.canvas.draw()


def test_the_ladder_shows_every_rank_that_was_measured(
    explanation: Explanation,
) -> None:
    pytest.importorskip("matplotlib").use("agg")
    axes = explanation.plot(kind="ranks")
    rungs = [label.get_text() for label in axes.get_yticklabels()]
    assert rungs[-1] == "as it is" and len(rungs) >= 1 + len(explanation.parts)
    shown = {int(text.get_text()) for text in axes.texts}
    assert explanation.evidence is not None
    assert shown >= {e.rank_after for e in explanation.evidence.leave_out} | {explanation.rank}
    axes.figure.canvas.draw()


def test_the_pages_ladder_runs_from_where_it_stands_to_the_worst(
    explanation: Explanation,
) -> None:
    ladder = card_view(explanation)["ladder"]
    assert (ladder[0].label, ladder[0].rank) == ("as it is", explanation.rank)
    assert explanation.evidence is not None
    worst = max(e.rank_after for e in explanation.evidence.leave_out if e.rank_after is not None)
    assert worst in {rung.rank for rung in ladder}
    for rung in ladder:
        assert 0 <= rung.x <= rung.at + 0.02 <= rung.x + rung.width + 0.04 <= 100.04
        assert (rung.side == "for") == (rung.rank > explanation.rank)
    ranks, places = [r.rank for r in ladder], [r.at for r in ladder]
    assert np.argsort(ranks, kind="stable").tolist() == np.argsort(places, kind="stable").tolist()
    assert explanation.to_html().count('class="iv-rung"') == len(ladder)


def test_a_case_that_nothing_moves_has_no_ladder(films: PaperTarget) -> None:
    assert card_view(explain(films, Case("c", ("p0",))))["ladder"] == []


def test_shap_values_add_up_to_the_score(explanation: Explanation) -> None:
    pytest.importorskip("shap")
    values = explanation.to_shap()
    assert list(values.values) == [5.0, 3.0, 1.0, -2.0]
    assert values.base_values + values.values.sum() == explanation.score
    assert list(values.feature_names) == [f"Part Number {i}" for i in range(4)]


def test_shapley_values_are_shown_with_their_own_base(
    explanation: Explanation, films: PaperTarget, case: Case
) -> None:
    pytest.importorskip("shap")
    shapley = shapley_values(case, "o0", films)
    values = explanation.to_shap(shapley)
    assert values.base_values == 1.75
    assert values.base_values + values.values.sum() == pytest.approx(explanation.score, abs=1e-5)
    other = shapley_values(Case("c", ("p0", "p1")), "o0", films)
    with pytest.raises(CaseError, match="not of case 'user-1'"):
        explanation.to_shap(other)


def test_shap_bar_plot_accepts_it(explanation: Explanation) -> None:
    shap = pytest.importorskip("shap")
    pytest.importorskip("matplotlib").use("agg")
    shap.plots.bar(explanation.to_shap(), show=False)


def test_shaps_own_plots_take_one_case(explanation: Explanation) -> None:
    shap = pytest.importorskip("shap")
    pytest.importorskip("matplotlib").use("agg")
    values = explanation.to_shap()
    axes = shap.plots.waterfall(values, show=False)
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert "Part Number 0" in labels, "a title stands alone, without a value"
    assert values[:2].values.tolist() == [5.0, 3.0]
    assert values[:2].feature_names == ["Part Number 0", "Part Number 1"]
    assert values["Part Number 3"].values == -2.0


def test_shap_of_several_has_a_row_each_and_a_column_for_every_part(films: PaperTarget) -> None:
    shap = pytest.importorskip("shap")
    cases = [Case("a", ("p0", "p1")), Case("b", ("p1", "p3", "p2"))]
    several = Explanations([explain(films, one) for one in cases])
    values = several.to_shap()
    assert values.feature_names == [f"Part Number {i}" for i in (0, 1, 3, 2)]
    assert values.values.tolist() == [[5.0, 3.0, 0.0, 0.0], [0.0, 3.0, -2.0, 1.0]]
    assert values.data.tolist() == [[1.0, 1.0, 0.0, 0.0], [0.0, 1.0, 1.0, 1.0]]
    assert (values.base_values + values.values.sum(1)).tolist() == [one.score for one in several]
    assert values[:, "Part Number 1"].values.tolist() == [3.0, 3.0]
    assert values[1].values.tolist() == [0.0, 3.0, -2.0, 1.0]
    assert values.abs.mean(0).values.tolist() == [2.5, 3.0, 1.0, 0.5]
    exact = [shapley_values(one, "o0", films) for one in cases]
    assert several.to_shap(exact).base_values == pytest.approx([e.base for e in exact])
    for plot in (shap.plots.bar, shap.plots.beeswarm, shap.plots.heatmap):
        pytest.importorskip("matplotlib").use("agg")
        plot(values, show=False)
    shap.plots.waterfall(values[1], show=False)


def test_shap_tells_parts_of_one_title_apart_and_refuses_what_does_not_fit(
    films: PaperTarget, case: Case
) -> None:
    pytest.importorskip("shap")
    one = explain(films, case, p0="Twin", p1="Twin")
    values = Explanations([one]).to_shap()
    assert values.feature_names[:2] == ["Twin [p0]", "Twin [p1]"]
    with pytest.raises(CaseError, match="no explanations to show"):
        Explanations([]).to_shap()
    with pytest.raises(CaseError, match="values of 0 cases for 1 explanations"):
        Explanations([one]).to_shap([])
    with pytest.raises(CaseError, match="nothing was measured"):
        Explanations([one, explain(films, Case("c", ("p0",)))]).to_shap()


def test_claims_of_several_are_one_table(films: PaperTarget, case: Case) -> None:
    several = Explanations([explain(films, case), explain(films, Case("b", ("p0", "p1")))])
    frame = several.to_frame()
    assert frame.height == sum(map(len, several))
    first = frame.row(0, named=True)
    assert (first["case_id"], first["outcome"], first["rank"]) == ("user-1", "Outcome Number 0", 1)
    assert (first["parts"], first["titles"]) == (["p0"], ["Part Number 0"])
    assert (first["verdict"], first["rank_after"]) == ("verified", 2)
    assert json.loads(first["stated"]) == {"rank": 1}
    untestable = frame.filter(frame["verdict"] == "untestable")
    assert untestable["rank_after"].null_count() == untestable.height > 0
    assert Explanations([]).to_frame().columns == frame.columns


@pytest.mark.parametrize("package", ["matplotlib", "shap"])
def test_missing_extra_is_named(
    package: str, explanation: Explanation, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def absent(name: str, *args: object, **kwargs: object) -> object:
        if name.partition(".")[0] == package:
            raise ImportError(name)
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MissingExtraError, match=rf"{package} is not installed.*innerview\[plot\]"):
        explanation.plot() if package == "matplotlib" else explanation.to_shap()
