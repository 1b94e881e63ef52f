"""What an evaluation leaves behind: ``metrics.json`` and ``predictions.parquet``.

Knows names and figures, and nothing of how they were come by.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, Union

import polars as pl

from innerview.alignment.records import Record
from innerview.errors import RunError
from innerview.evaluation.answers import AnswerValue, paired_answers
from innerview.evaluation.bootstrap import Figure
from innerview.files import write_whole

__all__ = ["MetricTree", "read_metrics", "write_metrics", "write_predictions"]

MetricTree: TypeAlias = Mapping[str, Union[Figure, "MetricTree"]]
"""Figures under names: ``alignment.<form>.<metric>``, ``differences.<other>.<metric>`` and
``fidelity.<method>.<metric>``."""

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
    wire = _to_wire(tree) | ({} if meta is None else {"meta": dict(meta)})
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
    return {name: branch if name == "meta" else _from_wire(branch) for name, branch in wire.items()}


def write_predictions(
    path: Path | str, answered: Mapping[str, tuple[Sequence[Record], Sequence[AnswerValue]]]
) -> None:
    """Write every answer of every method beside the target's, one row per record and method.

    Columns, all String: ``case_id, task, form, method, label, value``; the last two are JSON.

    Args:
        path: of the Parquet file; its folder is made.
        answered: by method, the records and one answer to each.

    Raises:
        RecordError: a method's answers do not fit its records.
    """
    rows: dict[str, list[str]] = {
        name: [] for name in ("case_id", "task", "form", "method", "label", "value")
    }
    for method, (records, values) in answered.items():
        for record, answer in zip(records, paired_answers(records, values), strict=True):
            rows["case_id"].append(answer.case_id)
            rows["task"].append(answer.task)
            rows["form"].append(answer.form)
            rows["method"].append(method)
            rows["label"].append(json.dumps(dict(record.label), ensure_ascii=False))
            rows["value"].append(json.dumps(answer.value, ensure_ascii=False))
    frame = pl.DataFrame(rows, schema=dict.fromkeys(rows, pl.String))
    write_whole(path, lambda beside: frame.write_parquet(beside, compression="zstd"))


def _to_wire(tree: MetricTree) -> dict[str, Any]:
    return {
        name: branch.to_dict() if isinstance(branch, Figure) else _to_wire(branch)
        for name, branch in tree.items()
    }


def _from_wire(branch: Any) -> Any:
    if not isinstance(branch, dict):
        return branch
    if set(branch) - {"p"} == _FIGURE:
        return Figure.from_dict(branch)
    return {name: _from_wire(below) for name, below in branch.items()}
