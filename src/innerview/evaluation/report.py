"""The report: one self-contained page on how far a run's explanations can be trusted.

No request leaves the page, everything that comes from data is escaped, and the only script, which
sorts tables and filters the cases, is named by its hash in the page's policy. Without it all is
shown as it is. Every table can be taken away as a file, out of the page itself.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from innerview.evaluation._charts import calibration_chart, decile_charts, fidelity_charts
from innerview.evaluation._counts import driver_tables, verdict_groups
from innerview.evaluation._pages import page_environment, page_script
from innerview.evaluation._tables import (
    FLOORS,
    FORM_NAMES,
    alignment_table,
    calibration_table,
    channel_table,
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
from innerview.evaluation.agreement import AGREEMENT_TASKS, CaseAgreement
from innerview.evaluation.findings import RIVALS, Findings, report_sheets
from innerview.evaluation.judge_tables import judge_notes
from innerview.evaluation.sheets import FORMATS, Sheet, three_decimals, write_sheets
from innerview.evaluation.showing import MAY_SHOW
from innerview.explanation.explanation import Explanation
from innerview.explanation.page import card_view
from innerview.explanation.wording import plural
from innerview.files import write_whole
from innerview.targets.check import CONSTANT_LIMIT

__all__ = ["render_report", "write_report"]

_MAX_CARDS = 200
_EXTREMES = 8
"""Cases with the least and with the most agreement, of each."""
_MEDIA_TYPES: Mapping[str, str] = {"csv": "text/csv", "md": "text/markdown", "tex": "text/x-tex"}


@dataclass(frozen=True, slots=True)
class _Score:
    """One line of the target's own table."""

    label: str
    hr10: str
    ndcg10: str
    width: float


@dataclass(frozen=True, slots=True)
class _Agreement:
    """One line of the cases by agreement.

    Attributes:
        anchor: of its card, if it has one.
        worth: over all, and by task.
    """

    case_id: str
    anchor: str | None
    worth: tuple[str | None, ...]


def write_report(path: Path | str, findings: Findings, *, max_cards: int = _MAX_CARDS) -> None:
    """Write the report as one HTML file, and its tables into the folder ``tables`` beside it.

    Args:
        path: of the file; its folder is made.
        findings: what it is made from.
        max_cards: as of ``render_report``.
    """
    page = render_report(findings, max_cards=max_cards)
    write_sheets(Path(path).parent / "tables", report_sheets(findings))
    write_whole(path, lambda beside: beside.write_bytes(page.encode()))


def render_report(findings: Findings, *, max_cards: int = _MAX_CARDS) -> str:
    """The report's HTML.

    Args:
        findings: what it is made from.
        max_cards: explanations shown, the first ones; more make a page that browsers labour at.
    """
    explanations, metrics = findings.explanations, findings.metrics
    shown = explanations[:max_cards]
    headings, fidelity = fidelity_table(metrics)
    difference_headings, differences = difference_table(metrics, findings.domain)
    channel_headings, channels = channel_table(metrics)
    script, script_hash = page_script("_report.js")
    return page_environment().get_template("report.html.j2").render(
        name=str(findings.provenance.get("target", "the target")),
        noun=explanations[0].noun if explanations else findings.domain.outcome,
        n_explained=len(explanations),
        n_cases=len({one.case_id for one in explanations}),
        showing=findings.showing,
        answers=MAY_SHOW,
        scores=_scores(findings.target_report),
        facts=_facts(findings.target_report),
        warnings=_warnings(findings.target_report),
        notes=list(findings.notes),
        methods=methods_shown(metrics),
        forms=FORM_NAMES,
        domain=findings.domain,
        outcomes=plural(findings.domain.outcome),
        floors=FLOORS,
        alignment=alignment_table(metrics, findings.domain),
        deciles=decile_table(metrics),
        decile_charts=decile_charts(metrics),
        calibration=calibration_table(metrics),
        calibration_chart=calibration_chart(metrics),
        agreements=_agreements(findings.agreements, shown),
        tasks=AGREEMENT_TASKS,
        n_asked=metrics.get("meta", {}).get("n_cases"),
        difference_headings=difference_headings,
        differences=differences,
        channel_headings=channel_headings,
        channels=channels,
        fidelity_headings=headings,
        fidelity=fidelity,
        fidelity_differences=fidelity_difference_table(metrics),
        fidelity_charts=fidelity_charts(metrics),
        further=further_table(metrics),
        texts=text_table(metrics),
        readers=reader_table(metrics),
        stability=stability_table(metrics),
        judges=judge_table(findings.judges),
        judge_notes=list(judge_notes(findings.judges)) if findings.judges else [],
        drivers=[driver_tables(own) for own in findings.overviews],
        verdicts=verdict_groups(explanations),
        cases=[_case(number, one) for number, one in enumerate(shown, start=1)],
        provenance=[(key, _plain(value)) for key, value in findings.provenance.items()],
        files={sheet.name: _links(sheet) for sheet in report_sheets(findings)},
        script=script,
        script_hash=script_hash,
    )  # fmt: skip


