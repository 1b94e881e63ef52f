"""What people and models make of explanations, by a rubric of four levels."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from innerview.alignment.cases import read_cases
from innerview.errors import RunError
from innerview.evaluation.asking import Judge
from innerview.evaluation.endpoint import Endpoint
from innerview.evaluation.given import Given
from innerview.evaluation.judge_tables import JUDGE, PEOPLE
from innerview.evaluation.judges import judge_texts
from innerview.evaluation.rating_sheet import read_ratings, write_sheet
from innerview.evaluation.ratings import (
    Ratings,
    Texts,
    agreements,
    rating_differences,
    rating_figures,
)
from innerview.evaluation.results import MetricTree, write_metrics
from innerview.evaluation.rubric import Shown, rubric_hash
from innerview.explanation._ask import Question, ask
from innerview.files import write_whole
from innerview.pipeline._measured import read_explanations
from innerview.pipeline._stage import Event, Say
from innerview.targets import Target, load_target

__all__ = ["judge"]


def judge(
    run: Path,
    say: Say,
    *,
    given: Mapping[str, Path],
    endpoint: Endpoint | None = None,
    pairwise: bool = False,
    max_questions: int = 2000,
    sheet: Path | None = None,
    ratings: Mapping[str, Path] | None = None,
    n_cases: int = 200,
    seed: int = 0,
) -> Path:
    """Have explanations rated, and say how far raters agree.

    Figures go to ``report/judges.json``; beside it ``judges.jsonl`` has a line for each text, with
    every rating of it. What a model answers is kept under ``judges/``: a killed command goes on,
    and the same one again asks nothing.

    Args:
        run: with a target and its cases.
        say: told how far it is.
        given: files of explanations by explainer; see ``evaluation/given.py``. Each has a text.
        endpoint: of a model that rates; None for none.
        pairwise: have it compare each two explainers too.
        max_questions: that it may be asked.
        sheet: a folder for a sheet that people fill in.
        ratings: sheets that were filled in, by rater.
        n_cases: at most, drawn from those that every file explains.
        seed: of what is drawn, orders, the control and intervals.

    Raises:
        DataError: a file cannot be used.
        EndpointError: there is more to ask than is allowed, or the endpoint fails.
        RunError: fewer than two cases are explained in every file, there are too few files, a
            rater has the model's name, or a sheet that may hold ratings is in the way.
    """
    began = time.monotonic()
    ratings = ratings or {}
    if JUDGE in ratings:
        raise RunError(f"{ratings[JUDGE]}: {JUDGE!r} is what the model is called; rename the file")
    if len(given) < (least := 2 if pairwise else 1):
        raise RunError(f"{len(given)} files of explanations; give {least} or more")
    target = load_target(run / "target")
    explanations = read_explanations(given, target, read_cases(run), needs_text=True)
    texts = _shown(target, explanations, n_cases=n_cases, seed=seed)
    if sheet is not None:
        write_sheet(sheet, texts, seed=seed)
        say(Event("judge", f"a sheet for people is in {sheet}"))
    known = {one.id for own in texts.values() for one in own}
    raters: dict[str, Ratings] = {}
    tree: dict[str, MetricTree] = {}
    meta: dict[str, Any] = {
        "target": target.fingerprint,
        "rubric": rubric_hash(),
        "not_run": _not_run(endpoint, pairwise, ratings),
        "n_cases": len({one.case_id for one in next(iter(texts.values()))}),
        "seed": seed,
        "innerview": version("innerview"),
    }
    people = {rater: read_ratings(path, known) for rater, path in ratings.items()}
    if endpoint is not None:
        asked = Judge(endpoint, run / "judges")
        judged = judge_texts(
            asked,
            texts,
            pairwise=pairwise,
            at_most=max_questions,
            tell=lambda done, total: say(
                Event("judge", f"{done:,} of {total:,} questions answered", done / total)
            ),
            seed=seed,
        )
        raters[JUDGE] = judged.ratings
        tree |= judged.figures
        meta |= {"model": endpoint.model, "endpoint": endpoint.host, **asdict(asked.asked)}
        if asked.asked.by_words:
            say(Event("judge", "the server takes no response_format: words alone held answers"))
    raters |= people
    tree["ratings"] = _figures(texts, raters, seed=seed)
    tree["differences"] = rating_differences(texts, raters, seed=seed)
    tree["agreement"] = agreements(texts, raters, seed=seed)
    path = run / "report" / "judges.json"
    meta["seconds"] = round(time.monotonic() - began, 1)
    write_metrics(path, {"judges": tree}, meta=meta)
    _write_lines(path.with_suffix(".jsonl"), texts, raters)
    say(Event("judge", f"{path}", 1.0))
    return path


def _shown(
    target: Target, given: Mapping[str, Sequence[Given]], *, n_cases: int, seed: int
) -> dict[str, list[Shown]]:
    """By explainer, what raters are shown: of some of the cases that all of them explain, in one
    order.

    Raises:
        RunError: there are fewer than two of those.
    """
    by_subject = {
        name: {(one.case.case_id, one.outcome): one for one in own} for name, own in given.items()
    }
    common = sorted(set[tuple[str, str]].intersection(*map(set, by_subject.values())))
    cases = sorted({case for case, _ in common})
    if len(cases) < 2:
        raise RunError(
            f"{len(cases)} cases are explained in every file; give files about the same ones, two "
            "or more"
        )
    order = np.random.default_rng(seed).permutation(len(cases))
    drawn = {cases[at] for at in order[:n_cases]}
    subjects = [subject for subject in common if subject[0] in drawn]
    some = next(iter(by_subject.values()))
    ranks = ask(
        target,
        [Question(some[one].case, some[one].case, some[one].outcome) for one in subjects],
    )
    return {
        name: [
            _one(own[subject], answer.rank, target)
            for subject, answer in zip(subjects, ranks, strict=True)
        ]
        for name, own in by_subject.items()
    }


def _one(one: Given, rank: int, target: Target) -> Shown:
    parts = tuple(map(target.parts.title, one.case.parts))
    title = target.outcomes.title(one.outcome)
    noun, domain = target.parts.noun, target.outcomes.domain
    return Shown(one.case.case_id, noun, parts, title, rank, one.text, domain)


def _not_run(
    endpoint: Endpoint | None, pairwise: bool, ratings: Mapping[str, Path]
) -> dict[str, str]:
    """What is left out, and why."""
    absent = {
        JUDGE: "" if endpoint else "no --endpoint",
        "pairs": "" if endpoint and pairwise else "--pairwise and --endpoint ask for them",
        PEOPLE: "" if ratings else "no --ratings; --sheet makes a sheet to fill in",
    }
    return {what: why for what, why in absent.items() if why}


def _figures(texts: Texts, raters: Mapping[str, Ratings], *, seed: int) -> MetricTree:
    """By rater and explainer, where there are any."""
    return {
        rater: {
            name: figures
            for name, own in texts.items()
            if (figures := rating_figures(own, given, seed=seed))
        }
        for rater, given in raters.items()
    }


def _write_lines(path: Path, texts: Texts, raters: Mapping[str, Ratings]) -> None:
    """Who said what of which text."""
    lines = [
        {
            "explainer": name,
            "case_id": one.case_id,
            "decision": one.decision,
            "text": one.text,
            "ratings": {
                rater: asdict(own[one.id]) for rater, own in raters.items() if one.id in own
            },
        }
        for name, shown in texts.items()
        for one in shown
    ]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    write_whole(path, lambda beside: beside.write_bytes(text.encode()))
