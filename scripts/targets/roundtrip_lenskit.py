"""LensKit: implicit-feedback ALS, EASE, SLIM, and biased matrix factorization."""

from __future__ import annotations

import time

import half
import numpy as np
import pandas as pd
from half import HISTORIES, export
from lenskit.als import BiasedMFScorer, ImplicitMFScorer
from lenskit.data import ItemList, RecQuery, from_interactions_df
from lenskit.knn import EASEScorer, SLIMScorer
from lenskit.training import TrainingOptions

EVENTS = [(user, item) for user, items in HISTORIES.items() for item in items]
FRAME = pd.DataFrame(EVENTS, columns=["user_id", "item_id"])
RATED = FRAME.assign(rating=[1.0 + half.hash_of(u + i) % 5 for u, i in EVENTS])


def left(name, scorer, frame, *, by_user=False):
    started = time.time()
    scorer.train(from_interactions_df(frame), TrainingOptions(rng=half.SEED))
    exported = export.from_lenskit(scorer)

    def ask(cases):
        rows = []
        for case in cases:
            items = None if by_user else ItemList(item_ids=list(case.parts))
            query = RecQuery(user_id=case.case_id if by_user else None, user_items=items)
            rows.append(scorer(query, ItemList(item_ids=exported.ids)).scores())
        return np.stack(rows)

    asked = "scorer(user_id)" if by_user else "scorer(user_items)"
    half.leave(name, exported, ask, asked=asked, started=started)


left("als", ImplicitMFScorer(embedding_size=16, epochs=5, weight=20), FRAME)
left("ease", EASEScorer(regularization=100), FRAME)
left("slim", SLIMScorer(max_iters=10), FRAME)
left("biased-mf", BiasedMFScorer(embedding_size=16, epochs=5), RATED, by_user=True)
