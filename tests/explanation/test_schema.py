"""The JSON schema takes what ``Claim`` takes, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st

from innerview.errors import CaseError
from innerview.explanation.claims import CLAIM_TYPES, CheckedClaim, Claim
from innerview.explanation.schema import claim_schema
from innerview.explanation.verify import verify_many
from innerview.targets.protocol import Case

from .conftest import PaperTarget
from .test_verify import FALSE, MORE_TRUE, TRUE

SCHEMA = claim_schema()
KEPT = Path(__file__).parents[2] / "docs" / "claim.schema.json"

stated = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("rank", "leaves_top", "stays_in_top", "new_rank"), st.integers(-1, 9)),
        **dict.fromkeys(("foil", "added"), st.sampled_from(["o1", 3])),
        **dict.fromkeys(("attribute", "value"), st.just("x")),
        "direction": st.sampled_from(["for", "against", "sideways"]),
    },
)


@given(st.sampled_from(CLAIM_TYPES), st.lists(st.sampled_from("abc"), max_size=3), stated)
@settings(max_examples=400)
def test_it_takes_what_the_type_takes(
    type_: str, parts: list[str], stated: dict[str, object]
) -> None:
    wire = {
        "type": type_, "parts": parts, "outcome": "o0", "stated": stated, "source": "evidence",
        "measured": {}, "verdict": "untestable", "reason": "", "queries": 0,
    }  # fmt: skip
    try:
        CheckedClaim.from_dict(wire)
        fits = True
    except CaseError:
        fits = False
    assert jsonschema.Draft202012Validator(SCHEMA).is_valid(wire) == fits


def test_checked_claims_of_every_type_fit_it(films: PaperTarget, case: Case) -> None:
    similar = Claim("SIMILAR", "o0", ("p0",), {"rank": 1})
    claims = [(claim, case) for claim in (*TRUE, *MORE_TRUE, *FALSE, similar)]
    assert {claim.type for claim, _ in claims} == set(CLAIM_TYPES)
    for checked in verify_many(claims, films):
        jsonschema.validate(json.loads(json.dumps(checked.to_dict())), SCHEMA)


def test_the_published_schema_is_the_one_of_the_code() -> None:
    assert json.loads(KEPT.read_text(encoding="utf-8")) == SCHEMA


def test_every_type_is_on_the_page_about_claims() -> None:
    page = KEPT.with_name("claims.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == list(CLAIM_TYPES)
    example = page.partition("```json")[2].partition("```")[0]
    jsonschema.validate(json.loads(example), SCHEMA)
