"""What an evaluation leaves behind: ``metrics.json`` and ``predictions.parquet``.

Knows names and figures, and nothing of how they were come by.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, Union

import polars as pl

from innerview.alignment.records import Record
from innerview.errors import RunError
from innerview.evaluation.answers import AnswerValue, paired_answers, worths
from innerview.evaluation.bootstrap import Figure
from innerview.files import write_whole

__all__ = [
    "MetricTree",
    "from_wire",
    "read_metrics",
    "to_wire",
    "write_metrics",
    "write_predictions",
]

MetricTree: TypeAlias = Mapping[str, Union[Figure, "MetricTree"]]
"""Figures under names: ``alignment.<form>.<metric>``, ``differences.<other>.<metric>``,
``fidelity.<method>.<metric>``, ``fidelity.<method>.curves.<curve>.<parts>``,
``fidelity_differences.<method>.<other>.<metric>``,
``stability.<change>.<method>.<metric>``, ``deciles.<form>.<measure>.<tenth>`` and
``calibration.<form>.<bin>.<measure>``."""

_FIGURE = frozenset({"value", "low", "high", "n"})


def write_metrics(
    path: Path | str, tree: MetricTree, *, meta: Mapping[str, Any] | None = None
) -> None:
    """Write figures, and under ``meta`` what they rest on.

    Args:
        path: of the JSON file; its folder is made.
        tree: figures under names.
        meta: hashes, seed, versions, queries, seconds; anything JSON can hold.

    Raises:
        RunError: a value is NaN or infinite, or the tree has a branch ``meta`` of its own.
    """
    if "meta" in tree and meta is not None:
        raise RunError("metrics have a branch 'meta' already; pass it once, as meta=")
    wire = to_wire(tree) | ({} if meta is None else {"meta": dict(meta)})
    try:
        text = json.dumps(wire, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise RunError(f"{path}: {error}; a figure that is no number must be left out") from None
    write_whole(path, lambda beside: beside.write_bytes((text + "\n").encode()))


def read_metrics(path: Path | str) -> dict[str, Any]:
    """The inverse of ``write_metrics``: figures where figures were, ``meta`` as plain JSON.

    Raises:
        RunError: the file is missing or is no metrics file.
    """
    try:
        wire = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is no readable metrics file: {error}") from None
    if not isinstance(wire, dict):
        raise RunError(f"{path} holds a {type(wire).__name__}; expected an object of figures")
    return {name: branch if name == "meta" else from_wire(branch) for name, branch in wire.items()}


_PREDICTION: Mapping[str, Any] = {
    **dict.fromkeys(("case_id", "task", "form", "method"), pl.String),
    "asked": pl.List(pl.String),
    **dict.fromkeys(("label", "value"), pl.String),
    "worth": pl.Float64,
}


def write_predictions(
    path: Path | str, answered: Mapping[str, tuple[Sequence[Record], Sequence[AnswerValue]]]
) -> None:
    """Write every answer of every method beside the target's, one row per record and method.

    Columns: ``case_id`` (empty where a question has no case), ``task``, ``form``, ``method``;
    ``asked``, ids of the outcomes that the question names; ``label``, what the target said, and
    ``value``, what the method said, as JSON; ``worth``, see ``answers.worths``, null where the
    target has said nothing to compare with. All others are strings.

    Args:
        path: of the Parquet file; its folder is made.
        answered: by method, the records and one answer to each.

    Raises:
        RecordError: a method's answers do not fit its records.
    """
    # A frame holds a method's rows in a fraction of what they take as Python's own.
    frame = pl.concat(
        [
            pl.DataFrame(_rows(method, records, values), schema=_PREDICTION, orient="row")
            for method, (records, values) in answered.items()
        ]
        or [pl.DataFrame(schema=_PREDICTION)]
    )
    write_whole(path, lambda beside: frame.write_parquet(beside, compression="zstd"))


def _rows(
    method: str, records: Sequence[Record], values: Sequence[AnswerValue]
) -> Iterator[tuple[object, ...]]:
    answers = paired_answers(records, values)
    for record, answer, worth in zip(records, answers, worths(records, values), strict=True):
        outcome = record.label.get("outcome")
        yield (
            answer.case_id,
            answer.task,
            answer.form,
            method,
            list(record.label.get("shown", () if outcome is None else (outcome,))),
            json.dumps(dict(record.label), ensure_ascii=False),
            json.dumps(answer.value, ensure_ascii=False),
            worth,
        )


def to_wire(tree: MetricTree) -> dict[str, Any]:
    """Figures under names as plain JSON."""
    return {
        name: branch.to_dict() if isinstance(branch, Figure) else to_wire(branch)
        for name, branch in tree.items()
    }


def from_wire(branch: Any) -> Any:
    """The inverse of ``to_wire``; what is no figure stays as it is."""
    if not isinstance(branch, dict):
        return branch
    if set(branch) - {"p"} == _FIGURE:
        return Figure.from_dict(branch)
    return {name: from_wire(below) for name, below in branch.items()}
