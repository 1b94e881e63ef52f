"""The card of a published surrogate: what it is, how far it can be trusted, what fails.

Markdown under a head of YAML, as model hubs read it. Every sentence about quality is a figure that
was measured, or says that none was. Knows no folder and no hub.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from innerview.alignment.records import FORMS
from innerview.evaluation._tables import (
    METHODS,
    Row,
    alignment_table,
    fidelity_table,
    methods_shown,
    sheet_of,
)
from innerview.evaluation.bootstrap import Figure
from innerview.evaluation.sheets import Sheet, to_markdown
from innerview.evaluation.showing import MAY_SHOW, can_show

__all__ = ["Published", "model_card"]

_ASKED = (*FORMS, "unaligned", "popularity")
_MEASURES = (
    "retrieval_hr5",
    "retrieval_ndcg5",
    "ranking_kendall",
    "interest_auc",
    "history_recall",
    "attribution_accuracy",
    "interest_auc_heldout_items",
)
_EXPLAINERS = (
    "grounded",
    *(f"surrogate_{form}" for form in FORMS),
    "lime",
    "free_prose",
    "free_prose_intention",
    "free_prose_hybrid",
    "control_permuted_target",
    "control_shuffled",
)
_NEXT_TO_CHANCE = 0.6
"""AUC about outcomes that training never named, at the lower end, up to which there is a word."""


@dataclass(frozen=True, slots=True)
class Published:
    """What a card is about.

    Attributes:
        name: of the repository, or the folder.
        license: as hubs write it: ``apache-2.0``.
        target: what is told of the target, a line each.
        surrogate: what is told of the surrogate, a line each.
        base_on_hub: the base model's name on a hub, if it has one.
        private: the target is not in the folder.
        n_cases: that are in the folder.
        metrics: as ``metrics.json`` and ``fidelity.json`` hold them; what is absent was not
            measured.
    """

    name: str
    license: str
    target: Mapping[str, str]
    surrogate: Mapping[str, str]
    base_on_hub: str | None
    private: bool
    n_cases: int
    metrics: Mapping[str, Any]


def model_card(published: Published) -> str:
    """The text of ``README.md``."""
    sections = [
        _head(published),
        _opening(published),
        "## What it is\n\n" + _facts(published),
        "## How far it can be trusted\n\n" + _figures(published.metrics),
        "## What fails\n\n" + _failures(published.metrics),
        "## Whose data\n\n" + _whose(published),
    ]
    return "\n".join(sections)


def _head(published: Published) -> str:
    """JSON is YAML, so no name can break out of it."""
    head = {
        "license": published.license,
        "library_name": "innerview",
        "base_model": published.base_on_hub,
        "tags": ["innerview", "explainability", "surrogate"],
    }
    lines = [f"{key}: {json.dumps(told)}" for key, told in head.items() if told is not None]
    return "\n".join(["---", *lines, "---", ""])


def _opening(published: Published) -> str:
    lines = [
        f"# {_plain(published.name)}",
        "",
        "A language model that stands in for a model of another kind, its *target*, and explains "
        "it: every claim is replayed on the target, and verified, refuted or untestable.",
        "",
        "```python",
        "from innerview import Explainer",
    ]
    name, given = json.dumps(published.name, ensure_ascii=False), ""
    if published.private:
        lines[2] += " The target is private and not in here: only who has it can load this."
        lines.append("from innerview.targets import load_bundle")
        given = ', target=load_bundle("FOLDER")'
    lines += [
        "",
        f"explainer = Explainer.load({name}{given})   # or the path of this folder",
        "```",
    ]
    return "\n".join([*lines, ""])


def _facts(published: Published) -> str:
    rows = [
        *((f"target: {what}", told) for what, told in published.target.items()),
        *((f"surrogate: {what}", told) for what, told in published.surrogate.items()),
        ("license", published.license),
    ]
    return to_markdown(Sheet("facts", ("", ""), tuple(rows))) + (
        "\nEvery file is held to its SHA-256 when it is loaded, and the surrogate to its target's "
        "fingerprint.\n"
    )


def _figures(metrics: Mapping[str, Any]) -> str:
    told = []
    asked: Mapping[str, Mapping[str, Figure]] = metrics.get("alignment", {})
    shown = {"alignment": {name: asked[name] for name in _ASKED if name in asked}}
    if rows := [row for row in alignment_table(shown) if row.name in _MEASURES]:
        n = max(cell.figure.n for row in rows for cell in row.cells if cell)
        told.append(
            f"Agreement with the target on up to {n:,} held-out cases, with 95 % intervals, beside "
            "the base model as it was and a list that is the same for everybody:\n\n"
            + _markdown("measure", methods_shown(shown).values(), rows)
        )
    headings, rows = fidelity_table(metrics)
    if rows := [row for row in rows if row.name in _EXPLAINERS]:
        told.append(
            "Whose reasons are the target's: what becomes of its answer when parts are taken away "
            "in the order in which they are named. 0 is chance, 1 leaving out each part; controls "
            "must show 0. *verified*: of claims, the share that held when they were replayed.\n\n"
            + _markdown("explainer", headings, rows)
        )
    return "\n".join(told) or "Not measured.\n"


def _markdown(corner: str, headings: Any, rows: Sequence[Row]) -> str:
    return to_markdown(sheet_of("figures", corner, headings, rows))


def _failures(metrics: Mapping[str, Any]) -> str:
    return "".join(f"- {line}\n" for line in _limits(metrics))


def _limits(metrics: Mapping[str, Any]) -> Iterator[str]:
    for ruling in can_show(metrics, []).rulings:
        if ruling.answer != "yes":
            yield (
                f"{ruling.what}: may they be shown? **{MAY_SHOW[ruling.answer]}.** "
                f"{ruling.because} (Rule: {ruling.rule})"
            )
    asked: Mapping[str, Mapping[str, Figure]] = metrics.get("alignment", {})
    for form in FORMS:
        found = asked.get(form, {}).get("interest_auc_heldout_items")
        if found is not None and found.low <= _NEXT_TO_CHANCE:
            yield (
                f"Of outcomes that it never met in training it knows next to nothing from "
                f"{METHODS[form]}: AUC {found.value:.2f}, where .5 is chance."
            )
    moved = [metrics.get("channels", {}).get(f"{c}_swapped", {}) for c in ("text", "vectors")]
    text, vectors = (own.get("shift") for own in moved)
    if text is not None and vectors is not None and text.high < vectors.low / 2:
        yield (
            "Asked with titles and vectors it goes by vectors: another case's move its answers by "
            f"{vectors.value:.2f} nats, another case's titles by {text.value:.2f}."
        )
    yield "It stands in for this target alone, and answers with this target's outcomes alone."
    yield "What it writes is English, whatever the titles are."


def _whose(published: Published) -> str:
    told = (
        f"`labels/cases.parquet` holds {published.n_cases:,} cases under the ids that the source "
        "gave them: personal data, where cases are of people."
        if published.n_cases
        else "No cases are in this folder"
        + (
            "."
            if published.private
            else "; those that the target's files are tried with are made up."
        )
    )
    told += (
        " The surrogate was taught with answers about cases; whether it can be made to tell one "
        "was not measured."
    )
    if published.private:
        told += (
            " The target's vectors are not in here, but what the surrogate has learned of them is: "
            "its files tell which outcomes the target takes for alike."
        )
    return f"{told}\n"


def _plain(text: str) -> str:
    return " ".join(text.split())
