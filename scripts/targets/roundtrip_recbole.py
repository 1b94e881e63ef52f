"""RecBole: SASRec, GRU4Rec and NARM as encoders, EASE, and BPR and LightGCN as static vectors."""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from pathlib import Path

import half
import numpy as np
import scipy.sparse
import torch
from half import HISTORIES, export
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.data.interaction import Interaction
from recbole.utils import get_model, get_trainer, init_seed

warnings.simplefilter("ignore")
if not hasattr(scipy.sparse.dok_matrix, "_update"):
    raise SystemExit("RecBole's LightGCN needs a scipy that still has dok_matrix._update")

PLACE = Path(tempfile.mkdtemp())
os.chdir(PLACE)  # RecBole logs to where it is run
LENGTH = 20


def write_data():
    """RecBole's own kind of file; the place of an event in its history stands for the time."""
    folder = PLACE / "films"
    folder.mkdir()
    lines = ["user_id:token\titem_id:token\ttimestamp:float"]
    for user, items in HISTORIES.items():
        lines += [f"{user}\t{item}\t{at}" for at, item in enumerate(items)]
    (folder / "films.inter").write_text("\n".join(lines) + "\n", encoding="utf-8")


def trained(name, **options):
    config = Config(
        model=name,
        dataset="films",
        config_file_list=[],
        config_dict={
            "data_path": str(PLACE),
            "checkpoint_dir": str(PLACE),
            "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
            "epochs": 1,
            "train_batch_size": 1024,
            "embedding_size": 32,
            "use_gpu": False,
            "gpu_id": "",
            "seed": half.SEED,
            "show_progress": False,
            "state": "ERROR",
            "eval_args": {
                "split": {"LS": "valid_and_test"},
                "order": "TO",
                "group_by": "user",
                "mode": "full",
            },
            **options,
        },
    )
    init_seed(config["seed"], True)
    dataset = create_dataset(config)
    train, _, _ = data_preparation(config, dataset)
    model = get_model(name)(config, train.dataset)
    get_trainer(config["MODEL_TYPE"], name)(config, model).fit(
        train, saved=False, show_progress=False
    )
    model.eval()
    return model, train.dataset


def sequential(name, **options):
    started = time.time()
    options = {"MAX_ITEM_LIST_LENGTH": LENGTH, "train_neg_sample_args": None, **options}
    model, dataset = trained(name, **options)
    exported = export.from_recbole(model, dataset)

    def ask(cases):
        numbers = [dataset.token2id("item_id", np.array(case.parts)) for case in cases]
        rows = torch.zeros((len(cases), LENGTH), dtype=torch.int64)
        for row, seen in zip(rows, numbers):
            row[: len(seen)] = torch.as_tensor(seen)
        lengths = torch.as_tensor([len(seen) for seen in numbers])
        inputs = Interaction({"item_id_list": rows, "item_length": lengths})
        with torch.no_grad():
            scores = model.full_sort_predict(inputs)
        return scores[:, dataset.token2id("item_id", np.array(exported.ids))]

    half.leave(name.lower(), exported, ask, asked="full_sort_predict", started=started)


def general(name, **options):
    started = time.time()
    model, dataset = trained(name, **options)
    exported = export.from_recbole(model, dataset)
    columns = dataset.token2id("item_id", np.array(exported.ids))

    def ask(cases):
        rows = []
        for case in cases:
            user = torch.as_tensor(dataset.token2id("user_id", np.array([case.case_id])))
            with torch.no_grad():
                scores = model.full_sort_predict(Interaction({"user_id": user}))
            rows.append(np.asarray(scores).reshape(-1)[columns])
        return np.stack(rows)

    half.leave(
        name.lower(),
        exported,
        ask,
        asked="full_sort_predict",
        started=started,
        histories=trained_with(dataset),
    )


def trained_with(dataset):
    """What RecBole has left of the histories for training; all that EASE knows of a user."""
    events = dataset.inter_feat
    users = dataset.id2token("user_id", events["user_id"].numpy())
    items = dataset.id2token("item_id", events["item_id"].numpy())
    histories = {}
    for _, user, item in sorted(zip(events["timestamp"].tolist(), users, items)):
        histories.setdefault(str(user), []).append(str(item))
    return histories


write_data()
sequential("SASRec", hidden_size=32, inner_size=64, n_layers=1)
sequential("GRU4Rec", hidden_size=32)
sequential("NARM", hidden_size=32)
general("BPR")
general("LightGCN")
general("EASE")
