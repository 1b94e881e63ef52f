"""Ordinary speech among the records, so that the language model keeps it.

From a file of the user's, or from our own plain questions, which the base model answers itself
before alignment: what it is trained on is then what it would have said anyway.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from innerview.alignment.records import Record
from innerview.alignment.tasks import Asker
from innerview.errors import DataError

__all__ = ["CHAT_PROMPTS", "chat_records", "read_chat"]

CHAT_PROMPTS: tuple[str, ...] = (
    "What is the difference between weather and climate?",
    "Give me two tips for sleeping better.",
    "Explain in one sentence what a library is.",
    "Write a short greeting for a new colleague.",
    "Why is the sky blue?",
    "Name three fruits and their colours.",
    "How do I boil an egg?",
    "What does a compass do?",
    "Describe a forest in two sentences.",
    "What is a synonym of happy?",
    "How many days has a week?",
    "Why do people read books?",
    "Suggest a name for a small boat.",
    "What is bread made of?",
    "Explain what an average is.",
    "Write one sentence about winter.",
    "What should I pack for a day at the sea?",
    "What is the opposite of early?",
    "Tell me something about the moon.",
    "How can I remember a long number?",
    "What is a good way to thank somebody?",
    "Explain why exercise is healthy.",
    "What is a map for?",
    "Give an example of a polite refusal.",
    "What happens when water freezes?",
    "Write a short message to cancel a meeting.",
    "What is music?",
    "Name two ways to save energy at home.",
    "What does a teacher do?",
    "How does a bicycle stay upright?",
    "Describe the taste of a lemon.",
    "What is a proverb?",
)


def chat_records(asker: Asker, pairs: Sequence[tuple[str, str]]) -> list[list[Record]]:
    """One group per (prompt, answer); pairs with an empty side are left out."""
    return [[asker.chat(p, a)] for p, a in pairs if p.strip() and a.strip()]


def read_chat(path: Path) -> list[tuple[str, str]]:
    """Read a JSONL file of objects with ``prompt`` and ``answer``.

    Raises:
        DataError: the file cannot be read, is not UTF-8, or a line is no such object.
    """
    pairs: list[tuple[str, str]] = []
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        at = error.object[: error.start].count(b"\n") + 1
        raise DataError("not UTF-8; save the file as UTF-8", path=path, line=at) from None
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", path=path) from None
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            prompt, answer = entry["prompt"], entry["answer"]
        except (ValueError, KeyError, TypeError):
            raise DataError(
                "expected a JSON object with 'prompt' and 'answer'", path=path, line=number
            ) from None
        if not (isinstance(prompt, str) and isinstance(answer, str)):
            raise DataError("'prompt' and 'answer' must be text", path=path, line=number)
        pairs.append((prompt, answer))
    return pairs
