"""One surrogate asked the same questions in two ways: our decoding, and plain ``generate``.

The weights are the same, with adapters folded in, and so are the prompts, token by token; for
retrieval both search with the same number of beams through the same trie and score by summed
log-probability, for explanations both decode greedily up to the same number of tokens.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor

from _material import flat
from _process import Result, machine
from innerview.alignment.cases import read_cases
from innerview.alignment.records import Record
from innerview.explainer import Explainer
from innerview.pipeline import shipped_folder
from innerview.surrogate.base import DtypeName
from innerview.surrogate.decode import Constraint, Free, OneOf, decode
from innerview.surrogate.packing import Tree, trees_of
from innerview.surrogate.surrogate import Surrogate
from innerview.surrogate.trie import Trie, kept_trie
from innerview.targets import Case, Target, load_bundle

__all__ = ["Asking", "ask", "time_explain", "time_trie"]

_BEAMS = 20


@dataclass(frozen=True, slots=True)
class Asking:
    """Who answers what, and how many prompts at a time.

    Attributes:
        who: ``ours`` or ``generate``.
        what: ``retrieval`` asks for titles, ``explanation`` for all that ``explain`` asks, and
            ``free`` for titles without a trie, as the reference does.
        run: an aligned run; None for the shipped one.
        n_cases: held-out cases of the run.
        batch: prompts at a time; 0 leaves it to our decoding.
        max_new_tokens: of an answer.
        dtype: of the weights; in float32 the answers of both are the same.
    """

    who: Literal["ours", "generate"]
    what: Literal["retrieval", "explanation", "free"]
    run: Path | None
    n_cases: int
    batch: int
    max_new_tokens: int
    dtype: DtypeName = "auto"


class _Listener:
    """Stands in for a surrogate and notes what ``explain`` asks of it."""

    fingerprint = ""

    def __init__(self) -> None:
        self.asked: list[Record] = []

    def answer(self, records: Sequence[Record]) -> list[Any]:
        self.asked += records
        return [self._anything(record) for record in records]

    @staticmethod
    def _anything(record: Record) -> Any:
        match record.task:
            case "interest":
                return 0.5
            case "attribution":
                return record.parts[0]
            case _:
                return ()

    def write(self, records: Sequence[Record], *, wordings: Any = None) -> list[str]:
        # With wordings it is the second attempt, which depends on the first.
        self.asked += records if wordings is None else []
        return [""] * len(records)


def _loaded(run: Path | None, dtype: DtypeName = "auto") -> tuple[Path, Target, Surrogate]:
    run = run or shipped_folder()
    target = load_bundle(run / "target")
    return run, target, Surrogate.load(run / "surrogate", target, dtype=dtype)


def _questions(run: Path, target: Target, n_cases: int, what: str) -> list[Record]:
    """By task, so that what is decoded together is of like length."""
    listener = _Listener()
    Explainer(target, cast(Surrogate, listener))(list(_cases(run, n_cases)))
    kept = [r for r in listener.asked if what == "explanation" or r.task == "retrieval"]
    return sorted(kept, key=lambda r: (r.task, r.form))


def _cases(run: Path, n: int) -> tuple[Case, ...]:
    return read_cases(run).test[:n]


def ask(asking: Asking) -> Result:
    """Ask everything once, after a warm-up; answers as token ids, or ids of outcomes."""
    run, target, surrogate = _loaded(asking.run, asking.dtype)
    records = _questions(run, target, asking.n_cases, asking.what)
    prompts = [
        tree
        for r in records
        for tree in trees_of(
            [r], surrogate.encoder, surrogate.vectors, with_answer=False, with_case=False
        )
    ]
    end = surrogate.encoder.frame.end_of_answer[0]
    constraints: list[Constraint] = [Free(end) for _ in records]
    if asking.what == "retrieval":
        titles = _titles(surrogate)
        trie = Trie.build(list(titles), titles.values())
        constraints = [OneOf(trie, end, frozenset(r.parts[: r.visible])) for r in records]
    answer = _ours if asking.who == "ours" else _generated
    answer(surrogate, prompts[:1], constraints[:1], asking)
    began = time.perf_counter()
    size = asking.batch or len(prompts)
    found: list[list[Any]] = []
    for at in range(0, len(prompts), size):
        here = slice(at, at + size)
        found += answer(surrogate, prompts[here], constraints[here], asking)
    seconds = time.perf_counter() - began
    tokens = sum(len(_first_tokens(own, surrogate, asking.what)) + 1 for own in found)
    result = {
        "prompts": len(prompts),
        "seconds": seconds,
        "prompts_per_s": len(prompts) / seconds,
        "cases_per_s": asking.n_cases / seconds,
        "new_tokens": tokens,
        "new_tokens_per_s": tokens / seconds,
        "answers": found,
        "machine": machine(),
    }
    if asking.what == "free":
        known = set(target.outcomes.titles)
        said = [surrogate.base.tokenizer.decode(own).strip() for own in found]
        result["valid_share"] = sum(text in known for text in said) / len(said)
    return result


def _titles(surrogate: Surrogate) -> dict[str, tuple[int, ...]]:
    encoder, outcomes = surrogate.encoder, surrogate.target.outcomes
    n_end = len(encoder.frame.end_of_answer)
    return {i: encoder.answer_ids(f" {outcomes.title(i)}")[:-n_end] for i in outcomes.ids}


def _first_tokens(own: Sequence[Any], surrogate: Surrogate, what: str) -> Sequence[int]:
    """Ids of the answer, or of the first title where there are several."""
    if what != "retrieval":
        return own
    return surrogate.encoder.text(f" {surrogate.target.outcomes.title(own[0])}") if own else ()


def _ours(
    surrogate: Surrogate,
    prompts: Sequence[Tree],
    constraints: Sequence[Constraint],
    asking: Asking,
) -> list[list[Any]]:
    n_beams = _BEAMS if asking.what == "retrieval" else 1
    together = {"batch_size": asking.batch * n_beams} if asking.batch else {}
    found = decode(
        surrogate.model, prompts, constraints,
        n_beams=n_beams, max_new_tokens=asking.max_new_tokens, **together,
    )  # fmt: skip
    if asking.what == "retrieval":
        return [[beam.value for beam in beams if beam.complete] for beams in found]
    return [constraints[0].value(beams[0].tokens) for beams in found]


@torch.inference_mode()
def _generated(
    surrogate: Surrogate,
    prompts: Sequence[Tree],
    constraints: Sequence[Constraint],
    asking: Asking,
) -> list[list[Any]]:
    """The same by ``transformers``: left-padded rows, each with its whole prompt."""
    embeddings, attention = _padded(surrogate, prompts)
    end = surrogate.encoder.frame.end_of_answer[0]
    options: dict[str, Any] = {}
    if asking.what == "retrieval":
        options = {
            "num_beams": _BEAMS,
            "num_return_sequences": _BEAMS,
            "length_penalty": 0.0,  # the sum of log-probabilities, as ours
            "prefix_allowed_tokens_fn": _allowed(constraints, end),
        }
    causal, prepared = surrogate.model.causal, surrogate.model.prepared
    # What generate chooses it embeds by itself.
    hook = causal.get_input_embeddings().register_forward_hook(lambda _, __, out: prepared(out))
    out = causal.generate(
        inputs_embeds=embeddings, attention_mask=attention, do_sample=False,
        max_new_tokens=asking.max_new_tokens, eos_token_id=end, pad_token_id=end, **options,
    )  # fmt: skip
    hook.remove()
    if asking.what != "retrieval":
        return [_until(row, end) for row in out.tolist()]
    found: list[list[Any]] = []
    for constraint, rows in zip(constraints, out.split(_BEAMS), strict=True):
        ids = (constraint.value(_until(row, end)) for row in rows.tolist())
        found.append(list(dict.fromkeys(i for i in ids if i)))  # the dead ones mean nothing
    return found


def _allowed(constraints: Sequence[Constraint], end: int) -> Callable[[int, Tensor], Sequence[int]]:
    """What may follow; where fewer than all beams are alive, the dead ones go on with the end."""

    def allowed(row: int, ids: Tensor) -> Sequence[int]:
        return constraints[row].allowed(ids.tolist()) or [end]

    return allowed


def _until(row: Sequence[int], end: int) -> list[int]:
    return list(row[: row.index(end)] if end in row else row)


def _padded(surrogate: Surrogate, prompts: Sequence[Tree]) -> tuple[Tensor, Tensor]:
    """(B, T, h) embeddings with vectors in their slots, and (B, T) what is no padding."""
    device = next(surrogate.model.language_model.parameters()).device
    own = [flat(tree, surrogate.vectors) for tree in prompts]
    width = max(len(e.ids) for e in own)
    ids = torch.zeros(len(own), width, dtype=torch.int64)
    attention = torch.zeros_like(ids)
    slots: list[tuple[int, int, int, int]] = []
    for row, e in enumerate(own):
        pad = width - len(e.ids)
        ids[row, pad:] = torch.tensor(e.ids)
        attention[row, pad:] = 1
        slots += [(row, pad + at, kind, place) for at, kind, place in e.slots]
    table = torch.tensor(slots, dtype=torch.int64).reshape(-1, 4).to(device)
    embeddings = surrogate.model.embed(ids.to(device), table[:, :2], table[:, 2], table[:, 3])
    return embeddings, attention.to(device)


def time_explain(run: Path | None, n_cases: int) -> Result:
    """Cases a second of ``Explainer`` itself: target, evidence, judgements, beams and prose."""
    run, target, surrogate = _loaded(run)
    explainer, cases = Explainer(target, surrogate), _cases(run, n_cases + 1)
    explainer(cases[-1])
    began = time.perf_counter()
    explainer(list(cases[:n_cases]))
    return {"cases_per_s": n_cases / (time.perf_counter() - began)}


def time_trie(run: Path | None, n_titles: int) -> Result:
    """Seconds to encode so many made-up titles, and to build their trie."""
    _, target, surrogate = _loaded(run)
    rng = random.Random(0)
    words = sorted({word for title in target.outcomes.titles for word in title.split()})
    titles = [f" {' '.join(rng.choices(words, k=4))} {i}" for i in range(n_titles)]
    began = time.perf_counter()
    encoded = {str(i): surrogate.encoder.text(title) for i, title in enumerate(titles)}
    built_from = time.perf_counter()
    Trie.build(list(encoded), encoded.values())
    built = time.perf_counter()
    tokenizer = surrogate.base.tokenizer.backend_tokenizer.to_str()
    with tempfile.TemporaryDirectory() as kept:
        for _ in range(2):  # the first one writes it
            read_from = time.perf_counter()
            kept_trie(
                Path(kept), list(encoded), titles,
                tokenizer=tokenizer, tokens_of=surrogate.encoder.text,
            )  # fmt: skip
        read = time.perf_counter() - read_from
    return {"titles": n_titles, "encode_seconds": built_from - began,
            "build_seconds": built - built_from, "read_seconds": read}  # fmt: skip
