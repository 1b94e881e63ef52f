"""Write docs/results.md from the metrics of the published runs in docs/results/."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent.parent / "docs"
COLUMNS = (
    "behavior", "intention", "hybrid", "unaligned", "in_context", "distilled",
    "popularity", "constant", "random",
)  # fmt: skip
METRICS = {
    "retrieval_first": "retrieval, the same first (of few outcomes)",
    "retrieval_hr5": "retrieval HR@5",
    "retrieval_ndcg5": "retrieval NDCG@5",
    "retrieval_overlap5": "retrieval, overlap of fives",
    "retrieval_rbo5": "retrieval, rank-biased overlap",
    "ranking_ndcg5_reference": "ranking NDCG@5, reference gains",
    "ranking_ndcg5": "ranking NDCG@5, linear gains",
    "ranking_kendall": "ranking Kendall τ",
    "interest_accuracy": "interest accuracy",
    "interest_auc": "interest AUC",
    "interest_calibration_error": "interest calibration error (less is better)",
    "history_recall": "history recall",
    "history_coverage_reference": "history coverage, reference",
    "history_order_recall": "history recall, in order",
    "item_recovery": "item recovery",
    "attribution_accuracy": "strongest reason named",
    "interest_accuracy_heldout_items": "held-out items: interest accuracy",
    "interest_auc_heldout_items": "held-out items: interest AUC",
    "ranking_kendall_heldout_items": "held-out items: ranking Kendall τ",
}
EXCHANGED = {
    "unchanged": "nothing",
    "vectors_swapped": "vectors, for another user's",
    "text_swapped": "titles, for another user's",
    "both_swapped": "both, for another user's",
    "vectors_zero": "vectors, for zeros",
    "vectors_random": "vectors, for random ones",
}
EXPLAINERS = {
    "grounded": "grounded in evidence",
    "grounded_stated": "the same, as bare statements",
    "surrogate_behavior": "surrogate unasked, titles",
    "surrogate_intention": "surrogate unasked, vectors",
    "surrogate_hybrid": "surrogate unasked, both",
    "free_prose": "surrogate, free prose, titles",
    "free_prose_intention": "surrogate, free prose, vectors",
    "free_prose_hybrid": "surrogate, free prose, both",
    "unaligned": "base model, free prose",
    "in_context": "the same, shown two explanations",
    "shapley": "Shapley values",
    "lime": "LIME",
    "boosted_trees": "boosted trees",
    "learned_mask": "learned mask",
    "leave_one_out": "leaving one out: the ceiling",
    "similarity": "similarity of vectors",
    "plausible": "shared attributes",
    "popularity": "popularity",
    "constant": "what decides elsewhere",
    "random": "chance: the floor",
    "control_permuted_target": "control: permuted target",
    "control_shuffled": "control: another case's",
}
SKILLS = {
    "necessity_skill": "necessity",
    "necessity_five_skill": "necessity of five",
    "sufficiency_skill": "sufficiency of five",
    "deletion_skill": "deletion",
    "insertion_skill": "insertion",
}
FORMS = {"behavior": "titles", "intention": "vectors", "hybrid": "both"}
OF_DECILES = {"yes": "yes", "order": "pairs in order"}
OF_CLAIMS = {
    "verified_share": "verified",
    "verified_share_evidence": "EVIDENCE",
    "verified_share_necessary": "NECESSARY",
    "verified_share_contrast": "CONTRAST",
    "verified_share_sufficient": "SUFFICIENT",
    "verified_share_attribute": "ATTRIBUTE",
    "verified_share_undecided": "UNDECIDED",
    "undecided_recall": "UNDECIDED, recall",
    "coverage": "coverage",
    "claims_left": "claims left",
}
OF_TEXTS = {
    "simulated": "what falls, AUC",
    "simulated_without_text": "the same without text",
    "simulated_shuffled": "the same, another's text",
    "chosen_same": "which of five",
    "chosen_same_shuffled": "the same, another's text",
    "chosen_unseen": "which of two",
    "chosen_unseen_shuffled": "the same, another's text",
    "score_error": "error about the score",
    "score_error_shuffled": "the same, another's text",
    "told_apart": "known for whose they are",
    "numbers_ungrounded": "numbers ungrounded",
    "foreign_titles": "foreign titles",
}
OF_WORDS = {
    "empty": "empty",
    "repeated": "repeated",
    "words": "words",
    "distinct_1": "distinct words",
    "distinct_2": "distinct pairs",
    "commonest_opening": "commonest opening",
}
"""Of all texts together, so without interval."""
PAPER = {"games": "paper, Games", "movies": "paper, Movies", "steam": "paper, Steam"}
KINDS = ("metrics", "fidelity", "seeds")
NO_RECOMMENDERS = ("search-minilm", "table-mlp", "texts-mlp")
"""Runs that do not stand beside the paper's."""
PAPER_METHODS = tuple(c for c in COLUMNS if c != "constant")
PAPER_METRICS = (
    "retrieval_hr5", "retrieval_ndcg5", "ranking_ndcg5_reference", "interest_accuracy",
    "history_recall",
)  # fmt: skip


