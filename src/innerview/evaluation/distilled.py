"""A small network taught by the same answers as the surrogate: RecExplainer's distilled rival.

It reads neither titles nor the target's vectors: like SASRec (Kang & McAuley, arXiv 1808.09781) it
has an embedding per part and two causal self-attention blocks, and learns the target's top lists
of the training cases, as soft labels that fall as one over the rank. What a surrogate does better
than it, words or vectors have helped with; what it does as well, training alone has.

Imports torch, so it is imported only where a student is to be taught.

Axes: B windows, L parts of the longest of them, N questions, K outcomes of a top list, O outcomes,
h width.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import rankdata
from torch import Tensor, nn

from innerview.alignment.records import Record, Task
from innerview.errors import RecordError
from innerview.evaluation.answers import AnswerValue
from innerview.targets.protocol import Case, Target, blocked_rows

__all__ = ["DISTILLED_TASKS", "Student", "StudentSettings", "distil"]

DISTILLED_TASKS: frozenset[Task] = frozenset({"retrieval", "ranking", "interest", "attribution"})
"""What it answers; the rest asks for words or for vectors."""

_TOP = 5
_AT_ONCE = 256
"""Records whose rows of scores are held together."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StudentSettings:
    """How the student is built and taught."""

    width: int = 64
    blocks: int = 2
    heads: int = 2
    dropout: float = 0.2
    batch_size: int = 64
    """Windows."""
    learning_rate: float = 4e-3
    """At the start; it falls to zero in a straight line."""
    max_epochs: int = 24
    patience: int = 4
    """Epochs without a lower loss on the validation cases before teaching stops."""
    max_seconds: float = 300.0
    """No epoch is begun after these; so a large catalogue gets a student that knows less."""


