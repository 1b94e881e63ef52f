"""UniRec: SASRec and GRU as they are in memory, and SASRec from its tensors in a file.

The tensors go through safetensors, as those of a checkpoint would; UniRec answers for all three.
"""

from __future__ import annotations

import time

import half
import torch
from half import HISTORIES, ITEMS, export
from safetensors.torch import load_file, save_file
from unirec.model.sequential.gru4rec import GRU4Rec
from unirec.model.sequential.sasrec import SASRec

LENGTH, WIDTH, STEPS = 20, 32, 20
NUMBER = {item: at + 1 for at, item in enumerate(ITEMS)}
CONFIG = {
    "exp_name": "films",
    "n_users": len(HISTORIES) + 1,
    "n_items": len(ITEMS) + 1,
    "device": "cpu",
    "loss_type": "fullsoftmax",
    "embedding_size": WIDTH,
    "hidden_size": WIDTH,
    "inner_size": 2 * WIDTH,
    "n_layers": 2,
    "n_heads": 4,
    "hidden_dropout_prob": 0.2,
    "attn_dropout_prob": 0.2,
    "dropout_prob": 0.2,
    "hidden_act": "swish",
    "layer_norm_eps": 1e-10,
    "use_position_emb": True,
    "max_seq_len": LENGTH,
    "distance_type": "dot",
    "init_method": "normal",
    "init_mean": 0.0,
    "init_std": 0.02,
    "has_user_emb": False,
    "has_user_bias": False,
    "has_item_bias": True,
    "train_file_format": "user-item",
    "tau": 1.0,
}


def padded(sequences):
    rows = torch.zeros((len(sequences), LENGTH), dtype=torch.int64)
    for row, seen in zip(rows, sequences):
        row[LENGTH - len(seen[-LENGTH:]) :] = torch.as_tensor([NUMBER[i] for i in seen[-LENGTH:]])
    return rows


def trained(make):
    torch.manual_seed(half.SEED)
    model = make({**CONFIG})
    given = padded([history[:-1] for history in HISTORIES.values()])
    wanted = torch.as_tensor([NUMBER[history[-1]] for history in HISTORIES.values()])
    lengths = (given > 0).sum(dim=1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    model.train()
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss, *_ = model(item_id=wanted, item_seq=given, item_seq_len=lengths)
        loss.backward()
        optimizer.step()
    return model.eval()


def predicted(model, parts):
    every = torch.arange(1, len(ITEMS) + 1).repeat(len(parts), 1)
    lengths = (parts > 0).sum(dim=1)
    with torch.no_grad():
        return model.predict({"item_id": every, "item_seq": parts, "item_seq_len": lengths})


def ask(model):
    return lambda cases: predicted(model, padded([case.parts for case in cases]))


def live(name, make):
    started = time.time()
    model = trained(make)
    exported = export.from_unirec(model, ids=ITEMS)
    half.leave(name, exported, ask(model), asked="predict", started=started)
    return model


def from_tensors(model):
    started = time.time()
    path = half.OUT / "sasrec.safetensors"
    save_file(model.state_dict(), str(path))
    exported = export.from_sasrec_state(
        load_file(str(path)), ids=ITEMS, heads=4, scores=lambda parts: predicted(model, parts)
    )
    half.leave("sasrec-tensors", exported, ask(model), asked="predict", started=started)


sasrec = live("sasrec", SASRec)
from_tensors(sasrec)
live("gru4rec", GRU4Rec)
