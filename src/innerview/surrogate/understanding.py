"""What a surrogate with a memory has understood: of a case, of a title, of a slot.

The memory writes numbers into places of the hidden state that nothing else reaches
(``memory.py``). They can be read there, before any answer is spoken: which outcomes fit a case as
the surrogate has understood it, which part alone fits an outcome best, and which title it
understands to mean what a slot holds. The target is not asked, and its vectors are not looked at: a
title means what the surrogate reads there.

Axes: N questions, O outcomes, n numbers of a vector.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from innerview.alignment.records import FORMS, Form, Record
from innerview.alignment.tasks import Asker, Context
from innerview.surrogate.memory import Memory, read_cases, read_mentions
from innerview.surrogate.model import SpliceModel
from innerview.surrogate.packing import Batch
from innerview.targets.protocol import Case, Target

__all__ = ["Understanding"]


@dataclass(frozen=True, slots=True)
class _Weighing:
    """How weights of case and outcome are learned (docs/experiments.md).

    Attributes:
        sharing: how many outcomes share what a case wants, the median case: the perplexity.
        across: what a product of two different numbers costs, times its squared weight.
    """

    sharing: float
    across: float


_WEIGHED_ALIKE: Mapping[tuple[Form, ...], _Weighing] = {
    ("behavior",): _Weighing(sharing=150.0, across=1.0),
    ("intention", "hybrid"): _Weighing(sharing=10.0, across=0.03),
}
"""Forms that share weights. What is read off titles is less sure than what a slot tells: more
outcomes share in it, and less is made of how its errors hang together."""
_MOST_WANTED, _SCORED_AT_ONCE = 1024, 256
"""Outcomes of a case that have shares, the best; and cases that the target scores at once."""
_TEMPERATURES = (1e-3, 1e3)
"""Bounds within which one is looked for, in standard deviations of a case's scores."""
_EPOCHS, _BATCH, _RATE = 25, 100, 0.02
_WEIGHT_DECAY = 1e-4
_SAYS_SOMETHING = 0.1
"""Mean square of a title's numbers, in standard units; read perfectly, 1."""

Reader = Callable[[Batch, Tensor], Tensor]
"""What is found at some positions (N, 2) of a batch."""


