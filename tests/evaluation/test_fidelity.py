"""Orders of parts, what they do to an outcome, and explainers that must show no skill."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from innerview.alignment.records import Record, Text
from innerview.errors import RecordError
from innerview.evaluation import orders
from innerview.evaluation.bootstrap import Figure, bootstrap_skill
from innerview.evaluation.claims import claim_figures
from innerview.evaluation.controls import PermutedTarget, shuffled_orders
from innerview.evaluation.fidelity import (
    FURTHER,
    MEASURES,
    curves,
    differences_of,
    effects_of,
    failed_controls,
    skills,
)
from innerview.evaluation.free_prose import free_prose_orders, named_parts
from innerview.explanation.claims import CheckedClaim, Claim
from innerview.explanation.evidence import measure_many
from innerview.targets.protocol import Case, top_outcomes
from innerview.testing import ScriptedTarget, small_catalogue

N = 40


def _additive(n: int = N, seed: int = 0) -> ScriptedTarget:
    """One part in four speaks loudly, so that it matters which are taken away."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(n, n)) * np.where(np.arange(n) % 4, 0.3, 3.0)[:, None]
    return ScriptedTarget(weights.astype(np.float32), small_catalogue(n))


def _pairs(target: ScriptedTarget, n: int = 60, length: int = 10) -> list[tuple[Case, str]]:
    rng = np.random.default_rng(1)
    cases = [
        Case(f"c{i}", tuple(f"i{j}" for j in rng.choice(N, size=length, replace=False)))
        for i in range(n)
    ]
    scores = target.score(cases)
    return [(c, top_outcomes(target, c, row, 1)[0]) for c, row in zip(cases, scores, strict=True)]


Orders = dict[str, list[list[tuple[str, ...]]]]


def _known(target: ScriptedTarget, pairs: list[tuple[Case, str]]) -> Orders:
    evidence = list(measure_many(pairs, target))
    return {
        "leave_one_out": [[orders.by_leaving_out(e) for e in evidence]],
        "grounded": [[orders.by_explanation(e) for e in evidence]],
        "random": [[orders.by_chance(c, seed=draw) for c, _ in pairs] for draw in range(4)],
        "reversed": [[orders.by_leaving_out(e)[::-1] for e in evidence]],
    }


def test_effects_are_those_worked_out_on_paper() -> None:
    # Three parts for outcome i3: i0 adds 4, i1 adds 2, i2 adds 1; outcome i4 has 3 whatever comes.
    weights = np.zeros((5, 5), dtype=np.float32)
    weights[:3, 3] = [4, 2, 1]
    target = ScriptedTarget(weights, small_catalogue(5), bias=[0, 0, 0, 0, 3.5])
    case = Case("c", ("i0", "i1", "i2"))
    found = effects_of(target, [(case, "i3")], {"a": [[("i0", "i1", "i2")]]})["a"][0]
    # Without i0: 3 < 3.5, rank 2. Without i0 and i1: rank 2. With i0 alone: 4, rank 1, and so on.
    gains = 1 / np.log2(1 + 2)
    assert found.necessity == 1.0
    assert found.necessity_five == 1.0, "of so few outcomes only the first place counts"
    assert found.sufficiency == 1.0
    assert found.deletion == pytest.approx(1 - gains)
    assert found.insertion == pytest.approx(1.0)
    weak = effects_of(target, [(case, "i3")], {"a": [[("i2", "i1", "i0")]]})["a"][0]
    assert weak.necessity == 0.0
    assert weak.insertion == pytest.approx((gains + 4 * gains) / 5)


