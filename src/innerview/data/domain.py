"""What a field calls things: the one place where prompts, sentences and pages get its words from.

Everything else speaks of cases, parts and outcomes. A catalogue carries its domain, beside the noun
for one of its entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

__all__ = ["CLASSIFIER", "DOMAINS", "RANKER", "RECOMMENDER", "Domain", "DomainName"]

DomainName = Literal["recommender", "classifier", "ranker"]
Phrases = tuple[tuple[str, ...], tuple[str, ...]]
"""Of one question: phrases to train with, then phrases to test with alone."""


@dataclass(frozen=True, slots=True)
class Domain:
    """The words of one field.

    Attributes:
        name: as manifests write it.
        case: what the parts of a case are together, as it heads them in a prompt.
        outcome: an outcome in general; what one is called here is its catalogue's noun.
        chosen: what has become of the outcome that is put first.
        chooses: the same, of whoever puts it first.
        instance: an example of what a case is made of.
        told: opens what a reader is told of a case and its first outcome, before he is asked.
        again: asks whether another outcome would be put first as well.
        addressed: whether cases are people, who can be spoken to.
        phrases: by task, those that cannot be put for all fields; ``{noun}`` is an outcome's.
    """

    name: DomainName
    case: str
    outcome: str
    chosen: str
    chooses: str
    instance: str
    told: str
    again: str
    addressed: bool
    phrases: Mapping[str, Phrases]

    @property
    def system(self) -> str:
        """Whom a surrogate stands for; opens every prompt."""
        return f"You speak for a {self.name}."


RECOMMENDER = Domain(
    name="recommender",
    case="History",
    outcome="item",
    chosen="recommended",
    chooses="recommends",
    instance="what a person chose before",
    told="What was said of somebody, and of what was recommended to them:",
    again="Would the following be recommended to them as well? Answer yes or no.",
    addressed=True,
    phrases=MappingProxyType(
        {
            "retrieval": (
                (
                    "Which {noun} comes next?",
                    "Recommend the next {noun}.",
                    "What is recommended now?",
                    "Name the top {noun}.",
                    "Which {noun} ranks first?",
                ),
                ("Your first recommendation?", "What would be suggested next?"),
            ),
            "interest": (
                (
                    "Does it fit, Yes or No?",
                    "Would you recommend this {noun}?",
                    "A good match?",
                    "Yes or No to this {noun}?",
                    "Is it of interest?",
                ),
                ("Would you suggest it?", "Does this {noun} match?"),
            ),
        }
    ),
)

CLASSIFIER = Domain(
    name="classifier",
    case="Case",
    outcome="class",
    chosen="predicted",
    chooses="predicts",
    instance="measurements, or the sentences of a text",
    told="What was said of a case, and of what was predicted for it:",
    again="Would the following be predicted for it as well? Answer yes or no.",
    addressed=False,
    phrases=MappingProxyType(
        {
            "retrieval": (
                (
                    "Which {noun} is it?",
                    "Predict the {noun}.",
                    "What is predicted?",
                    "Name the likeliest {noun}.",
                    "Which {noun} ranks first?",
                ),
                ("Your prediction?", "What would it be taken for?"),
            ),
            "interest": (
                (
                    "Does it fit, Yes or No?",
                    "Would you predict this {noun}?",
                    "Is it likely?",
                    "Yes or No to this {noun}?",
                    "Could it be this {noun}?",
                ),
                ("Would you say so?", "Does this {noun} match?"),
            ),
        }
    ),
)

RANKER = Domain(
    name="ranker",
    case="Query",
    outcome="document",
    chosen="found",
    chooses="shows first",
    instance="the words of a query",
    told="What was said of a query, and of what was found for it:",
    again="Would the following be found for it as well? Answer yes or no.",
    addressed=False,
    phrases=MappingProxyType(
        {
            "retrieval": (
                (
                    "Which {noun} answers it?",
                    "Find the best {noun}.",
                    "What is found first?",
                    "Name the top {noun}.",
                    "Which {noun} ranks first?",
                ),
                ("Your first hit?", "What would be shown on top?"),
            ),
            "interest": (
                (
                    "Does it fit, Yes or No?",
                    "Would you show this {noun}?",
                    "A good match?",
                    "Yes or No to this {noun}?",
                    "Is it relevant?",
                ),
                ("Would you list it?", "Does this {noun} match?"),
            ),
        }
    ),
)

DOMAINS: Mapping[DomainName, Domain] = {d.name: d for d in (RECOMMENDER, CLASSIFIER, RANKER)}
