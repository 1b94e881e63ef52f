"""The report: one self-contained page on how far a run's explanations can be trusted.

No request leaves the page, everything that comes from data is escaped, and the only script, which
filters the cases, is named by its hash in the page's policy. Without it all cases are shown.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from innerview.evaluation._tables import (
    FLOORS,
    FORM_NAMES,
    alignment_table,
    channel_table,
    difference_table,
    driver_tables,
    fidelity_table,
    methods_shown,
    verdict_groups,
)
from innerview.explanation.explanation import Explanation
from innerview.explanation.page import card_view, template_loader
from innerview.files import write_whole
from innerview.targets.check import CONSTANT_LIMIT

__all__ = ["render_report", "write_report"]

_MAX_CARDS = 200

_RIVALS: Mapping[str, str] = {
    "target": "the target",
    "popularity": "popularity",
    "item_knn": "nearest neighbours (kNN)",
}


@dataclass(frozen=True, slots=True)
class _Score:
    """One line of the target's own table."""

    label: str
    hr10: str
    ndcg10: str
    width: float


def write_report(
    path: Path | str,
    *,
    explanations: Sequence[Explanation],
    metrics: Mapping[str, Any],
    target_report: Mapping[str, Any],
    provenance: Mapping[str, Any],
    overview: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
    max_cards: int = _MAX_CARDS,
) -> None:
    """Write the report as one HTML file; see ``render_report``.

    Args:
        path: of the file; its folder is made.
    """
    page = render_report(
        explanations=explanations,
        metrics=metrics,
        target_report=target_report,
        provenance=provenance,
        overview=overview,
        notes=notes,
        max_cards=max_cards,
    )
    write_whole(path, lambda beside: beside.write_bytes(page.encode()))


def render_report(
    *,
    explanations: Sequence[Explanation],
    metrics: Mapping[str, Any],
    target_report: Mapping[str, Any],
    provenance: Mapping[str, Any],
    overview: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
    max_cards: int = _MAX_CARDS,
) -> str:
    """The report's HTML.

    Args:
        explanations: all of them count in the totals of verdicts.
        metrics: what ``metrics.json`` holds, as figures or as read from JSON.
        target_report: what target trainers report: ``target``, ``popularity`` and ``item_knn``
            with ``hr10`` and ``ndcg10``; ``distinct_first``, ``constant_hr5``, ``n_test``.
            Whatever is absent is left out.
        provenance: what was explained by what; ``target`` names the target.
        overview: the wire form of ``Overview``, if what drives the answers was counted.
        notes: remarks on this run, a sentence each.
        max_cards: explanations shown, the first ones; more make a page that browsers labour at.
    """
    shown = explanations[:max_cards]
    headings, fidelity = fidelity_table(metrics)
    difference_headings, differences = difference_table(metrics)
    channel_headings, channels = channel_table(metrics)
    script = _script()
    return _environment().get_template("report.html.j2").render(
        name=str(provenance.get("target", "the target")),
        noun=explanations[0].noun if explanations else "item",
        n_explained=len(explanations),
        n_cases=len({one.case_id for one in explanations}),
        scores=_scores(target_report),
        facts=_facts(target_report),
        warnings=_warnings(target_report),
        notes=list(notes),
        methods=methods_shown(metrics),
        forms=FORM_NAMES,
        floors=FLOORS,
        alignment=alignment_table(metrics),
        n_asked=metrics.get("meta", {}).get("n_cases"),
        difference_headings=difference_headings,
        differences=differences,
        channel_headings=channel_headings,
        channels=channels,
        fidelity_headings=headings,
        fidelity=fidelity,
        drivers=driver_tables(overview or {}),
        verdicts=verdict_groups(explanations),
        cases=[_case(number, one) for number, one in enumerate(shown, start=1)],
        provenance=[(key, _plain(value)) for key, value in provenance.items()],
        script=Markup(script),  # noqa: S704 (our own file)
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )  # fmt: skip


@cache
def _environment() -> Environment:
    own = PackageLoader("innerview.evaluation", "templates")
    return Environment(
        loader=ChoiceLoader([own, template_loader()]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _script() -> str:
    """The page's script; line feeds only, or its hash would depend on the checkout."""
    environment = _environment()
    assert environment.loader is not None
    source, _, _ = environment.loader.get_source(environment, "_report.js")
    return source.replace("\r\n", "\n")


def _scores(report: Mapping[str, Any]) -> list[_Score]:
    """The target's own metrics beside its rivals', with bars on the scale of the best."""
    found = {key: report[key] for key in _RIVALS if isinstance(report.get(key), Mapping)}
    best = max((float(figures["hr10"]) for figures in found.values()), default=0.0)
    return [
        _Score(
            label=_RIVALS[key],
            hr10=f"{figures['hr10']:.3f}",
            ndcg10=f"{figures['ndcg10']:.3f}",
            width=round(100.0 * float(figures["hr10"]) / best, 1) if best else 0.0,
        )
        for key, figures in found.items()
    ]


def _facts(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts: list[tuple[str, str]] = []
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


def _case(number: int, one: Explanation) -> dict[str, Any]:
    """One case: its card, its entry in the list, and what the filter looks at."""
    view = card_view(one)
    for answer in view["answers"]:
        answer["form"] = FORM_NAMES.get(answer["form"], answer["form"])
    counts = Counter(checked.verdict for checked in one.claims)
    reasons = {answer.reason_verdict for answer in one.answers.values()} - {None}
    words = [one.case_id, one.outcome_id, *(one.title(i) for i in (one.outcome_id, *one.parts))]
    return {
        "anchor": f"case-{number}",
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
