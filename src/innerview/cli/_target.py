"""``innerview target``: make a target's folder, or check one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from innerview.cli import _options as opt
from innerview.cli._progress import progress

if TYPE_CHECKING:
    from innerview.targets import CheckReport

__all__ = ["app"]

app = typer.Typer(name="target", no_args_is_help=True, rich_markup_mode=None)
DAMAGED = 2

_RIVALS = {"target": "the target", "popularity": "popularity", "item_knn": "item-kNN"}


@app.callback()
def target() -> None:
    """Make a target's folder, or check one."""


@app.command()
def train(
    *,
    interactions: opt.InteractionsFile,
    out: Annotated[Path, typer.Option(help="Folder of the run; the bundle goes to its target/.")],
    items: opt.ItemsFile = None,
    target: Annotated[Literal["als", "sasrec"], typer.Option(help="What to train.")] = "als",
    format: opt.Format = "auto",
    user_col: opt.UserCol = "user_id",
    item_col: opt.ItemCol = "item_id",
    time_col: opt.TimeCol = "timestamp",
    rating_col: opt.RatingCol = None,
    no_time: opt.NoTime = False,
    title_col: opt.TitleCol = "title",
    noun: opt.Noun = "item",
    split: opt.Split = "auto",
    k_core: opt.KCore = 5,
    n_test: opt.NTest = 400,
    seed: opt.Seed = 0,
    as_json: opt.AsJson = False,
) -> None:
    """Train a recommender on your tables and keep it as a bundle, with its test figures."""
    from innerview import pipeline

    settings = pipeline.RunSettings(
        interactions=interactions,
        items=items,
        out=out,
        format=format,
        user_col=user_col,
        item_col=item_col,
        time_col=None if no_time else time_col,
        rating_col=rating_col,
        title_col=title_col,
        noun=noun,
        target=target,
        split=split,
        k_core=k_core,
        n_test=n_test,
        seed=seed,
    )
    with progress() as say:
        bundle = pipeline.train_target(settings, say)
    _show_trained(bundle, as_json=as_json)


@app.command()
def check(
    bundle: Annotated[Path, typer.Argument(help="Folder of the target.")],
    as_json: opt.AsJson = False,
) -> None:
    """Is it whole, does it keep the contract, is it worth explaining?

    The folder is read, the recorded answers are asked for again, and the rules are tried that
    every target must keep (innerview.testing.TargetContract). Errors end with exit code 2;
    warnings do not.
    """
    from innerview.targets import check_bundle

    report = check_bundle(bundle)
    if as_json:
        typer.echo(json.dumps({"bundle": str(bundle), **report.to_dict()}))
    else:
        _show_report(bundle, report)
    if not report.ok:
        raise typer.Exit(DAMAGED)


@app.command()
def record(
    url: Annotated[str, typer.Argument(help="Where the target answers.", metavar="URL")],
    *,
    items: Annotated[Path, typer.Option(help="Table of what it scores: item_id, title, …")],
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    name: Annotated[str, typer.Option(help="For reports.")] = "http",
    noun: opt.Noun = "item",
    title_col: opt.TitleCol = "title",
    max_parts: Annotated[int, typer.Option(min=1, help="Parts of a case that it looks at.")] = 50,
    order_free: Annotated[
        bool, typer.Option("--order-free", help="The order of the parts moves no score.")
    ] = False,
    repeats: Annotated[
        bool, typer.Option("--repeats", help="A part of the case may be an answer.")
    ] = False,
    batch_cases: Annotated[int, typer.Option(min=1, max=4096, help="Cases in a request.")] = 64,
    per_second: Annotated[float | None, typer.Option(min=0.001, help="Requests, at most.")] = None,
    timeout: Annotated[
        str, typer.Option(help="For one answer: 30s, 2m.", metavar="DURATION")
    ] = "30s",
) -> None:
    """Make a folder of a target behind an address.

    It is asked some cases, and the answers are kept: another model in its place is noticed. A key
    is taken from INNERVIEW_TARGET_KEY. A host that is not this machine must be named in
    INNERVIEW_TARGET_HOSTS, here and wherever the folder is used.
    """
    from innerview.data import read_catalogue
    from innerview.targets import Http, HttpTarget, save_target

    service = Http(
        url=url, batch_cases=batch_cases, per_second=per_second, timeout_s=opt.seconds(timeout)
    )
    catalogue, notes = read_catalogue(items, title_col=title_col, noun=noun)
    for note in notes:
        typer.echo(note, err=True)
    target = HttpTarget(
        service,
        catalogue,
        name=name,
        max_parts=max_parts,
        order_sensitive=not order_free,
        excludes_parts=not repeats,
    )
    save_target(out, target)
    typer.echo(str(out))


@app.command(name="fold-in")
def fold_in(
    bundle: Annotated[Path, typer.Argument(help="Folder of a static bundle.")],
    out: Annotated[Path, typer.Option(help="Folder of the new bundle.")],
    n_cases: Annotated[
        int, typer.Option(min=2, help="Cases that the agreement is measured on.")
    ] = 500,
    seed: opt.Seed = 0,
    as_json: opt.AsJson = False,
) -> None:
    """Stand a fold-in in for a static model.

    It can score changed cases. It is an approximation and says so: how far it agrees with the
    model is measured, and kept with it.
    """
    from innerview.targets import load_bundle, ridge_fold_in, save_bundle
    from innerview.targets.static import approximation_of, known_cases

    static = load_bundle(bundle)
    made = ridge_fold_in(static, n_cases=n_cases, seed=seed)
    target = save_bundle(out, made, check_cases=known_cases(static)[:64])
    if as_json:
        typer.echo(json.dumps({"bundle": str(out), "encoder": made.spec.model_dump()}))
    else:
        typer.echo(f"{approximation_of(target)}\n{out}")


def _show_report(bundle: Path, report: CheckReport) -> None:
    for finding in report.findings:
        typer.echo(f"{finding.level}: {finding.text}", err=finding.level == "error")
    for name, value in (
        ("difference from the recorded scores", report.max_score_difference),
        ("difference when asked again", report.nondeterminism),
    ):
        if value is not None:
            typer.echo(f"{name}: {value:.2g}")
    if report.constant_hr5 is not None:
        typer.echo(
            f"first outcomes: {report.distinct_first} different ones in {report.n_cases} cases, "
            f"the 5 most frequent cover {report.constant_hr5:.0%}"
        )
    if report.ok:
        typer.echo(f"{bundle}: fit to be explained")


def _show_trained(bundle: Path, *, as_json: bool) -> None:
    from innerview.targets import load_target

    manifest = load_target(bundle).manifest
    training: Mapping[str, Any] = manifest.training if manifest else {}
    if as_json:
        typer.echo(json.dumps({"bundle": str(bundle), "training": dict(training)}))
        return
    for key, name in _RIVALS.items():
        figures = training.get(key)
        if isinstance(figures, dict):
            typer.echo(f"{name:<12}HR@10 {figures['hr10']:.3f}  NDCG@10 {figures['ndcg10']:.3f}")
    typer.echo(str(bundle))
