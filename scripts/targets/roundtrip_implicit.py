"""implicit: ALS, BPR, LMF and cosine item-kNN."""

from __future__ import annotations

import time

import half
import implicit
import numpy as np
from half import ITEMS, USERS, export
from scipy import sparse

ROWS, COLUMNS = half.rows_of(half.HISTORIES)
EVENTS = sparse.csr_matrix(
    (np.ones(len(ROWS), dtype=np.float32), (ROWS, COLUMNS)), shape=(len(USERS), len(ITEMS))
)
OPTIONS = {"num_threads": 1, "random_state": half.SEED}


def matrix(cases):
    """(N, items), one row for each case."""
    column = {item: at for at, item in enumerate(ITEMS)}
    rows = [at for at, case in enumerate(cases) for _ in case.parts]
    columns = [column[part] for case in cases for part in case.parts]
    ones = np.ones(len(rows), dtype=np.float32)
    return sparse.csr_matrix((ones, (rows, columns)), shape=(len(cases), len(ITEMS)))


def recommended(model, users, rows, **options):
    """Scores of all items, out of ``recommend``."""
    found, values = model.recommend(
        users, rows, N=len(ITEMS), filter_already_liked_items=False, **options
    )
    scores = np.zeros((len(users), len(ITEMS)), dtype=np.float32)
    np.put_along_axis(scores, found.astype(np.int64), values, axis=1)
    return scores


def als():
    started = time.time()
    model = implicit.als.AlternatingLeastSquares(
        factors=16, iterations=5, alpha=20.0, use_gpu=False, **OPTIONS
    )
    model.fit(EVENTS, show_progress=False)
    half.leave(
        "als",
        export.from_implicit(model, ids=ITEMS),
        lambda cases: recommended(
            model, np.arange(len(cases)), matrix(cases), recalculate_user=True
        ),
        asked="recommend(recalculate_user=True)",
        started=started,
    )


def static(name, make, **options):
    started = time.time()
    model = make(factors=16, iterations=20, **OPTIONS, **options)
    model.fit(EVENTS, show_progress=False)
    row_of = {user: row for row, user in enumerate(USERS)}

    def ask(cases):
        users = np.array([row_of[case.case_id] for case in cases])
        return recommended(model, users, EVENTS[users])

    half.leave(
        name,
        export.from_implicit(model, ids=ITEMS, user_ids=USERS),
        ask,
        asked="recommend",
        started=started,
    )


def neighbours():
    started = time.time()
    model = implicit.nearest_neighbours.CosineRecommender(K=50, num_threads=1)
    model.fit(EVENTS, show_progress=False)
    exported = export.from_implicit(model, ids=ITEMS)

    def ask(cases):
        rows, scores = matrix(cases), []
        for at in range(len(cases)):  # one at a time: a list of uneven length for each
            found, values = model.recommend(
                at, rows[at], N=len(ITEMS), filter_already_liked_items=False
            )
            row = np.zeros(len(ITEMS), dtype=np.float32)
            listed = found >= 0
            row[found[listed]] = values[listed]
            scores.append(row)
        return np.stack(scores)

    half.leave("item-knn", exported, ask, asked="recommend", started=started)


als()
neighbours()
static("bpr", implicit.bpr.BayesianPersonalizedRanking, use_gpu=False)
static("lmf", implicit.lmf.LogisticMatrixFactorization)
