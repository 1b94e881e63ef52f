"""Cornac: MF with biases, PMF, BPR, and EASE."""

from __future__ import annotations

import time

import cornac
import half
import numpy as np
from half import HISTORIES, export

TRIPLES = [(user, item, 1.0) for user, items in HISTORIES.items() for item in items]
RATED = [(user, item, 1.0 + half.hash_of(user + item) % 5) for user, item, _ in TRIPLES]


def left(name, model, triples):
    started = time.time()
    data = cornac.data.Dataset.from_uir(triples, seed=half.SEED)
    model.fit(data)
    exported = export.from_cornac(model)
    column = [model.iid_map[item] for item in exported.ids]

    def ask(cases):
        users = [model.uid_map[case.case_id] for case in cases]
        return np.stack([np.asarray(model.score(user)).reshape(-1)[column] for user in users])

    half.leave(name, exported, ask, asked="score", started=started)


left("mf", cornac.models.MF(k=16, max_iter=10, seed=half.SEED, verbose=False), RATED)
left("bpr", cornac.models.BPR(k=16, max_iter=20, seed=half.SEED, verbose=False), TRIPLES)
left("ease", cornac.models.EASE(lamb=100, posB=False, seed=half.SEED, verbose=False), TRIPLES)
