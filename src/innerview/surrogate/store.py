"""Packed rows on disk: encoded once, read back one at a time, never all in memory.

A store is a folder of three flat arrays and a manifest. Rows are runs of int32 words in
``words.bin``, which is memory-mapped; ``index.npy`` says where each begins and how many tokens and
questions it has; ``cases.npy`` names the parts of each case that a row takes a vector of, so that
the rows of the vector table need not be the same when the store is opened again. Strings (ids of
parts and outcomes) are written once each, in the manifest.

Knows rows and nothing of records: what a store is made from is the caller's to hash.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, overload

import numpy as np
from numpy.typing import NDArray

from innerview.errors import SurrogateError
from innerview.files import room_for, sha256_of, whole_folder
from innerview.surrogate.packing import Branch, Tree
from innerview.surrogate.prompts import Encoded, SlotRef
from innerview.surrogate.vectors import VectorTable

__all__ = ["RowStore", "write_rows"]

_VERSION = 1
_WORD: Final = np.dtype("<i4")
_SHARE: Final = np.dtype("<f8")
"""Shares of truth keep all their digits: each takes two words."""
_FILES = ("words.bin", "index.npy", "cases.npy")


class RowStore(Sequence[list[Tree]]):
    """Rows that ``write_rows`` wrote, read when they are asked for.

    Args:
        folder: of the store.
        vectors: the table that the rows take their vectors from; cases it lacks are added.
        made_from: what the rows must be made from.

    Attributes:
        sizes: tokens of each row.
        examples: questions of each row.

    Raises:
        SurrogateError: a file is missing, damaged, or of another version, or the rows are made
            from something else.
    """

    def __init__(self, folder: Path, vectors: VectorTable, *, made_from: str) -> None:
        self._folder = folder
        names, index, cases = _open(folder, made_from)
        self._names = names
        self._starts = index[:, 0].tolist()
        self.sizes: list[int] = index[:, 1].tolist()
        self.examples: list[int] = index[:, 2].tolist()
        words = folder / "words.bin"
        self._words: NDArray[np.int32] = (
            np.memmap(words, dtype=_WORD, mode="r") if len(index) else np.zeros(0, np.int32)
        )
        if self._starts[:1] not in ([], [0]) or sorted(self._starts) != self._starts:
            raise _damaged(folder, "the index is out of order")
        if self._starts and self._starts[-1] >= len(self._words):
            raise _damaged(folder, "words are missing")
        self._ends = [*self._starts[1:], len(self._words)]
        self._case_rows = _case_rows(folder, cases, names, vectors)

    def __len__(self) -> int:
        return len(self.sizes)

    @overload
    def __getitem__(self, index: int) -> list[Tree]: ...
    @overload
    def __getitem__(self, index: slice) -> list[list[Tree]]: ...
    def __getitem__(self, index: int | slice) -> list[Tree] | list[list[Tree]]:
        """One row, or several as a list.

        Raises:
            SurrogateError: the row's words make no row.
        """
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        at = range(len(self))[index]
        reader = _Reader(self._words[self._starts[at] : self._ends[at]], self._names)
        try:
            row = reader.row(self._case_rows)
            if sum(map(len, row)) != self.sizes[at]:
                raise ValueError("another length than the index says")
        except (IndexError, ValueError) as error:
            raise _damaged(self._folder, f"row {at}: {error}") from None
        return row


def write_rows(
    folder: Path, rows: Iterable[list[Tree]], vectors: VectorTable, *, made_from: str
) -> None:
    """Write rows as they come, beside first; an older store there is replaced.

    Args:
        folder: of the store.
        rows: packed; held one at a time.
        vectors: the table that their case rows belong to.
        made_from: hash of what the rows are made from; a store is opened only with the same.

    Raises:
        SurrogateError: there is no room for it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with room_for(folder, 0, SurrogateError), whole_folder(folder) as beside:
        writer = _Writer()
        index = array("q")
        start = 0
        with (beside / "words.bin").open("wb") as stream:
            for row in rows:
                words = writer.row(row)
                stream.write(words.tobytes())
                questions = sum(len(tree.branches) for tree in row)
                index.extend((start, sum(map(len, row)), questions))
                start += len(words)
        cases = writer.cases(vectors.case_parts)
        _save(beside / "index.npy", np.array(index, np.int64).reshape(-1, 3))
        _save(beside / "cases.npy", cases)
        manifest = {
            "version": _VERSION,
            "made_from": made_from,
            "names": list(writer.names),
            "sha256": {name: sha256_of(beside / name) for name in _FILES},
        }
        # In ASCII, as an id may hold what UTF-8 cannot.
        (beside / "manifest.json").write_text(json.dumps(manifest), encoding="ascii")


def _save(path: Path, values: NDArray[Any]) -> None:
    np.save(path, values, allow_pickle=False)


def _damaged(folder: Path, what: str) -> SurrogateError:
    return SurrogateError(f"{folder} is no store of rows: {what}; remove it and align again")