class Understanding:
    """Reads a surrogate's memory; outcomes' titles are read once per form."""

    def __init__(
        self,
        model: SpliceModel,
        memory: Memory,
        target: Target,
        at_answers: Callable[[Sequence[Record], Reader], Tensor],
    ) -> None:
        self.model, self.memory, self.target = model, memory, target
        self.at_answers = at_answers
        self._titles: dict[Form, Tensor] = {}

    def learn(
        self, records: Sequence[Record], *, taught: Collection[str] | None = None, seed: int = 0
    ) -> None:
        """Weigh products of case and outcome so that what fits is what the target scores highly.

        Distillation (Hinton et al., 2015): cross-entropy with the target's own scores as a
        distribution over outcomes, or, where it cannot score a shortened case, with shares of its
        top list that fall as one over the rank. The memory's own weights, fitted to yes and no,
        tell good outcomes from bad ones but not the best from the good. What is read off titles is
        less sure than what a slot tells, and wants to be weighed otherwise: forms with slots share
        their weights, the other has its own, and a flatter distribution. How flat is said by how
        many outcomes share it, not by the width of the target's scores: their tails differ from
        target to target. Steps get smaller to the end, or the last few questions have too much of
        a say.

        Args:
            records: retrieval questions of training; forms that they lack keep their weights.
            taught: outcomes that training names; the others are left out, so that an outcome which
                is held out stays so. All of them, by default.
            seed: of their order.
        """
        cases = self._cases(records)
        rng = np.random.default_rng(seed)
        learned = self.memory.weights.clone()
        for alike, weighing in _WEIGHED_ALIKE.items():
            forms = [form for form in alike if any(r.form == form for r in records)]
            places = [FORMS.index(form) for form in forms]
            own = [i for i, r in enumerate(records) if r.form in forms]
            if not own:
                continue
            wanted = _Wanted.of([records[i] for i in own], self.target, weighing.sharing, taught)
            asked = [records[i].form for i in own]
            weights = torch.zeros_like(learned[0]).requires_grad_()
            cost = _costs(weighing, cases.shape[1])
            adam = torch.optim.Adam([weights], lr=_RATE)
            for epoch in range(_EPOCHS):
                adam.param_groups[0]["lr"] = _RATE * (1 - epoch / _EPOCHS)
                order = rng.permutation(len(own))
                for start in range(0, len(order), _BATCH):
                    chosen = order[start : start + _BATCH].tolist()
                    loss = (cost * weights.square()).sum()
                    for form in forms:
                        some = [i for i in chosen if asked[i] == form]
                        if some:
                            fit = _fit(weights, cases[[own[i] for i in some]], self._outcomes(form))
                            loss = loss + wanted.loss(fit, some) * (len(some) / len(chosen))
                    (weights.grad,) = torch.autograd.grad(loss, weights)
                    adam.step()
            learned[places] = weights.detach()
        self.memory.weights = learned

    def _weights(self, form: Form) -> Tensor:
        """(n² + 4n + 1,)"""
        return self.memory.weights[FORMS.index(form)]

    def best(self, records: Sequence[Record], *, size: int) -> list[tuple[str, ...]]:
        """For each question about a case, the outcomes that fit best what was understood of it,
        best first, without its own parts where those are no answers."""
        cases = self._cases(records)
        excludes = self.target.capabilities.excludes_parts
        found: list[tuple[str, ...]] = []
        for record, case in zip(records, cases, strict=True):
            seen = record.parts[: record.visible] if excludes else ()
            fit = self._fits(case[None], record.form)[0]
            rows = fit.topk(min(len(fit), size + len(seen))).indices.tolist()
            ids = (self.target.outcomes.ids[row] for row in rows)
            found.append(tuple([one for one in ids if one not in seen][:size]))
        return found

    def fits(self, records: Sequence[Record]) -> npt.NDArray[np.float32]:
        """(N, O) how well each outcome fits what was understood of each question's case; up to a
        constant of the case."""
        cases = self._cases(records)
        found = torch.empty(len(records), len(self.target.outcomes))
        for form in {r.form for r in records}:
            own = [i for i, r in enumerate(records) if r.form == form]
            found[own] = self._fits(cases[own], form)
        return found.numpy()

    def fit_of(self, records: Sequence[Record]) -> list[float]:
        """How well the outcome that a judgement is about fits what was understood of its case."""
        cases = self._cases(records)
        found = [0.0] * len(records)
        for form in {r.form for r in records}:
            own = [i for i, r in enumerate(records) if r.form == form]
            asked = list(dict.fromkeys(records[i].label["outcome"] for i in own))
            fit = _fit(self._weights(form), cases[own], self._read(form, asked))
            for i, row in zip(own, fit.tolist(), strict=True):
                found[i] = row[asked.index(records[i].label["outcome"])]
        return found

    def _fits(self, cases: Tensor, form: Form) -> Tensor:
        """(N, O) how well each outcome fits each of (N, n) cases."""
        return _fit(self._weights(form), cases, self._outcomes(form))

    @property
    def reads_titles(self) -> bool:
        """Whether titles mean anything to it: to one aligned on vectors alone, none does."""
        return float(self._outcomes("behavior").square().mean()) > _SAYS_SOMETHING

    def meant(self, records: Sequence[Record]) -> list[str]:
        """For each question that ends in a slot, the outcome whose title is understood to mean most
        nearly what the slot holds."""
        if not records:
            return []
        held = self._mentioned(records)
        titles = torch.nn.functional.normalize(self._outcomes("behavior"), dim=1)
        nearest = (held @ titles.T).argmax(1)
        return [self.target.outcomes.ids[row] for row in nearest.tolist()]

    def _outcomes(self, form: Form) -> Tensor:
        """(O, n) what is understood by each outcome, as a form mentions it, apart from any case."""
        if form not in self._titles:
            self._titles[form] = self._mentions(form, self.target.outcomes.ids)
        return self._titles[form]

    def _read(self, form: Form, outcomes: Sequence[str]) -> Tensor:
        """The same of some outcomes; only those are read."""
        if form in self._titles:
            return self._titles[form][list(self.target.outcomes.rows(outcomes))]
        return self._mentions(form, outcomes)

    def _mentions(self, form: Form, outcomes: Sequence[str]) -> Tensor:
        judged = [(outcome, True) for outcome in outcomes]
        asker = Asker(self.target.outcomes, self.target.parts)
        records = asker.interest(Context("", (), 0), form, judged, np.random.default_rng(0))
        return self._mentioned(records)

    def _cases(self, records: Sequence[Record]) -> Tensor:
        """(N, n) the case, as understood where each answer begins."""
        return self.at_answers(
            records, lambda batch, spots: read_cases(self.model, self.memory, batch, spots)
        )

    def _mentioned(self, records: Sequence[Record]) -> Tensor:
        """(N, n) what was mentioned last before each answer, as understood."""
        return self.at_answers(
            records, lambda batch, spots: read_mentions(self.model, self.memory, batch, spots)
        )


def _fit(weights: Tensor, cases: Tensor, outcomes: Tensor) -> Tensor:
    """(N, O) from (n² + 4n + 1,) weights: of products, of the outcome's own numbers, of the case's
    and of one, all as long as the outcome's vector is; and of the outcome's numbers by themselves.

    A vector's numbers tell its direction and the logarithm of its length (``projector.py``), less
    their means, and a target multiplies with all of the vector; multiplied out, that is these, with
    products of like numbers. Products of unlike ones are for what is read with errors that hang
    together, and for targets whose cases and outcomes are not alike.
    What depends on the case alone is the same for all outcomes, and left out.
    """
    n = cases.shape[1]
    products, linear, growth, own, of_case, constant = torch.split(weights, [n * n, n, n, n, n, 1])
    lengths = torch.exp(outcomes @ growth)
    alone = (cases @ of_case + constant)[:, None]
    along = (cases @ products.view(n, n) + linear) @ outcomes.T + alone
    fit: Tensor = along * lengths + outcomes @ own
    return fit


