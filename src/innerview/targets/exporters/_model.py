"""What an exporter has learned of a model: its ids, its vectors, and how to ask it.

Everything in this folder runs in Python 3.8 and newer, needs numpy, safetensors, and pyarrow or
polars, and knows nothing of the rest of Innerview: it is copied to where a model lives.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import (
    Any,
    Callable,
    Mapping,
    NamedTuple,
    Sequence,
)

import numpy as np
import numpy.typing as npt

__all__ = ["Case", "ExportError", "FloatArray", "Items", "Model", "cases_of", "float32"]

FloatArray = npt.NDArray[np.float32]


class ExportError(ValueError):
    """A model that cannot be exported as it is; ``str()`` of it is one line."""

    def __str__(self) -> str:
        return " ".join(str(self.args[0] if self.args else "").split())


class Case(NamedTuple):
    """One input of the model: in a recommender, what one user has met, oldest first."""

    case_id: str
    parts: tuple[str, ...]


@dataclass(frozen=True)
class Items:
    """Titles and attributes by id. Which items there are, and their order, says the model.

    Attributes:
        titles: the text of each id; of one that is missing the id stands in.
        attributes: by name, the values of each id; one may have none, or several.
        noun: what one is called ("film", "item").
    """

    titles: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    noun: str = "item"


Answer = Callable[[Sequence[Case]], FloatArray]
Encode = Callable[[Sequence[Case]], FloatArray]


@dataclass
class Model:
    """A model in the terms of a bundle.

    Axes: O items, N cases, d width.

    Attributes:
        name: short name for reports.
        ids: O ids as the rows of the vectors have them.
        encoder: how a case becomes a vector, as the manifest says it (``{"kind": ...}``).
        answer: the library's own scores, (N, O); never made from the vectors below.
        vectors: (O, d) of items as outcomes.
        part_vectors: (O, d) of items as parts, where they differ.
        item_item: (O, O), instead of vectors.
        onnx: the bytes of ``encoder.onnx``.
        encode: (N, d) vectors of cases, for an encoder that numpy cannot do.
        case_vectors: of a static model, by case id.
        order_sensitive: the order of parts moves scores.
        max_parts: parts that the model looks at; None is as many as the longest history has.
        whole_histories: the library answers for users as it was trained, so only histories that
            are seen whole can be compared with it.
        libraries: packages whose versions are kept.
        settings: for the manifest; none of it changes a score.
    """

    name: str
    ids: Sequence[str]
    encoder: dict[str, Any]
    answer: Answer
    vectors: FloatArray | None = None
    part_vectors: FloatArray | None = None
    item_item: FloatArray | None = None
    onnx: bytes | None = None
    encode: Encode | None = None
    case_vectors: Mapping[str, FloatArray] | None = None
    order_sensitive: bool = False
    max_parts: int | None = 50
    whole_histories: bool = False
    libraries: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def is_static(self) -> bool:
        """Whether there are vectors of given cases only."""
        return bool(self.encoder["kind"] == "static")


def float32(values: Any) -> FloatArray:
    """A finite float32 matrix, whatever it was: numpy, torch, anything with ``__array__``.

    Raises:
        ExportError: it has no two axes, or holds NaN or infinity.
    """
    for step in ("detach", "cpu"):
        values = getattr(values, step)() if hasattr(values, step) else values
    matrix = np.ascontiguousarray(np.asarray(values), dtype=np.float32)
    if matrix.ndim != 2:
        raise ExportError(f"vectors of shape {matrix.shape}; expected a matrix")
    if not np.isfinite(matrix).all():
        row = int(np.flatnonzero(~np.isfinite(matrix).all(axis=1))[0])
        raise ExportError(f"row {row} of the vectors holds NaN or infinity")
    return matrix


def cases_of(histories: Mapping[Any, Sequence[Any]], model: Model) -> list[Case]:
    """Histories as the model sees them: known items, the last ``max_parts``, ids as strings.

    Those of an order-free model hold an item once. Of two that a static model cannot tell apart
    the first is kept.

    Raises:
        ExportError: nothing is left.
    """
    known = set(model.ids)
    cases: list[Case] = []
    met: set[frozenset[str]] = set()
    for user, history in histories.items():
        case = Case(str(user), _seen(history, known, model))
        if not case.parts or (model.whole_histories and not _is_whole(case, history, model)):
            continue
        if model.case_vectors is not None:
            if case.case_id not in model.case_vectors or frozenset(case.parts) in met:
                continue
            met.add(frozenset(case.parts))
        cases.append(case)
    if not cases:
        raise ExportError(
            "no history can be asked: the model knows {} items, such as {!r}; are the histories' "
            "ids of that kind?".format(len(known), next(iter(model.ids), ""))
        )
    return cases


def _seen(history: Sequence[Any], known: set[str], model: Model) -> tuple[str, ...]:
    parts = [item for item in map(str, history) if item in known]
    if not model.order_sensitive:
        parts = list(dict.fromkeys(reversed(parts)))[::-1]
    return tuple(parts if model.max_parts is None else parts[-model.max_parts :])


def _is_whole(case: Case, history: Sequence[Any], model: Model) -> bool:
    return len(set(case.parts)) == len(set(map(str, history)))
