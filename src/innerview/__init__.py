"""Innerview explains a frozen model by teaching a language model to stand in for it.

``Explainer`` is loaded when it is first asked for: importing the package loads no language-model
stack.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from innerview.explainer import Explainer

__all__ = ["Explainer"]


def __getattr__(name: str) -> Any:
    if name == "Explainer":
        from innerview.explainer import Explainer

        return Explainer
    raise AttributeError(f"module 'innerview' has no attribute {name!r}")
