"""What a finished run says on stdout: where its files are, and one explanation as an example."""

from __future__ import annotations

import json
from pathlib import Path

import typer

__all__ = [
    "show_comparison",
    "show_fidelity",
    "show_judges",
    "show_overview",
    "show_run",
    "show_stability",
]

_FILES = {
    "report": "report/index.html",
    "tables": "report/tables",
    "metrics": "report/metrics.json",
    "predictions": "report/predictions.parquet",
    "explanations": "explanations",
    "surrogate": "surrogate",
    "target": "target",
}


def show_run(run: Path, *, as_json: bool = False, example: bool = False) -> None:
    """List what the run folder holds."""
    found = {name: run / file for name, file in _FILES.items() if (run / file).exists()}
    if as_json:
        files = {name: str(path) for name, path in found.items()}
        typer.echo(json.dumps({"run": str(run), "files": files}))
        return
    if example:
        _show_example(run / "explanations")
    for name, path in found.items():
        typer.echo(f"{name:<13}{path}")


def _show_example(folder: Path) -> None:
    """The first of the newest explanations, if there is one."""
    from innerview.explanation.explanation import Explanations

    for shard in sorted(folder.glob("*.jsonl"), key=lambda path: -path.stat().st_mtime):
        for one in Explanations.from_jsonl(shard)[:1]:
            typer.echo(f"{one}\n")
            return


_COMPARED = {
    "first_same": "same first",
    "overlap5": "overlap of first five",
    "rbo5": "rank-biased overlap of five",
    "claims_hold": "claims that still hold",
    "claims_untestable": "claims that cannot be asked",
    "claims_hold_same_first": "those that hold, where the first is the same",
    "strongest_part_same": "strongest part, there",
}
_EXAMPLES = 3


def show_comparison(path: Path) -> None:
    """How far answers and reasons hold, and those of which the reasons changed most."""
    from innerview.evaluation.results import read_metrics

    tree = read_metrics(path)["compare"]
    labels = {name: _COMPARED.get(name, f"  {name.removeprefix('claims_hold_').upper()}")
              for name in tree}  # fmt: skip
    width = max(map(len, labels.values()))
    for name, figure in tree.items():
        told = f"{figure.value:.3f}  [{figure.low:.3f}, {figure.high:.3f}]  {figure.n:,} cases"
        typer.echo(f"{labels[name]:<{width}}  {told}")
    lines = path.with_suffix(".jsonl").read_text(encoding="utf-8").split("\n")[:_EXAMPLES]
    for line in filter(None, lines):
        one = json.loads(line)
        if one["lost"] and one["before"][:1] == one["after"][:1]:
            case, title = _plain(one["case_id"]), _plain(one["title"])
            typer.echo(f'\ncase {case}, still "{title}", for other reasons:')
            for claim in one["lost"]:
                typer.echo(f"  {_plain(claim)}")
    typer.echo(str(path))


def show_fidelity(path: Path) -> None:
    """The skill of every explainer, one line each, and where the figures are."""
    from innerview.evaluation.results import read_metrics

    tree = read_metrics(path)["fidelity"]
    measures = [m for m in next(iter(tree.values())) if m.endswith("_skill")]
    heads = [m.removesuffix("_skill").replace("_", " ") for m in measures]
    title = "skill of the order"
    width = max(map(len, [title, *tree]))
    typer.echo(" ".join([f"{title:<{width}}", *(f"{head:>14}" for head in heads)]))
    for name, own in tree.items():
        cells = [f"{own[m].value:14.2f}" if m in own else f"{'–':>14}" for m in measures]
        typer.echo(" ".join([f"{name.replace('_', ' '):<{width}}", *cells]))
    typer.echo(str(path))