def _open(folder: Path, made_from: str) -> tuple[list[str], NDArray[np.int64], NDArray[np.int32]]:
    """Names, index and cases of a store, checked."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="ascii"))
        version, own = manifest["version"], manifest["made_from"]
        names, hashes = list(manifest["names"]), dict(manifest["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, repr(error)) from None
    if version != _VERSION or own != made_from:
        raise _damaged(folder, "it was made from other records or by another version")
    if not all(isinstance(name, str) for name in names):
        raise _damaged(folder, "a name is no text")
    try:
        changed = [name for name in _FILES if sha256_of(folder / name) != hashes.get(name)]
        if changed:
            raise _damaged(folder, f"{changed[0]} has changed")
        index = np.load(folder / "index.npy", allow_pickle=False)
        cases = np.load(folder / "cases.npy", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise _damaged(folder, repr(error)) from None
    if index.dtype != np.int64 or index.ndim != 2 or index.shape[1] != 3:
        raise _damaged(folder, f"index.npy is {index.dtype} {index.shape}")
    if cases.dtype != np.int32 or cases.ndim != 1:
        raise _damaged(folder, f"cases.npy is {cases.dtype} {cases.shape}")
    return names, index, cases


def _case_rows(
    folder: Path, cases: NDArray[np.int32], names: Sequence[str], vectors: VectorTable
) -> list[int]:
    """Where the vector table has the cases of the store."""
    reader = _Reader(cases, names)
    try:
        parts = [tuple(reader.texts()) for _ in range(reader.number())]
    except IndexError as error:
        raise _damaged(folder, f"cases.npy: {error}") from None
    vectors.add_cases(parts)
    return [vectors.case_row(own) for own in parts]


class _Writer:
    """Turns rows into words; the inverse is ``_Reader``, method by method."""

    def __init__(self) -> None:
        self.names: dict[str, int] = {}

    def row(self, row: Sequence[Tree]) -> NDArray[np.int32]:
        words = [len(row)]
        for tree in row:
            self._encoded(words, tree.context)
            words.append(len(tree.branches))
            for branch in tree.branches:
                self._encoded(words, branch.encoded)
                words += (branch.visible, branch.task, branch.case_row, branch.shared)
        return np.array(words, _WORD)

    def cases(self, cases: Sequence[Sequence[str]]) -> NDArray[np.int32]:
        words = [len(cases)]
        for parts in cases:
            words += (len(parts), *(self._name(part) for part in parts))
        return np.array(words, _WORD)

    def _encoded(self, words: list[int], own: Encoded) -> None:
        words += (len(own.ids), *own.ids, own.n_answer, own.n_stem)
        for marks in (own.slots, own.anchors):
            words.append(len(marks))
            for mark in marks:
                words += (mark.position, self._name(mark.kind), self._name(mark.ref))
        words.append(len(own.shares))
        for truths in own.shares:
            words += (len(truths), *(token for token, _ in truths))
            words += np.array([share for _, share in truths], _SHARE).view(_WORD).tolist()

    def _name(self, text: str) -> int:
        return self.names.setdefault(text, len(self.names))


class _Reader:
    """Reads words one after another; running out of them is an IndexError."""

    def __init__(self, words: NDArray[np.int32], names: Sequence[str]) -> None:
        self._words: list[int] = words.tolist()
        self._names = names
        self._at = 0

    def number(self) -> int:
        return self.numbers(1)[0]

    def numbers(self, n: int) -> list[int]:
        found = self._words[self._at : self._at + n]
        if n < 0 or len(found) < n:
            raise IndexError(f"{n} words wanted, {len(found)} left")
        self._at += n
        return found

    def texts(self) -> Iterator[str]:
        for name in self.numbers(self.number()):
            yield self._text(name)

    def row(self, case_rows: Sequence[int]) -> list[Tree]:
        row = [self._tree(case_rows) for _ in range(self.number())]
        if self._at != len(self._words):
            raise ValueError(f"{len(self._words) - self._at} words too many")
        return row

    def _tree(self, case_rows: Sequence[int]) -> Tree:
        context = self._encoded()
        branches = []
        for _ in range(self.number()):
            encoded = self._encoded()
            visible, task, case, shared = self.numbers(4)
            row = case_rows[case] if case >= 0 else -1
            branches.append(Branch(encoded, visible, task, row, shared))
        return Tree(context, tuple(branches))

    def _encoded(self) -> Encoded:
        ids = tuple(self.numbers(self.number()))
        n_answer, n_stem = self.numbers(2)
        slots, anchors = self._marks(), self._marks()
        shares = tuple(self._truths() for _ in range(self.number()))
        return Encoded(ids, slots, n_answer, anchors, n_stem, shares)

    def _marks(self) -> tuple[SlotRef, ...]:
        return tuple(
            SlotRef(position, self._text(kind), self._text(ref))
            for position, kind, ref in (self.numbers(3) for _ in range(self.number()))
        )

    def _truths(self) -> tuple[tuple[int, float], ...]:
        tokens = self.numbers(self.number())
        words = np.array(self.numbers(2 * len(tokens)), _WORD)
        return tuple(zip(tokens, words.view(_SHARE).tolist(), strict=True))

    def _text(self, name: int) -> str:
        if name < 0:
            raise IndexError(f"no name {name}")
        return self._names[name]
