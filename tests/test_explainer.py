"""The public path without a language model: evidence and claims are the same, prose rendered."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from innerview.alignment.records import Record
from innerview.data import read_interactions
from innerview.errors import CaseError, DataError, InnerviewWarning, RunError
from innerview.explainer import Explainer, Refuted
from innerview.explanation.explanation import Explanation, Explanations
from innerview.explanation.style import AUDIENCES, Style
from innerview.explanation.verify import Patience
from innerview.targets.protocol import Case
from innerview.testing import ScriptedTarget, small_catalogue


@pytest.fixture
def explainer() -> Explainer:
    weights = np.random.default_rng(0).normal(size=(12, 12)).astype(np.float32)
    target = ScriptedTarget(weights, small_catalogue(12), max_parts=5)
    cases = {f"c{i}": Case(f"c{i}", tuple(f"i{j}" for j in range(i, i + 6))) for i in range(3)}
    return Explainer(target, cases=cases)


def test_a_case_by_id_is_explained_for_what_the_target_puts_first(explainer: Explainer) -> None:
    one = explainer("c0")
    assert isinstance(one, Explanation)
    assert one.rank == 1
    assert one.parts == ("i1", "i2", "i3", "i4", "i5"), "the target sees the last five"
    assert {c.verdict for c in one.claims} == {"verified"}
    assert one.provenance["prose"] == "rendered from the claims"
    assert one.form == "target"


def test_lists_give_lists(explainer: Explainer) -> None:
    several = explainer(["c0", "c1"], outcome=["i9", "i10"])
    assert isinstance(several, Explanations)
    assert [e.outcome_id for e in several] == ["i9", "i10"]
    assert several[0].to_dict() == explainer("c0", outcome="i9").to_dict()


def test_several_outcomes_of_one_case(explainer: Explainer) -> None:
    several = explainer("c0", outcome=["i9", "i10"])
    assert [(e.case_id, e.outcome_id) for e in several] == [("c0", "i9"), ("c0", "i10")]
    alone = explainer("c0", outcome="i10")
    assert (several[1].text, several[1].claims) == (alone.text, alone.claims)


def test_a_new_case_can_be_given(explainer: Explainer) -> None:
    assert explainer(Case("new", ("i0", "i1"))).case_id == "new"


def test_smallest_sets_and_shapley_values_of_a_case_by_id(explainer: Explainer) -> None:
    one = explainer("c0")
    found = explainer.smallest_set("c0")
    assert found.proved and found.found is not None and set(found.found.parts) <= set(one.parts)
    assert found.found.rank_after > 1
    kept = explainer.smallest_set("c0", one.outcome_id, keep=True)
    assert kept.proved and (kept.found is None or kept.found.rank_after == 1)
    pairs = explainer.pairs("c0")
    assert pairs.complete
    assert len(pairs.effects) == 10
    assert [pair.beyond for pair in pairs.effects] == pytest.approx([0.0] * 10, abs=1e-5)
    values = explainer.shapley("c0")
    assert values.parts == one.parts and max(values.errors) == 0
    assert values.base + sum(values.values) == pytest.approx(one.score, abs=1e-4)
    assert values == explainer.shapley(Case("c0", one.parts), one.outcome_id)


@pytest.mark.parametrize(
    ("case", "outcome", "message"),
    [
        ("nobody", None, "unknown case 'nobody'"),
        ("c0", "i3", "is part of case"),
        ("c0", "x", "unknown id 'x'"),
    ],
)
def test_bad_arguments_are_one_line(
    explainer: Explainer, case: str, outcome: str | None, message: str
) -> None:
    with pytest.raises(CaseError, match=message) as caught:
        explainer(case, outcome=outcome)
    assert "\n" not in str(caught.value)


def test_as_many_outcomes_as_cases(explainer: Explainer) -> None:
    with pytest.raises(CaseError, match="1 outcomes for 2 cases"):
        explainer(["c0", "c1"], outcome=["i9"])


def test_a_folder_without_a_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is missing"):
        Explainer.load(tmp_path)


def test_known_cases_can_be_a_table(explainer: Explainer) -> None:
    table = pl.DataFrame(
        {"user_id": [7, 7, 8], "item_id": ["i0", "i1", "i2"], "timestamp": [1, 2, 3]}
    )
    known = Explainer(explainer.target, cases=table)
    assert known.case_ids == ["7", "8"] and known.cases["7"].parts == ("i0", "i1")
    with pytest.warns(InnerviewWarning, match="dropped 1 event of items that the item table lacks"):
        known = Explainer(explainer.target, cases=table.with_columns(
            item_id=pl.Series(["i0", "i1", "x"])))  # fmt: skip
    assert known.case_ids == ["7"]
    read, _ = read_interactions(table.rename({"user_id": "who"}), user_col="who")
    assert Explainer(explainer.target, cases=read).cases["8"].parts == ("i2",)
    with pytest.raises(DataError, match=r"column 'user_id': id 7\.0 looks like a float"):
        Explainer(explainer.target, cases=table.with_columns(pl.col("user_id").cast(float)))
    with pytest.raises(CaseError, match="unknown case 'z': not among the 3 known; give a Case"):
        explainer("z")


def test_parameters_are_read_and_changed_as_scikit_learn_does(explainer: Explainer) -> None:
    names = list(inspect.signature(Explainer).parameters)
    params = explainer.get_params(deep=True)
    assert list(params) == names
    assert all(params[name] is getattr(explainer, name) for name in names)
    style = Style("customer")
    assert explainer.set_params(refuted="drop", style=style) is explainer
    assert (explainer.refuted, explainer.style) == ("drop", style)
    assert repr(explainer) == (
        f"Explainer(target='scripted', surrogate=None, cases=3, refuted='drop', style={style!r})"
    )
    with pytest.raises(CaseError, match="no parameter 'budget'; known: target, surrogate, cases"):
        explainer.set_params(budget=3)
    with pytest.raises(CaseError, match="unknown setting refuted='never'"):
        explainer.set_params(claims="grounded", style=Style(), refuted="never")
    assert explainer.style == style, "all or nothing"
    again = Explainer(**explainer.get_params())
    assert again.get_params() == explainer.get_params()


def test_scikit_learn_clones_it(explainer: Explainer) -> None:
    clone = pytest.importorskip("sklearn.base").clone(explainer)
    assert clone is not explainer
    assert clone.get_params() == explainer.get_params()


def test_a_target_and_cases_can_be_given_to_a_folder(explainer: Explainer, tmp_path: Path) -> None:
    case = Case("new", ("i0", "i1"))
    loaded = Explainer.load(tmp_path, target=explainer.target, cases={"new": case})
    assert loaded.surrogate is None and loaded.case_ids == ["new"]


class _Opinionated:
    """Names the parts of a case in an order of its own, whatever the target knows."""

    fingerprint = "opinions"

    def __init__(self, first: str, second: str) -> None:
        self.order = (first, second)

    def reasons(self, records: Sequence[Record]) -> list[tuple[str, ...]]:
        return [self.order for _ in records]

    def answer(self, records: Sequence[Record]) -> list[Any]:
        said = {"retrieval": ("i9",), "interest": 0.9, "attribution": self.order[0]}
        return [said[r.task] for r in records]

    def write(self, records: Sequence[Record], **_: Any) -> list[str]:
        return ["" for _ in records]


def _strongest(explainer: Explainer) -> tuple[str, str]:
    """The parts that carry the outcome of a case most, and least."""
    evidence = explainer("c0").evidence
    assert evidence is not None
    found = evidence.strongest()
    return found[0].part, found[-1].part


@pytest.mark.parametrize(
    ("refuted", "right_at", "stated", "verdicts"),
    [
        ("keep", 1, 3, {"refuted"}),
        ("drop", 1, 0, set()),
        ("retry", 1, 3, {"verified"}),
        ("retry", 2, 0, set()),
        ("drop", 0, 3, {"verified"}),
    ],
)
def test_refuted_reasons_are_kept_dropped_or_asked_for_once_more(
    explainer: Explainer, refuted: Refuted, right_at: int, stated: int, verdicts: set[str]
) -> None:
    strong, weak = _strongest(explainer)
    order = [(strong, weak), (weak, strong), (weak, weak)][right_at]
    opinionated: Any = _Opinionated(*order)
    found = Explainer(
        explainer.target, opinionated, cases=explainer.cases, refuted=refuted
    )("c0")  # fmt: skip
    own = [c for c in found.claims if c.claim.source.startswith("surrogate")]
    assert len(own) == stated and {c.verdict for c in own} == verdicts
    named = {a.reason_part for a in found.answers.values()}
    assert named == ({own[0].claim.parts[0]} if own else {None})
    assert {a.reason_verdict for a in found.answers.values()} == (verdicts or {None})
    assert found.provenance["refuted"] == refuted
    # What was measured on the target itself is there in any case.
    assert [c for c in found.claims if c.claim.source == "evidence"] == list(explainer("c0").claims)


class _Mistaken(_Opinionated):
    """Takes the target for one with other weights."""

    def __init__(self, believed: ScriptedTarget) -> None:
        super().__init__("", "")  # no reason in any form
        self.believed = believed

    def stand_in(self, form: str) -> ScriptedTarget:
        self.believed.form = form  # type: ignore[attr-defined]
        return self.believed


def _believing(target: ScriptedTarget, error: float) -> Any:
    wrong = np.random.default_rng(1).normal(size=target.weights.shape) * error
    weights = (target.weights + wrong).astype(np.float32)
    return _Mistaken(ScriptedTarget(weights, target.outcomes, vectors=False, max_parts=5))


def test_claims_of_the_surrogates_own_are_replayed_on_the_target(explainer: Explainer) -> None:
    target = explainer.target
    assert isinstance(target, ScriptedTarget)
    wrong = Explainer(
        target, _believing(target, 1.0), cases=explainer.cases, claims="surrogate"
    )  # fmt: skip
    found = wrong(["c0", "c1", "c2"])
    claims = [c for one in found for c in one if c.claim.source == "surrogate_hybrid"]
    assert {c.verdict for c in claims} == {"verified", "refuted"}
    for one in found:
        assert one.rank == 1, "rank and score are the target's"
        assert one.evidence is None
        assert {c.claim.source for c in one} >= {"surrogate_hybrid"}
        refuted = [c for c in one if c.verdict == "refuted"]
        assert not any(c.claim.type == "UNDECIDED" and "No single" in one.text for c in refuted)
        assert one.provenance["claims"] == "surrogate"
        assert Explanation.from_dict(one.to_dict()) == one
    dropping = Explainer(
        target, _believing(target, 1.0), cases=explainer.cases, claims="surrogate", refuted="drop"
    )
    left = [c for one in dropping(["c0", "c1", "c2"]) for c in one]
    assert left
    assert {c.verdict for c in left} == {"verified"}


def test_a_surrogate_that_is_right_claims_what_the_evidence_does(explainer: Explainer) -> None:
    target = explainer.target
    assert isinstance(target, ScriptedTarget)
    right = Explainer(target, _believing(target, 0.0), cases=explainer.cases, claims="surrogate")

    def told(one: Explanation) -> list[Any]:
        return [(c.claim.type, c.claim.parts, c.claim.stated) for c in one
                if c.claim.source in ("evidence", "surrogate_hybrid")]  # fmt: skip

    for name in ("c0", "c1"):
        mine, theirs = right(name), explainer(name)
        # At most one group is tried, so only there it may say less.
        assert [t for t in told(mine) if t[0] != "ATTRIBUTE"] == [
            t for t in told(theirs) if t[0] != "ATTRIBUTE"
        ]
        own = [c for c in mine if c.claim.source == "surrogate_hybrid"]
        assert {c.verdict for c in own} == {"verified"}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"claims": "surogate"}, "claims='surogate'; known: grounded, surrogate"),
        ({"refuted": "dorp"}, "refuted='dorp'; known: keep, drop, retry"),
        ({"style": Style(about="gerne")}, "no attribute 'gerne'; known: group"),
    ],
)
def test_unknown_settings_are_refused(
    explainer: Explainer, setting: dict[str, Any], message: str
) -> None:
    with pytest.raises(CaseError, match=message):
        Explainer(explainer.target, **setting)


def test_what_a_style_is_about_is_tried_before_all_else() -> None:
    rng = np.random.default_rng(0)
    catalogue = small_catalogue(12)
    # Of two attributes the first speaks louder; the second is what is asked about.
    loud = tuple((str(row % 3),) for row in range(12))
    catalogue = replace(
        catalogue, attributes={"loud": loud, "group": catalogue.attributes["group"]}
    )
    weights = rng.normal(size=(12, 12)) + 4.0 * (np.arange(12) % 3 == 0)[:, None]
    weights += 1.0 * (np.arange(12) % 2 == 0)[:, None]
    target = ScriptedTarget(weights.astype(np.float32), catalogue, max_parts=8)
    case = Case("c", tuple(f"i{j}" for j in range(8)))
    usual = Explainer(target)(case)
    about = Explainer(target, style=Style(about="group"))(case)

    def attributes(one: Explanation) -> set[object]:
        return {c.claim.stated["attribute"] for c in one if c.claim.type == "ATTRIBUTE"}

    assert "loud" in attributes(usual)
    assert attributes(about) == {"group"}
    assert {c.verdict for c in about} == {"verified"}
    assert "could be verified" not in about.text


def test_without_a_surrogate_there_is_nobody_to_claim(explainer: Explainer) -> None:
    with pytest.raises(CaseError, match="claims='grounded'"):
        Explainer(explainer.target, claims="surrogate")


def test_claims_are_the_same_in_every_style(explainer: Explainer) -> None:
    usual = explainer("c0")
    styles = [Style(audience, "full") for audience in AUDIENCES]
    for style in (*styles, Style("customer", "full", tone="warm")):
        other = Explainer(explainer.target, cases=explainer.cases, style=style)("c0")
        assert other.claims == usual.claims
        assert (other.decision, other.rank, other.score) == (
            usual.decision,
            usual.rank,
            usual.score,
        )
        assert other.text != usual.text
        assert other.provenance["style"] == asdict(style)


def test_what_patience_does_not_reach_is_untestable_and_not_told(explainer: Explainer) -> None:
    hasty = Explainer(explainer.target, cases=explainer.cases, patience=Patience(seconds=0))("c0")
    assert {c.verdict for c in hasty} == {"untestable"}
    assert hasty.text.endswith("What it owes to any single item could not be verified.")
