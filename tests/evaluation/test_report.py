"""The page: complete, escaped, and quiet on the network."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from innerview.evaluation._charts import calibration_chart, decile_charts, fidelity_charts
from innerview.evaluation._counts import verdict_groups
from innerview.evaluation._tables import (
    CURVES,
    METHODS,
    alignment_table,
    calibration_table,
    channel_table,
    curve_table,
    decile_table,
    difference_table,
    fidelity_difference_table,
    fidelity_table,
    further_table,
    judge_table,
    methods_shown,
    reader_table,
    stability_table,
    text_table,
)
from innerview.evaluation.agreement import CaseAgreement
from innerview.evaluation.bootstrap import Figure
from innerview.evaluation.findings import Findings, report_sheets
from innerview.evaluation.report import render_report, write_report
from innerview.evaluation.sheets import FORMATS
from innerview.explanation.claims import CheckedClaim, Claim, Verdict
from innerview.explanation.explanation import Explanation, FormAnswer

WICKED = '<script>alert("x")</script>\' onclick="y'
REPORT = {
    "target": {"hr10": 0.2, "ndcg10": 0.12},
    "popularity": {"hr10": 0.1, "ndcg10": 0.05},
    "item_knn": {"hr10": 0.25, "ndcg10": 0.14},
    "distinct_first": 312,
    "constant_hr5": 0.12,
    "n_test": 4126,
}


def claim(verdict: Verdict, source: str = "evidence") -> CheckedClaim:
    measured = {"score_change": -1.0, "rank_before": 1, "rank_after": 9}
    stated = Claim("NECESSARY", "o", ("p",), {"leaves_top": 1}, source)
    return CheckedClaim(stated, verdict, {} if verdict == "untestable" else measured)


def explanation(case_id: str = "c1", title: str = "Outcome O") -> Explanation:
    return Explanation(
        case_id=case_id,
        outcome_id="o",
        parts=("p", "q"),
        decision="yes",
        score=3.5,
        rank=1,
        form="hybrid",
        text=f"Because of {title}.",
        claims=(claim("verified"), claim("refuted", "surrogate_hybrid"), claim("untestable")),
        titles={"o": title, "p": "Part P", "q": "Part Q"},
        answers={
            "behavior": FormAnswer("yes", 0.9, ("o",), "p", "verified"),
            "hybrid": FormAnswer("no", 0.2, ("q",), "q", "refuted"),
        },
        provenance={"target": "als"},
        noun="film",
    )


def page(**changes: Any) -> str:
    given: dict[str, Any] = {
        "explanations": [explanation()],
        "metrics": METRICS,
        "target_report": REPORT,
        "provenance": {"target": "als", "seed": 0},
    }
    max_cards = changes.pop("max_cards", 200)
    return render_report(Findings(**(given | changes)), max_cards=max_cards)


def tenths(*values: float) -> dict[str, Figure]:
    return {str(at): Figure(v, v - 0.1, v, 9) for at, v in enumerate(values, start=1)}


OVER_THE_RANKING = {
    "deciles": {
        "behavior": {"yes": tenths(1.0, 0.5), "order": tenths(0.9, 0.8), "log_odds": tenths(3)},
        "popularity": {"yes": tenths(1.0), "order": tenths(0.6, 0.5), "log_odds": tenths(3)},
    },
    "calibration": {
        "behavior": {
            "1": {"probability": Figure(0.05, 0, 0.1, 90), "liked": Figure(0.0, 0, 0, 90)},
            "4": {"probability": Figure(0.35, 0.3, 0.4, 9), "liked": Figure(1.0, 1, 1, 9)},
            "10": {"probability": Figure(0.95, 0.9, 1, 90), "liked": Figure(1.0, 1, 1, 90)},
        }
    },
}
METRICS = {
    "alignment": {
        "hybrid": {"retrieval_hr5": Figure(0.811, 0.78, 0.84, 500)},
        "constant": {"retrieval_hr5": Figure(0.123, 0.1, 0.15, 500)},
        "random": {"ranking_kendall": Figure(-0.0001, -0.05, 0.05, 500)},
    },
    "fidelity": {"grounded": {"necessity_skill": Figure(-0.02, -0.05, 0.01, 50)}},
    "meta": {"seed": 0},
}


VOID = ("meta", "input", "br", "rect", "polyline", "polygon", "circle")


class Reader(HTMLParser):
    """Collects tags, and checks that they close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def test_tables_have_a_row_per_metric_and_mark_the_best() -> None:
    rows = {row.name: row for row in alignment_table(METRICS)}
    assert set(rows) == {"retrieval_hr5", "ranking_kendall"}
    cells = rows["retrieval_hr5"].cells
    assert list(methods_shown(METRICS)) == ["hybrid", "constant", "random"]
    assert [c.value if c else None for c in cells] == ["0.811", "0.123", None]
    best, floor = cells[0], cells[1]
    assert best and best.best and floor and not floor.best
    chance = rows["ranking_kendall"].cells[-1]
    assert chance and chance.value == "0.000" and chance.at == pytest.approx(50, abs=0.01)
    headings, fidelity = fidelity_table(METRICS)
    assert headings == ["necessity"]
    assert fidelity[0].cells[0] and fidelity[0].cells[0].value == "−0.020"
    assert alignment_table({}) == [] and fidelity_table({}) == ([], [])


