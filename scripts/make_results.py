"""Write docs/results.md from the metrics of the published runs in docs/results/."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent.parent / "docs"
COLUMNS = ("behavior", "intention", "hybrid", "unaligned", "popularity", "constant", "random")
METRICS = {
    "retrieval_hr5": "retrieval HR@5",
    "retrieval_ndcg5": "retrieval NDCG@5",
    "ranking_ndcg5_reference": "ranking NDCG@5, reference gains",
    "ranking_ndcg5": "ranking NDCG@5, linear gains",
    "ranking_kendall": "ranking Kendall τ",
    "interest_accuracy": "interest accuracy",
    "interest_auc": "interest AUC",
    "history_recall": "history recall",
    "item_recovery": "item recovery",
    "attribution_accuracy": "strongest reason named",
}


def cell(figure: dict[str, float] | None) -> str:
    if figure is None:
        return "–"
    return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"


def table(alignment: dict[str, Any]) -> list[str]:
    shown = [c for c in COLUMNS if c in alignment]
    lines = [f"| | {' | '.join(shown)} |", "| --- |" + " --- |" * len(shown)]
    for metric, label in METRICS.items():
        row = [cell(alignment[c].get(metric)) for c in shown]
        if any(x != "–" for x in row):
            lines.append(f"| {label} | {' | '.join(row)} |")
    return lines


def main() -> None:
    lines = [(DOCS / "results" / "intro.md").read_text(encoding="utf-8").rstrip(), ""]
    for folder in sorted(p.parent for p in (DOCS / "results").glob("*/metrics.json")):
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        lines += [f"## {folder.name}", ""]
        notes = folder / "notes.md"
        if notes.exists():
            lines += [notes.read_text(encoding="utf-8").rstrip(), ""]
        lines += [*table(metrics["alignment"]), ""]
    (DOCS / "results.md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