def cell(figure: Mapping[str, float] | None) -> str:
    if figure is None:
        return "–"
    told = f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"
    if "p" not in figure:
        return told
    return f"{told}, p {figure['p']:.3f}" if figure["p"] >= 0.001 else f"{told}, p < 0.001"


def lines_of(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table; rows in which nothing was measured are left out."""
    measured = [row for row in rows if any(x != "–" for x in row[1:])]
    lines = [f"| {' | '.join(headings)} |".replace("|  |", "| |")]
    lines.append("|" + " --- |" * len(headings))
    return lines + [f"| {' | '.join(row)} |" for row in measured]


def alignment_table(alignment: Mapping[str, Any]) -> list[str]:
    shown = [c for c in COLUMNS if c in alignment]
    rows = [
        [label, *(cell(alignment[c].get(metric)) for c in shown)]
        for metric, label in METRICS.items()
    ]
    return lines_of(["", *shown], rows)


def difference_table(differences: Mapping[str, Any]) -> list[str]:
    """What the hybrid has over each of the others that know the case, question by question."""
    shown = [c for c in COLUMNS if c in differences]
    rows = [
        [label, *(cell(differences[c].get(metric)) for c in shown)]
        for metric, label in METRICS.items()
    ]
    return lines_of(["hybrid, less", *shown], rows)


def channel_table(channels: Mapping[str, Any]) -> list[str]:
    rows = [
        [label, cell(channels[name].get("shift")), cell(channels[name].get("preference"))]
        for name, label in EXCHANGED.items()
        if name in channels
    ]
    return lines_of(["exchanged in the prompt", "shift, nats", "preference, nats"], rows)


def explainer_table(
    fidelity: Mapping[str, Any], columns: Mapping[str, str], *, first: str
) -> list[str]:
    """One row per explainer, one column per figure; columns that nobody has are left out."""
    shown = {m: label for m, label in columns.items() if any(m in own for own in fidelity.values())}
    rows = [
        [label, *(cell(fidelity[name].get(m)) for m in shown)]
        for name, label in EXPLAINERS.items()
        if name in fidelity
    ]
    return lines_of([first, *shown.values()], rows)


def decile_table(deciles: Mapping[str, Any]) -> list[str]:
    """One row for each tenth of the target's ranking, best first."""
    columns = {
        f"{label}, {words}": deciles[form][figure]
        for figure, label in OF_DECILES.items()
        for form, words in FORMS.items()
        if form in deciles
    }
    tenths = {tenth: None for own in columns.values() for tenth in own}
    rows = [[tenth, *(cell(own.get(tenth)) for own in columns.values())] for tenth in tenths]
    return lines_of(["tenth of the ranking", *columns], rows)


def less_table(explainer: str, differences: Mapping[str, Any]) -> list[str]:
    """What one explainer achieves, less what each other does on the same cases."""
    rows = [
        [label, *(cell(differences[name].get(skill.removesuffix("_skill"))) for skill in SKILLS)]
        for name, label in EXPLAINERS.items()
        if name in differences
    ]
    return lines_of([f"{EXPLAINERS[explainer]}, less", *SKILLS.values()], rows)


def seeds_table(measured: Mapping[str, Any]) -> list[str]:
    """The least and the greatest skill over some seeds, of those whose skills differ at all."""
    rows = [
        [label, *(span(skills.get(skill)) for skill in SKILLS)]
        for name, label in EXPLAINERS.items()
        if (skills := measured["skills"].get(name))
        if any(len(set(values)) > 1 for values in skills.values())
    ]
    return lines_of([f"skill over {len(measured['seeds'])} seeds", *SKILLS.values()], rows)


def span(values: Sequence[float] | None) -> str:
    return "–" if values is None else f"{min(values):.3f} to {max(values):.3f}"


def cost_line(meta: Mapping[str, Any]) -> str:
    """Queries and time of each explainer that was timed."""
    told = [
        f"{EXPLAINERS[name]} {own['queries']:g} queries"
        + (f" and {own['vectors']:g} vectors" if "vectors" in own else "")
        + f", {own['milliseconds']:g} ms"
        for name, own in meta["cost"].items()
    ]
    return (
        f"{meta['n_cases']:,} cases, {meta['n_surrogate_cases']:,} for the surrogate. "
        f"A case costs: {'; '.join(told)}."
    )


def paper_table(paper: Mapping[str, Any], runs: Mapping[str, Any]) -> list[str]:
    """One row per method and metric, one column per data set: the paper's, then ours."""
    columns = {PAPER[name]: figures for name, figures in paper.items()}
    for name, metrics in runs.items():
        columns[name] = {
            method: {metric: figure["value"] for metric, figure in own.items()}
            for method, own in metrics["alignment"].items()
        }
    rows = [
        [f"{method}: {METRICS[metric]}", *(value(own, method, metric) for own in columns.values())]
        for method in PAPER_METHODS
        for metric in PAPER_METRICS
    ]
    return lines_of(["", *columns], rows)


def value(figures: Mapping[str, Any], method: str, metric: str) -> str:
    found = figures.get(method, {}).get(metric)
    return "–" if found is None else f"{found:.3f}"


def read(path: Path) -> dict[str, Any]:
    """What a file holds; nothing where there is none."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def page(results: Path) -> str:
    """All runs in a folder, with an interval to every figure, and the paper's."""
    found = {
        path.name: {name: read(path / f"{name}.json") for name in KINDS}
        for path in sorted(results.iterdir())
        if path.is_dir()
    }
    runs = {name: own["metrics"] for name, own in found.items() if own["metrics"]}
    lines = [(results / "intro.md").read_text(encoding="utf-8").rstrip(), ""]
    for name, own in found.items():
        metrics, fidelity = own["metrics"], own["fidelity"]
        lines += [f"## {name}", ""]
        notes = results / name / "notes.md"
        if notes.exists():
            lines += [notes.read_text(encoding="utf-8").rstrip(), ""]
        if metrics:
            lines += [*alignment_table(metrics["alignment"]), ""]
        if "differences" in metrics:
            lines += [*difference_table(metrics["differences"]), ""]
        if "deciles" in metrics:
            lines += [*decile_table(metrics["deciles"]), ""]
        if "channels" in metrics:
            lines += [*channel_table(metrics["channels"]), ""]
        if fidelity:
            tree = fidelity["fidelity"]
            lines += [cost_line(fidelity["meta"]), ""]
            lines += [*explainer_table(tree, SKILLS, first="skill of the order"), ""]
            for explainer, less in fidelity.get("fidelity_differences", {}).items():
                lines += [*less_table(explainer, less), ""]
            lines += [*explainer_table(tree, OF_CLAIMS, first="claims, share verified"), ""]
            for columns, first in ((OF_TEXTS, "as texts"), (OF_WORDS, "words of texts")):
                if any(own.keys() & columns.keys() for own in tree.values()):
                    lines += [*explainer_table(tree, columns, first=first), ""]
        if own["seeds"]:
            lines += [*seeds_table(own["seeds"]), ""]
    lines += [(results / "paper.md").read_text(encoding="utf-8").rstrip(), ""]
    paper = json.loads((results / "paper.json").read_text(encoding="utf-8"))
    beside = {name: own for name, own in runs.items() if name not in NO_RECOMMENDERS}
    lines += [*paper_table(paper, beside), ""]
    return "\n".join(lines)


def main() -> None:
    (DOCS / "results.md").write_text(page(DOCS / "results"), encoding="utf-8")


if __name__ == "__main__":
    main()
