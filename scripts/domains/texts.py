"""Explain a classifier of texts: which team of a help desk is a message for?

    python scripts/domains/texts.py runs/texts

The messages are made, so the reasons are known: one or two sentences ask for something, and the
first team in ``TEAMS`` that is asked gets the message; sentences that only mention what other teams
do, and small talk, decide nothing. The target is a small torch model, trained here on words; parts
are sentences, and one that is removed is not there.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from whole import Made, main

from innerview.alignment.cases import read_cases
from innerview.alignment.records import FORMS
from innerview.alignment.tasks import Asker, Context
from innerview.data.domain import CLASSIFIER
from innerview.data.splits import split_ids
from innerview.data.tables import Catalogue
from innerview.evaluation import orders
from innerview.evaluation.conventional import by_lime, masked_scores
from innerview.explanation._ask import first_outcomes
from innerview.explanation.evidence import measure_many
from innerview.surrogate.surrogate import Surrogate
from innerview.targets import (
    Capabilities,
    Case,
    Contents,
    Provenance,
    load_bundle,
    save_bundle,
)
from innerview.targets.manifest import OnnxEncoder
from innerview.targets.onnx_export import export_encoder

TEAMS = {
    "cancellations": (
        ("Please cancel {}.", "I want to end {}.", "I no longer need {}."),
        ("my contract", "the monthly plan", "the order from Monday", "the service visit"),
        ("A friend cancelled his plan.", "I once ended a contract early.",
         "Cancelling was never on my mind.", "The old plan ran out in May."),
    ),
    "billing": (
        ("Please refund {}.", "I was charged twice for {}.", "The bill for {} is wrong."),
        ("the spare part", "the delivery fee", "last month", "the second licence"),
        ("I paid by card.", "The invoice came by post.", "The price was fair.",
         "My bank confirmed the payment."),
    ),
    "repairs": (
        ("Please repair {}.", "There is a crack in {}.", "Something rattles inside {}."),
        ("the coffee machine", "my headphones", "the left wheel", "the display"),
        ("It worked well for years.", "I have a small toolbox.", "My neighbour repairs bicycles.",
         "The casing is made of steel."),
    ),
    "accounts": (
        ("I cannot log in to {}.", "Please reset the password of {}.", "Please unlock {}."),
        ("my profile", "the customer page", "the app", "my mailbox"),
        ("My profile shows an old picture.", "The app looks nice.", "I changed my name last year.",
         "I use the page once a month."),
    ),
    "deliveries": (
        ("Where is {}?", "I still wait for {}.", "Please send {} to my office."),
        ("the parcel", "the missing box", "my new lamp", "the gift card"),
        ("The courier was friendly.", "Parcels usually come at noon.", "The box was large.",
         "I live on the third floor."),
    ),
    "feedback": (
        ("I would like to praise {}.", "I have an idea for {}.", "You should know about {}."),
        ("your shop in town", "the new catalogue", "your evening hours", "the staff"),
        ("I told my sister about you.", "Your poster hangs in our street.",
         "I read your newsletter.", "The shop opens at nine."),
    ),
}  # fmt: skip
"""Those whose requests count most first: phrases and things that are asked for, and mentions."""

TALK = (
    "Hello there.", "Good morning.", "I hope you are well.", "Thank you in advance.",
    "Kind regards.", "Have a nice weekend.", "This is my second message.", "I write from home.",
    "Sorry for the long letter.", "It has been raining all day.", "I look forward to your answer.",
    "You can call me in the evening.", "My number has not changed.", "Best wishes to everybody.",
    "I hope this finds the right desk.", "It is not urgent.",
)  # fmt: skip
N_MESSAGES, N_TEST, LONGEST = 1500, 150, 8


@dataclass(frozen=True)
class Sentence:
    """What is said; what it is about, and whether it asks for that, mentions it, or neither."""

    text: str
    about: str
    kind: str


def sentences() -> list[Sentence]:
    """All that occur."""
    found = [Sentence(text, "nothing", "small talk") for text in TALK]
    for team, (phrases, things, mentions) in TEAMS.items():
        found += [Sentence(p.format(t), team, "request") for p in phrases for t in things]
        found += [Sentence(text, team, "mention") for text in mentions]
    return found


def messages(known: list[Sentence], rng: np.random.Generator) -> list[tuple[list[int], str]]:
    """Sentences by their numbers, and the team that each message is for."""
    of = {
        (kind, team): [i for i, s in enumerate(known) if (s.kind, s.about) == (kind, team)]
        for kind in ("request", "mention")
        for team in TEAMS
    }
    talk = [i for i, s in enumerate(known) if s.kind == "small talk"]
    made = []
    for _ in range(N_MESSAGES):
        teams = [list(TEAMS)[i] for i in rng.permutation(len(TEAMS))]
        asked = teams[: 1 + int(rng.random() < 0.4)]
        own = [int(rng.choice(of["request", team])) for team in asked]
        own += [int(rng.choice(of["mention", team])) for team in teams[-int(rng.integers(1, 3)) :]]
        own += [int(i) for i in rng.choice(talk, size=int(rng.integers(2, 5)), replace=False)]
        own = [own[i] for i in rng.permutation(len(own))][:LONGEST]
        wanted = [
            team
            for team in TEAMS
            if any(known[i].kind == "request" and known[i].about == team for i in own)
        ]
        if wanted:
            made.append((own, wanted[0]))
    return made  # fmt: skip


class Reader(nn.Module):
    """Words to sentences, the strongest of each of their traits to a message, and a hidden layer,
    which is the target's vector, with a one for the bias."""

    def __init__(self, words: Tensor, n_words: int, width: int = 24) -> None:
        super().__init__()
        self.register_buffer("words", words)  # (1 + P, W) word numbers, 0 where there is none
        self.embedding = nn.Embedding(n_words + 1, width, padding_idx=0)
        self.sentence, self.message = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.out = nn.Linear(width + 1, len(TEAMS), bias=False)

    def forward(self, parts: Tensor) -> Tensor:
        """(N, L) part rows + 1, 0 for none, to (N, d)."""
        words = self.words[parts]  # (N, L, W)
        n = (words > 0).sum(dim=2, keepdim=True).clamp(min=1)
        traits = torch.tanh(self.sentence(self.embedding(words).sum(dim=2) / n))
        strongest = traits.masked_fill((parts == 0)[..., None], -1.0).amax(dim=1)
        hidden = torch.relu(self.message(strongest))
        return torch.cat([hidden, torch.ones_like(hidden[:, :1])], dim=1)


