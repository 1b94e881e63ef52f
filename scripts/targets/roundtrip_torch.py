"""Any torch module: a GRU that reads histories, and two towers of which the user's is static.

Also SASRec tensors named as UniRec names them: saved as safetensors, and read by the command.
"""

from __future__ import annotations

import time

import half
import numpy as np
import torch
from half import HISTORIES, ITEMS, USERS, export

LENGTH, WIDTH, STEPS = 20, 32, 20
NUMBER = {item: at + 1 for at, item in enumerate(ITEMS)}


class Reader(torch.nn.Module):
    """A history of item numbers, 0 in front where there is none, to a vector."""

    def __init__(self):
        super().__init__()
        self.items = torch.nn.Embedding(len(ITEMS) + 1, WIDTH, padding_idx=0)
        self.reader = torch.nn.GRU(WIDTH, WIDTH, batch_first=True)

    def forward(self, parts):
        states, _ = self.reader(self.items(parts))
        return states[:, -1, :]

    def scores(self, parts):
        return self(parts) @ self.items.weight[1:].T


def padded(sequences):
    rows = torch.zeros((len(sequences), LENGTH), dtype=torch.int64)
    for row, seen in zip(rows, sequences):
        row[LENGTH - len(seen[-LENGTH:]) :] = torch.as_tensor([NUMBER[i] for i in seen[-LENGTH:]])
    return rows


def fit(parameters, loss_of):
    optimizer = torch.optim.Adam(parameters, lr=0.01)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        optimizer.step()


def reader():
    started = time.time()
    torch.manual_seed(half.SEED)
    model = Reader()
    given = padded([history[:-1] for history in HISTORIES.values()])
    wanted = torch.as_tensor([NUMBER[history[-1]] - 1 for history in HISTORIES.values()])
    fit(
        model.parameters(),
        lambda: torch.nn.functional.cross_entropy(model.scores(given), wanted),
    )
    model.eval()
    exported = export.from_torch(
        model,
        model.items.weight[1:],
        ids=ITEMS,
        session_length=LENGTH,
        scores=model.scores,
        name="gru",
    )

    def ask(cases):
        with torch.no_grad():
            return model.scores(padded([case.parts for case in cases]))

    half.leave("gru", exported, ask, asked="model.scores", started=started)


def towers():
    started = time.time()
    torch.manual_seed(half.SEED)
    users, items = (
        torch.nn.Sequential(
            torch.nn.Embedding(n, WIDTH), torch.nn.Linear(WIDTH, WIDTH), torch.nn.Tanh()
        )
        for n in (len(USERS), len(ITEMS))
    )
    every_user, every_item = torch.arange(len(USERS)), torch.arange(len(ITEMS))
    met = torch.zeros((len(USERS), len(ITEMS)))
    for row, history in enumerate(HISTORIES.values()):
        met[row, [NUMBER[item] - 1 for item in history]] = 1.0

    def loss_of():
        logits = users(every_user) @ items(every_item).T
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, met)

    fit([*users.parameters(), *items.parameters()], loss_of)
    row_of = {user: row for row, user in enumerate(USERS)}

    def score_user(user):
        with torch.no_grad():
            return (users(torch.tensor([row_of[user]])) @ items(every_item).T)[0].numpy()

    with torch.no_grad():
        exported = export.from_static(
            users(every_user),
            items(every_item),
            user_ids=USERS,
            ids=ITEMS,
            score_user=score_user,
            name="two-towers",
            libraries=("torch",),
        )
    half.leave(
        "two-towers",
        exported,
        lambda cases: np.stack([score_user(case.case_id) for case in cases]),
        asked="both towers",
        started=started,
    )


reader()
towers()