def _links(sheet: Sheet) -> list[tuple[str, str, str]]:
    """Ending, file name, and the file itself as an address that asks nobody."""
    return [
        (
            ending,
            f"{sheet.name}.{ending}",
            f"data:{_MEDIA_TYPES[ending]};charset=utf-8;base64,{_base64(form(sheet).encode())}",
        )
        for ending, form in FORMATS.items()
    ]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _scores(report: Mapping[str, Any]) -> list[_Score]:
    """The target's own metrics beside its rivals', with bars on the scale of the best."""
    found = {key: report[key] for key in RIVALS if isinstance(report.get(key), Mapping)}
    best = max((float(figures["hr10"]) for figures in found.values()), default=0.0)
    return [
        _Score(
            label=RIVALS[key],
            hr10=f"{figures['hr10']:.3f}",
            ndcg10=f"{figures['ndcg10']:.3f}",
            width=round(100.0 * float(figures["hr10"]) / best, 1) if best else 0.0,
        )
        for key, figures in found.items()
    ]


def _facts(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts: list[tuple[str, str]] = []
    if isinstance(report.get("accuracy"), float):
        facts.append(("its own accuracy", f"{report['accuracy']:.3f}"))
    if isinstance(report.get("n_test"), int):
        facts.append(("cases in its own test", f"{report['n_test']:,}"))
    if isinstance(report.get("distinct_first"), int):
        facts.append(("different first outcomes", f"{report['distinct_first']:,}"))
    if isinstance(report.get("constant_hr5"), int | float):
        facts.append(("HR@5 of its five favourites", f"{report['constant_hr5']:.3f}"))
    return facts


def _warnings(report: Mapping[str, Any]) -> list[str]:
    """What speaks against reading much into this run."""
    warnings: list[str] = []
    constant = report.get("constant_hr5")
    if isinstance(constant, int | float) and constant > CONSTANT_LIMIT:
        warnings.append(
            f"A fixed list of five outcomes holds the target's first choice in {constant:.0%} of "
            f"cases. Above {CONSTANT_LIMIT:.0%}, agreement with this target says little: compare "
            "every figure with the column “constant”."
        )
    own, popular = report.get("target"), report.get("popularity")
    if isinstance(own, Mapping) and isinstance(popular, Mapping) and own["hr10"] <= popular["hr10"]:
        warnings.append(
            "The target does no better than recommending what is popular; explaining it is "
            "explaining little."
        )
    return warnings


def _agreements(
    agreements: Sequence[CaseAgreement], shown: Sequence[Explanation]
) -> list[tuple[str, list[_Agreement]]]:
    """The cases with the least and with the most agreement; none is in both."""
    anchors = {one.case_id: _anchor(number) for number, one in enumerate(shown, start=1)}
    n = min(_EXTREMES, len(agreements) // 2)
    best_first = sorted(agreements, key=lambda one: (-one.agreement, one.case_id))
    return [
        (
            says,
            [
                _Agreement(
                    one.case_id,
                    anchors.get(one.case_id),
                    tuple(
                        None if worth is None else three_decimals(worth)
                        for worth in (one.agreement, *map(one.by_task.get, AGREEMENT_TASKS))
                    ),
                )
                for one in own
            ],
        )
        for says, own in (("Least", agreements[:n]), ("Most", best_first[:n]))
        if own
    ]


def _anchor(number: int) -> str:
    return f"case-{number}"


def _case(number: int, one: Explanation) -> dict[str, Any]:
    """One case: its card, its entry in the list, and what the filter looks at."""
    view = card_view(one)
    for answer in view["answers"]:
        answer["form"] = FORM_NAMES.get(answer["form"], answer["form"])
    counts = Counter(checked.verdict for checked in one.claims)
    reasons = {answer.reason_verdict for answer in one.answers.values()} - {None}
    words = [one.case_id, one.outcome_id, *(one.title(i) for i in (one.outcome_id, *one.parts))]
    return {
        "anchor": _anchor(number),
        "card": view,
        "case_id": one.case_id,
        "outcome": view["outcome"],
        "rank": one.rank,
        "counts": [(v, counts[v]) for v in ("verified", "refuted", "untestable") if counts[v]],
        "verdicts": " ".join(sorted({*counts, *(str(reason) for reason in reasons)})),
        "words": " ".join(words).casefold(),
    }


def _plain(value: object) -> str:
    """A provenance value as one line."""
    structured = isinstance(value, Mapping | list | tuple)
    return json.dumps(value, ensure_ascii=False, default=str) if structured else str(value)