def test_further_measures_readers_and_stability_have_tables_of_their_own() -> None:
    said = Figure(0.75, 0.7, 0.8, 50)
    metrics = METRICS | {
        "fidelity": {
            "grounded": {"necessity_skill": said, "kept_vector": said, "pos_at_1": said},
            "mine": {
                "necessity_skill": said,
                **dict.fromkeys(["score_error", "score_error_constant", "score_error_mean"], said),
                **dict.fromkeys(["simulated_constant", "simulated_without_text"], said),
                "empty": said,
                "distinct_2": said,
                "foreign_titles": said,
            },
        },
        "stability": {"titles": {"grounded": {"first_same": said, "claims_recur": said}}},
    }
    headings, rows = further_table(metrics)
    assert headings == ["vector of three parts", "POS@1"]
    assert [row.label for row in rows] == ["grounded"], "who was not measured has no row"
    headings, rows = text_table(metrics)
    assert headings == ["foreign titles", "empty", "distinct pairs"]
    assert [row.label for row in rows] == ["mine"]
    headings, rows = reader_table(metrics)
    assert headings == ["mine"]
    assert [row.label for row in rows] == [
        "What falls without a part, AUC, without text",
        "What falls without a part, AUC, one text for all",
        "Error about the score (less is better)",
        "Error about the score (less is better), one text for all",
        "Error about the score (less is better), told nothing",
    ]
    headings, rows = stability_table(metrics)
    assert [row.label for row in rows] == ["titles reworded: grounded"]
    shown = page(metrics=metrics)
    for section in ("further", "texts", "readers", "stability"):
        assert f'id="{section}"' in shown and f'href="#{section}"' in shown
        assert f'id="{section}"' not in page()
        assert f"{section}.csv" in shown


def test_ratings_are_shown_and_that_there_are_none_is_said() -> None:
    assert "nobody has rated these texts" in page() and "judges.csv" not in page()
    rated = {name: Figure(0.25, 0.2, 0.3, 9) for name in ("mean", "level_0", "level_3")}
    judges = {
        "judges": {"ratings": {"ann": {"mine": rated}}, "differences": {}, "agreement": {}},
        "meta": {"not_run": {"judge": "no --endpoint"}},
    }
    headings, rows = judge_table(judges)
    assert [row.label for row in rows] == ["ann: mine"] and headings[0] == "mean"
    assert [bool(cell) for cell in rows[0].cells] == [True, False, True, False, False, True]
    shown = page(judges=judges)
    assert "ann: mine" in shown and "judge: not run (no --endpoint)" in shown
    assert "judges.csv" in shown and "nobody has rated" not in shown


def test_verdicts_are_counted_by_who_claimed() -> None:
    groups = dict(verdict_groups([explanation(), explanation("c2")]))
    grounded = groups["Read off the target"]
    assert [(t.label, t.verified, t.refuted, t.untestable, t.share) for t in grounded] == [
        ("NECESSARY", 2, 0, 2, "100%")
    ]
    own = groups["Made by the surrogate"][0]
    assert (own.verified, own.refuted, own.share) == (0, 2, "0%")
    reasons = {t.label: t.share for t in groups["The surrogate's one reason, by form"]}
    assert reasons == {"Text only": "100%", "Text and vectors": "0%"}


