"""How a surrogate answers: questions by id, and text.

What a task asks is turned into what a language model does best: titles are decoded under a trie of
the catalogue, judgements are odds of yes, and with a memory (``understanding.py``) much is read
before a word is spoken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from innerview.alignment.records import Record
from innerview.alignment.tasks import NO, YES, Asker
from innerview.data.tables import Catalogue
from innerview.surrogate.base import cache_folder
from innerview.surrogate.decode import Constraint, Free, OneOf, Sentences, decode
from innerview.surrogate.memory import Memory
from innerview.surrogate.model import SpliceModel
from innerview.surrogate.packing import Batch, Tree, collate, pack_in_order, trees_of
from innerview.surrogate.prompts import PromptEncoder
from innerview.surrogate.trie import Trie, kept_trie
from innerview.surrogate.understanding import Understanding
from innerview.surrogate.vectors import VectorTable
from innerview.targets.protocol import Target

__all__ = ["PROSE_TOKENS", "Respondent"]

PROSE_TOKENS = 320
_N_RETRIEVED, _N_CANDIDATES = 5, 20
_JUDGED = ("interest", "ranking")
_WORTH_KEEPING = 5000
"""Titles from which on a trie is kept on disk: below, building it takes less than half a second."""


class Respondent:
    """Answers for one language model, adapted and spliced, about one target's outcomes.

    Args:
        model: that answers.
        encoder: of prompts.
        vectors: what slots hold.
        target: asked for its catalogues only.
        memory: what has been written into the model, if anything.
    """

    def __init__(
        self,
        model: SpliceModel,
        encoder: PromptEncoder,
        vectors: VectorTable,
        target: Target,
        memory: Memory,
    ) -> None:
        self.model, self.encoder, self.vectors = model, encoder, vectors
        self.target, self.memory = target, memory

    @cached_property
    def _outcome_trie(self) -> Trie:
        return self._trie(self.target.outcomes)

    @cached_property
    def _part_trie(self) -> Trie:
        if self._parts_are_outcomes:
            return self._outcome_trie
        return self._trie(self.target.parts)

    def _trie(self, catalogue: Catalogue) -> Trie:
        ids, titles = catalogue.ids, catalogue.titles
        known = getattr(self.encoder.tokenizer, "backend_tokenizer", None)
        if len(ids) < _WORTH_KEEPING or known is None:
            return Trie.build(ids, map(self._title_ids, titles))
        return kept_trie(
            cache_folder() / "tries", ids, titles,
            tokenizer=known.to_str(), tokens_of=self._title_ids,
        )  # fmt: skip

    def _title_ids(self, title: str) -> tuple[int, ...]:
        return self.encoder.answer_ids(f" {title}")[: -len(self.encoder.frame.end_of_answer)]

    @property
    def _end(self) -> int:
        return self.encoder.frame.end_of_answer[0]

    def _constraint(self, record: Record) -> Constraint:
        excludes = self.target.capabilities.excludes_parts
        seen = record.parts[: record.visible] if excludes else ()
        match record.task:
            case "history":
                return OneOf(self._part_trie, self._end)
            case "item_title" | "item_similar":
                return OneOf(self._outcome_trie, self._end)
            case "retrieval":
                return OneOf(self._outcome_trie, self._end, frozenset(seen))
            case _:
                return Free(self._end)

    def answer(
        self,
        records: Sequence[Record],
        *,
        batch_size: int = 96,
        max_new_tokens: int = PROSE_TOKENS,
    ) -> list[Any]:
        """Answers by id, in the order of the records.

        Retrieval gives up to five outcome ids, best first; ranking and history lists of ids;
        interest the probability of yes; item_title, item_similar and attribution one id; other
        tasks text.

        A language model judges better than it names, and has understood more than it says. So
        rankings are orders of judgements, as in the interest task, and with a memory retrieval
        gives the outcomes that fit what was understood of the case; the part that matters most is
        the one without which the outcome fits worst; and a slot stands for the outcome whose
        title is understood to mean the same. Without a memory, titles are named by beam search
        and weighed by judgements, and parts are judged.
        """
        values: list[Any] = [None] * len(records)
        explained = [i for i, r in enumerate(records) if r.task == "attribution"]
        reasons = self.reasons([records[i] for i in explained])
        understood = self._understood(records)
        understood |= {i: own[0] if own else "" for i, own in zip(explained, reasons, strict=True)}
        for i, found in understood.items():
            values[i] = found
        told = [i for i, r in enumerate(records) if r.task not in _JUDGED and i not in understood]
        said = [self._sayings(records[i]) for i in told]
        decoded = iter(self._decode([q for own in said for q in own], batch_size, max_new_tokens))
        for i, own in zip(told, said, strict=True):
            answers = [next(decoded) for _ in own]
            values[i] = _named(records[i], answers)
        judged = [
            i
            for i, r in enumerate(records)
            if r.task in {*_JUDGED, "retrieval"} and i not in understood
        ]
        asked = [self._judgements(records[i], values[i]) for i in judged]
        odds = iter(self._odds([question for own in asked for question in own]))
        for i, own in zip(judged, asked, strict=True):
            values[i] = self._verdict(records[i], values[i], [next(odds) for _ in own])
        return values

    def reasons(self, records: Sequence[Record]) -> list[tuple[str, ...]]:
        """For each attribution question, the parts of its case, those that matter most first.

        With a memory, the less an outcome fits what is understood of a case without a part, the
        more it matters; without one, the likelier yes is to the outcome for that part alone. None,
        where that needs the vector of a changed case, and the target makes none.
        """
        understood = bool(self.memory.edits)
        ask = self._without_each if understood else self._with_each_alone
        able = [r.form == "behavior" or self.target.capabilities.rescoring for r in records]
        asked = [ask(record) if can else [] for record, can in zip(records, able, strict=True)]
        flat = [question for own in asked for question in own]
        told = iter(self.understanding.fit_of(flat) if understood and flat else self._odds(flat))
        found: list[tuple[str, ...]] = []
        for record, own, can in zip(records, asked, able, strict=True):
            parts, said = _distinct_parts(record) if can else (), [next(told) for _ in own]
            weights = [-fit for fit in said] if understood else said
            found.append(_best_first(zip(parts, weights or [0.0] * len(parts), strict=True)))
        return found

    @cached_property
    def _askers(self) -> Mapping[bool, Asker]:
        """By whether their words were kept out of training."""
        return {
            held: Asker(self.target.outcomes, self.target.parts, heldout=held)
            for held in (False, True)
        }

    def _understood(self, records: Sequence[Record]) -> dict[int, Any]:
        """By place, what needs no words to be found: the outcomes that fit a case best, and those
        that slots stand for. Nothing without a memory."""
        if not self.memory.edits:
            return {}
        reader, found = self.understanding, dict[int, Any]()
        named = {"item_title"} | ({"history"} if self._parts_are_outcomes else set())
        asked = [i for i, r in enumerate(records) if r.task == "retrieval" and r.parts]
        if asked:
            best = reader.best([records[i] for i in asked], size=_N_RETRIEVED)
            found |= zip(asked, best, strict=True)
        asked = [i for i, r in enumerate(records) if r.task in named]
        if asked and reader.reads_titles:
            sayings = [self._sayings(records[i]) for i in asked]
            meant = iter(reader.meant([q for said in sayings for q in said]))
            for i, said in zip(asked, sayings, strict=True):
                found[i] = _named(records[i], [next(meant) for _ in said])
        return found

    @property
    def _parts_are_outcomes(self) -> bool:
        return self.target.parts is self.target.outcomes

    @cached_property
    def understanding(self) -> Understanding:
        """What is read in the model's memory."""
        return Understanding(self.model, self.memory, self.target, self._at_answers)

    def _sayings(self, record: Record) -> Sequence[Record]:
        """The questions for one answer each that a record comes down to."""
        if record.task != "history":
            return [record]
        return self._askers[record.heldout_phrasing].namings(record, _distinct_parts(record))

    def _without_each(self, record: Record) -> list[Record]:
        """Whether an outcome is of interest to a case without each of its parts; nothing, where
        that would leave none."""
        parts, outcome = _distinct_parts(record), [record.label["outcome"]]
        if len(parts) < 2:
            return []
        asker = self._askers[record.heldout_phrasing]
        return [
            question
            for part in parts
            for question in asker.judgements(
                record, outcome, parts=[p for p in record.parts[: record.visible] if p != part]
            )
        ]

    def _with_each_alone(self, record: Record) -> list[Record]:
        """Whether an outcome is of interest to a case of each of its parts alone."""
        asker, outcome = self._askers[record.heldout_phrasing], [record.label["outcome"]]
        return [
            question
            for part in _distinct_parts(record)
            for question in asker.judgements(record, outcome, parts=[part])
        ]

    def _judgements(
        self, record: Record, named: Sequence[tuple[str, float]] | None
    ) -> Sequence[Record]:
        """The yes-or-no questions that a record comes down to."""
        asker = self._askers[record.heldout_phrasing]
        match record.task:
            case "retrieval":
                return asker.judgements(record, [outcome for outcome, _ in named or ()])
            case "ranking":
                return asker.judgements(record, record.label["shown"])
            case _:
                return [record]

    def _verdict(
        self, record: Record, named: Sequence[tuple[str, float]] | None, odds: Sequence[float]
    ) -> Any:
        """What the log-odds of its yes-or-no questions say to a record."""
        match record.task:
            case "retrieval":
                # Bayes' rule: how likely it was named, times the odds, as new evidence.
                found = [
                    (o, score + own) for (o, score), own in zip(named or (), odds, strict=True)
                ]
                return _best_first(found)[:_N_RETRIEVED]
            case "ranking":
                return _best_first(zip(record.label["shown"], odds, strict=True))
            case _:
                return 1 / (1 + math.exp(-odds[0]))

    def write(
        self,
        records: Sequence[Record],
        *,
        wordings: Sequence[Sequence[Sequence[str]]] | None = None,
    ) -> list[str]:
        """Text for each record: prose or chat; empty where no end was reached.

        Args:
            records: what to write about.
            wordings: per record the sentences it must consist of, each in several wordings; the
                surrogate then only chooses among them. Without it, it writes freely.
        """
        prompts = [self._prompt(r) for r in records]
        constraints: list[Constraint] = (
            [Free(self._end)] * len(records)
            if wordings is None
            else [self._sentences(ways) for ways in wordings]
        )
        found = decode(
            self.model, prompts, constraints, max_new_tokens=PROSE_TOKENS,
        )  # fmt: skip
        return [self._text(group[0].value) if group[0].complete else "" for group in found]

    def _sentences(self, ways: Sequence[Sequence[str]]) -> Sentences:
        """Each sentence but the first begins with the space that parts it from the one before."""
        tries = [
            Trie.build(sentence, [self.encoder.text(f" {way}" if at else way) for way in sentence])
            for at, sentence in enumerate(ways)
        ]
        return Sentences(tries, self._end)

    def _decode(self, records: Sequence[Record], batch_size: int, max_new_tokens: int) -> list[Any]:
        """What each answer means, by its constraint; for retrieval, ids with log-probabilities."""
        constraints = [self._constraint(r) for r in records]
        found = decode(
            self.model, [self._prompt(r) for r in records], constraints,
            n_beams=[self._n_answers(r) for r in records],
            max_new_tokens=max_new_tokens, batch_size=batch_size,
        )  # fmt: skip
        values: list[Any] = []
        for record, constraint, beams in zip(records, constraints, found, strict=True):
            if record.task == "retrieval":
                values.append([(b.value, b.score) for b in beams if b.complete])
                continue
            value = beams[0].value if beams[0].complete else constraint.value(beams[0].tokens)
            values.append(self._text(value) if isinstance(constraint, Free) else value)
        return values

    @staticmethod
    def _n_answers(record: Record) -> int:
        """How many answers are wanted: for several, the likeliest, likeliest first."""
        match record.task:
            case "retrieval":
                return _N_CANDIDATES
            case _:
                return 1

    def _text(self, tokens: Sequence[int]) -> str:
        text: str = self.encoder.tokenizer.decode(tokens, skip_special_tokens=True)
        return text.strip()

    def _prompt(self, record: Record) -> Tree:
        (tree,) = trees_of([record], self.encoder, self.vectors, with_answer=False, with_case=False)
        return tree

    def _odds(self, records: Sequence[Record]) -> list[float]:
        """Log-odds of yes against no, every question of a case in one packed pass."""
        if not records:
            return []
        yes, no = (self.encoder.text(f" {word}")[0] for word in (YES, NO))

        def odds(batch: Batch, spots: Tensor) -> Tensor:
            logits = self.model.run(batch)[batch.first_answers]
            return logits[:, yes] - logits[:, no]

        found: list[float] = self._at_answers(records, odds).tolist()
        return found

    def _at_answers(
        self,
        records: Sequence[Record],
        read: Callable[[Batch, Tensor], Tensor],
        *,
        rows_per_batch: int = 8,
    ) -> Tensor:
        """What ``read`` finds where each record's answer begins, given a batch and positions
        (N, 2) in it; in the order of the records."""
        order = sorted(range(len(records)), key=lambda i: repr(records[i].context_key))
        trees = trees_of([records[i] for i in order], self.encoder, self.vectors, with_case=False)
        rows = list(pack_in_order(trees, max_tokens=512))
        found: list[Tensor] = []
        for start in range(0, len(rows), rows_per_batch):
            batch = collate(
                rows[start : start + rows_per_batch], self.vectors,
                pad_id=self.encoder.tokenizer.eos_token_id,
            )  # fmt: skip
            found.append(read(batch, batch.answer_positions[batch.first_answers]).cpu())
        stacked = torch.cat(found)
        back = torch.empty(len(order), dtype=torch.int64)
        back[torch.tensor(order)] = torch.arange(len(order))
        return stacked[back]


def _named(record: Record, answers: Sequence[Any]) -> Any:
    """Of a history, whatever was named, once; of anything else the only answer."""
    return tuple(dict.fromkeys(answers)) if record.task == "history" else answers[0]


def _distinct_parts(record: Record) -> list[str]:
    """Of those that a question may look back at."""
    return list(dict.fromkeys(record.parts[: record.visible]))


def _best_first(scored: Iterable[tuple[str, float]]) -> tuple[str, ...]:
    """Ids by falling score; ties keep their order."""
    return tuple(one for one, _ in sorted(scored, key=lambda pair: -pair[1]))
