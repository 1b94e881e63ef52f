"""An OpenAI-compatible endpoint that answers as a test says."""

from __future__ import annotations

import json

from innerview.testing.served import Answering, Reply, Served, serving

__all__ = ["Answering", "Reply", "Served", "said", "serving"]


def said(answer: object) -> Reply:
    """A completion; an object becomes JSON."""
    content = answer if isinstance(answer, str) else json.dumps(answer)
    return Reply({"choices": [{"message": {"role": "assistant", "content": content}}]})