def test_page_shows_differences_where_they_were_measured() -> None:
    assert 'id="differences"' not in page()
    told = {
        "intention": {"retrieval_hr5": Figure(0.01, -0.02, 0.04, 9, 0.5)},
        "distilled": {"retrieval_hr5": Figure(0.9, 0.8, 1.0, 9, 0.0004)},
    }
    headings, rows = difference_table({"differences": told})
    assert headings == ["vectors", "small student"]
    assert [row.name for row in rows] == ["retrieval_hr5"]
    assert [(cell.value, cell.interval) for cell in rows[0].cells if cell] == [
        ("0.010", "−0.020 to 0.040, p 0.500"),
        ("0.900", "0.800 to 1.000, p < 0.001"),
    ]
    text = page(metrics=METRICS | {"differences": told})
    assert 'id="differences"' in text and "−0.020 to 0.040, p 0.500" in text


def test_page_shows_channels_where_they_were_measured() -> None:
    assert 'id="channels"' not in page()
    moved = {"shift": Figure(-0.63, -0.9, -0.3, 12), "preference": Figure(1.25, 1, 1.5, 12)}
    told = {"unchanged": {"preference": Figure(-1.7, -2, -1, 12)}, "text_swapped": moved}
    headings, rows = channel_table({"channels": told})
    assert headings == ["shift", "preference"]
    assert [[c.value if c else None for c in row.cells] for row in rows] == [
        [None, "−1.700"],
        ["−0.630", "1.250"],
    ]
    text = page(metrics=METRICS | {"channels": told})
    Reader(text)
    assert 'id="channels"' in text and "titles, for the other case&#39;s" in text


def test_page_draws_curves_over_the_ranking_and_of_calibration() -> None:
    assert 'id="deciles"' not in page() and 'id="calibration"' not in page()
    yes, order = decile_charts(OVER_THE_RANKING)
    assert [curve.name for curve in yes.curves] == ["behavior"]
    assert yes.curves[0].line == "15,0 45,90"
    assert yes.curves[0].band == "15,0 45,90 45,108 15,18", "up along the one end, back the other"
    assert [(curve.name, bool(curve.band)) for curve in order.curves] == [
        ("behavior", True),
        ("popularity", False),
    ]
    chart = calibration_chart(OVER_THE_RANKING)
    assert chart and chart.curves[0].line == "15,180 285,0", "nine cases are too few to draw"
    headings, rows = decile_table(OVER_THE_RANKING)
    assert headings == ["behavior, says yes", "behavior, in order", "popularity, in order"]
    assert [row.label for row in rows] == [str(n) for n in range(1, 11)]
    assert [cell.value if cell else None for cell in rows[1].cells] == ["0.500", "0.800", "0.500"]
    headings, rows = calibration_table(OVER_THE_RANKING)
    assert headings == ["behavior, probability", "behavior, liked"]
    assert [row.label for row in rows if row.cells[0]] == ["0 to 0.1", "0.3 to 0.4", "0.9 to 1"]
    text = page(metrics=METRICS | OVER_THE_RANKING)
    Reader(text)
    assert text.count('<figure class="ev-chart">') == 3
    assert decile_charts({}) == [] and calibration_chart({}) is None
    assert decile_table({}) == ([], []) == calibration_table({})