def reader(known: list[Sentence]) -> Reader:
    """An untrained one that knows the words of these sentences."""
    said = [s.text.lower().translate(str.maketrans("", "", ".?,")).split() for s in known]
    number = {word: i for i, word in enumerate(sorted({w for own in said for w in own}), start=1)}
    table = torch.zeros((1 + len(said), max(map(len, said))), dtype=torch.int64)
    for row, own in zip(table[1:], said, strict=True):
        row[: len(own)] = torch.tensor([number[word] for word in own])
    return Reader(table, len(number))


def rows(cases: list[list[int]]) -> Tensor:
    """(N, L) as an encoder gets them."""
    fed = torch.zeros((len(cases), LONGEST), dtype=torch.int64)
    for row, own in zip(fed, cases, strict=True):
        row[LONGEST - len(own) :] = torch.tensor(own) + 1
    return fed


def make(target: Path, seed: int) -> Made:
    """Train the model on messages that are not tested on, and write it as a bundle."""
    torch.manual_seed(seed)
    known = sentences()
    made = messages(known, np.random.default_rng(seed))
    split = split_ids(sorted(map(str, range(len(made)))), n_valid=100, n_test=N_TEST, seed=seed)
    fed, teams = rows([own for own, _ in made]), list(TEAMS)
    right = torch.tensor([teams.index(team) for _, team in made])
    train, test = (torch.tensor(sorted(map(int, own))) for own in (split.train, split.test))
    model = reader(known)
    adam = torch.optim.Adam(model.parameters(), lr=5e-3, weight_decay=1e-5)
    for _ in range(60):
        for some in train[torch.randperm(len(train))].split(64):
            adam.zero_grad()
            nn.functional.cross_entropy(model.out(model(fed[some])), right[some]).backward()
            adam.step()
    model.eval()
    with torch.no_grad():
        accuracy = (model.out(model(fed[test])).argmax(1) == right[test]).double().mean().item()
        # What a sentence alone adds to the hidden layer of an empty message.
        alone = model(rows([[i] for i in range(len(known))])) - model(rows([[]]))
        # What raises all scores alike decides nothing.
        weights = model.out.weight - model.out.weight.mean(dim=0)
    parts = Catalogue(
        ids=tuple(f"s{i}" for i in range(len(known))),
        titles=tuple(s.text for s in known),
        attributes={
            "about": tuple((s.about,) for s in known),
            "kind": tuple((s.kind,) for s in known),
        },
        noun="sentence",
        domain=CLASSIFIER,
    )
    cases = {str(i): tuple(f"s{s}" for s in own) for i, (own, _) in enumerate(made)}
    ids = tuple(f"team={team}" for team in teams)
    contents = Contents(
        name="text classifier",
        spec=OnnxEncoder(session_length=LONGEST),
        capabilities=Capabilities(
            vectors=True, rescoring=True, order_sensitive=False, deterministic=True,
            excludes_parts=False, max_parts=LONGEST,
        ),
        outcomes=Catalogue(ids, tuple(f"the {t} team" for t in teams), noun="team",
                           domain=CLASSIFIER),
        parts=parts,
        outcome_vectors=weights.numpy(),
        part_vectors=alone.numpy(),
        onnx=export_encoder(model, session_length=LONGEST),
    )  # fmt: skip
    report = {"accuracy": accuracy}
    origin = Provenance(
        training=dict(report), settings={"baseline": "a sentence that is removed is not there"},
        seed=seed,
    )  # fmt: skip
    asked = [Case(case_id, cases[case_id]) for case_id in split.train[:20]]
    save_bundle(target, contents, check_cases=asked, provenance=origin, overwrite=True)
    frequency = Counter(ids[int(i)] for i in right[train])
    return Made(cases, dict(frequency), N_TEST, report)


