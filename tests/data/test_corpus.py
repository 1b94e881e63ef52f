"""Every malformed input has the outcome that is promised for it, to the letter."""

from __future__ import annotations

from pathlib import Path

import pytest

from corpus.build import Malformed, malformed
from innerview.data import load_dataset
from innerview.errors import InnerviewError

CASES = malformed()


def _files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_malformed_input_has_its_pinned_outcome(case: Malformed, tmp_path: Path) -> None:
    interactions, items = case.write(tmp_path)
    before = _files(tmp_path)
    error, notes = None, ()
    try:
        notes = load_dataset(interactions, items).notes
    except InnerviewError as raised:
        error = str(raised)
    place = str(tmp_path)
    assert (error and error.replace(place, "{path}")) == case.error
    if case.note is not None:
        assert case.note in [note.replace(place, "{path}") for note in notes]
    assert all("\n" not in line for line in (error or "", *notes))
    assert _files(tmp_path) == before


def test_corpus_is_large_and_each_case_has_one_outcome() -> None:
    names = [case.name for case in CASES]
    assert len(names) == len(set(names)) >= 45
    assert all((case.error is None) != (case.note is None) for case in CASES)