@pytest.mark.parametrize(
    ("order", "ranks_without_first", "ranks_without_last"),
    [
        (("i0", "i1", "i2"), (13, 13), (1, 1)),
        (("i2", "i1", "i0"), (1, 1), (13, 13)),
        (("i1", "i0", "i2"), (1, 13), (1, 13)),
    ],
)
def test_what_is_left_in_a_top_is_that_worked_out_on_paper(
    order: tuple[str, ...],
    ranks_without_first: tuple[int, int],
    ranks_without_last: tuple[int, int],
) -> None:
    # i0 adds 4, i1 adds 2, i2 adds 1 to i3; twelve others have 3.5 whatever comes. Of three parts
    # one is taken, then two, which is as many as can be: four of the curve's five points.
    weights = np.zeros((16, 16), dtype=np.float32)
    weights[:3, 3] = [4, 2, 1]
    target = ScriptedTarget(weights, small_catalogue(16), bias=[0.0] * 4 + [3.5] * 12)
    pairs = [(Case("c", ("i0", "i1", "i2")), "i3")]
    (found,) = effects_of(target, pairs, {"a": [[order]]})["a"]
    for k in (1, 5, 10, 20):
        for name, (one, two) in (("pos", ranks_without_first), ("neg", ranks_without_last)):
            expected = ((one <= k) + 4 * (two <= k)) / 5
            assert getattr(found, f"{name}_at_{k}") == pytest.approx(expected)
    gains = [1 / np.log2(1 + rank) for rank in ranks_without_first]
    cdcg = (gains[0] + 4 * gains[1]) / 5
    assert found.deletion == pytest.approx(1 - cdcg)


def test_curves_are_the_points_whose_means_deletion_and_insertion_are() -> None:
    target = _additive()
    pairs = _pairs(target)
    effects = effects_of(target, pairs, _known(target, pairs))
    names = [case.case_id for case, _ in pairs]
    found = {name: curves(own, names) for name, own in effects.items()}
    for name, own in effects.items():
        gone, kept = (
            {size: figure.value for size, figure in found[name][curve].items()}
            for curve in ("deletion", "insertion")
        )
        assert list(gone) == list(kept) == ["1", "2", "3", "5", "8"]
        assert np.mean(list(gone.values())) == pytest.approx(1 - np.mean([e.deletion for e in own]))
        assert np.mean(list(kept.values())) == pytest.approx(np.mean([e.insertion for e in own]))
    first, chance = (found[name]["deletion"]["1"] for name in ("leave_one_out", "random"))
    assert first.high < chance.low, "what matters most costs most"


def test_differences_are_of_the_same_cases_and_their_chances_are_corrected() -> None:
    target = _additive()
    pairs = _pairs(target)
    known = _known(target, pairs)
    known["control_shuffled"] = known["random"]
    effects = effects_of(target, pairs, known)
    found = differences_of("grounded", effects, [case.case_id for case, _ in pairs])
    assert set(found) == {"leave_one_out", "random", "reversed"}
    less = found["random"]["deletion"]
    own, chance = ([e.deletion for e in effects[name]] for name in ("grounded", "random"))
    assert less.value == pytest.approx(np.mean(own) - np.mean(chance))
    assert less.low > 0 and less.p is not None and less.p < 0.05
    same = found["leave_one_out"]["sufficiency"]
    assert (same.value, same.p) == (0.0, 1.0)


def test_what_the_first_three_say_of_a_vector_is_that_worked_out_on_paper() -> None:
    weights = np.array([[3, 0], [0, 2], [0, 2], [1, 0]], dtype=np.float32)
    pairs = [(Case("c", ("p0", "p1", "p2", "p3")), "i0")]  # its vector is (4, 4)
    for order, kept in ((("p2", "p0", "p1", "p3"), (3, 4)), (("p3", "p2", "p1", "p0"), (1, 4))):
        (found,) = effects_of(ScriptedTarget(weights), pairs, {"a": [[order]]})["a"]
        apart = (4 - kept[0]) ** 2 + (4 - kept[1]) ** 2
        assert found.kept_vector == pytest.approx(4 * sum(kept) / np.sqrt(32 * np.dot(kept, kept)))
        assert found.kept_vector_explained == pytest.approx(1 - apart / 32)
        assert found.kept_gain == pytest.approx(1 / np.log2(1 + 2))
    blind = effects_of(ScriptedTarget(weights, vectors=False), pairs * 2, {"a": [[order] * 2]})
    figures = skills(blind, ["c", "c"], floor="a", ceiling="a")["a"]
    assert set(FURTHER) - set(figures) == {"kept_vector", "kept_vector_explained"}


