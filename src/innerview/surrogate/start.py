"""Building a surrogate before training: LoRA on the linear layers, projectors from a fit, and what
its memory is fitted to.

What a slot should mean at the start: a part or outcome is the mean of its title's token
embeddings, rare tokens weighing more; a case is that of the outcomes the target puts first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from innerview.alignment.records import Record
from innerview.alignment.tasks import Asker, Context
from innerview.data.tables import Catalogue
from innerview.surrogate.base import BaseModel
from innerview.surrogate.memory import n_numbers
from innerview.surrogate.model import SpliceModel
from innerview.surrogate.packing import Tree, pack_in_order, trees_of
from innerview.surrogate.projector import ProjectorSet
from innerview.surrogate.prompts import PromptEncoder
from innerview.surrogate.vectors import VectorTable
from innerview.targets.protocol import Target

__all__ = ["add_lora", "fit_projectors", "met", "rows_to_fit", "title_embeddings"]

_FROZEN_DEPTH = 0.37
"""Share of the layers, the lowest, that keep their weights: nothing is learned below them, so the
backward pass ends there (docs/experiments.md)."""
_MOST_RESERVED, _FEWEST_NUMBERS = 1 / 3, 16
"""Share of the hidden state that a memory may keep for itself, and numbers of a vector that it
holds in any case. Of vectors with more, the principal components are told."""
_TOLD, _STATES = 24, 6
"""Outcomes that are mentioned to one case, for the memory; and states of its history at which they
are, so that many cases are met in few prompts."""


def add_lora(base: BaseModel, *, rank: int, alpha: int, seed: int) -> SpliceModel:
    """Put LoRA, in float32, on the linear layers of all but the lowest blocks of a frozen base."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    n = int(base.model.config.num_hidden_layers)
    head = base.model.get_output_embeddings()
    linear = {
        name.rpartition(".")[2]
        for name, module in base.model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    }
    config = LoraConfig(
        r=rank, lora_alpha=alpha, lora_dropout=0.0,
        target_modules=sorted(linear), layers_to_transform=list(range(int(n * _FROZEN_DEPTH), n)),
    )  # fmt: skip
    return SpliceModel(get_peft_model(base.model, config), None)


def title_embeddings(embedding: Tensor, encoder: PromptEncoder, catalogue: Catalogue) -> Tensor:
    """(N, h) float32: per title the mean of its token embeddings, weighted by rarity."""
    ids = [encoder.text(f" {title}") for title in catalogue.titles]
    counts = torch.zeros(len(embedding))
    for tokens in ids:
        counts[list(set(tokens))] += 1
    rarity = torch.log(len(ids) / counts.clamp_min(1)).clamp_min(0.1)
    rows = []
    for tokens in ids:
        weight = rarity[list(tokens)][:, None]
        rows.append((embedding[list(tokens)].float() * weight).sum(0) / weight.sum())
    return torch.stack(rows)


def fit_projectors(
    target: Target,
    model: SpliceModel,
    encoder: PromptEncoder,
    vectors: VectorTable,
    cases: Sequence[tuple[Sequence[str], Sequence[str]]],
    *,
    met: Collection[str],
    features: int,
    seed: int,
) -> dict[str, float]:
    """Make the projectors and start them in closed form; returns the variance each explains.

    Args:
        target: for its catalogues.
        model: gets the projectors.
        encoder: encodes titles as prompts will.
        vectors: the target's vectors.
        cases: (parts, top outcomes) of training cases, as the target ranked them.
        met: ids of what training names; of other parts and outcomes no vector is learned.
        features: width of the hidden layer.
        seed: of the random features.
    """
    embedding = model.language_model.get_input_embeddings().weight.detach().cpu()
    shared = target.parts is target.outcomes
    d, h = vectors.width, embedding.shape[1]
    config = model.causal.config
    # An attention head carries what is told of a vector from token to token.
    head_size = config.hidden_size // config.num_attention_heads
    numbers = min(d + 1, head_size, max(_FEWEST_NUMBERS, n_numbers(int(h * _MOST_RESERVED))))
    projectors = ProjectorSet(
        d, h, shared_parts=shared, features=features, numbers=numbers, seed=seed
    )
    # Titles stand among token embeddings of this length.
    titles = title_embeddings(embedding, encoder, target.outcomes)
    norm = float(embedding.float().norm(dim=1).mean())
    rows = _rows_of(target.outcomes, met)
    explained = {"outcome": projectors.outcome.fit(vectors.outcome[rows], titles[rows], norm=norm)}
    projectors.reduce(vectors.outcome[rows])
    if not shared:
        part_titles = title_embeddings(embedding, encoder, target.parts)
        rows = _rows_of(target.parts, met)
        explained["part"] = projectors.part.fit(vectors.part[rows], part_titles[rows], norm=norm)
    if cases:
        vectors.add_cases([parts for parts, _ in cases])
        case_rows = torch.tensor([vectors.case_row(parts) for parts, _ in cases])
        wanted = torch.empty(len(cases), h)
        for at, (_, top) in enumerate(cases):
            wanted[at] = _blend(titles, target.outcomes.rows(top))
        explained["case"] = projectors.case.fit(vectors.case[case_rows], wanted, norm=norm)
    model.projectors = projectors.to(next(model.language_model.parameters()).device)
    return explained


