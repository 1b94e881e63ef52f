from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from innerview.alignment.records import Record
from innerview.errors import SurrogateError
from innerview.files import sha256_of
from innerview.surrogate import surrogate as module
from innerview.surrogate.packing import Branch, Tree, pack_rows, trees_of
from innerview.surrogate.prompts import Encoded, SlotRef
from innerview.surrogate.store import RowStore, write_rows
from innerview.surrogate.surrogate import Surrogate
from innerview.surrogate.train import TrainSettings
from innerview.surrogate.vectors import VectorTable
from innerview.testing import ScriptedTarget

from .tiny import tiny_base

_WORD = st.integers(0, 2**31 - 1)
_CASES = [("i1",), ("i2", "i0"), ("i3", "i4", "i5")]
_MARKS = st.builds(SlotRef, _WORD, st.sampled_from(["case", "part", "outcome"]), st.text())
_SHARE = st.floats(0, 1, allow_nan=False)
_ENCODED = st.builds(
    Encoded,
    ids=st.lists(_WORD, max_size=6).map(tuple),
    slots=st.lists(_MARKS, max_size=3).map(tuple),
    n_answer=_WORD,
    anchors=st.lists(_MARKS, max_size=3).map(tuple),
    n_stem=_WORD,
    shares=st.lists(
        st.lists(st.tuples(_WORD, _SHARE), max_size=3).map(tuple), max_size=3
    ).map(tuple),
)  # fmt: skip
_BRANCHES = st.builds(
    Branch, _ENCODED, _WORD, st.integers(0, 9), st.integers(-1, len(_CASES) - 1), st.integers(0, 6)
).filter(lambda branch: branch.shared <= len(branch.encoded.ids))
_TREES = st.builds(Tree, _ENCODED, st.lists(_BRANCHES, max_size=3).map(tuple))


def _table() -> VectorTable:
    weights = np.random.default_rng(0).normal(size=(6, 6)).astype(np.float32)
    table = VectorTable(ScriptedTarget(weights))
    table.add_cases(_CASES)
    return table


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.lists(_TREES, max_size=3), max_size=4))
def test_rows_come_back_equal(tmp_path: Path, rows: list[list[Tree]]) -> None:
    table = _table()
    write_rows(tmp_path / "rows", rows, table, made_from="x")
    store = RowStore(tmp_path / "rows", table, made_from="x")
    assert list(store) == rows
    assert store[-2:] == rows[-2:]
    assert store.sizes == [sum(map(len, row)) for row in rows]
    assert store.examples == [sum(len(tree.branches) for tree in row) for row in rows]


def test_rows_find_their_cases_in_another_table(tmp_path: Path) -> None:
    row = [Tree(Encoded((1,)), tuple(Branch(Encoded((2,)), 1, 0, at) for at in range(3)))]
    write_rows(tmp_path / "rows", [row], _table(), made_from="x")
    other = VectorTable(_table()._target)
    other.add_cases([("i4",), _CASES[2]])
    (back,) = RowStore(tmp_path / "rows", other, made_from="x")
    found = [other.case_parts[branch.case_row] for branch in back[0].branches]
    assert found == _CASES


@pytest.fixture
def store(tmp_path: Path) -> Path:
    row = [Tree(Encoded((1, 2, 3)), (Branch(Encoded((4,)), 2, 0, 1),))]
    write_rows(tmp_path / "rows", [row, row], _table(), made_from="x")
    return tmp_path / "rows"


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4])


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("harm", [_cut, _flip, Path.unlink])
@pytest.mark.parametrize("name", ["words.bin", "index.npy", "cases.npy", "manifest.json"])
def test_a_damaged_store_is_refused(store: Path, name: str, harm: Callable[[Path], None]) -> None:
    harm(store / name)
    with pytest.raises(SurrogateError, match="align again") as refused:
        list(RowStore(store, _table(), made_from="x"))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("index.npy", np.array([[0, 4, 1], [0, 4, 1]]), "row 0: 1 words wanted, 0 left"),
        ("index.npy", np.array([[0, 4, 1], [9000, 4, 1]]), "words are missing"),
        ("index.npy", np.array([[3, 4, 1], [0, 4, 1]]), "out of order"),
        ("index.npy", np.array([0, 4, 1]), "index.npy is"),
        ("cases.npy", np.array([5, 1], np.int32), "cases.npy: 1 words wanted"),
        ("cases.npy", np.array([5.0]), "cases.npy is"),
        ("words.bin", np.full(90, -7, np.int32), "row 0"),
    ],
)
def test_a_store_that_does_not_fit_together_is_refused(
    store: Path, name: str, values: np.ndarray, message: str
) -> None:
    """As a writer with a fault would leave it: the hashes are right, and the rest is not."""
    path = store / name
    if path.suffix == ".bin":
        path.write_bytes(values.tobytes())
    else:
        np.save(path, values)
    manifest = json.loads((store / "manifest.json").read_text())
    manifest["sha256"][name] = sha256_of(path)
    (store / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(SurrogateError, match=message):
        list(RowStore(store, _table(), made_from="x"))


def test_a_store_of_something_else_is_refused(store: Path) -> None:
    with pytest.raises(SurrogateError, match="other records"):
        RowStore(store, _table(), made_from="y")


def test_a_write_that_fails_leaves_the_store_before(store: Path) -> None:
    def rows() -> list[Tree]:  # type: ignore[misc]
        yield []
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        write_rows(store, rows(), _table(), made_from="y")  # type: ignore[arg-type]
    assert len(RowStore(store, _table(), made_from="x")) == 2
    assert [path.name for path in store.parent.iterdir()] == ["rows"]


def test_real_rows_come_back_equal(
    surrogate: Surrogate, groups: list[list[Record]], tmp_path: Path
) -> None:
    encoder, table = surrogate.encoder, surrogate.vectors
    trees = [tree for g in groups for tree in trees_of(g, encoder, table, max_tokens=900)]
    rows = list(pack_rows(trees, max_tokens=900))
    write_rows(tmp_path / "rows", iter(rows), table, made_from="x")
    assert list(RowStore(tmp_path / "rows", table, made_from="x")) == rows


def test_a_training_goes_on_with_the_rows_of_the_same_records_alone(
    target: ScriptedTarget,
    groups: list[list[Record]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written: list[str] = []
    real = module.write_rows

    def noted(folder: Path, *args: object, made_from: str) -> None:
        written.append(made_from)
        real(folder, *args, made_from=made_from)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "write_rows", noted)
    own = TrainSettings(max_steps=1, rows_per_step=1, max_tokens=900, lora_rank=4)

    def align(records: list[list[Record]], settings: TrainSettings = own) -> None:
        Surrogate(tiny_base(), target, lora_rank=4).align(
            records, settings, folder=tmp_path, features=16
        )

    align(groups)
    align(groups)
    assert len(written) == 1
    changed = [[replace(groups[0][0], answer=" Item 3"), *groups[0][1:]], *groups[1:]]
    align(changed)
    align(groups, replace(own, max_tokens=800))
    assert len(set(written)) == 3
    _flip(tmp_path / "rows" / "words.bin")
    align(groups, replace(own, max_tokens=800))
    assert written[3] == written[2]
