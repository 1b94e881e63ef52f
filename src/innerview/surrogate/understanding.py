"""What a surrogate with a memory has understood: of a case, of a title, of a slot.

The memory writes numbers into places of the hidden state that nothing else reaches
(``memory.py``). They can be read there, before any answer is spoken: which outcomes fit a case as
the surrogate has understood it, and which title it understands to mean what a slot holds. The
target is not asked, and its vectors are not looked at: a title means what the surrogate reads
there.

Axes: N questions, O outcomes, n numbers of a vector.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from innerview.alignment.records import Form, Record
from innerview.alignment.tasks import Asker, Context
from innerview.surrogate.memory import Memory, fits, read_numbers
from innerview.surrogate.model import SpliceModel
from innerview.surrogate.packing import Batch
from innerview.targets.protocol import Target

__all__ = ["Understanding"]

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
        self.n = len(memory.places) // 4
        self._titles: dict[Form, Tensor] = {}

    def shortlists(self, records: Sequence[Record], *, size: int) -> list[list[str]]:
        """For each question about a case, the outcomes that fit best what was understood of it,
        best first, without its own parts."""
        cases = self._numbers(records)[:, : self.n]
        found: list[list[str]] = []
        for record, case in zip(records, cases, strict=True):
            seen = set(record.parts[: record.visible])
            fit = fits(self.memory, case[None], self._outcomes(record.form))[0]
            best = fit.topk(min(len(fit), size + len(seen))).indices.tolist()
            ids = (self.target.outcomes.ids[row] for row in best)
            found.append([one for one in ids if one not in seen][:size])
        return found

    def meant(self, records: Sequence[Record]) -> list[str]:
        """For each question that ends in a slot, the outcome whose title is understood to mean most
        nearly what the slot holds."""
        if not records:
            return []
        held = self._numbers(records)[:, self.n :]
        titles = torch.nn.functional.normalize(self._outcomes("behavior"), dim=1)
        nearest = (held @ titles.T).argmax(1)
        return [self.target.outcomes.ids[row] for row in nearest.tolist()]

    def _outcomes(self, form: Form) -> Tensor:
        """(O, n) what is understood by each outcome, as a form mentions it, apart from any case."""
        if form not in self._titles:
            judged = [(outcome, True) for outcome in self.target.outcomes.ids]
            asker = Asker(self.target.outcomes, self.target.parts)
            records = asker.interest(Context("", (), 0), form, judged, np.random.default_rng(0))
            self._titles[form] = self._numbers(records)[:, self.n :]
        return self._titles[form]

    def _numbers(self, records: Sequence[Record]) -> Tensor:
        """(N, 2n) the case and the last mention, as understood where each answer begins."""
        return self.at_answers(
            records, lambda batch, spots: read_numbers(self.model, self.memory, batch, spots)
        )
