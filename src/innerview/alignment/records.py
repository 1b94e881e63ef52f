"""Alignment records: one question and its answer in one alignment's form, as pure values.

A record never holds token ids. It is made of pieces: text, and slots that a target vector will
fill. Whatever text holds, it stays text: a slot is a piece of its own, never a word in a string,
so no title can become one.

Records of one case share its parts: the surrogate encodes them once and lets every question
look back at the first ``visible`` of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import polars as pl

from innerview.errors import RecordError
from innerview.files import write_whole

__all__ = [
    "DECILE",
    "FORMS",
    "HELDOUT",
    "TASKS",
    "Form",
    "Piece",
    "Record",
    "Slot",
    "SlotKind",
    "Task",
    "Text",
    "iter_records",
    "read_records",
    "write_records",
]

Form = Literal["behavior", "intention", "hybrid"]
"""Which channels a prompt uses: titles, vectors, or both (RecExplainer-B, -I, -H)."""

Task = Literal[
    "retrieval",
    "ranking",
    "interest",
    "item_title",
    "item_attribute",
    "item_similar",
    "chat",
    "history",
    "attribution",
    "prose",
]
SlotKind = Literal["case", "part", "outcome"]
FORMS: tuple[Form, ...] = get_args(Form)
TASKS: tuple[Task, ...] = get_args(Task)
_ROWS_AT_ONCE = 4096
"""Records that are read together, and that a file keeps together so that they can be."""

HELDOUT = "heldout_outcome"
"""In the label of questions about outcomes that no training record names."""

DECILE = "decile"
"""In the label of judgements without a right answer: from which tenth of the target's ranking the
outcome is, 1 being the best."""


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text; special tokens are never read out of it.

    Attributes:
        text: as it stands in the prompt.
        kind: what sort of thing the text is the title of, if of any.
        ref: the id of that thing.
    """

    text: str
    kind: SlotKind | None = None
    ref: str = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """A position that a projected target vector overwrites.

    Attributes:
        kind: which vector: of a case, of a part, of an outcome.
        ref: the id it belongs to; for a case, the record's ``vector_key``.
    """

    kind: SlotKind
    ref: str


Piece = Text | Slot


