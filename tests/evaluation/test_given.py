"""Explanations from a file: what is refused, and in which order their parts are tried."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from innerview.data.tables import Catalogue
from innerview.errors import DataError
from innerview.evaluation.given import (
    Given,
    foreign_figures,
    given_figures,
    given_orders,
    read_given,
)
from innerview.targets.protocol import Case
from innerview.testing import ScriptedTarget, small_catalogue

N = 8
CASES = {"a": Case("a", ("i0", "i1", "i2")), "b": Case("b", ("i1", "i3", "i4"))}


@pytest.fixture
def target() -> ScriptedTarget:
    weights = np.zeros((N, N), dtype=np.float32)
    weights[:, 7] = 1.0
    return ScriptedTarget(weights, small_catalogue(N))


def written(folder: Path, *lines: object) -> Path:
    path = folder / "mine.jsonl"
    text = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(text) + "\n", encoding="utf-8")
    return path


def test_reasons_or_else_the_titles_in_the_text_are_what_is_given(
    tmp_path: Path, target: ScriptedTarget
) -> None:
    path = written(
        tmp_path,
        {"case_id": "a", "reasons": ["i2", "i0", "i2"], "text": 'Because of "Item 1".'},
        "",
        {"case_id": "b", "outcome_id": "i5", "text": 'It is "Item 4", then Item 1.', "rank": 3},
    )
    first, second = read_given(path, target, CASES)
    assert (first.outcome, first.reasons) == ("i7", ("i2", "i0"))
    assert (second.outcome, second.reasons) == ("i5", ("i4", "i1"))
    one, other = given_orders([first, second], draws=2)
    assert one == [("i2", "i0", "i1"), ("i4", "i1", "i3")] == other


def test_what_is_no_part_of_the_case_counts_against_it(
    tmp_path: Path, target: ScriptedTarget
) -> None:
    path = written(
        tmp_path,
        {"case_id": "a", "reasons": ["i6", "i1"], "text": "The same words."},
        {"case_id": "b", "reasons": [], "text": "The same words."},
    )
    given = read_given(path, target, CASES)
    figures = {name: figure.value for name, figure in given_figures(given).items()}
    assert figures["reasons"] == 0.5 and figures["ungrounded"] == 0.5
    assert figures["unexplained"] == 0.5
    assert figures["repeated"] == 1.0 and figures["empty"] == 0.0
    assert figures["commonest_opening"] == 1.0 and figures["words"] == 4.0
    assert given_orders(given, draws=1)[0][0][0] == "i1"
    assert "empty" not in given_figures(
        read_given(written(tmp_path, {"case_id": "a", "reasons": ["i1"]}), target, CASES)
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"case_id": "z", "text": "x"}, "mine.jsonl:2: column 'case_id': the run has no case 'z'"),
        ({"case_id": 1, "text": "x"}, "mine.jsonl:2: column 'case_id': Input should be a valid"),
        ({"text": "x"}, "mine.jsonl:2: column 'case_id': Field required"),
        ({"case_id": "b", "outcome_id": "q", "text": "x"}, "the target has no outcome 'q'"),
        ({"case_id": "b", "outcome_id": "i3", "text": "x"}, "'i3' is a part of its case"),
        ({"case_id": "b", "text": " "}, "column 'reasons': neither reasons nor text"),
        ({"case_id": "a", "text": "x"}, "mine.jsonl:2: a second explanation of 'i7' for case 'a'"),
        ("{", "mine.jsonl:2: Invalid JSON"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(
    line: object, said: str, tmp_path: Path, target: ScriptedTarget
) -> None:
    path = written(tmp_path, {"case_id": "a", "reasons": ["i0"]}, line)
    with pytest.raises(DataError) as caught:
        read_given(path, target, CASES)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, target: ScriptedTarget) -> None:
    with pytest.raises(DataError, match=r"absent\.jsonl: no such file"):
        read_given(tmp_path / "absent.jsonl", target, CASES)
    with pytest.raises(DataError, match="no explanations in it"):
        read_given(written(tmp_path, ""), target, CASES)
    (tmp_path / "mine.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="save it as UTF-8"):
        read_given(tmp_path / "mine.jsonl", target, CASES)


TITLES = (
    "Alien", "The Kid", "Science Fiction", "Toy Story", "Toy Story 2", "Up", "Heat",
    *(f"Film {at}" for at in range(20)),
)  # fmt: skip


@pytest.fixture(scope="module")
def films() -> ScriptedTarget:
    """Who is explained "Film 0" has "Toy Story" and "Heat"; "Film 1" to "Film 9" come next."""
    n = len(TITLES)
    ids = tuple(f"i{at}" for at in range(n))
    genres = {"genre": tuple(("Science Fiction",) for _ in range(n))}
    weights = np.tile(np.where(np.arange(n) < 7, -90.0, -np.arange(n)), (n, 1)).astype(np.float32)
    return ScriptedTarget(weights, Catalogue(ids, TITLES, genres, noun="film"))


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("It is like The Kid.", True),
        ('It is like "Alien".', True),
        ("It is like “Up”; so is Toy Story 2.", True),
        ("An Alien is in it.", False),
        ("It is Science Fiction.", False),
        ('It is like "Science Fiction".', True),
        ("Film 0 comes first, for Toy Story and Heat, ahead of Film 1 and Film 9.", False),
        ("Film 0 comes first, ahead of Film 12.", True),
        ("It is Toy Story, with The Kids.", False),
        ("Nothing of a title.", False),
    ],
)
def test_titles_that_have_nothing_to_do_with_the_case_are_foreign(
    text: str, foreign: bool, films: ScriptedTarget
) -> None:
    said = Given(Case("c", ("i3", "i6")), "i7", (), text)
    assert foreign_figures([said], films)["foreign_titles"].value == foreign


def test_who_says_nothing_names_nothing_foreign(films: ScriptedTarget) -> None:
    silent = Given(Case("c", ("i3", "i6")), "i7", ("i3",), " ")
    before = films.queries.used
    assert foreign_figures([silent], films) == {} and films.queries.used == before
    loud = Given(Case("d", ("i3", "i6")), "i7", (), "It is like The Kid.")
    assert foreign_figures([silent, loud], films)["foreign_titles"].value == 1.0
