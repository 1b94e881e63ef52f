from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from innerview.alignment.cases import read_cases, split_cases, write_cases
from innerview.alignment.chat import read_chat
from innerview.alignment.labels import LabelSettings, label_cases, nearest_outcomes
from innerview.alignment.mixture import (
    MixtureSettings,
    case_records,
    heldout_outcomes,
    outcome_records,
    outcome_test_records,
    test_records,
    windows,
)
from innerview.alignment.prose import prose_records
from innerview.alignment.records import (
    FORMS,
    HELDOUT,
    Record,
    Slot,
    Text,
    read_records,
    write_records,
)
from innerview.alignment.templates import phrase_pieces
from innerview.errors import DataError, RecordError, RunError
from innerview.explanation.evidence import measure
from innerview.targets.protocol import Case, top_outcomes
from innerview.testing import ScriptedTarget, small_catalogue

test_records.__test__ = False  # type: ignore[attr-defined]  # a builder, not a test
N = 30


@pytest.fixture
def target() -> ScriptedTarget:
    weights = np.random.default_rng(0).normal(size=(N, N)).astype(np.float32)
    return ScriptedTarget(weights, small_catalogue(N), max_parts=6)


@pytest.fixture
def cases() -> list[Case]:
    rng = np.random.default_rng(1)
    return [
        Case(f"c{i}", tuple(f"i{j}" for j in rng.choice(N, size=3 + i, replace=False)))
        for i in range(8)
    ]


text = st.text(max_size=20)
pieces = (
    st.builds(Text, text)
    | st.builds(Text, text, st.sampled_from(["part", "outcome"]), text)
    | st.builds(Slot, st.sampled_from(["case", "part"]), text)
)
records = st.builds(
    lambda task, form, case_id, parts, question, answer, heldout, alternatives, lead: Record(
        task, form, case_id, tuple(parts), len(parts) // 2, tuple(question), answer,
        {"top": list(parts)}, heldout, tuple(alternatives), tuple(lead),
    ),
    st.sampled_from(["retrieval", "history", "chat"]),
    st.sampled_from(FORMS),
    text,
    st.lists(text, max_size=4),
    st.lists(pieces, min_size=1, max_size=4),
    text,
    st.booleans(),
    st.lists(st.tuples(text, st.floats(0, 1)), max_size=3),
    st.lists(pieces, max_size=2),
)  # fmt: skip


@given(st.lists(records, max_size=5))
@settings(max_examples=40)
def test_records_survive_a_round_trip(
    tmp_path_factory: pytest.TempPathFactory, own: list[Record]
) -> None:
    path = tmp_path_factory.mktemp("records") / "r.parquet"
    write_records(path, own)
    assert read_records(path) == own


def test_a_missing_records_file_is_one_line() -> None:
    with pytest.raises(RecordError, match="no readable records file"):
        read_records(Path("nowhere.parquet"))


def test_labels_are_the_targets_answers(target: ScriptedTarget, cases: list[Case]) -> None:
    for own in label_cases(target, cases, LabelSettings(n_interest=4), batch_size=3):
        (scores,) = target.score([own.case])
        order = top_outcomes(target, own.case, scores, N)
        place = {o: i for i, o in enumerate(order)}
        assert list(own.top) == order[:10]
        assert [place[o] for o in own.ranked] == sorted(place[o] for o in own.ranked)
        assert all(place[o] < len(order) * 0.2 for o in own.liked)
        assert all(place[o] >= len(order) * 0.5 for o in own.disliked)
        assert not set(own.case.parts) & {*own.top, *own.ranked, *own.liked, *own.disliked}


def test_labels_do_not_depend_on_the_batch(target: ScriptedTarget, cases: list[Case]) -> None:
    alone = [label_cases(target, [c], LabelSettings())[0] for c in cases]
    assert alone == label_cases(target, cases, LabelSettings(), batch_size=100)


@given(st.integers(0, 40), st.integers(3, 8), st.integers(1, 4))
def test_windows_are_the_newest_stretches(n: int, max_parts: int, limit: int) -> None:
    case = Case("c", tuple(map(str, range(n))))
    cut = windows(case, max_parts=max_parts, limit=limit, min_visible=3)
    joined = [p for window in reversed(cut) for p in window.parts]
    assert joined == list(case.parts[n - len(joined) :])
    assert len(cut) <= limit
    assert all(3 <= len(w.parts) <= max_parts for w in cut)


