"""Four rooms know cases, parts and outcomes; what a field calls them says ``data/domain.py``."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

import innerview
from innerview.alignment.labels import LabelSettings
from innerview.alignment.mixture import (
    MixtureSettings,
    case_records,
    outcome_records,
    outcome_test_records,
)
from innerview.alignment.mixture import test_records as records_for_testing
from innerview.alignment.prose import prose_records
from innerview.alignment.records import FORMS, Record
from innerview.alignment.tasks import Asker, Context
from innerview.alignment.templates import PHRASES, phrases
from innerview.data.domain import DOMAINS, Domain
from innerview.data.tables import Catalogue
from innerview.errors import CaseError
from innerview.explainer import Explainer
from innerview.explanation.style import Style
from innerview.surrogate.prompts import PromptEncoder
from innerview.targets.protocol import Case
from innerview.testing.fakes import ScriptedTarget
from surrogate.tiny import tiny_base

ROOMS = ("explanation", "alignment", "surrogate", "evaluation")
WORD = re.compile(r"(?<![a-z])(?:items?|users?|history|histories)(?![a-z])")

ALLOWED: Mapping[str, str] = {
    # name or literal: why
    "items": "Python's word for what a mapping holds, and JSON Schema's for what an array does",
    "item": "polars' and torch's word for the one value of an array",
    "uniqueItems": "JSON Schema",
    "minItems": "JSON Schema",
    "maxItems": "JSON Schema",
    "__getitem__": "Python",
    "user": "the role of who asks, in chat templates and chat endpoints",
    "before_user": "the same role",
    "\u2402user\u2403": "the same role",
    "the chat template does not keep a system, user and assistant turn": "the same role",
    "history": "task of the paper, in records and published figures",
    "item_title": "the same",
    "item_attribute": "the same",
    "item_similar": "the same",
    "history_recall": "published metric, and its function",
    "history_order_recall": "the same",
    "history_coverage_reference": "the same",
    "history_precision": "the same",
    "history_hallucination": "the same",
    "reference_history_coverage": "the same",
    "item_recovery": "published metric",
    "interest_accuracy_heldout_items": "published metric",
    "interest_auc_heldout_items": "published metric",
    "ranking_kendall_heldout_items": "published metric",
    "_heldout_items": "ending of published metrics",
    "item_knn": "key of target reports in published bundles",
    "item_chunk": "its name is hashed into the mark of published records",
    "item_passes": "the same",
    "item_fact_frac": "the same",
}


RECORDS = "f6b4a19e3fd27433050e17b8e75bf983408ba309b19881f00317baaec28b6ffa"
"""Digest of the records below, made before fields had words of their own."""


def _said(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Identifiers and string literals with their lines; no docstrings."""
    documented = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in documented:
                yield line, node.value
            continue
        for name in ("id", "attr", "arg", "name", "asname", "module"):
            own = getattr(node, name, None)
            if isinstance(own, str):
                yield line, own


def _is_of_a_field(said: str) -> bool:
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", said)
    return said not in ALLOWED and WORD.search(apart.lower()) is not None


def test_code_of_four_rooms_says_case_part_and_outcome() -> None:
    root = Path(innerview.__file__).parent
    found = [
        f"{path.relative_to(root)}:{line}: {said!r}"
        for room in ROOMS
        for path in sorted((root / room).rglob("*.py"))
        for line, said in _said(ast.parse(path.read_text(encoding="utf-8")))
        if _is_of_a_field(said)
    ]
    assert not found, "\n".join(found)


def test_pages_of_four_rooms_say_case_part_and_outcome() -> None:
    root = Path(innerview.__file__).parent
    markup = re.compile(r"\{[{%].*?[%}]\}|<style.*?</style>|<code>.*?</code>", re.DOTALL)
    found = [
        f"{path.relative_to(root)}: {match.group()!r}"
        for room in ROOMS
        for path in sorted((root / room).rglob("*.j2"))
        for match in WORD.finditer(markup.sub("", path.read_text(encoding="utf-8")).lower())
    ]
    assert not found, "\n".join(found)


