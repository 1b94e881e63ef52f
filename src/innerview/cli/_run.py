"""``innerview demo`` and ``run``: the whole job; ``label``, ``align``, ``evaluate``,
``evidence``, ``fidelity``, ``stability``, ``judge``, ``overview``, ``report``: one stage of it
each; ``benchmark``: most that measure; ``compare``: two runs; ``export``: a run to publish.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from innerview.cli import _options as opt
from innerview.cli._progress import progress
from innerview.cli._result import (
    show_comparison,
    show_fidelity,
    show_judges,
    show_overview,
    show_run,
    show_stability,
)

__all__ = ["add_to"]

DEMO_FOLDER = Path("runs/demo")
SCRATCH_FOLDER = Path("runs/from-scratch")
BUDGET = "25m"


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (
        demo,
        run,
        label,
        align,
        evaluate,
        evidence,
        fidelity,
        benchmark,
        stability,
        judge,
        overview,
        compare,
        report,
        export,
    ):
        app.command()(command)


def demo(
    out: Annotated[
        Path | None,
        typer.Option(
            help=f"Folder of the run.  [default: {DEMO_FOLDER}, from scratch {SCRATCH_FOLDER}]",
        ),
    ] = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Train target and surrogate here.")
    ] = False,
    time_budget: opt.Budget = BUDGET,
    seed: opt.Seed = 0,
    as_json: opt.AsJson = False,
) -> None:
    """The whole job on the data set that comes with the package.

    Target and surrogate come with it too, unless --from-scratch is given; --time-budget and
    --seed are for that.
    """
    budget = opt.seconds(time_budget)
    from innerview import pipeline

    with progress() as say:
        if from_scratch:
            settings = pipeline.RunSettings(
                interactions=None,
                items=None,
                out=out or SCRATCH_FOLDER,
                time_budget_s=budget,
                seed=seed,
            )
            folder = pipeline.run(settings, say)
        else:
            folder = pipeline.demo(out or DEMO_FOLDER, say)
    show_run(folder, as_json=as_json, example=True)


def run(
    *,
    interactions: opt.InteractionsFile,
    out: Annotated[Path, typer.Option(help="Folder of the run; a killed run goes on there.")],
    items: opt.ItemsFile = None,
    format: opt.Format = "auto",
    user_col: opt.UserCol = "user_id",
    item_col: opt.ItemCol = "item_id",
    time_col: opt.TimeCol = "timestamp",
    rating_col: opt.RatingCol = None,
    no_time: opt.NoTime = False,
    title_col: opt.TitleCol = "title",
    noun: opt.Noun = "item",
    target: opt.TargetName = "als",
    split: opt.Split = "auto",
    k_core: opt.KCore = 5,
    base: opt.Base = "smollm2-135m-instruct",
    chat: opt.Chat = None,
    time_budget: opt.Budget = BUDGET,
    n_explain: opt.NExplain = 20,
    n_test: opt.NTest = 400,
    seed: opt.Seed = 0,
    as_json: opt.AsJson = False,
) -> None:
    """The whole job on your tables.

    Target, labels, surrogate, explanations, report. The same command goes on where a killed one
    stopped.
    """
    budget = opt.seconds(time_budget)
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
        base=base,
        chat=chat,
        time_budget_s=budget,
        n_explain=n_explain,
        n_test=n_test,
        seed=seed,
    )
    with progress() as say:
        folder = pipeline.run(settings, say)
    show_run(folder, as_json=as_json)


def label(run: opt.Run, n_test: opt.NTest = 400, seed: opt.Seed = 0) -> None:
    """Ask the target, and write training records."""
    from innerview import pipeline

    with progress() as say:
        folder = pipeline.label(run, say, n_test=n_test, seed=seed)
    typer.echo(str(folder))


def align(
    run: opt.Run,
    base: opt.Base = "smollm2-135m-instruct",
    chat: opt.Chat = None,
    time_budget: opt.Budget = BUDGET,
    seed: opt.Seed = 0,
) -> None:
    """Train the surrogate on the records.

    A killed training goes on where it stopped.
    """
    budget = opt.seconds(time_budget)
    from innerview import pipeline

    with progress() as say:
        folder = pipeline.align(run, say, base=base, chat=chat, max_seconds=budget, seed=seed)
    typer.echo(str(folder))


def evaluate(
    run: opt.Run,
    *,
    unaligned: Annotated[
        bool, typer.Option(help="Ask the unaligned base model too, for comparison.")
    ] = True,
    distilled: Annotated[
        bool, typer.Option(help="Teach a small network the same labels and ask it too.")
    ] = True,
    channels: Annotated[
        bool, typer.Option(help="Measure what it says when words and vectors disagree.")
    ] = True,
    n_reasons: opt.NReasons = 200,
    seed: opt.Seed = 0,
) -> None:
    """Measure how far it can be trusted."""
    from innerview import pipeline

    with progress() as say:
        pipeline.evaluate(
            run, say, unaligned=unaligned, distilled=distilled, channels=channels,
            n_reasons=n_reasons, seed=seed,
        )  # fmt: skip
    show_run(run)


def evidence(
    run: opt.Run,
    heldout_only: Annotated[
        bool, typer.Option("--heldout-only", help="Leave out the cases that are aligned on.")
    ] = False,
) -> None:
    """Measure what the target's answers hang on.

    For every case and what the target puts first; no language model takes part. One JSON line
    a case goes under evidence/ in the run folder; the same command goes on where a killed one
    stopped.
    """
    from innerview import pipeline

    with progress() as say:
        path = pipeline.evidence(run, say, heldout_only=heldout_only)
    typer.echo(str(path))


def fidelity(
    *,
    run: opt.Run,
    n_cases: opt.NCases = 1600,
    n_surrogate: opt.NSurrogate = 200,
    target_only: opt.TargetOnly = False,
    explanations: opt.Explanations = None,
    unaligned: Annotated[
        bool, typer.Option(help="Let the base model explain too, before training.")
    ] = True,
    reader: opt.Reader = None,
    seed: opt.Seed = 0,
) -> None:
    """Measure whose reasons are the target's reasons.

    Parts are taken away in the order in which each explainer names them: the evidence, the
    surrogate on its own, Shapley values, LIME, boosted trees, a mask learned on other cases,
    similarity, plausible ones, chance, and files of your own. Refuses to give any figure if an
    explainer that knows nothing shows skill. The same command goes on where a killed one stopped.
    """
    from innerview import pipeline

    given = opt.named_files(explanations or [])
    with progress() as say:
        path = pipeline.fidelity(
            run, say, n_cases=n_cases, n_surrogate=0 if target_only else n_surrogate, given=given,
            unaligned=unaligned, reader=reader, seed=seed,
        )  # fmt: skip
    show_fidelity(path)


def benchmark(
    *,
    run: opt.Run,
    n_cases: opt.NCases = 1600,
    n_surrogate: opt.NSurrogate = 200,
    target_only: opt.TargetOnly = False,
    explanations: opt.Explanations = None,
    reader: opt.Reader = None,
    beside: opt.Beside = None,
    n_reasons: opt.NReasons = 200,
    seed: opt.Seed = 0,
) -> None:
    """All that is measured, and the report.

    The whole battery that says how far explanations can be trusted: evaluate, fidelity, stability,
    overview. Stages whose figures are there are skipped, and a killed one goes on. Refuses as
    fidelity does.
    """
    from innerview import pipeline

    given = opt.named_files(explanations or [])
    with progress() as say:
        path = pipeline.benchmark(
            run, say, n_cases=n_cases, n_surrogate=n_surrogate, target_only=target_only,
            given=given, reader=reader, beside=beside, n_reasons=n_reasons, seed=seed,
        )  # fmt: skip
    typer.echo(str(path))


def stability(
    run: opt.Run,
    n_cases: Annotated[int, typer.Option(min=2, help="Held-out cases to explain again.")] = 50,
    beside: opt.Beside = None,
    seed: opt.Seed = 0,
) -> None:
    """Measure whether explanations stay as they are.

    While nothing that matters changes: titles are put in other words, parts in another order where
    the target ignores it, random numbers are drawn anew, and another surrogate is asked; then the
    same part should come first, and the same claims be made. Beside it stand chance and
    explanations of other cases.
    """
    from innerview import pipeline

    with progress() as say:
        path = pipeline.stability(run, say, n_cases=n_cases, beside=beside, seed=seed)
    show_stability(path)


def judge(
    *,
    run: opt.Run,
    explanations: Annotated[
        list[Path],
        typer.Option(
            help="Explanations to be rated, one JSON object a line: case_id, text, and outcome_id. "
            "Give it again for another explainer.",
        ),
    ],
    endpoint: Annotated[
        str | None,
        typer.Option(
            help="Base address of an OpenAI-compatible API, say http://localhost:8000/v1. A key is "
            "taken from INNERVIEW_API_KEY.",
            metavar="URL",
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Which of its models rates.", metavar="NAME")
    ] = None,
    pairwise: Annotated[
        bool, typer.Option("--pairwise", help="Let it compare each two explainers, too.")
    ] = False,
    sheet: Annotated[
        Path | None, typer.Option(help="Folder for a sheet that people fill in.")
    ] = None,
    ratings: Annotated[
        list[Path] | None,
        typer.Option(help="A sheet that ANN filled in: ANN.csv. May be given again."),
    ] = None,
    n_cases: Annotated[
        int, typer.Option(min=2, help="Cases, drawn from those that every file explains.")
    ] = 200,
    max_questions: Annotated[
        int, typer.Option(min=0, help="That may be put to the model; else nothing is asked.")
    ] = 2000,
    timeout: Annotated[
        str, typer.Option(help="For one answer: 30s, 2m.", metavar="DURATION")
    ] = "2m",
    at_once: Annotated[int, typer.Option(min=1, help="Questions under way together.")] = 4,
    seed: opt.Seed = 0,
) -> None:
    """Have explanations rated, by a language model or by people.

    Four levels: 0 gives another decision than the target's, 1 to 3 are right with bad, fair and
    good reasons. What a model answers is kept in the run folder, so the same command goes on, and
    costs nothing again. Whom to believe is measured: texts of other cases must be rated lower, and
    raters are held against each other.
    """
    from innerview import pipeline
    from innerview.evaluation.endpoint import API_KEY, Endpoint

    if (endpoint is None) != (model is None):
        raise typer.BadParameter("--endpoint and --model go together")
    if pairwise and endpoint is None:
        raise typer.BadParameter("--pairwise needs --endpoint: who compares?")
    judges = None
    if endpoint is not None and model is not None:
        judges = Endpoint(
            endpoint,
            model,
            key=os.environ.get(API_KEY) or None,
            timeout_s=opt.seconds(timeout),
            at_once=at_once,
        )
    with progress() as say:
        path = pipeline.judge(
            run,
            say,
            given=opt.named_files(explanations, prefix=""),
            endpoint=judges,
            pairwise=pairwise,
            max_questions=max_questions,
            sheet=sheet,
            ratings=opt.named_files(ratings or [], prefix=""),
            n_cases=n_cases,
            seed=seed,
        )
    show_judges(path)


def overview(
    *,
    run: opt.Run,
    n_cases: Annotated[int, typer.Option(min=1, help="Cases, held-out ones first.")] = 1600,
    outcome: Annotated[
        str | None, typer.Option(help="Only cases for which this id comes first.")
    ] = None,
    part: Annotated[str | None, typer.Option(help="Only cases that hold this id.")] = None,
    having: Annotated[
        str | None,
        typer.Option(
            help="Only cases of which at least half of the parts have this value: genre=Horror.",
            metavar="ATTRIBUTE=VALUE",
        ),
    ] = None,
    week: Annotated[
        str | None,
        typer.Option(help="Only cases whose last event is in this ISO week.", metavar="2013-W21"),
    ] = None,
    ids: Annotated[
        Path | None, typer.Option(help="Only cases whose ids this file has, one a line.")
    ] = None,
    seed: opt.Seed = 0,
) -> None:
    """Which parts and attributes decide what is put first.

    Evidence is measured for many cases, or for a segment of them, and counted; no language model
    takes part. The report shows it too.
    """
    from innerview import pipeline

    segment = pipeline.Segment(outcome, part, having, week, ids)
    with progress() as say:
        path = pipeline.write_overview(run, say, n_cases=n_cases, segment=segment, seed=seed)
        pipeline.report(run, say)
    show_overview(path)


def compare(
    before: Annotated[Path, typer.Argument(help="Folder of a run.")],
    after: Annotated[Path, typer.Argument(help="Folder of another, of the same data.")],
    n_cases: Annotated[
        int, typer.Option(min=1, help="Cases, the first run's held-out ones first.")
    ] = 1600,
    seed: opt.Seed = 0,
) -> None:
    """Which answers changed from run to run, and which reasons.

    A regression test for recommenders; no language model takes part. Figures go into the second
    run's report folder, and beside them one JSON line a case.
    """
    from innerview import pipeline

    with progress() as say:
        path = pipeline.compare(before, after, say, n_cases=n_cases, seed=seed)
    show_comparison(path)


def report(run: opt.Run) -> None:
    """Write the report again."""
    from innerview import pipeline

    with progress() as say:
        pipeline.report(run, say)
    show_run(run)


def export(
    *,
    run: opt.Run,
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    license: Annotated[
        str, typer.Option(help="Of what is published, as hubs write it: apache-2.0.", metavar="ID")
    ],
    name: Annotated[
        str | None, typer.Option(help="Of the repository, for the card.", metavar="ORG/NAME")
    ] = None,
    private_target: Annotated[
        bool, typer.Option("--private-target", help="Leave the target out but for its catalogue.")
    ] = False,
    with_cases: Annotated[
        bool, typer.Option("--with-cases", help="Put the cases in: personal data, of people.")
    ] = False,
) -> None:
    """Make a folder to publish, with a card.

    Target, surrogate and figures. Explainer.load takes it, from here or from a model hub. Cases
    are left out: they are personal data, where they are of people.
    """
    from innerview import pipeline

    with progress() as say:
        folder = pipeline.export(
            run, out, say, license=license, name=name, private_target=private_target,
            with_cases=with_cases,
        )  # fmt: skip
    typer.echo(str(folder))
