from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from innerview.alignment.records import FORMS, Record
from innerview.alignment.tasks import Asker
from innerview.surrogate.answering import Respondent
from innerview.surrogate.memory import n_weights
from innerview.surrogate.surrogate import Surrogate
from innerview.surrogate.understanding import (
    _WEIGHED_ALIKE,
    Understanding,
    _costs,
    _fit,
    _temperature,
    _Wanted,
)
from innerview.targets.protocol import Case

from .test_memory import _deep, _records, _rows
from .test_memory import _fit as write


@pytest.fixture(scope="module")
def groups() -> list[list[Record]]:
    return _records(40)


@pytest.fixture(scope="module")
def remembering(groups: list[list[Record]]) -> Surrogate:
    surrogate = _deep()
    surrogate.memory = write(surrogate, _rows(surrogate, groups))
    return surrogate


def _retrieval(groups: list[list[Record]], form: str) -> list[Record]:
    return [r for g in groups for r in g if r.task == "retrieval" and r.form == form]


def test_learning_to_compare_puts_the_targets_first_outcomes_further_ahead(
    remembering: Surrogate, groups: list[list[Record]]
) -> None:
    asked = _retrieval(groups, "intention")
    reader = remembering.respondent.understanding

    wanted = _Wanted.of(asked, remembering.target, 3.0, None)

    def loss() -> float:
        fit = torch.cat([reader._fits(c[None], "intention") for c in reader._cases(asked)])
        return float(wanted.loss(fit, range(len(asked))))

    kept = remembering.memory.weights
    before = loss()
    reader.learn(asked)
    after = loss()
    again = remembering.memory.weights
    remembering.memory.weights = kept
    reader.learn(asked)
    assert after < before
    assert torch.equal(remembering.memory.weights, again)
    assert not torch.equal(again[FORMS.index("intention")], kept[FORMS.index("intention")])
    # A form that nothing was asked in keeps what it had.
    for form in ("behavior", "hybrid"):
        assert torch.equal(again[FORMS.index(form)], kept[FORMS.index(form)])


def test_best_are_outcomes_that_the_case_does_not_hold(
    remembering: Surrogate, groups: list[list[Record]]
) -> None:
    asked = [r for g in groups for r in g if r.task == "retrieval"]
    for record, best in zip(
        asked, remembering.respondent.understanding.best(asked, size=5), strict=True
    ):
        assert len(set(best)) == len(best) == 5
        assert not set(best) & set(record.parts[: record.visible])


def test_a_slot_stands_for_the_outcome_whose_title_means_most_nearly_the_same(
    remembering: Surrogate,
) -> None:
    target, memory = remembering.target, remembering.memory
    n, ids = len(memory.places) // 4, remembering.target.outcomes.ids
    generator = torch.Generator().manual_seed(0)
    titles = torch.randn(len(ids), n, generator=generator)
    noise = 0.3 * torch.randn(len(ids), n, generator=generator)
    told = iter([titles + noise, 2 * titles])  # the slots, then the titles
    reader = Understanding(remembering.model, memory, target, lambda *_: next(told))
    asked = Asker(target.outcomes, target.parts).titles(ids, np.random.default_rng(0))
    assert reader.meant(asked) == list(ids)
    assert reader.meant([]) == []


@pytest.mark.parametrize("says", [0.0, 1.0])
def test_titles_that_mean_nothing_are_not_looked_up(remembering: Surrogate, says: float) -> None:
    target, memory = remembering.target, remembering.memory
    n, n_ids = len(memory.places) // 4, len(target.outcomes.ids)
    titles = says * torch.randn(n_ids, n, generator=torch.Generator().manual_seed(0))
    reader = Understanding(remembering.model, memory, target, lambda *_: titles)
    assert reader.reads_titles == bool(says)
    respondent = Respondent(
        remembering.model, remembering.encoder, remembering.vectors, target, memory
    )
    respondent.understanding = reader
    asked = Asker(target.outcomes, target.parts).titles(
        target.outcomes.ids[:3], np.random.default_rng(0)
    )
    # What is not understood is spoken: nothing stands in its place yet.
    assert bool(respondent._understood(asked)) == bool(says)