@dataclass(frozen=True, slots=True)
class Record:
    """One question of a task, with the answer the surrogate is to give.

    Attributes:
        task: what is asked.
        form: which channels the prompt uses.
        case_id: the case's id; empty where the question has no case (items, chat, prose).
        parts: ids of the parts in the shared context, oldest first; empty without a case.
        visible: how many of ``parts`` this question may look back at.
        question: the pieces of the user's turn after the parts.
        answer: plain text of the assistant's turn, after ``lead``.
        label: what the target said, by id; the truth for evaluation.
        heldout_phrasing: the question is worded with a phrase kept out of training.
        alternatives: answers the target likes nearly as well, each with its share of the truth
            (the rest is the answer's); training then leans towards the target's whole order.
        lead: what the assistant's turn opens with; given, not asked. Records that differ in
            nothing else before it share the encoding of their question.
    """

    task: Task
    form: Form
    case_id: str
    parts: tuple[str, ...]
    visible: int
    question: tuple[Piece, ...]
    answer: str
    label: Mapping[str, Any] = field(default_factory=dict)
    heldout_phrasing: bool = False
    alternatives: tuple[tuple[str, float], ...] = ()
    lead: tuple[Piece, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.visible <= len(self.parts):
            raise RecordError(
                f"case {self.case_id!r}: {self.visible} parts visible of {len(self.parts)}"
            )
        if not self.question:
            raise RecordError(f"record of case {self.case_id!r} ({self.task}) asks nothing")

    @property
    def named(self) -> set[str]:
        """Ids of the parts and outcomes that the prompt names, by title or by vector."""
        pieces = (*self.question, *self.lead)
        return {*self.parts, *(piece.ref for piece in pieces if piece.kind is not None)}

    @property
    def context_key(self) -> tuple[str, Form, tuple[str, ...]]:
        """Records with the same key share one encoding of the case."""
        return (self.case_id, self.form, self.parts)


def _pieces_to_wire(pieces: Iterable[Piece]) -> list[dict[str, str]]:
    return [_piece_to_wire(piece) for piece in pieces]


def _piece_to_wire(piece: Piece) -> dict[str, str]:
    if isinstance(piece, Slot):
        return {"slot": piece.kind, "ref": piece.ref}
    if piece.kind is None:
        return {"text": piece.text}
    return {"text": piece.text, "names": piece.kind, "ref": piece.ref}


def _pieces_from_wire(wire: Sequence[Mapping[str, Any]]) -> tuple[Piece, ...]:
    return tuple(
        Text(w["text"], w.get("names"), w.get("ref", ""))
        if "text" in w
        else Slot(w["slot"], w["ref"])
        for w in wire
    )


def write_records(path: Path, records: Sequence[Record]) -> None:
    """Write records as Parquet; ``read_records`` gives back equal ones."""
    rows = {
        "task": [r.task for r in records],
        "form": [r.form for r in records],
        "case_id": [r.case_id for r in records],
        "parts": [list(r.parts) for r in records],
        "visible": [r.visible for r in records],
        "question": [json.dumps(_pieces_to_wire(r.question), ensure_ascii=False) for r in records],
        "answer": [r.answer for r in records],
        "label": [json.dumps(dict(r.label), ensure_ascii=False) for r in records],
        "heldout_phrasing": [r.heldout_phrasing for r in records],
        "alternatives": [json.dumps(r.alternatives, ensure_ascii=False) for r in records],
        "lead": [json.dumps(_pieces_to_wire(r.lead), ensure_ascii=False) for r in records],
    }
    schema: dict[str, Any] = {
        **dict.fromkeys(("task", "form", "case_id"), pl.String),
        "parts": pl.List(pl.String),
        "visible": pl.Int64,
        **dict.fromkeys(("question", "answer", "label"), pl.String),
        "heldout_phrasing": pl.Boolean,
        "alternatives": pl.String,
        "lead": pl.String,
    }
    frame = pl.DataFrame(rows, schema=schema)
    write_whole(
        path,
        lambda beside: frame.write_parquet(
            beside, compression="zstd", row_group_size=_ROWS_AT_ONCE
        ),
    )


def read_records(path: Path) -> list[Record]:
    """Read what ``write_records`` wrote.

    Raises:
        RecordError: the file is missing or is no records file.
    """
    return list(iter_records(path))


def iter_records(path: Path) -> Iterator[Record]:
    """Read what ``write_records`` wrote a piece at a time, so that memory does not grow with it.

    Raises:
        RecordError: the file is missing or is no records file.
    """
    try:
        frame = pl.scan_parquet(path)
        n_rows = int(frame.select(pl.len()).collect().item())
        for start in range(0, n_rows, _ROWS_AT_ONCE):
            piece = frame.slice(start, _ROWS_AT_ONCE).collect()
            yield from (_from_row(row) for row in piece.iter_rows(named=True))
    except (OSError, pl.exceptions.PolarsError, KeyError) as error:
        raise RecordError(f"{path} is no readable records file: {error}") from None


def _from_row(row: Mapping[str, Any]) -> Record:
    return Record(
        task=row["task"],
        form=row["form"],
        case_id=row["case_id"],
        parts=tuple(row["parts"]),
        visible=row["visible"],
        question=_pieces_from_wire(json.loads(row["question"])),
        answer=row["answer"],
        label=json.loads(row["label"]),
        heldout_phrasing=row["heldout_phrasing"],
        alternatives=tuple((a, s) for a, s in json.loads(row["alternatives"])),
        lead=_pieces_from_wire(json.loads(row["lead"])),
    )
