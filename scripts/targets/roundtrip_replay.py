"""RePlay: SasRec of ``replay.nn`` and the older one of ``replay.models.nn``."""

from __future__ import annotations

import time
import warnings

import half
import torch
from half import HISTORIES, ITEMS, export
from replay.data import FeatureHint, FeatureSource, FeatureType
from replay.data.nn import TensorFeatureInfo, TensorFeatureSource, TensorSchema
from replay.models.nn.sequential.sasrec.model import SasRecModel
from replay.nn.sequential import SasRec

warnings.simplefilter("ignore")
LENGTH, WIDTH, STEPS = 20, 32, 20
NUMBER = {item: at for at, item in enumerate(ITEMS)}


def schema():
    return TensorSchema(
        [
            TensorFeatureInfo(
                "item_id",
                is_seq=True,
                feature_type=FeatureType.CATEGORICAL,
                embedding_dim=WIDTH,
                padding_value=len(ITEMS),
                cardinality=len(ITEMS),
                feature_hint=FeatureHint.ITEM_ID,
                feature_sources=[TensorFeatureSource(FeatureSource.INTERACTIONS, "item_id")],
            )
        ]
    )


def padded(sequences):
    """Numbers with the padding in front, and where there is none of it."""
    rows = torch.full((len(sequences), LENGTH), len(ITEMS), dtype=torch.int64)
    for row, seen in zip(rows, sequences):
        row[LENGTH - len(seen[-LENGTH:]) :] = torch.as_tensor(seen[-LENGTH:])
    return rows, rows < len(ITEMS)


def train(model, states, weights):
    """A few steps on next items; what RePlay's trainer does besides changes no score."""
    torch.manual_seed(half.SEED)
    numbers = [[NUMBER[item] for item in history] for history in HISTORIES.values()]
    given, mask = padded([seen[:-1] for seen in numbers])
    wanted, _ = padded([seen[1:] for seen in numbers])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    model.train()
    for _ in range(STEPS):
        logits = states(given, mask) @ weights()[: len(ITEMS)].T
        loss = torch.nn.functional.cross_entropy(logits[mask], wanted[mask])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()


def left(name, model, *, states, weights, predict, asked):
    started = time.time()
    train(model, states, weights)
    exported = export.from_replay(model, ids=ITEMS, session_length=LENGTH)

    def ask(cases):
        given, mask = padded([[NUMBER[part] for part in case.parts] for case in cases])
        with torch.no_grad():
            return predict({"item_id": given}, mask)[:, : len(ITEMS)]

    half.leave(name, exported, ask, asked=asked, started=started)


torch.manual_seed(half.SEED)
newer = SasRec.from_params(
    schema(), embedding_dim=WIDTH, num_heads=2, num_blocks=1, max_sequence_length=LENGTH
)
left(
    "sasrec",
    newer,
    states=lambda given, mask: newer.body({"item_id": given}, mask),
    weights=newer.body.embedder.get_item_weights,
    predict=lambda features, mask: newer(features, mask)["logits"],
    asked="forward_inference",
)
older = SasRecModel(schema(), num_blocks=1, num_heads=2, hidden_size=WIDTH, max_len=LENGTH)
left(
    "sasrec-older",
    older,
    states=lambda given, mask: older.forward_step({"item_id": given}, mask),
    weights=older.item_embedder.get_all_item_weights,
    predict=older.predict,
    asked="predict",
)
