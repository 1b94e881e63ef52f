"""What a report is made from, and its tables as values for other programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from innerview.data.domain import RECOMMENDER, Domain
from innerview.evaluation._counts import driver_sheets, verdict_groups, verdict_sheet
from innerview.evaluation._tables import (
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
    sheet_of,
    stability_table,
    text_table,
)
from innerview.evaluation.agreement import AGREEMENT_TASKS, CaseAgreement
from innerview.evaluation.sheets import Sheet
from innerview.evaluation.showing import MAY_SHOW, Showing, can_show
from innerview.explanation.explanation import Explanation

__all__ = ["RIVALS", "Findings", "report_sheets"]

RIVALS: Mapping[str, str] = {
    "target": "the target",
    "popularity": "popularity",
    "item_knn": "nearest neighbours (kNN)",
}
"""Of the target at its own job, itself among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a report is made from; what is empty was not measured.

    Attributes:
        explanations: all of them count in the totals of verdicts.
        metrics: what ``metrics.json`` and ``fidelity.json`` hold, with ``failed_controls`` where
            those speak against every figure.
        target_report: what target trainers report: ``target``, ``popularity`` and ``item_knn``
            with ``hr10`` and ``ndcg10``; ``distinct_first``, ``constant_hr5``, ``n_test``.
        provenance: what was explained by what; ``target`` names the target.
        overviews: wire forms of ``Overview``, of all cases and of segments; what ``meta.segment``
            says is what a segment's cases have in common.
        judges: what ``judges.json`` holds.
        agreements: with the surrogate's answers about each case, worst first.
        notes: remarks on this run, a sentence each.
        domain: whose words the report uses.
    """

    explanations: Sequence[Explanation] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    target_report: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    overviews: Sequence[Mapping[str, Any]] = ()
    agreements: Sequence[CaseAgreement] = ()
    judges: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    domain: Domain = RECOMMENDER

    @property
    def showing(self) -> Showing:
        """Whether these explanations can be shown."""
        return can_show(self.metrics, self.explanations)


def report_sheets(findings: Findings) -> list[Sheet]:
    """Every table of the report that has rows, as values for other programs."""
    metrics = findings.metrics
    alignment = methods_shown(metrics), alignment_table(metrics, findings.domain)
    sheets = [
        _showing_sheet(findings.showing),
        _score_sheet(findings.target_report),
        sheet_of("alignment", "agreement with the target", *alignment),
        sheet_of("deciles", "tenth of the ranking, 1 the best", *decile_table(metrics)),
        sheet_of("calibration", "probability of yes", *calibration_table(metrics)),
        _agreement_sheet(findings.agreements),
        sheet_of("differences", "hybrid, less", *difference_table(metrics, findings.domain)),
        sheet_of("channels", "exchanged", *channel_table(metrics)),
        sheet_of("fidelity", "explanations by (skills, then shares)", *fidelity_table(metrics)),
        sheet_of("fidelity_differences", "explainer", *fidelity_difference_table(metrics)),
        sheet_of(
            "curves", "what is left without, or with only so many parts", *curve_table(metrics)
        ),
        sheet_of("further", "explanations by", *further_table(metrics)),
        sheet_of("texts", "texts by", *text_table(metrics)),
        sheet_of("readers", "measure", *reader_table(metrics)),
        sheet_of("stability", "changed", *stability_table(metrics)),
        sheet_of("judges", "rated by", *judge_table(findings.judges)),
        *driver_sheets(findings.overviews),
        verdict_sheet(verdict_groups(findings.explanations)),
        _case_sheet(findings.explanations),
    ]
    return [sheet for sheet in sheets if sheet.rows]


def _showing_sheet(showing: Showing) -> Sheet:
    return Sheet(
        "can_i_show_these",
        ("what", "may it be shown", "because", "rule", "not measured yet"),
        tuple(
            (one.what, MAY_SHOW[one.answer], one.because, one.rule, one.command or None)
            for one in showing.rulings
        ),
    )


def _score_sheet(report: Mapping[str, Any]) -> Sheet:
    return Sheet(
        "target",
        ("who", "HR@10", "NDCG@10"),
        tuple(
            (says, float(report[key]["hr10"]), float(report[key]["ndcg10"]))
            for key, says in RIVALS.items()
            if isinstance(report.get(key), Mapping)
        ),
    )


def _case_sheet(explanations: Sequence[Explanation]) -> Sheet:
    verdicts = ("verified", "refuted", "untestable")
    return Sheet(
        "cases",
        ("case", "outcome", "title", "rank", *verdicts, "text"),
        tuple(
            (
                one.case_id,
                one.outcome_id,
                one.title(one.outcome_id),
                one.rank,
                *(sum(c.verdict == verdict for c in one.claims) for verdict in verdicts),
                one.text,
            )
            for one in explanations
        ),
    )


def _agreement_sheet(agreements: Sequence[CaseAgreement]) -> Sheet:
    return Sheet(
        "agreement",
        ("case", "agreement", *AGREEMENT_TASKS),
        tuple(
            (one.case_id, one.agreement, *(one.by_task.get(task) for task in AGREEMENT_TASKS))
            for one in agreements
        ),
    )