def test_every_exception_is_needed() -> None:
    root = Path(innerview.__file__).parent
    said = {
        word
        for room in ROOMS
        for path in (root / room).rglob("*.py")
        for _, word in _said(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert set(ALLOWED) <= said


@pytest.mark.parametrize("domain", DOMAINS.values(), ids=DOMAINS)
def test_every_field_has_its_own_phrases_to_train_and_to_test_with(domain: Domain) -> None:
    assert set(domain.phrases) == {"retrieval", "interest"}
    for task in (*PHRASES, "retrieval", "interest"):
        if task != "chat":
            trained, tested = (phrases(task, domain, heldout=held) for held in (False, True))
            assert trained and tested and not set(trained) & set(tested)


def _target(domain: Domain | None = None) -> ScriptedTarget:
    n = 24
    weights = np.random.default_rng(0).integers(-8, 9, size=(n, n)).astype(np.float32)
    told = {} if domain is None else {"domain": domain}
    catalogue = Catalogue(
        ids=tuple(f"i{row}" for row in range(n)),
        titles=tuple(f"Film {row}" for row in range(n)),
        attributes={"genre": tuple((("Crime", "Drama", "Comedy")[row % 3],) for row in range(n))},
        noun="film",
        **told,
    )
    return ScriptedTarget(weights, catalogue)


def _records(target: ScriptedTarget) -> list[list[Record]]:
    ids = target.outcomes.ids
    cases = [Case(f"c{c}", tuple(ids[(c + k * k) % 24] for k in range(5))) for c in range(8)]
    mixture, labels = MixtureSettings(n_prose=4), LabelSettings(n_interest=4)
    return [
        *case_records(target, cases, mixture, labels),
        *outcome_records(target, mixture),
        *prose_records(target, cases[:4], seed=0),
        *(records_for_testing(target, cases[4:], form, labels, heldout=ids[:2]) for form in FORMS),
        outcome_test_records(target, n=4, seed=0),
    ]


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()


def test_records_of_recommenders_are_those_that_surrogates_were_aligned_with() -> None:
    assert _digest(_records(_target())) == RECORDS


def test_prompts_of_recommenders_open_as_surrogates_were_aligned_with() -> None:
    base = tiny_base()
    target = _target()
    encoder = PromptEncoder(base.tokenizer, target.parts)
    told = base.tokenizer.decode(encoder.context(target.parts.ids[:2], "behavior")[0].ids)
    assert "You speak for a recommender." in told
    assert "History: Film 0; Film 1;" in told


@pytest.mark.parametrize("name", ["classifier", "ranker"])
def test_prompts_of_other_fields_do_not_recommend(name: str) -> None:
    domain = DOMAINS[name]  # type: ignore[index]
    target = _target(domain)
    base = tiny_base()
    encoder = PromptEncoder(base.tokenizer, target.parts)
    told = base.tokenizer.decode(encoder.context(target.parts.ids[:2], "behavior")[0].ids)
    assert f"You speak for a {name}." in told and f"{domain.case}: Film 0; Film 1;" in told
    asked = repr([record.question for group in _records(target) for record in group])
    assert not re.search(r"[Rr]ecommend|[Ss]uggest|History", asked)


def test_a_question_for_parts_calls_them_by_their_own_noun() -> None:
    parts = Catalogue(("a", "b"), ("A", "B"), noun="feature")
    asker = Asker(Catalogue(("x", "y"), ("X", "Y"), noun="class"), parts, heldout=True)
    asked = asker.reconstruction(Context("c", ("a", "b"), 2), np.random.default_rng(0))
    assert "Name every feature of the list." in repr(asked.question)


def test_nobody_is_spoken_to_warmly_where_no_case_is_a_person() -> None:
    with pytest.raises(CaseError, match="no case of a classifier can be spoken to warmly"):
        Explainer(_target(DOMAINS["classifier"]), style=Style("customer", tone="warm"))