def test_training_records_hold_the_targets_answers_for_what_is_visible(
    target: ScriptedTarget, cases: list[Case]
) -> None:
    mixture = MixtureSettings(ranking_frac=1.0)
    groups = case_records(target, cases, mixture, LabelSettings())
    tasks = {r.task for g in groups for r in g}
    assert tasks >= {"retrieval", "ranking", "interest", "attribution"}
    for record in (r for g in groups for r in g):
        case = Case("x", record.parts[: record.visible])
        (scores,) = target.score([case])
        if record.task == "retrieval":
            ranked = top_outcomes(target, case, scores, N)
            best = next(o for o in ranked if o not in heldout_outcomes(target, mixture))
            assert record.answer == f" {target.outcomes.title(best)}"
        if record.task == "attribution":
            strongest = measure(case, record.label["outcome"], target).strongest()[0].part
            assert record.answer == f" {target.parts.title(strongest)}"
        assert not record.heldout_phrasing


def test_groups_share_one_context(target: ScriptedTarget, cases: list[Case]) -> None:
    for group in case_records(target, cases, MixtureSettings(), LabelSettings()):
        assert len({r.context_key for r in group}) == 1
    for group in outcome_records(target, MixtureSettings()):
        assert len({r.context_key for r in group}) == 1


@pytest.mark.parametrize("form", FORMS)
def test_prompts_use_the_channels_of_their_form(
    target: ScriptedTarget, cases: list[Case], form: str
) -> None:
    asked = test_records(target, cases, form, LabelSettings())  # type: ignore[arg-type]
    assert all(r.heldout_phrasing for r in asked)
    for record in asked:
        pieces = (*record.question, *record.lead)
        slots = [p for p in pieces if isinstance(p, Slot)]
        words = "".join(p.text for p in pieces if isinstance(p, Text))
        if record.task in ("interest", "ranking", "attribution"):
            assert bool(slots) == (form != "behavior")
            assert ("Item " in words) == (form != "intention")


def test_data_is_never_formatted_into_a_phrase() -> None:
    title = Text(" {list} {noun} {X}")
    pieces = phrase_pieces("Would{X} fit, {noun}?", "film", subject=(title,))
    assert pieces == (Text("Would"), title, Text(" fit, film?"))


def test_nearest_outcomes_is_by_cosine_and_never_itself() -> None:
    weights = np.eye(3, dtype=np.float32)
    target = ScriptedTarget(weights, small_catalogue(3))
    assert all(a != b for a, b in zip(target.outcomes.ids, nearest_outcomes(target), strict=True))


def test_nearest_outcomes_may_be_among_some(target: ScriptedTarget) -> None:
    some = target.outcomes.ids[:3]
    assert set(nearest_outcomes(target, among=some)) <= set(some)


def _strings(value: object) -> set[str]:
    """Every text in a label."""
    if isinstance(value, str):
        return {value}
    inner = value.values() if isinstance(value, dict) else value
    return set().union(*map(_strings, inner)) if isinstance(inner, Iterable) else set()


@given(st.integers(0, 99), st.sampled_from([0.05, 0.2, 0.4]), st.booleans())
@settings(max_examples=15)
def test_heldout_outcomes_occur_nowhere_in_training(seed: int, frac: float, shared: bool) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(N, N)).astype(np.float32)
    # Titles of two letters, none of which is within another title or a phrase.
    titles = tuple(f"{chr(0x410 + n)}{chr(0x430 + n)}" for n in range(N + 9))
    outcomes = replace(small_catalogue(N), titles=titles[:N])
    # Some parts are outcomes under the same id, though the catalogues differ.
    both = {"ids": (*outcomes.ids[9:], *"abcdefghi"), "titles": titles[9:]}
    parts = None if shared else replace(outcomes, **both)
    target = ScriptedTarget(weights, outcomes, parts=parts, max_parts=6)
    cases = [
        Case(f"c{n}", tuple(target.parts.ids[i] for i in rng.choice(N, 3 + n % 9, replace=False)))
        for n in range(12)
    ]
    mixture = MixtureSettings(heldout_outcome_frac=frac, item_fact_frac=1.0, seed=seed)
    heldout = heldout_outcomes(target, mixture)
    assert len(heldout) == int(N * frac)
    groups = case_records(target, cases, mixture, LabelSettings(seed=seed))
    groups += outcome_records(target, mixture)
    groups += prose_records(target, cases, seed=seed, heldout=heldout)
    asked = [r for g in groups for r in g]
    assert {r.task for r in asked} >= {"retrieval", "interest", "item_title", "item_similar"}
    names = {
        title for one, title in zip(outcomes.ids, outcomes.titles, strict=True) if one in heldout
    }
    for record in asked:
        told = {*record.parts, *_strings(dict(record.label)), *record.named}
        assert not heldout & told
        pieces = (*record.question, *record.lead)
        words = "".join(piece.text for piece in pieces if isinstance(piece, Text))
        words += record.answer + "".join(text for text, _ in record.alternatives)
        assert not any(name in words for name in names)