def test_further_measures_tell_those_who_know_from_chance() -> None:
    target = _additive()
    pairs = _pairs(target)
    effects = effects_of(target, pairs, _known(target, pairs))
    figures = skills(
        effects, [c.case_id for c, _ in pairs], floor="random", ceiling="leave_one_out"
    )
    of = {name: {m: own[m].value for m in FURTHER} for name, own in figures.items()}
    for k in (1, 5, 10):
        for less, more in (("leave_one_out", "random"), ("random", "reversed")):
            assert of[less][f"pos_at_{k}"] < of[more][f"pos_at_{k}"]
            assert of[less][f"neg_at_{k}"] >= of[more][f"neg_at_{k}"]
    for more, less in (("leave_one_out", "random"), ("random", "reversed")):
        assert of[more]["kept_vector"] > of[less]["kept_vector"]
        assert of[more]["kept_gain"] > of[less]["kept_gain"]
    assert "kept_vector_skill" not in figures["leave_one_out"], "no ceiling is known"
    assert "pos_at_1_skill" not in figures["grounded"]


def test_chance_has_no_skill_and_leaving_out_has_all_of_it() -> None:
    target = _additive()
    pairs = _pairs(target)
    effects = effects_of(target, pairs, _known(target, pairs))
    figures = skills(
        effects, [c.case_id for c, _ in pairs], floor="random", ceiling="leave_one_out"
    )
    for measure in MEASURES:
        skill = {name: own[f"{measure}_skill"].value for name, own in figures.items()}
        assert skill["random"] == pytest.approx(0.0)
        assert skill["leave_one_out"] == pytest.approx(1.0)
        assert skill["reversed"] < 0.0
    assert figures["grounded"]["necessity_skill"].value >= 1.0


def test_an_order_must_be_of_the_cases_own_parts() -> None:
    target = _additive()
    ((case, outcome),) = _pairs(target, 1, 3)
    for wrong in (case.parts[:2], (*case.parts[:2], "i39"), case.parts[:1], ()):
        with pytest.raises(RecordError, match=r"parts in order for case 'c0', which has 3"):
            effects_of(target, [(case, outcome)], {"a": [[wrong]]})


def test_controls_show_no_skill_and_an_oracle_among_them_is_found_out() -> None:
    target = _additive()
    pairs = _pairs(target, 200)
    known = _known(target, pairs)
    cases = [case for case, _ in pairs]
    known["control_permuted_target"] = [
        [orders.by_leaving_out(e) for e in measure_many(pairs, PermutedTarget(target, seed=draw))]
        for draw in range(4)
    ]
    figures = skills(
        effects_of(target, pairs, known), [c.case_id for c in cases],
        floor="random", ceiling="leave_one_out",
    )  # fmt: skip
    assert failed_controls(figures) == []
    figures["control_oracle"] = figures["leave_one_out"]
    assert {line.split()[0] for line in failed_controls(figures)} == {"control_oracle"}


def test_a_permuted_target_takes_each_part_for_the_same_other() -> None:
    target = ScriptedTarget(np.eye(N, dtype=np.float32), small_catalogue(N), positions=0.5)
    permuted = PermutedTarget(target, seed=3)
    case = Case("c", tuple(f"i{j}" for j in range(6)))
    whole = permuted._permuted(case)
    assert set(whole.parts).isdisjoint(case.parts) or whole.parts != case.parts
    for part in case.parts:
        (gone,) = set(whole.parts) - set(permuted._permuted(case.without([part])).parts)
        # What is left keeps its order, so one part's absence is all that changes.
        assert permuted._permuted(case.without([part])) == whole.without([gone])
    assert sorted(permuted._other.values()) == sorted(target.parts.ids)
    assert all(one != other for one, other in permuted._other.items())
    assert permuted.fingerprint != target.fingerprint
    np.testing.assert_array_equal(permuted.score([case]), target.score([whole]))
    np.testing.assert_array_equal(
        permuted.part_vectors[0], target.part_vectors[target.parts.rows([permuted._other["i0"]])[0]]
    )


