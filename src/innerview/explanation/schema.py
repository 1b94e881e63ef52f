"""The wire form of claims as a JSON schema, for whoever reads them in another language."""

from __future__ import annotations

from typing import Any, get_args

from innerview.explanation.claims import CLAIM_TYPES, ONE_PART, RANKS, STATED, ClaimType, Verdict

__all__ = ["claim_schema"]

_WORDS: dict[str, dict[str, Any]] = {
    "foil": {"type": "string", "description": "id of the other outcome"},
    "added": {"type": "string", "description": "id of the part that is added at the end"},
    "attribute": {"type": "string"},
    "value": {"type": "string"},
    "direction": {"enum": ["for", "against"]},
}
_RANK = {"type": "integer", "minimum": 1}
_NUMBERS_AND_WORDS = {
    "type": "object",
    "additionalProperties": {"type": ["number", "string"]},
}


def claim_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of one checked claim, as ``CheckedClaim.to_dict`` writes it.

    What it cannot say: that a foil is another outcome than the claim's own.
    """
    properties: dict[str, Any] = {
        "type": {"enum": list(CLAIM_TYPES)},
        "parts": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        "outcome": {"type": "string"},
        "stated": _NUMBERS_AND_WORDS,
        "source": {"type": "string"},
        "measured": _NUMBERS_AND_WORDS,
        "verdict": {"enum": list(get_args(Verdict))},
        "reason": {"type": "string"},
        "queries": {"type": "integer", "minimum": 0},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Checked claim",
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        "allOf": [
            {"if": {"properties": {"type": {"const": name}}}, "then": _of(name)}
            for name in CLAIM_TYPES
        ],
    }


def _of(name: ClaimType) -> dict[str, Any]:
    """What one type asks of its parts and of what it states."""
    ranks = dict.fromkeys(sorted(STATED[name] & RANKS), _RANK)
    stated = {"required": sorted(STATED[name]), "properties": ranks | _WORDS}
    asked: dict[str, Any] = {"properties": {"stated": stated}}
    parts: dict[str, Any] = {"minItems": 1}
    if name == "UNDECIDED":
        parts = {"maxItems": 0}
    if name in ONE_PART:
        parts = {"minItems": 1, "maxItems": 1}
    if name == "COUNTERFACTUAL":
        added = {"properties": {"stated": {"required": ["added"]}}}
        return {**asked, "anyOf": [added, {"properties": {"parts": parts}}]}
    asked["properties"]["parts"] = parts
    return asked
