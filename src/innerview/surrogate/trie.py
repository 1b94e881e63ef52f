"""Tries of titles as flat arrays: built in seconds for a hundred thousand, and kept on disk.

Knows token ids, and nothing of the tokenizer they come from.

Axes: E entries, N nodes. Nodes are numbered level by level, so a node's children stand together,
and the entries below a node are a range of the sorted entries.
"""

from __future__ import annotations

import hashlib
import warnings
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from innerview.errors import InnerviewWarning, RecordError, SurrogateError
from innerview.files import write_whole
from innerview.surrogate.checkpoint import read_sealed, save_sealed

__all__ = ["Trie", "kept_trie"]

IntArray = npt.NDArray[np.int32]

_ROOT = 0
_PROBE = 1000
"""Of so many entries, one is looked up in a trie that was read."""
_FORM = 1
"""Goes into the name of a kept trie; another one when the arrays change their meaning."""


class Trie:
    """Token sequences of titles, each ending in one or more ids.

    Entries whose tokens are equal share an end, in the order in which they were given.

    Args:
        ids: E ids.
        arrays: as ``build`` makes them:
            ``tokens`` (N,) on the way into each node;
            ``children`` (N + 1,) first child of each node, and behind it those of the next;
            ``low``, ``high`` (N,) range of the sorted entries below each node;
            ``ends`` (N,) how many of them end there; they are the first ones;
            ``order`` (E,) which entry each sorted one is.
    """

    def __init__(self, ids: Sequence[str], arrays: dict[str, IntArray]) -> None:
        self.ids, self.arrays = ids, arrays
        self._tokens, self._children = arrays["tokens"], arrays["children"]
        self._low, self._high = arrays["low"], arrays["high"]
        self._ends, self._order = arrays["ends"], arrays["order"]
        self._opened: dict[int, dict[int, int]] = {}

    @classmethod
    def build(cls, ids: Sequence[str], entries: Iterable[Sequence[int]]) -> Trie:
        """From the tokens of each id's title.

        Raises:
            RecordError: an entry has no tokens.
        """
        listed = [tuple(tokens) for tokens in entries]
        for entry_id, tokens in zip(ids, listed, strict=True):
            if not tokens:
                raise RecordError(f"{entry_id!r} has no tokens; give it a title")
        return cls(ids, _arrays(listed))

    def children(self, node: int) -> dict[int, int]:
        """Node behind each token that may follow; looked up once, then as fast as any dict."""
        found = self._opened.get(node)
        if found is None:
            first, last = int(self._children[node]), int(self._children[node + 1])
            found = dict(zip(self._tokens[first:last].tolist(), range(first, last), strict=True))
            self._opened[node] = found
        return found

    def walk(self, tokens: Sequence[int]) -> int | None:
        """The node after these tokens, or None if no entry starts so."""
        node: int | None = _ROOT
        for token in tokens:
            node = self.children(node).get(token) if node is not None else None
        return node

    def ending(self, node: int) -> list[str]:
        """Ids of the entries that end at a node."""
        n = int(self._ends[node])
        if not n:
            return []
        low = int(self._low[node])
        return [self.ids[i] for i in self._order[low : low + n].tolist()]

    def places(self, ids: Iterable[str]) -> list[int]:
        """Where ids stand among the sorted entries, sorted; those of no entry are left out."""
        return sorted(self._place[i] for i in ids if i in self._place)

    @cached_property
    def _place(self) -> dict[str, int]:
        return {self.ids[i]: place for place, i in enumerate(self._order.tolist())}

    def open(self, node: int, taken: Sequence[int]) -> list[int]:
        """Tokens that lead from a node to an entry which is not at one of the ``taken`` places."""
        children = self.children(node)
        low, high = int(self._low[node]), int(self._high[node])
        if bisect_left(taken, low) == bisect_left(taken, high):  # as nearly everywhere
            return list(children)
        first, last = int(self._children[node]), int(self._children[node + 1])
        lows, highs = self._low[first:last], self._high[first:last]
        gone = np.searchsorted(taken, highs) - np.searchsorted(taken, lows)
        alive: list[int] = self._tokens[first:last][gone < highs - lows].tolist()
        return alive


