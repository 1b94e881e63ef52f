"""What targets that are made from another one have of it."""

from __future__ import annotations

from innerview.data.tables import Catalogue
from innerview.targets.protocol import Target

__all__ = ["DerivedTarget"]


class DerivedTarget:
    """The catalogues of another target; what is scored, and how, is the subclass's.

    Args:
        target: whose they are.
    """

    def __init__(self, target: Target) -> None:
        self._target = target

    @property
    def outcomes(self) -> Catalogue:
        """The other target's."""
        return self._target.outcomes

    @property
    def parts(self) -> Catalogue:
        """The other target's."""
        return self._target.parts