def _rows_of(catalogue: Catalogue, met: Collection[str]) -> list[int]:
    """Rows of what was met; all, where too few were to fit anything to."""
    rows = [row for row, one in enumerate(catalogue.ids) if one in met]
    return rows if len(rows) > 1 else list(range(len(catalogue)))


def _blend(titles: Tensor, rows: Sequence[int]) -> Tensor:
    """Mean of the top outcomes' embeddings, weighted by one over the squared rank."""
    weights = torch.tensor([1.0 / (i + 1) ** 2 for i in range(len(rows))])
    return (titles[list(rows)] * weights[:, None]).sum(0) / weights.sum()


def rows_to_fit(
    groups: Iterable[Sequence[Record]],
    rows: Sequence[list[Tree]],
    n: int,
    *,
    encoder: PromptEncoder,
    vectors: VectorTable,
    target: Target,
    max_tokens: int,
    seed: int,
) -> list[list[Tree]]:
    """What a memory is fitted to: some rows of training, and twice as many in which titles are
    told only, every outcome as often as any other.

    Args:
        groups: the records of training.
        rows: the same, packed.
        n: how many rows are wanted.
        encoder: of prompts.
        vectors: what slots hold.
        target: its catalogue.
        max_tokens: of a row.
        seed: of what is told to whom, and of the order.
    """
    told = _told(groups, encoder, vectors, target, max_tokens=max_tokens, seed=seed)
    apart = list(islice(pack_in_order(told, max_tokens=max_tokens), n * 2 // 3))
    mixed = [*rows[: n - len(apart)], *apart]
    order = np.random.default_rng(seed).permutation(len(mixed))
    return [mixed[i] for i in order]


def _told(
    groups: Iterable[Sequence[Record]],
    encoder: PromptEncoder,
    vectors: VectorTable,
    target: Target,
    *,
    max_tokens: int,
    seed: int,
) -> Iterator[Tree]:
    """Windows, with outcomes mentioned as a judgement would; nothing is answered."""
    asker = Asker(target.outcomes, target.parts)
    named = met(groups)
    known = [outcome for outcome in target.outcomes.ids if outcome in named]
    rng = np.random.default_rng(seed)
    waiting: list[str] = []
    for group in groups:
        record = max(group, key=lambda r: r.visible)
        if not record.case_id:
            continue
        if len(waiting) < _TOLD:
            waiting += [known[i] for i in rng.permutation(len(known))]
        asked, waiting = waiting[:_TOLD], waiting[_TOLD:]
        each = -(-len(asked) // _STATES)
        questions = [
            one
            for at, seen in enumerate(_states(record.visible, target))
            for one in asker.interest(
                Context(record.case_id, record.parts, seen),
                record.form,
                [(outcome, True) for outcome in asked[at * each :][:each]],
                rng,
            )
        ]
        yield from trees_of(questions, encoder, vectors, max_tokens=max_tokens, with_answer=False)


def _states(n: int, target: Target) -> list[int]:
    """How much of a history of n parts is seen at some states: half of it, and ever more; all of
    it, where the target has no vector of a part of a case."""
    if not target.capabilities.rescoring:
        return [n] * _STATES
    return [-(-n * (_STATES + at) // (2 * _STATES - 1)) for at in range(_STATES)]


def met(groups: Iterable[Sequence[Record]]) -> set[str]:
    """Whatever training names."""
    return {one for group in groups for record in group for one in record.named}
