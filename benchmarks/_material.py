"""What is trained on: the records of a run, the same for every way of training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import Path

from innerview.alignment.mixture import MixtureSettings
from innerview.alignment.records import Record, iter_records
from innerview.pipeline import Event, RunSettings, label, train_target
from innerview.surrogate.packing import Tree, trees_of
from innerview.surrogate.prompts import PromptEncoder
from innerview.surrogate.vectors import VectorTable

__all__ = ["Example", "Groups", "examples", "flat", "make_run"]


def make_run(folder: Path, max_cases: int) -> dict[str, object]:
    """A target of the embedded data set, and records of some of its cases."""

    def say(event: Event) -> None:
        print(f"  {event.stage}: {event.text}", flush=True)

    train_target(RunSettings(None, None, folder), say)
    label(folder, say, mixture=MixtureSettings(max_cases=max_cases), n_test=100)
    return {}


@dataclass(frozen=True, slots=True)
class Groups:
    """Records ``first`` to ``last`` of a run, in the order of training; read anew each time.

    An answer is the only truth here (``alternatives`` are dropped): that is what the others can
    train on, and it makes the losses one and the same quantity.
    """

    run: Path
    first: int
    last: int

    def __iter__(self) -> Iterator[list[Record]]:
        every = iter_records(self.run / "records" / "train" / "records.parquet")
        own = (replace(r, alternatives=()) for r in islice(every, self.first, self.last))
        for _, group in groupby(own, key=lambda record: record.context_key):
            yield list(group)

    def __len__(self) -> int:
        return sum(len(group) for group in self)


@dataclass(frozen=True, slots=True)
class Example:
    """One record by itself.

    Attributes:
        ids: context, question and answer.
        n_answer: how many of the last ids are the answer.
        slots: position, kind and row of each vector.
    """

    ids: tuple[int, ...]
    n_answer: int
    slots: tuple[tuple[int, int, int], ...]


def examples(groups: Groups, encoder: PromptEncoder, vectors: VectorTable) -> list[Example]:
    """The very same tokens as in packed rows, but each question behind a context of its own."""
    alone = (trees_of([r], encoder, vectors, max_tokens=10**6) for group in groups for r in group)
    return [flat(tree, vectors) for trees in alone for tree in trees]


def flat(tree: Tree, vectors: VectorTable) -> Example:
    """A tree of one question, laid out behind what it sees of its context."""
    (branch,) = tree.branches
    seen = branch.visible
    placed = [(slot.position, slot) for slot in tree.context.slots if slot.position < seen]
    placed += [(seen + slot.position, slot) for slot in branch.encoded.slots]
    return Example(
        (*tree.context.ids[:seen], *branch.encoded.ids),
        branch.encoded.n_answer,
        tuple((at, *vectors.locate(s.kind, s.ref, branch.case_row)) for at, s in placed),
    )