def test_heldout_outcomes_are_asked_about_apart_and_nothing_else_changes(
    target: ScriptedTarget, cases: list[Case]
) -> None:
    heldout = heldout_outcomes(target, MixtureSettings(heldout_outcome_frac=0.4))
    plain = test_records(target, cases, "hybrid", LabelSettings())
    asked = test_records(target, cases, "hybrid", LabelSettings(), heldout=heldout)
    assert [r for r in asked if HELDOUT not in r.label] == plain
    apart = [r for r in asked if HELDOUT in r.label]
    assert {r.task for r in apart} == {"interest", "ranking"}
    for record in apart:
        case = Case("", record.parts)
        order = top_outcomes(target, case, target.score([case])[0], N)
        if record.task == "ranking":
            assert set(record.label["ranked"]) <= heldout
            assert record.label["ranked"] == [o for o in order if o in record.label["ranked"]]
            assert sorted(record.label["shown"]) == sorted(record.label["ranked"])
        else:
            # By its place among all outcomes, not among the held-out ones.
            place = order.index(record.label["outcome"])
            assert record.label["outcome"] in heldout
            assert place < len(order) * 0.2 if record.label["liked"] else place >= len(order) * 0.5
    titles = outcome_test_records(target, n=99, seed=0, heldout=heldout)
    assert {r.label["outcome"] for r in titles} == set(target.outcomes.ids) - heldout


def test_prose_records_state_verified_claims(target: ScriptedTarget, cases: list[Case]) -> None:
    groups = prose_records(target, cases, seed=0)
    assert len(groups) == len(cases)
    for (record,) in groups:
        assert record.task == "prose"
        assert target.outcomes.title(record.label["outcome"]) in record.answer


def test_cases_round_trip_and_do_not_overlap(tmp_path: Path) -> None:
    parts = {f"u{i}": [f"i{j}" for j in range(i % 6)] for i in range(60)}
    cases = split_cases(parts, n_test=400, seed=3)
    write_cases(tmp_path / "labels" / "cases.parquet", cases)
    assert read_cases(tmp_path) == cases
    ids = [c.case_id for c in (*cases.train, *cases.valid, *cases.test)]
    assert len(ids) == len(set(ids)) == sum(len(p) >= 2 for p in parts.values())
    assert len(cases.test) == len(ids) // 3
    with pytest.raises(RunError, match="target train"):
        read_cases(tmp_path / "nowhere")


def test_ratings_become_marks_and_are_kept(tmp_path: Path) -> None:
    parts = {f"u{i}": ["i0", "i1", "i2"] for i in range(9)}
    ratings = {"u0": {"i0": 4.0, "i2": 3.5, "gone": 1.0}, "u1": {}}
    cases = split_cases(parts, n_test=3, seed=0, ratings=ratings)
    write_cases(tmp_path / "labels" / "cases.parquet", cases)
    read = read_cases(tmp_path)
    marks = {c.case_id: c.marks for c in (*read.train, *read.valid, *read.test)}
    assert marks.pop("u0") == {"rating": {"i0": "4", "i2": "3.5"}}
    assert not any(marks.values())
    assert read == cases


def test_chat_files_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    path.write_text('{"prompt": "Hi", "answer": "Hello"}\n\n{"prompt": "Hi"}\n')
    with pytest.raises(DataError, match=r"chat\.jsonl:3: expected a JSON object"):
        read_chat(path)
    path.write_bytes('{"prompt": "Hi", "answer": "Hello"}\n{"prompt": "é'.encode("latin-1"))
    with pytest.raises(DataError, match=r"chat\.jsonl:2: not UTF-8"):
        read_chat(path)
    with pytest.raises(DataError, match=r"nowhere\.jsonl: cannot be read"):
        read_chat(tmp_path / "nowhere.jsonl")
