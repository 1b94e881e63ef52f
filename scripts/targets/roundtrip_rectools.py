"""RecTools: SASRec, BERT4Rec, ALS, PureSVD and EASE."""

from __future__ import annotations

import time
import warnings

import half
import numpy as np
import pandas as pd
import torch
from half import HISTORIES, ITEMS, USERS, export
from implicit.cpu.als import AlternatingLeastSquares
from pytorch_lightning import Trainer
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import (
    BERT4RecModel,
    EASEModel,
    ImplicitALSWrapperModel,
    PureSVDModel,
    SASRecModel,
)
from rectools.models.nn.item_net import IdEmbeddingsItemNet

warnings.simplefilter("ignore")
LENGTH = 20


def dataset_of(histories):
    """A data set in which an event's place in its history stands for the time."""
    events = [(u, i, at) for u, items in histories.items() for at, i in enumerate(items)]
    frame = pd.DataFrame(events, columns=[Columns.User, Columns.Item, Columns.Datetime])
    frame[Columns.Datetime] = pd.to_datetime(frame[Columns.Datetime], unit="s")
    frame[Columns.Weight] = 1.0
    return Dataset.construct(frame)


DATASET = dataset_of(HISTORIES)


def recommended(model, ids, users, dataset):
    """Scores of all items, out of ``recommend``; an item that it never names keeps the least."""
    frame = model.recommend(users, dataset=dataset, k=len(ids), filter_viewed=False)
    table = frame.pivot(index="user_id", columns="item_id", values="score")
    return table.loc[users, list(ids)].to_numpy()


def sessions(name, make, **options):
    started = time.time()
    torch.manual_seed(half.SEED)
    model = make(
        n_blocks=1,
        n_heads=2,
        n_factors=32,
        session_max_len=LENGTH,
        batch_size=128,
        item_net_block_types=(IdEmbeddingsItemNet,),
        get_trainer_func=lambda: Trainer(
            accelerator="cpu",
            devices=1,
            max_epochs=2,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        ),
        recommend_torch_device="cpu",
        **options,
    )
    model.fit(DATASET)
    exported = export.from_rectools(model)

    def ask(cases):
        """Histories that it was not trained with: new users, of what a case has."""
        asked = dataset_of({case.case_id: case.parts for case in cases})
        return recommended(model, exported.ids, [case.case_id for case in cases], asked)

    half.leave(name, exported, ask, asked="recommend (new users)", started=started)


def fitted(name, model):
    started = time.time()
    model.fit(DATASET)
    exported = export.from_rectools(model, dataset=DATASET)
    half.leave(
        name,
        exported,
        lambda cases: recommended(model, exported.ids, [c.case_id for c in cases], DATASET),
        asked="recommend",
        started=started,
    )


def als():
    """Asked by the fold-in: the user vectors that RecTools keeps are half an iteration older."""
    started = time.time()
    inner = AlternatingLeastSquares(
        factors=16, iterations=5, alpha=20.0, num_threads=1, random_state=half.SEED
    )
    model = ImplicitALSWrapperModel(inner)
    model.fit(DATASET)
    exported = export.from_rectools(model, dataset=DATASET)
    matrix = DATASET.get_user_item_matrix(include_weights=True)
    row_of = {user: row for row, user in enumerate(DATASET.user_id_map.external_ids)}

    def ask(cases):
        column = {item: at for at, item in enumerate(exported.ids)}
        rows = matrix[[row_of[case.case_id] for case in cases]].tolil() * 0
        for at, case in enumerate(cases):
            rows[at, [column[part] for part in case.parts]] = 1.0
        users = model.model.recalculate_user(np.arange(len(cases)), rows.tocsr())
        return users @ model.get_vectors()[1].T

    half.leave("als", exported, ask, asked="model.recalculate_user", started=started)


assert len(USERS) and len(ITEMS)
fitted("ease", EASEModel(regularization=100.0))
fitted("pure-svd", PureSVDModel(factors=16))  # scipy 1.17 refuses the seed that 0.19 passes
als()
sessions("sasrec", SASRecModel)
sessions("bert4rec", BERT4RecModel)