def test_a_part_that_comes_last_in_every_case_comes_anywhere_in_anothers_order() -> None:
    rng = np.random.default_rng(0)
    drawn = [[f"i{j}" for j in rng.choice(np.arange(1, 400), size=4, replace=False)]
             for _ in range(400)]  # fmt: skip
    cases = [Case(f"c{at}", ("i0", *own)) for at, own in enumerate(drawn)]
    orders = [(*own, "i0") for own in drawn]
    last = [order[-1] == "i0" for order in shuffled_orders(cases, orders)]
    assert 0.1 < float(np.mean(last)) < 0.3, "one of five"


def test_shuffled_orders_are_another_cases_and_know_nothing() -> None:
    cases = [Case(f"c{i}", tuple(f"i{j}" for j in range(i, i + 3 + i % 2))) for i in range(6)]
    given = [case.parts for case in cases]
    shuffled = shuffled_orders(cases, given)
    assert [set(order) for order in shuffled] == [set(parts) for parts in given]
    assert shuffled == shuffled_orders(cases, given)
    assert shuffled != given
    # Whoever hands over, it does not matter how the parts came.
    backwards = [Case(case.case_id, case.parts[::-1]) for case in cases]
    assert shuffled_orders(backwards, given) == shuffled
    # Histories that share most of their parts, with parts that matter to everybody: what another's
    # explanation says of shared parts would be true.
    target = _additive(10)
    rng = np.random.default_rng(2)
    many = [Case(f"c{i}", tuple(f"i{j}" for j in rng.choice(10, 5, replace=False)))
            for i in range(300)]  # fmt: skip
    scores = target.score(many)
    pairs = [(c, top_outcomes(target, c, row, 1)[0]) for c, row in zip(many, scores, strict=True)]
    known = _known(target, pairs)
    known["control_shuffled"] = [
        shuffled_orders(many, known["grounded"][0], seed=draw) for draw in range(8)
    ]
    figures = skills(
        effects_of(target, pairs, known), [c.case_id for c in many],
        floor="random", ceiling="leave_one_out",
    )  # fmt: skip
    assert failed_controls(figures) == []


def test_what_decides_elsewhere_comes_first_and_not_what_decides_here() -> None:
    parts = ("i0", "i1", "i2")
    cases = [Case(f"c{n}", parts) for n in range(4)]
    own = [("i2", "i0", "i1"), ("i2", "i1", "i0"), ("i2", "i0", "i1"), ("i1", "i0", "i2")]
    assert [order[0] for order in orders.by_habit(cases, own)] == ["i2"] * 4
    lonely = orders.by_habit(cases[2:], own[2:])
    assert [order[0] for order in lonely] == ["i1", "i2"], "only the other case's counts"


def test_orders_of_those_that_do_not_ask() -> None:
    target = _additive()
    case = Case("c", ("i0", "i1", "i2", "i3", "i0"))
    assert sorted(orders.by_chance(case)) == ["i0", "i1", "i2", "i3"]
    assert orders.by_popularity(case, {"i2": 3.0, "i1": 2.0, "i0": 1.0}) == ("i2", "i1", "i0", "i3")
    # The attribute of small catalogues is even or odd.
    assert set(orders.by_attributes(case, "i8", target)[:2]) == {"i0", "i2"}
    assert orders.named_first(case, ["i9", "i3", "i3", "i1"])[:2] == ("i3", "i1")
    assert sorted(orders.named_first(case, [])) == ["i0", "i1", "i2", "i3"]
    angles = target.part_vectors[:4, 8] / np.linalg.norm(target.part_vectors[:4], axis=1)
    assert orders.by_similarity(case, "i8", target) == tuple(f"i{j}" for j in np.argsort(-angles))
    shapley = orders.by_shapley(case, "i8", target, budget=100)
    assert shapley == tuple(f"i{j}" for j in np.argsort(-target.weights[:4, 8]))


