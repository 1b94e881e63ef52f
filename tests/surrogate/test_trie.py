from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerview.errors import InnerviewWarning, RecordError
from innerview.surrogate import answering
from innerview.surrogate.surrogate import Surrogate
from innerview.surrogate.trie import Trie, kept_trie

# Repeats and prefixes of one another are likely.
entry_lists = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4), min_size=1, max_size=12)


def _build(entries: list[list[int]]) -> Trie:
    return Trie.build([f"e{i}" for i in range(len(entries))], entries)


def _paths(trie: Trie) -> dict[tuple[int, ...], list[str]]:
    """Every walk there is, and the ids at its end."""
    found, open_ = {}, [()]
    while open_:
        tokens: tuple[int, ...] = open_.pop()
        node = trie.walk(tokens)
        assert node is not None
        found[tokens] = trie.ending(node)
        open_ += [(*tokens, t) for t in trie.children(node)]
    return found


@given(entry_lists)
def test_walks_are_the_prefixes_of_entries_and_end_in_their_ids(entries: list[list[int]]) -> None:
    wanted: dict[tuple[int, ...], list[str]] = {}
    for i, entry in enumerate(entries):
        for n in range(len(entry) + 1):
            wanted.setdefault(tuple(entry[:n]), [])
        wanted[tuple(entry)].append(f"e{i}")
    assert _paths(_build(entries)) == wanted


@given(entry_lists, st.sets(st.integers(0, 11)), st.lists(st.integers(0, 3), max_size=3))
def test_a_token_is_open_where_an_entry_behind_it_is_not_taken(
    entries: list[list[int]], taken: set[int], prefix: list[int]
) -> None:
    trie, n = _build(entries), len(prefix)
    node = trie.walk(prefix)
    if node is None:
        return
    free = [e for i, e in enumerate(entries) if i not in taken]
    wanted = {e[n] for e in free if e[:n] == prefix and len(e) > n}
    assert set(trie.open(node, trie.places({f"e{i}" for i in taken}))) == wanted


def test_no_entries_make_an_empty_trie() -> None:
    assert _paths(_build([])) == {(): []}


def test_a_title_without_tokens_is_refused() -> None:
    with pytest.raises(RecordError, match="'e1' has no tokens"):
        _build([[1], []])


def _kept(folder: Path, titles: list[str], seen: list[str], *, tokenizer: str = "letters") -> Trie:
    def tokens_of(title: str) -> list[int]:
        seen.append(title)
        return list(title.encode())

    ids = [f"e{i}" for i in range(len(titles))]
    return kept_trie(folder, ids, titles, tokenizer=tokenizer, tokens_of=tokens_of)


TITLES = ["Alien", "Alien", "Aliens", "Heat", "Ran"]


def test_a_kept_trie_is_read_and_walks_the_same(tmp_path: Path) -> None:
    reading: list[str] = []
    fresh, again = _kept(tmp_path, TITLES, []), _kept(tmp_path, TITLES, reading)
    assert reading == ["Alien"], "one is looked up, none is encoded to build it"
    assert _paths(fresh) == _paths(again)
    assert again.ending(again.walk(b"Alien") or 0) == ["e0", "e1"]
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("changed", ["title", "tokenizer"])
def test_other_titles_or_another_tokenizer_are_another_trie(tmp_path: Path, changed: str) -> None:
    _kept(tmp_path, TITLES, [])
    titles = [*TITLES[:-1], "Dune"] if changed == "title" else TITLES
    other = _kept(tmp_path, titles, [], tokenizer="bytes" if changed == "tokenizer" else "letters")
    assert len(list(tmp_path.iterdir())) == 2
    assert (other.walk(b"Dune") is not None) == (changed == "title")


@pytest.mark.parametrize("at", [0, 9, 200, -1])
def test_a_damaged_trie_is_named_and_built_anew(tmp_path: Path, at: int) -> None:
    fresh = _kept(tmp_path, TITLES, [])
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    data = bytearray(whole)
    data[at] ^= 4
    file.write_bytes(data)
    with pytest.warns(InnerviewWarning, match=f"{file.name}: changed.*built anew"):
        again = _kept(tmp_path, TITLES, [])
    assert _paths(again) == _paths(fresh)
    assert file.read_bytes() == whole


def test_where_nothing_can_be_kept_it_is_built_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.warns(InnerviewWarning):
        trie = _kept(tmp_path / "file", TITLES, [])
    assert trie.walk(b"Heat") is not None


def test_only_large_catalogues_are_kept(
    surrogate: Surrogate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INNERVIEW_CACHE", str(tmp_path))
    small = surrogate.respondent._trie(surrogate.target.outcomes)
    assert not (tmp_path / "tries").exists()
    monkeypatch.setattr(answering, "_WORTH_KEEPING", 3)
    assert _paths(surrogate.respondent._trie(surrogate.target.outcomes)) == _paths(small)
    assert _paths(surrogate.respondent._trie(surrogate.target.outcomes)) == _paths(small)
    assert len(list((tmp_path / "tries").iterdir())) == 1
