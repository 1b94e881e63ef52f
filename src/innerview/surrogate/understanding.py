"""What a surrogate with a memory has understood: of a case, of a title, of a slot.

The memory writes numbers into places of the hidden state that nothing else reaches
(``memory.py``). They can be read there, before any answer is spoken: which outcomes fit a case as
the surrogate has understood it, which part alone fits an outcome best, and which title it
understands to mean what a slot holds. The target is not asked, and its vectors are not looked at: a
title means what the surrogate reads there.

Axes: N questions, O outcomes, n numbers of a vector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from innerview.alignment.records import FORMS, Form, Record
from innerview.alignment.tasks import Asker, Context
from innerview.surrogate.memory import Memory, read_cases, read_mentions
from innerview.surrogate.model import SpliceModel
from innerview.surrogate.packing import Batch
from innerview.targets.protocol import Target

__all__ = ["Understanding"]

_WEIGHED_ALIKE: tuple[tuple[Form, ...], ...] = (("behavior",), ("intention", "hybrid"))
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

    def learn(self, records: Sequence[Record], *, seed: int = 0) -> None:
        """Weigh products of case and outcome so that the target's first outcomes fit best.

        Cross-entropy over all outcomes, with shares that fall as one over the rank; the memory's
        own weights, fitted to yes and no, tell good outcomes from bad ones but not the best from
        the good. What is read off titles is less sure than what a slot tells, and wants to be
        weighed otherwise: forms with slots share their weights, the other has its own. Steps get
        smaller to the end, or the last few questions have too much of a say.

        Args:
            records: retrieval questions of training; forms that they lack keep their weights.
            seed: of their order.
        """
        cases = self._cases(records)
        rows = {one: row for row, one in enumerate(self.target.outcomes.ids)}
        rng = np.random.default_rng(seed)
        learned = self.memory.weights.clone()
        for alike in _WEIGHED_ALIKE:
            forms = [form for form in alike if any(r.form == form for r in records)]
            places = [FORMS.index(form) for form in forms]
            own = [i for i, r in enumerate(records) if r.form in forms]
            if not own:
                continue
            weights = learned[places].mean(0).requires_grad_()
            adam = torch.optim.Adam([weights], lr=_RATE)
            for epoch in range(_EPOCHS):
                adam.param_groups[0]["lr"] = _RATE * (1 - epoch / _EPOCHS)
                order = rng.permutation(own)
                for start in range(0, len(order), _BATCH):
                    chosen = order[start : start + _BATCH]
                    loss = _WEIGHT_DECAY * weights.square().sum()
                    for form in forms:
                        asked = [i for i in chosen if records[i].form == form]
                        if asked:
                            fit = _fit(weights, cases[asked], self._outcomes(form))
                            each = _cross_entropy(fit, [records[i] for i in asked], rows)
                            loss = loss + each * (len(asked) / len(chosen))
                    (weights.grad,) = torch.autograd.grad(loss, weights)
                    adam.step()
            learned[places] = weights.detach()
        self.memory.weights = learned

    def _weights(self, form: Form) -> Tensor:
        """(4n,)"""
        return self.memory.weights[FORMS.index(form)]

    def best(self, records: Sequence[Record], *, size: int) -> list[tuple[str, ...]]:
        """For each question about a case, the outcomes that fit best what was understood of it,
        best first, without its own parts."""
        cases = self._cases(records)
        found: list[tuple[str, ...]] = []
        for record, case in zip(records, cases, strict=True):
            seen = set(record.parts[: record.visible])
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
    """(N, O) from (4n,) weights: of products, and of the outcome's own numbers, both as long as the
    outcome's vector is; and of those numbers by themselves.

    A vector's numbers tell its direction and the logarithm of its length (``projector.py``), and a
    target multiplies with all of the vector. What depends on the case alone is the same for all
    outcomes, and left out.
    """
    products, linear, growth, own = weights.chunk(4)
    lengths = torch.exp(outcomes @ growth)
    fit: Tensor = (cases * products + linear) @ (outcomes * lengths[:, None]).T + outcomes @ own
    return fit


def _cross_entropy(fit: Tensor, records: Sequence[Record], rows: Mapping[str, int]) -> Tensor:
    """Mean over records, in nats; a case's own parts are no answers."""
    truth, gone = torch.zeros_like(fit), torch.zeros_like(fit)
    for at, record in enumerate(records):
        top = record.label["top"]
        truth[at, [rows[one] for one in top]] = 1 / torch.arange(1, len(top) + 1)
        gone[at, [rows[p] for p in record.parts[: record.visible] if p in rows]] = -torch.inf
    truth = truth / truth.sum(1, keepdim=True)
    log_shares = torch.log_softmax(fit + gone, dim=1)
    return -(truth * log_shares.masked_fill(truth == 0, 0.0)).sum(1).mean()
