"""Every error Innerview raises on purpose, and its warning.

    InnerviewError
    ├── DataError            a table, a file or a value in it          (ValueError)
    │   └── ColumnError      a column is missing or named twice        (KeyError)
    ├── CaseError            a case or outcome the target cannot take  (ValueError)
    ├── BundleError          a target bundle that must not be used     (ValueError)
    ├── TargetQueryError     the target failed, or may not be asked    (RuntimeError)
    ├── EndpointError        a judge's endpoint unfit, or failed       (RuntimeError)
    ├── RecordError          an alignment record cannot be built       (ValueError)
    ├── SlotMismatchError    vectors and vector slots do not fit       (ValueError)
    ├── SurrogateError       surrogate files or base weights unfit     (ValueError)
    ├── RunError             a run folder lacks what a stage needs     (ValueError)
    └── MissingExtraError    an optional dependency is not installed   (ImportError)

A message is one line with three parts: what was found, what was expected, what to do next.
"""

from __future__ import annotations

from pathlib import Path

__all__ = [
    "BundleError",
    "CaseError",
    "ColumnError",
    "DataError",
    "EndpointError",
    "InnerviewError",
    "InnerviewWarning",
    "MissingExtraError",
    "RecordError",
    "RunError",
    "SlotMismatchError",
    "SurrogateError",
    "TargetQueryError",
]


class InnerviewWarning(UserWarning):
    """Something was repaired or deserves a look, and the work goes on."""


class InnerviewError(Exception):
    """Base of all errors raised on purpose; ``str()`` of it is one line."""

    def __str__(self) -> str:
        return " ".join(str(self.args[0] if self.args else "").split())


class DataError(InnerviewError, ValueError):
    """A table, a file, or a value in it cannot be used.

    The message reads ``FILE:LINE: column 'COLUMN': PROBLEM``, as far as each is known.
    """

    def __init__(
        self,
        problem: str,
        *,
        path: Path | str | None = None,
        line: int | None = None,
        column: str | None = None,
    ) -> None:
        where = "" if path is None else f"{path}" + (f":{line}" if line else "") + ": "
        what = "" if column is None else f"column {column!r}: "
        super().__init__(f"{where}{what}{problem}")
        self.path, self.line, self.column = path, line, column


class ColumnError(DataError, KeyError):
    """A needed column is missing, or a header names one twice."""


class CaseError(InnerviewError, ValueError):
    """A case or an outcome that the target cannot take (unknown id, empty case)."""


class BundleError(InnerviewError, ValueError):
    """A target bundle is damaged, inconsistent or unsafe."""


class TargetQueryError(InnerviewError, RuntimeError):
    """The target failed to answer, answered something that is no score, or may not be asked."""


class EndpointError(InnerviewError, RuntimeError):
    """The endpoint of a language model cannot be used as given, or failed to answer."""


class RecordError(InnerviewError, ValueError):
    """An alignment record cannot be built from its parts."""


class SlotMismatchError(InnerviewError, ValueError):
    """Vectors and vector slots differ in number or width, or a slot lies outside the batch."""


class SurrogateError(InnerviewError, ValueError):
    """Surrogate files or base weights are missing, damaged or do not fit each other."""


class RunError(InnerviewError, ValueError):
    """A run folder lacks what a stage needs."""


class MissingExtraError(InnerviewError, ImportError):
    """An optional dependency is needed and absent."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package} is not installed; it comes with the extra: pip install 'innerview[{extra}]'"
        )
        self.package, self.extra = package, extra