def test_free_prose_gives_the_parts_that_it_names() -> None:
    target = _additive()
    case = Case("c", ("i30", "i2", "i31", "i4"))
    text = 'It is like "Item 31" and Item 2, and a little like Item 7, Item 20 or Item 2.'
    assert named_parts(text, case, target) == ["i31", "i2", "i2"]
    assert named_parts("As one who saw Item 301 knows.", case, target) == []

    class Writer:
        def answer(self, records: Sequence[Record], *, max_new_tokens: int) -> list[str]:
            (piece,) = records[0].question
            assert isinstance(piece, Text)
            assert '"Item 8"' in piece.text
            assert records[0].parts == case.parts
            return [text] * len(records)

    (order,) = free_prose_orders(Writer(), target, [(case, "i8")])
    assert order[:2] == ("i31", "i2")
    assert set(order) == set(case.parts)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(*[st.floats(0, 1)] * 3), min_size=1, max_size=20))
def test_a_skill_lies_where_its_means_say(drawn: list[tuple[float, float, float]]) -> None:
    own, low, high = (np.array([row[at] for row in drawn]) for at in range(3))
    names = [str(i) for i in range(len(drawn))]
    if high.sum() <= low.sum():
        with pytest.raises(RecordError, match="ceiling above its floor"):
            bootstrap_skill(own, low, high, names, n_resamples=50)
        return
    found = bootstrap_skill(own, low, high, names, n_resamples=50)
    expected = (own.sum() - low.sum()) / (high.sum() - low.sum())
    assert found.value == pytest.approx(expected)
    assert found.low <= found.value <= found.high
    ends = [bootstrap_skill(end, low, high, names, n_resamples=50).value for end in (low, high)]
    assert ends == pytest.approx([0.0, 1.0])


def _checked(kind: str, verdict: str, parts: tuple[str, ...] = ("i0",)) -> CheckedClaim:
    stated = {"EVIDENCE": {"rank": 1}, "UNDECIDED": {"stays_in_top": 1}}[kind]
    return CheckedClaim(Claim(kind, "i9", parts, stated), verdict)  # type: ignore[arg-type]


def test_claims_are_counted_by_verdict_and_by_case() -> None:
    def undecided(verdict: str) -> CheckedClaim:
        return _checked("UNDECIDED", verdict, ())

    claims = [
        [_checked("EVIDENCE", "verified"), undecided("refuted")],
        [_checked("EVIDENCE", "refuted"), undecided("verified")],
        [_checked("EVIDENCE", "untestable")],
        [],
    ]
    truth = [[], [undecided("verified")], [undecided("verified")], []]
    found = {name: one.value for name, one in claim_figures(claims, truth, list("abcd")).items()}
    assert found == {
        "verified_share": 0.5,
        "verified_share_evidence": 0.5,
        "verified_share_undecided": 0.5,
        "undecided_precision": 0.5,
        "undecided_recall": 0.5,
        "coverage": 0.25,
        "claims_left": 0.5,
    }


def test_a_figure_of_a_control_near_zero_is_no_failure() -> None:
    near, off = Figure(0.06, -0.02, 0.12, 10), Figure(0.2, 0.06, 0.3, 10)
    assert failed_controls({"control_a": {"necessity_skill": near}, "b": {"x_skill": off}}) == []
    assert len(failed_controls({"control_a": {"necessity_skill": off}})) == 1