def _costs(weighing: _Weighing, n: int) -> Tensor:
    """(n² + 4n + 1,) of a squared weight each."""
    across = torch.full((n, n), _WEIGHT_DECAY + weighing.across).fill_diagonal_(_WEIGHT_DECAY)
    return torch.cat([across.flatten(), torch.full((4 * n + 1,), _WEIGHT_DECAY)])


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What should fit some cases, N of them, and how much of all that fits.

    Attributes:
        rows: (N, M) int64 outcomes.
        shares: (N, M) float32, of a case summing to 1.
        gone: per case the rows that are no answers: its own parts.
        untaught: rows that are left out.
    """

    rows: Tensor
    shares: Tensor
    gone: Sequence[Sequence[int]]
    untaught: Sequence[int]

    @classmethod
    def of(
        cls,
        records: Sequence[Record],
        target: Target,
        sharing: float,
        taught: Collection[str] | None,
    ) -> _Wanted:
        index = target.outcomes.index
        known = [[index[p] for p in r.parts[: r.visible] if p in index] for r in records]
        untaught = [] if taught is None else [index[o] for o in index if o not in taught]
        rescoring = target.capabilities.rescoring
        rows, scores = [], []
        for start in range(0, len(records), _SCORED_AT_ONCE):
            here = slice(start, start + _SCORED_AT_ONCE)
            found = _scores(records[here], target) if rescoring else _by_rank(records[here], index)
            _leave_out(found, known[here], untaught)
            best = found.topk(min(_MOST_WANTED, len(index)), dim=1)
            rows.append(best.indices)
            scores.append(best.values)
        values = torch.cat(scores)
        temperature = _temperature(values, sharing) if rescoring else 1.0
        shares = torch.softmax(values / temperature, dim=1).nan_to_num(0.0)  # nothing left
        return cls(torch.cat(rows), shares, known, untaught)

    def loss(self, fit: Tensor, some: Sequence[int]) -> Tensor:
        """Mean cross-entropy of (n, O) fits with what some of the cases want, in nats."""
        out = torch.zeros_like(fit)
        _leave_out(out, [self.gone[i] for i in some], self.untaught)
        log_shares = torch.log_softmax(fit + out, dim=1).gather(1, self.rows[some])
        shares = self.shares[some]
        return -(shares * log_shares.masked_fill(shares == 0, 0.0)).sum(1).mean()


def _leave_out(scores: Tensor, known: Sequence[Sequence[int]], untaught: Sequence[int]) -> None:
    """Take chances from what is no answer, and from what is not taught, in place."""
    scores[:, list(untaught)] = -torch.inf
    for row, own in zip(scores, known, strict=True):
        row[list(own)] = -torch.inf


def _scores(records: Sequence[Record], target: Target) -> Tensor:
    """(N, O) the target's scores, in standard deviations of each case's."""
    cases = [Case(r.case_id, r.parts[: r.visible]) for r in records]
    scores = torch.from_numpy(np.array(target.score(cases), dtype=np.float32))
    return scores / scores.std(1, keepdim=True).clamp_min(1e-6)


def _temperature(scores: Tensor, sharing: float) -> float:
    """One for all cases, at which so many outcomes share the median case's.

    Perplexity grows with temperature, so halving finds it. Where there are hardly as many outcomes,
    half of them share.

    Args:
        scores: (N, M) of each case's best outcomes; what is no answer is minus infinity.
    """
    some = scores[:: max(1, len(scores) // _SCORED_AT_ONCE)]
    wanted = min(sharing, float(some.isfinite().sum(1).median()) / 2)
    low, high = (float(np.log(bound)) for bound in _TEMPERATURES)
    for _ in range(30):
        middle = (low + high) / 2
        shares = torch.softmax(some / float(np.exp(middle)), dim=1)
        perplexity = torch.special.entr(shares).sum(1).exp()
        if float(perplexity.nanmedian()) > wanted:
            high = middle
        else:
            low = middle
    return float(np.exp((low + high) / 2))


def _by_rank(records: Sequence[Record], index: Mapping[str, int]) -> Tensor:
    """(N, O) logarithms of shares of each top list that fall as one over the rank."""
    found = torch.full((len(records), len(index)), -torch.inf)
    for row, record in zip(found, records, strict=True):
        top = [index[one] for one in record.label["top"]]
        row[top] = -torch.log(torch.arange(1, len(top) + 1).float())
    return found