def known_reasons(run: Path, n: int) -> None:
    """How often the first reason is a sentence that asks the predicted team: what was planted."""
    target = load_bundle(run / "target")
    cases = read_cases(run).test[:n]
    pairs = list(zip(cases, first_outcomes(target, [(c, c) for c in cases]), strict=True))
    masked = masked_scores(pairs, target, seed=0)
    found = {
        "leave_one_out": [orders.by_leaving_out(one)[0] for one in measure_many(pairs, target)],
        "lime": [by_lime(c, own, seed=0)[0] for c, own in zip(cases, masked, strict=True)],
        "random": [orders.by_chance(case, seed=0)[0] for case in cases],
    }
    if (run / "surrogate" / "manifest.json").exists():
        surrogate = Surrogate.load(run / "surrogate", target)
        asker, rng = Asker(target.outcomes, target.parts), np.random.default_rng(0)
        for form in FORMS:
            asked = [
                asker.attribution(
                    Context(c.case_id, c.parts, len(c.parts)), form, o, c.parts[0], rng
                )
                for c, o in pairs
            ]
            found[form] = [own[0] for own in surrogate.reasons(asked)]
    planted = {s.text for s in sentences() if s.kind == "request"}
    for name, first in found.items():
        right = [
            target.parts.title(part) in planted
            and target.parts.values(part, "about") == (outcome.removeprefix("team="),)
            for part, (_, outcome) in zip(first, pairs, strict=True)
        ]
        print(f"planted reason named first by {name}: {np.mean(right):.3f} of {len(right)}")


if __name__ == "__main__":
    main(make, then=known_reasons)