def _arrays(entries: Sequence[tuple[int, ...]]) -> dict[str, IntArray]:
    """The arrays of ``Trie``, one level at a time."""
    order = sorted(range(len(entries)), key=entries.__getitem__)
    lengths = np.array([len(entries[i]) for i in order], dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]) if order else lengths
    flat = np.fromiter(chain.from_iterable(entries[i] for i in order), np.int64)
    tokens, parents = [np.array([-1])], [np.array([], dtype=np.int64)]
    lows, highs = [np.array([0])], [np.array([len(order)])]
    node_of = np.zeros(len(order), dtype=np.int64)
    n_nodes = 1
    for depth in range(int(lengths.max(initial=0))):
        longer = np.flatnonzero(lengths > depth)
        token, parent = flat[starts[longer] + depth], node_of[longer]
        fresh = np.ones(len(longer), dtype=bool)
        fresh[1:] = (token[1:] != token[:-1]) | (parent[1:] != parent[:-1])
        node_of[longer] = n_nodes + np.cumsum(fresh) - 1
        n_nodes += int(fresh.sum())
        tokens.append(token[fresh])
        parents.append(parent[fresh])
        lows.append(longer[fresh])
        # Shorter entries come before the node's first, so its entries stand together.
        highs.append(longer[np.append(np.flatnonzero(fresh)[1:], len(longer)) - 1] + 1)
    counts = np.bincount(np.concatenate(parents), minlength=n_nodes)
    found = {
        "tokens": np.concatenate(tokens),
        "children": np.concatenate([[1], 1 + np.cumsum(counts)]),
        "low": np.concatenate(lows),
        "high": np.concatenate(highs),
        "ends": np.bincount(node_of, minlength=n_nodes) if order else np.zeros(1),
        "order": np.array(order),
    }
    return {name: array.astype(np.int32) for name, array in found.items()}


def _holds(trie: Trie, entry_id: str, tokens: Sequence[int]) -> bool:
    node = trie.walk(tokens)
    return node is not None and entry_id in trie.ending(node)


def kept_trie(
    folder: Path,
    ids: Sequence[str],
    titles: Sequence[str],
    *,
    tokenizer: str,
    tokens_of: Callable[[str], Sequence[int]],
) -> Trie:
    """The trie of a catalogue, read from ``folder`` if it was built before.

    Args:
        folder: of the cache; what is damaged in it is built anew, and where nothing can be written
            nothing is kept.
        ids: of the entries.
        titles: of the entries, in the same order.
        tokenizer: everything that decides what ``tokens_of`` gives.
        tokens_of: token ids of a title.
    """
    digest = hashlib.sha256(f"{_FORM}\0{tokenizer}".encode())
    for entry_id, title in zip(ids, titles, strict=True):
        digest.update(f"\0{len(entry_id)} {entry_id}{title}".encode())
    path = folder / f"{digest.hexdigest()[:32]}.safetensors"
    try:
        tensors, _ = read_sealed(path)
    except FileNotFoundError:
        tensors = {}
    except (OSError, SurrogateError) as error:
        warnings.warn(f"{error}; the trie is built anew", InnerviewWarning, stacklevel=2)
        tensors = {}
    if tensors:
        trie = Trie(ids, {name: tensor.numpy() for name, tensor in tensors.items()})
        # Titles may be encoded in another way by now, with the same tokenizer.
        if all(_holds(trie, ids[i], tokens_of(titles[i])) for i in range(0, len(ids), _PROBE)):
            return trie
    trie = Trie.build(ids, map(tokens_of, titles))
    data = save_sealed({name: torch.from_numpy(a) for name, a in trie.arrays.items()})
    try:
        write_whole(path, lambda beside: beside.write_bytes(data))
    except OSError as error:
        warnings.warn(f"{path} is not kept: {error.strerror}", InnerviewWarning, stacklevel=2)
    return trie