def test_page_draws_curves_of_explainers_and_lets_the_others_be_chosen() -> None:
    assert fidelity_charts(METRICS) == [] and curve_table(METRICS)[1] == [], "as of older files"
    points = {str(n): Figure(1 / (1 + n), 0.0, 1.0, 9) for n in (1, 2, 3, 5, 8)}
    own = {"necessity_skill": Figure(1, 1, 1, 9), "curves": dict.fromkeys(CURVES, points)}
    names = ("popularity", WICKED, "random", "surrogate_hybrid", "grounded")
    metrics = METRICS | {"fidelity": dict.fromkeys(names, own)}
    gone, kept = fidelity_charts(metrics)
    assert [curve.name for curve in gone.curves if curve.shown] == ["grounded", "hybrid", "random"]
    assert [curve.label for curve in kept.curves if not curve.shown] == ["popularity", WICKED]
    assert len({curve.hue for curve in kept.curves}) == 3
    assert gone.curves[0].line.startswith("18.75,90 56.25,120") and gone.curves[0].band
    headings, rows = curve_table(metrics)
    assert headings == ["1", "2", "3", "5", "8"]
    assert [row.label for row in rows[-2:]] == ["grounded: deletion", "grounded: insertion"]
    text = page(metrics=metrics)
    Reader(text)
    assert text.count('<figure class="ev-chart">') == 2 and WICKED not in text
    assert text.count('<input type="checkbox" hidden checked>') == 6
    assert text.count("ev-of-other ev-off") == 8 and "curves.csv" in text


def test_page_shows_whether_an_explainer_is_better_than_others() -> None:
    assert 'id="fidelity-differences"' not in page()
    told = {"surrogate_hybrid": {"lime": {"deletion": Figure(0.25, 0.2, 0.3, 9, 0.004)}}}
    headings, rows = fidelity_difference_table({"fidelity_differences": told})
    assert headings[-2:] == ["deletion", "insertion"]
    assert [row.label for row in rows] == ["surrogate hybrid, less lime"]
    assert [cell.interval if cell else None for cell in rows[0].cells][-2:] == [
        "0.200 to 0.300, p 0.004", None,
    ]  # fmt: skip
    text = page(metrics=METRICS | {"fidelity_differences": told})
    Reader(text)
    assert 'id="fidelity-differences"' in text and "fidelity_differences.csv" in text


def test_page_lists_the_cases_of_least_and_most_agreement() -> None:
    assert 'id="agreement"' not in page()
    told = [CaseAgreement(f"c{n}", n / 20, {"retrieval": n / 20}) for n in range(20)]
    text = page(agreements=told)
    Reader(text)
    least = text[text.index("Least agreement") : text.index("Most agreement")]
    most = text[text.index("Most agreement") : text.index('download="agreement.csv"')]
    assert re.findall(r"\bc\d+", least.replace("#case-1", "")) == [f"c{n}" for n in range(8)]
    assert re.findall(r"\bc\d+", most) == [f"c{n}" for n in range(19, 11, -1)]
    assert '<a href="#case-1">c1</a>' in least, "it is explained on the page"


def test_page_shows_the_target_the_figures_and_every_case() -> None:
    text = page(explanations=[explanation("c1"), explanation("c2")], notes=["A short run."])
    Reader(text)
    for expected in (
        "Why als answers as it does", "0.200", "nearest neighbours", "312", "4,126", "0.120",
        "0.811", "0.780 to 0.840", "A short run.", "Text only", "Part Q", 'href="#case-2"',
        'id="case-2"', "2 explanations of 2 cases",
    ):  # fmt: skip
        assert expected in text, expected
    assert 'class="ev-warning"' not in text


@pytest.mark.parametrize("asked", [list(METHODS), ["hybrid", "distilled"], ["random"]])
def test_page_has_a_column_for_whoever_was_asked_and_no_other(asked: list[str]) -> None:
    figure = Figure(0.5, 0.4, 0.6, 9)
    text = page(metrics={"alignment": {m: {"retrieval_hr5": figure} for m in asked}})
    Reader(text)
    for method in METHODS:
        assert (f">{method.replace('_', ' ')}<small>" in text) == (method in asked), method
    # One edge parts the floors from the rest: in the heading and in the one row.
    floors = bool({"popularity", "constant", "random"} & set(asked))
    table = text[text.index('aria-labelledby="alignment"') :]
    assert table.count("ev-edge") == 2 * floors


@pytest.mark.parametrize(("n", "few"), [(400, False), (10, True)])
def test_page_says_how_many_cases_its_figures_rest_on(n: int, few: bool) -> None:
    text = page(metrics=METRICS | {"meta": {"n_cases": n}})
    assert f"Asked about {n} held-out cases" in text
    assert ("which is few" in text) == few