def test_fits_leave_out_what_depends_on_the_case_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    cases, outcomes = torch.randn(3, 4, generator=generator), torch.randn(5, 4, generator=generator)
    products = torch.randn(4, 4, generator=generator)
    linear, growth, own, of_case = torch.randn(4, 4, generator=generator)
    bilinear = torch.einsum("nk,ol,kl->no", cases, outcomes, products) + outcomes @ linear
    bilinear = bilinear + (cases @ of_case + 0.3)[:, None]
    wanted = bilinear * torch.exp(outcomes @ growth) + outcomes @ own
    weights = torch.cat([products.flatten(), linear, growth, own, of_case, torch.tensor([0.3])])
    torch.testing.assert_close(_fit(weights, cases, outcomes), wanted)


def test_fits_order_outcomes_as_a_target_does_that_multiplies_whole_vectors() -> None:
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(40, 4, generator=generator) + 0.5
    cases = torch.randn(7, 4, generator=generator)
    lengths = vectors.norm(dim=1, keepdim=True)
    augmented = torch.cat([vectors / lengths, lengths.log()], dim=1)
    center, scale = augmented.mean(0), augmented.std(0)
    told = (augmented - center) / scale  # as projectors tell it
    nothing, one = torch.zeros(5), torch.tensor([0.0, 0, 0, 0, 1])
    products = torch.diag(torch.cat([scale[:4], torch.zeros(1)])).flatten()
    of_case = torch.cat([center[:4], torch.zeros(1)])
    weights = torch.cat([products, nothing, one * scale[4], nothing, of_case, torch.zeros(1)])
    asked = torch.cat([cases, torch.zeros(7, 1)], dim=1)
    # But for a factor that all outcomes share.
    torch.testing.assert_close(
        _fit(weights, asked, told) * center[4].exp(), cases @ vectors.T, rtol=1e-4, atol=1e-4
    )


def _questions(groups: list[list[Record]]) -> list[Record]:
    return _retrieval(groups, "intention")[:20]


def test_what_is_wanted_are_the_targets_scores_as_shares(
    remembering: Surrogate, groups: list[list[Record]]
) -> None:
    asked, target = _questions(groups), remembering.target
    wanted = _Wanted.of(asked, target, 3.0, None)
    torch.testing.assert_close(wanted.shares.sum(1), torch.ones(len(asked)))
    told, gaps = [], []
    for record, rows, shares in zip(asked, wanted.rows, wanted.shares, strict=True):
        order = [target.outcomes.ids[row] for row in rows[shares > 0].tolist()]
        assert order[: len(record.label["top"])] == list(record.label["top"])
        assert not set(order) & set(record.parts[: record.visible])
        scores = target.score([Case("c", record.parts[: record.visible])])[0]
        first, second = (float(scores[row]) for row in rows[:2])
        told.append(float((shares[0] / shares[1]).log()))
        gaps.append((first - second) / float(scores.std(ddof=1)))
    # One temperature for all of them, at which three outcomes share the median case's.
    temperatures = np.array(gaps) / np.array(told)
    np.testing.assert_allclose(temperatures, temperatures[0], rtol=1e-3)
    perplexity = torch.special.entr(wanted.shares).sum(1).exp()
    assert float(perplexity.median()) == pytest.approx(3.0, rel=1e-3)


@pytest.mark.parametrize(("sharing", "shared"), [(2.0, 2.0), (150.0, 3.0)])
def test_as_many_outcomes_share_as_are_asked_for_and_half_where_there_are_few(
    sharing: float, shared: float
) -> None:
    scores = torch.randn(9, 8, generator=torch.Generator().manual_seed(0))
    scores[:, 6:] = -torch.inf  # no answers
    scores[0] = -torch.inf  # a case with none
    shares = torch.softmax(scores[1:] / _temperature(scores, sharing), dim=1)
    perplexity = torch.special.entr(shares).sum(1).exp()
    assert float(perplexity.median()) == pytest.approx(shared, rel=1e-3)