class Student(nn.Module):
    """Scores all outcomes after every part of a window."""

    def __init__(self, target: Target, settings: StudentSettings) -> None:
        super().__init__()
        h, longest = settings.width, target.capabilities.max_parts
        self.target, self.longest = target, longest
        self.parts = nn.Embedding(len(target.parts), h)
        self.places = nn.Embedding(longest, h)
        # Parts that are outcomes too need not be learned twice.
        shared = target.parts is target.outcomes
        self.outcomes = self.parts if shared else nn.Embedding(len(target.outcomes), h)
        self.bias = nn.Parameter(torch.zeros(len(target.outcomes)))
        for table in (self.parts, self.places, self.outcomes):
            nn.init.normal_(table.weight, std=h**-0.5)
        block = nn.TransformerEncoderLayer(
            h, settings.heads, 4 * h, settings.dropout, "gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(block, settings.blocks, nn.LayerNorm(h), False)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, rows: Tensor, at: Tensor) -> Tensor:
        """(N, O) logits.

        Args:
            rows: (B, L) int64, rows of the parts; padding on the right, where nothing looks.
            at: (N, 2) int64, window and place of the last part that a question sees.
        """
        length = rows.shape[1]
        inputs = self.dropout(self.parts(rows) + self.places.weight[:length])  # (B, L, h)
        ahead = torch.ones(length, length, dtype=torch.bool).triu(1)
        states = self.blocks(inputs, mask=ahead)[at[:, 0], at[:, 1]]  # (N, h)
        logits: Tensor = states @ self.outcomes.weight.T + self.bias
        return logits

    @torch.inference_mode()
    def scores(self, cases: Sequence[Sequence[str]]) -> Floats:
        """(N, O) log-probabilities, of cases given by their parts; the last ones are read."""
        self.eval()
        read = [list(case)[-self.longest :] for case in cases]
        at = torch.tensor([(row, len(case) - 1) for row, case in enumerate(read)])
        logits = self(_padded(self.target, read), at)
        found: Floats = torch.log_softmax(logits.double(), dim=-1).numpy()
        return found

    def answers(self, records: Sequence[Record]) -> list[AnswerValue]:
        """One answer per record of ``DISTILLED_TASKS``.

        The probability of yes is the percentile of the outcome's score, so that yes begins at the
        median outcome; the strongest part is the one without which the outcome loses most.
        """
        values: list[AnswerValue] = []
        for start in range(0, len(records), _AT_ONCE):
            batch = records[start : start + _AT_ONCE]
            scores = self.scores([r.parts[: r.visible] for r in batch])
            values += [self._answer(record, own) for record, own in zip(batch, scores, strict=True)]
        return values

    def _answer(self, record: Record, scores: Floats) -> AnswerValue:
        outcomes = self.target.outcomes
        seen = record.parts[: record.visible]
        match record.task:
            case "retrieval":
                scores = scores.copy()
                scores[blocked_rows(self.target, Case("", seen))] = -np.inf
                best = np.argsort(-scores, kind="stable")[:_TOP]
                return tuple(outcomes.ids[row] for row in best if np.isfinite(scores[row]))
            case "ranking":
                shown: list[str] = list(record.label["shown"])
                order = np.argsort(-scores[outcomes.rows(shown)], kind="stable")
                return tuple(shown[at] for at in order)
            case "interest":
                (row,) = outcomes.rows([record.label["outcome"]])
                return float((rankdata(scores)[row] - 0.5) / len(scores))
            case "attribution":
                parts = list(dict.fromkeys(seen))
                if len(parts) == 1:
                    return parts[0]
                left = [[p for p in seen if p != gone] for gone in parts]
                (row,) = outcomes.rows([record.label["outcome"]])
                return parts[int(np.argmin(self.scores(left)[:, row]))]
            case _:
                raise RecordError(f"a student cannot answer {record.task}")


@dataclass(frozen=True, slots=True)
class _Lesson:
    """A window, and the questions about its first parts.

    Attributes:
        parts: of the window.
        visible: how many of them each question sees.
        top: the rows of each question's outcomes, best first.
    """

    parts: tuple[str, ...]
    visible: tuple[int, ...]
    top: tuple[tuple[int, ...], ...]


def distil(
    target: Target,
    train: Sequence[Record],
    valid: Sequence[Record],
    *,
    settings: StudentSettings | None = None,
    seed: int = 0,
) -> Student:
    """Teach a student the top lists in the retrieval records, whatever form they have.

    Minimizes the Kullback-Leibler divergence from the soft labels to its softmax over all
    outcomes, and keeps the weights that did best on ``valid``.

    Args:
        target: whose catalogues it uses; it is not asked anything.
        train: training records, the surrogate's own.
        valid: records of other cases; without any, all epochs are run.
        settings: of the student.
        seed: of its weights, its dropout and the order of its lessons.

    Raises:
        RecordError: there is no retrieval record to learn from.
    """
    settings = settings or StudentSettings()
    lessons, checked = _lessons(target, train), _lessons(target, valid)
    if not lessons:
        raise RecordError("no retrieval records; a student learns from them")
    began = time.monotonic()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        student = Student(target, settings)
        optimizer = torch.optim.AdamW(student.parameters(), lr=settings.learning_rate)
        n_steps = settings.max_epochs * -(-len(lessons) // settings.batch_size)
        falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, n_steps)
        lowest, waited, best = math.inf, 0, student.state_dict()
        for _ in range(settings.max_epochs):
            student.train()
            for batch in _batches(lessons, torch.randperm(len(lessons)), settings.batch_size):
                optimizer.zero_grad()
                _loss(student, batch).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                falling.step()
            loss = _validation_loss(student, checked, settings.batch_size)
            waited = waited + 1 if loss >= lowest and checked else 0
            if not waited:
                lowest, best = loss, {k: v.clone() for k, v in student.state_dict().items()}
            if waited == settings.patience or time.monotonic() - began > settings.max_seconds:
                break
    student.load_state_dict(best)
    return student.eval()


def _lessons(target: Target, records: Sequence[Record]) -> list[_Lesson]:
    """Questions about one window together: each is answered at its last part, in one pass.

    The same question in several forms counts once.
    """
    index = target.outcomes.index
    found: dict[tuple[str, tuple[str, ...]], dict[int, tuple[int, ...]]] = {}
    for record in records:
        if record.task == "retrieval" and record.visible:
            own = found.setdefault((record.case_id, record.parts), {})
            own[record.visible] = tuple(index[o] for o in record.label["top"])
    return [_Lesson(key[1], tuple(own), tuple(own.values())) for key, own in found.items()]


def _batches(lessons: Sequence[_Lesson], order: Tensor, size: int) -> Iterator[list[_Lesson]]:
    rows = order.tolist()
    for start in range(0, len(rows), size):
        yield [lessons[row] for row in rows[start : start + size]]


def _loss(student: Student, batch: Sequence[_Lesson]) -> Tensor:
    """Mean divergence of a batch's questions, up to the constant entropy of their labels."""
    at = torch.tensor([(row, v - 1) for row, one in enumerate(batch) for v in one.visible])
    log_probs = torch.log_softmax(
        student(_padded(student.target, [o.parts for o in batch]), at), -1
    )
    tops = [top for one in batch for top in one.top]
    k = max(map(len, tops))
    wanted = torch.tensor([[*top, *[0] * (k - len(top))] for top in tops])  # (N, K)
    there = torch.arange(k) < torch.tensor([len(top) for top in tops])[:, None]
    shares = there / torch.arange(1, k + 1)
    shares = shares / shares.sum(-1, keepdim=True)
    return -(log_probs.gather(1, wanted) * shares).sum(-1).mean()


@torch.inference_mode()
def _validation_loss(student: Student, lessons: Sequence[_Lesson], size: int) -> float:
    student.eval()
    losses = [
        (float(_loss(student, batch)), len(batch))
        for batch in _batches(lessons, torch.arange(len(lessons)), size)
    ]
    return sum(loss * n for loss, n in losses) / max(1, len(lessons))


def _padded(target: Target, cases: Sequence[Sequence[str]]) -> Tensor:
    """(B, L) rows of the cases' parts, padded on the right."""
    rows = [torch.tensor(target.parts.rows(case)) for case in cases]
    return nn.utils.rnn.pad_sequence(rows, batch_first=True)