def show_stability(path: Path) -> None:
    """How far explanations agree, a line for each explainer and change, and what was not tried."""
    from innerview.evaluation._tables import stability_table
    from innerview.evaluation.results import read_metrics

    found = read_metrics(path)
    headings, rows = stability_table(found)
    width = max(len(row.label) for row in rows)
    typer.echo(" ".join([" " * width, *(f"{heading:>19}" for heading in headings)]))
    for row in rows:
        cells = [f"{cell.value if cell else '–':>19}" for cell in row.cells]
        typer.echo(" ".join([f"{row.label:<{width}}", *cells]))
    meta = found["meta"]
    typer.echo(f"{meta['n_cases']:,} cases; order of parts: {meta['order']}")
    typer.echo(f"titles that no rule rewords: {meta['titles_unchanged']:.1%}")
    typer.echo(str(path))


def show_judges(path: Path) -> None:
    """What each rater makes of each explainer, what else there is to say, and where it all is."""
    from innerview.evaluation.judge_tables import judge_notes, judge_rows
    from innerview.evaluation.results import read_metrics

    metrics = read_metrics(path)
    rows = judge_rows(metrics)
    names = [(_plain(row.rater), _plain(row.explainer)) for row in rows]
    width = max(len(f"{rater}  {explainer}") for rater, explainer in [("level", ""), *names])
    heads = ["mean", "", "if right", *map(str, range(len(rows[0].levels))), "cases"]
    cells = [[row.mean, row.interval, row.if_right, *row.levels, row.n] for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    labels = ["", *(f"{rater}  {explainer}" for rater, explainer in names)]
    for label, row in zip(labels, [heads, *cells], strict=True):
        told = (f"{cell:>{w}}" for cell, w in zip(row, widths, strict=True))
        typer.echo("  ".join([f"{label:<{width}}", *told]).rstrip())
    for note in judge_notes(metrics):
        typer.echo(_plain(note))
    typer.echo(str(path))


_KINDS = {
    "one_part": "first place is lost without one part",
    "several_parts": "only without some together",
    "no_part": "without none that was tried",
    "enough": "parts that keep it near the top, mean",
}
_APART = {"few_parts": "fewest parts", "rare_outcomes": "rarest outcomes"}
_SHOWN = 8


def show_overview(path: Path) -> None:
    """What first place hangs on, and the parts, values and outcomes that are met most often."""
    found = json.loads(path.read_text(encoding="utf-8"))
    said = found.get("meta", {}).get("segment")
    typer.echo(f"{found['n_cases']:,} cases{f', of which each {_plain(said)}' if said else ''}")
    apart = [name for name in _APART if found.get(name)]
    heads = "".join(f"{_APART[name]:>18}" for name in apart)
    typer.echo(f"{'':<38} {'all':>5}{heads}")
    for name, label in _KINDS.items():
        figures = [found[which].get(name) for which in ("figures", *apart)]
        first, *others = (f"{own['value']:.2f}" if own else "–" for own in figures)
        typer.echo(f"{label:<38} {first:>5}{''.join(f'{one:>18}' for one in others)}")
    typer.echo(f"\n{'decides':>8} {'with more':>10} {'of cases':>9}  part")
    for one in found["parts"][:_SHOWN]:
        counts = f"{one['decides']:>8,} {one['helps_decide']:>10,} {one['present']:>9,}"
        typer.echo(f"{counts}  {_plain(one['title'])}")
    if found["groups"]:
        typer.echo(f"\n{'for':>8} {'against':>10} {'tried in':>9}  attribute")
    for one in found["groups"][:_SHOWN]:
        counts = f"{one['speaks_for']:>8,} {one['speaks_against']:>10,} {one['tried']:>9,}"
        typer.echo(f"{counts}  {_plain(one['attribute'])} {_plain(one['value'])}")
    typer.echo(f"\n{'first':>8}  outcome, and what decides most often for it")
    for one in found["outcomes"][:_SHOWN]:
        why = "; ".join(f"{_plain(title)} ({times:,})" for _, title, times in one["parts"])
        typer.echo(f"{one['cases']:>8,}  {_plain(one['title'])}{': ' if why else ''}{why}")
    typer.echo(str(path))


def _plain(text: str) -> str:
    """Titles come from outside; what moves a terminal's cursor is shown, not done."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
