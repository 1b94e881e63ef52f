"""What targets of our own say of themselves, said once."""

from __future__ import annotations

from innerview.data.tables import Catalogue
from innerview.targets.protocol import Capabilities, QueryCounter

__all__ = ["DescribedTarget"]


class DescribedTarget:
    """A target's name, catalogues, abilities and counter of queries; what it answers, a subclass
    says.

    Args:
        name: short, for reports.
        outcomes: what can be scored.
        parts: what cases are made of.
        capabilities: what can be asked.
    """

    def __init__(
        self, name: str, outcomes: Catalogue, parts: Catalogue, capabilities: Capabilities
    ) -> None:
        self._name, self._outcomes, self._parts = name, outcomes, parts
        self._capabilities, self._queries = capabilities, QueryCounter()

    @property
    def name(self) -> str:
        """Short name for reports."""
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        """What can be asked."""
        return self._capabilities

    @property
    def outcomes(self) -> Catalogue:
        """What can be scored."""
        return self._outcomes

    @property
    def parts(self) -> Catalogue:
        """What cases are made of."""
        return self._parts

    @property
    def queries(self) -> QueryCounter:
        """Counts every case scored."""
        return self._queries