def test_products_of_unlike_numbers_cost_more_in_titles_than_in_slots() -> None:
    (titles, slots) = (_costs(one, 3) for one in _WEIGHED_ALIKE.values())
    alike = torch.eye(3, dtype=torch.bool).flatten()
    assert torch.equal(titles[:9][alike], slots[:9][alike])
    assert bool((titles[:9][~alike] > slots[:9][~alike]).all())
    assert torch.equal(titles[9:], slots[9:])
    assert len(titles) == n_weights(3)


def test_what_is_not_taught_stays_out_of_it(
    remembering: Surrogate, groups: list[list[Record]]
) -> None:
    asked, ids = _questions(groups), remembering.target.outcomes.ids
    taught = set(ids[: len(ids) // 2])
    wanted = _Wanted.of(asked, remembering.target, 3.0, taught)
    named = {ids[row] for row in wanted.rows[wanted.shares > 0].tolist()}
    assert named <= taught
    fit = torch.randn(len(asked), len(ids), generator=torch.Generator().manual_seed(0))
    loss = wanted.loss(fit, range(len(asked)))
    fit[:, len(ids) // 2 :] += 100.0
    torch.testing.assert_close(wanted.loss(fit, range(len(asked))), loss)


def test_a_target_that_scores_no_shortened_case_teaches_by_its_lists(
    remembering: Surrogate, groups: list[list[Record]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, target = _questions(groups), remembering.target
    fixed = replace(target.capabilities, rescoring=False)
    monkeypatch.setattr(type(target), "capabilities", property(lambda _: fixed))
    wanted = _Wanted.of(asked, target, 3.0, None)
    for record, rows, shares in zip(asked, wanted.rows, wanted.shares, strict=True):
        top = list(record.label["top"])
        assert [target.outcomes.ids[row] for row in rows[: len(top)].tolist()] == top
        expected = 1 / torch.arange(1, len(top) + 1)
        torch.testing.assert_close(shares[: len(top)], expected / expected.sum())
        assert float(shares[len(top) :].sum()) == 0.0


def test_forms_with_slots_share_their_weights_and_titles_have_their_own(
    remembering: Surrogate, groups: list[list[Record]]
) -> None:
    asked = [r for form in FORMS for r in _retrieval(groups, form)]
    remembering.respondent.understanding.learn(asked)
    behavior, intention, hybrid = remembering.memory.weights
    assert torch.equal(intention, hybrid)
    assert not torch.equal(intention, behavior)


def test_what_was_learned_is_kept_with_the_memory(
    groups: list[list[Record]], tmp_path: Path
) -> None:
    asked, kept = _retrieval(groups, "intention")[:20], tmp_path / "memory.safetensors"
    one, other = _deep(), _deep()
    one.memorize(_rows(one, groups), kept=kept, compared=asked)
    other.memorize(_rows(other, groups), kept=kept, compared=asked)
    assert torch.equal(one.memory.weights, other.memory.weights)
    assert one.memory.weights.shape == (len(FORMS), n_weights(len(one.memory.places) // 4))


def test_the_strongest_part_is_the_one_without_which_the_outcome_fits_worst(
    remembering: Surrogate, groups: list[list[Record]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [r for g in groups for r in g if r.task == "attribution"][:6]
    reader = remembering.respondent.understanding
    carried: dict[str, float] = {}

    def fit_of(questions: Sequence[Record]) -> list[float]:
        return [sum(carried[part] for part in q.parts[: q.visible]) for q in questions]

    monkeypatch.setattr(reader, "fit_of", fit_of)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(remembering.target.parts))
        carried |= dict(zip(remembering.target.parts.ids, map(float, order), strict=True))
        for record, said in zip(asked, remembering.answer(asked), strict=True):
            assert said == max(record.parts[: record.visible], key=carried.__getitem__)
    alone = replace(asked[0], parts=asked[0].parts[:1], visible=1)
    monkeypatch.setattr(reader, "fit_of", lambda questions: [0.0] * len(questions))
    assert remembering.answer([alone]) == [alone.parts[0]]