def test_page_warns_of_targets_that_a_table_imitates_or_popularity_beats() -> None:
    text = page(target_report={**REPORT, "constant_hr5": 0.34, "target": REPORT["popularity"]})
    assert "first choice in 34% of cases" in text
    assert "no better than recommending what is popular" in text


def test_page_makes_no_request_and_runs_only_its_own_script() -> None:
    text = page()
    for tag, attributes in Reader(text).tags:
        assert tag not in ("link", "img", "iframe", "object", "base"), tag
        assert "src" not in attributes
        assert attributes.get("href", "#").startswith(("#", "data:text/"))
    assert "url(" not in text and "@import" not in text
    policy = re.search(r"script-src 'sha256-([^']+)'", text)
    script = re.search(r"<script>(.*?)</script>", text, re.S)
    assert policy and script
    assert base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode() == policy[1]


def test_on_paper_what_is_folded_is_open_and_what_cannot_be_pressed_is_gone() -> None:
    """As browsers print it was looked at; here, that the rules are still there."""
    text = page()
    printed = "".join(re.findall(r"@media print \{\n(.*?)\n\}", text, re.S))
    assert "details::details-content { display: block; content-visibility: visible; }" in printed
    hidden = re.search(r"(\.ev-side[^{]*)\{ display: none; \}", printed)
    assert hidden
    assert {".ev-side", ".ev-jumps", ".ev-files", ".ev-arrow"} <= set(hidden[1].strip().split(", "))
    whole = re.search(r"(\.ev-say, \.ev-panel[^{]*)\{ break-inside: avoid; \}", printed)
    assert whole and {".ev-table", ".ev-table thead"} <= set(whole[1].strip().split(", "))


def test_whatever_data_holds_stays_text() -> None:
    wicked = explanation(case_id=WICKED, title=WICKED)
    tree = {"fidelity": {WICKED: {"coverage": Figure(1, 1, 1, 1)}}}
    text = page(
        explanations=[wicked],
        metrics=tree,
        notes=[WICKED],
        provenance={"target": WICKED, WICKED: WICKED},
    )
    tags = Reader(text).tags
    assert sum(tag == "script" for tag, _ in tags) == 1
    assert not any("onclick" in attributes for _, attributes in tags)


def test_a_run_that_explained_nothing_still_has_its_page() -> None:
    text = page(explanations=[], target_report={}, provenance={}, metrics={})
    Reader(text)
    assert "No case was explained" in text
    assert 'id="cases"' not in text and 'id="alignment"' not in text


def test_of_many_explanations_the_first_are_shown_and_all_are_counted() -> None:
    many = [explanation(f"c{n}") for n in range(5)]
    text = page(explanations=many, max_cards=3)
    assert text.count('class="ev-case"') == 3
    assert "The first 3 of 5 are shown." in text
    assert dict(verdict_groups(many))["Read off the target"][0].verified == 5


def test_every_table_can_be_taken_away_from_the_page_itself() -> None:
    findings = Findings(
        explanations=[explanation(title="=1+1")], metrics=METRICS, target_report=REPORT
    )
    links = {
        str(attributes["download"]): base64.b64decode(
            str(attributes["href"]).partition("base64,")[2]
        ).decode()
        for tag, attributes in Reader(render_report(findings)).tags
        if "download" in attributes
    }
    sheets = report_sheets(findings)
    assert [sheet.name for sheet in sheets] == [
        "can_i_show_these", "target", "alignment", "fidelity", "verdicts", "cases",
    ]  # fmt: skip
    assert links == {
        f"{sheet.name}.{ending}": text(sheet)
        for sheet in sheets
        for ending, text in FORMATS.items()
    }
    assert "c1,o,'=1+1,1,1,1,1," in links["cases.csv"]
    assert links["alignment.csv"].startswith("agreement with the target,hybrid,hybrid low,")


def test_report_is_written_whole_with_its_tables_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "report" / "index.html"
    write_report(path, Findings())
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert sorted(p.name for p in path.parent.iterdir()) == ["index.html", "tables"]
    assert {p.stem for p in (path.parent / "tables").iterdir()} == {"can_i_show_these"}
