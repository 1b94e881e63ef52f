"""From the parts of a case to its vector: closed forms, and ONNX files run by onnxruntime.

Axes: N cases, L part positions, P parts, O outcomes, d width. Closed forms compute in float64,
so that a case gets the same float32 scores alone and within any batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from innerview.errors import BundleError, CaseError, TargetQueryError
from innerview.targets.protocol import Case, FloatArray, IntArray

if TYPE_CHECKING:
    import torch

__all__ = [
    "AlsEncoder",
    "CaseEncoder",
    "MeanEncoder",
    "OnnxSessionEncoder",
    "RidgeEncoder",
    "StaticEncoder",
    "SumEncoder",
    "TorchEncoder",
]

DoubleArray = npt.NDArray[np.float64]
_EXTERNAL = b"\x0a\x08location\x12"
"""How a tensor names a file of its own in the ONNX wire format (key of ``external_data``)."""


class CaseEncoder(Protocol):
    """Turns rows of parts into vectors of cases."""

    def encode(self, rows: IntArray) -> npt.NDArray[Any]:
        """(N, L) int64 part rows, -1 on the left where there is none; to (N, d) floats."""
        ...


def _gather(vectors: DoubleArray, rows: IntArray) -> DoubleArray:
    """(N, L, d), zero vectors where a row is -1."""
    gathered: DoubleArray = vectors[np.maximum(rows, 0)]
    gathered[rows < 0] = 0.0
    return gathered


class MeanEncoder:
    """Mean of the parts' vectors."""

    def __init__(self, part_vectors: FloatArray) -> None:
        self._vectors = part_vectors.astype(np.float64)

    def encode(self, rows: IntArray) -> DoubleArray:
        """(N, L) int64 to (N, d) float64."""
        counts = (rows >= 0).sum(axis=1, keepdims=True)
        mean: DoubleArray = _gather(self._vectors, rows).sum(axis=1) / np.maximum(counts, 1)
        return mean


class SumEncoder:
    """Sum of the parts' rows; over an item-item matrix that is the score itself."""

    def __init__(self, matrix: FloatArray) -> None:
        self._matrix = matrix

    def encode(self, rows: IntArray) -> DoubleArray:
        """(N, L) int64 to (N, O) float64."""
        out = np.zeros((len(rows), self._matrix.shape[1]))
        for case, parts in enumerate(rows):
            out[case] = self._matrix[parts[parts >= 0]].sum(axis=0, dtype=np.float64)
        return out


class AlsEncoder:
    """ALS fold-in: the normal equations of implicit feedback, solved for a batch of cases."""

    def __init__(self, part_vectors: FloatArray, *, alpha: float, regularization: float) -> None:
        self._vectors = part_vectors.astype(np.float64)
        d = part_vectors.shape[1]
        self._gram = self._vectors.T @ self._vectors + regularization * np.eye(d)
        self._alpha = alpha

    def encode(self, rows: IntArray) -> DoubleArray:
        """(N, L) int64 to (N, d) float64.

        Raises:
            TargetQueryError: the equations have no single solution (regularization 0).
        """
        y = _gather(self._vectors, rows)  # (N, L, d)
        left = self._gram + (self._alpha - 1.0) * (y.transpose(0, 2, 1) @ y)  # (N, d, d)
        right = self._alpha * y.sum(axis=1)  # (N, d)
        solved = _solve(left, right)
        if not np.isfinite(solved).all():
            raise TargetQueryError("the ALS fold-in has no solution; use a regularization above 0")
        return solved


class RidgeEncoder:
    """Ridge regression of the score of a case's own parts on their vectors; see ``RidgeFoldIn``.

    Args:
        part_vectors: (P, d).
        prior: (d + 1, d), the usual case vector, then how case vectors spread about it.
        own_score: of a part of a case.
        regularization: above 0.
    """

    def __init__(
        self,
        part_vectors: FloatArray,
        prior: FloatArray,
        *,
        own_score: float,
        regularization: float,
    ) -> None:
        vectors = part_vectors.astype(np.float64)
        self._center, self._spread = prior[0].astype(np.float64), prior[1:].astype(np.float64)
        self._features = vectors @ self._spread  # (P, d)
        self._missing = own_score - vectors @ self._center  # (P,)
        self._penalty = regularization * np.eye(len(self._center))

    def encode(self, rows: IntArray) -> DoubleArray:
        """(N, L) int64 to (N, d) float64."""
        f = _gather(self._features, rows)  # (N, L, d)
        missing = np.where(rows < 0, 0.0, self._missing[rows])  # (N, L)
        left = self._penalty + f.transpose(0, 2, 1) @ f  # (N, d, d)
        right = (f * missing[..., None]).sum(axis=1)  # (N, d)
        # einsum: a case's sums must not depend on the batch.
        vectors: DoubleArray = self._center + np.einsum(
            "nz,dz->nd", _solve(left, right), self._spread
        )
        return vectors


class StaticEncoder:
    """Vectors of the cases that a model was trained with, found by their parts.

    Args:
        keys: the rows of each case's parts as ``BundleTarget`` sees them.
        vectors: (N, d), one for each.
    """

    def __init__(self, keys: Sequence[tuple[int, ...]], vectors: FloatArray) -> None:
        self._rows = {key: row for row, key in enumerate(keys)}
        self._vectors = vectors

    def refuse_strangers(self, cases: Sequence[Case], keys: Sequence[Sequence[int]]) -> None:
        """CaseError for the first case of which there is no vector."""
        for case, key in zip(cases, keys, strict=True):
            if tuple(key) not in self._rows:
                raise CaseError(
                    f"case {case.case_id!r}: no vector of a case of these {len(key)} parts; a "
                    f"static target scores its {len(self._rows)} cases as they are, none changed"
                )

    def encode(self, rows: IntArray) -> FloatArray:
        """(N, L) int64 to (N, d) float32."""
        known = [self._rows[tuple(row[row >= 0].tolist())] for row in rows]
        return self._vectors[known]


def _solve(left: DoubleArray, right: DoubleArray) -> DoubleArray:
    """Solve N positive definite systems at once, by elimination without pivots.

    LAPACK takes them one by one and wakes its threads for each: on a busy machine that was
    measured 100 times slower than this, and its sums depend on the number of threads.

    Args:
        left: (N, d, d) float64.
        right: (N, d) float64.

    Returns:
        (N, d) float64; not finite where a system has no single solution.
    """
    a = np.ascontiguousarray(left.transpose(1, 2, 0))  # (d, d, N): the batch lies innermost
    b = np.ascontiguousarray(right.T)  # (d, N)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for k in range(len(a)):
            factor = a[k + 1 :, k] / a[k, k]
            a[k + 1 :, k + 1 :] -= factor[:, None] * a[k, k + 1 :]
            b[k + 1 :] -= factor * b[k]
        for k in range(len(a) - 1, -1, -1):
            b[k] /= a[k, k]
            b[:k] -= a[:k, k] * b[k]
    return np.ascontiguousarray(b.T)


class OnnxSessionEncoder:
    """``encoder.onnx`` under onnxruntime, on one thread so that sums keep their order."""

    def __init__(self, model: bytes, *, session_length: int, width: int, threads: int = 1) -> None:
        import onnxruntime as ort

        if _EXTERNAL in model:
            raise BundleError("encoder.onnx: refers to data outside the file; export it whole")
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises many kinds, none of them ours
            raise BundleError(f"encoder.onnx: onnxruntime refuses it: {error}") from None
        self._length, self._width = session_length, width
        self._input, self._output = self._names()

    def _names(self) -> tuple[str, str]:
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1 or inputs[0].type != "tensor(int64)":
            raise BundleError(
                f"encoder.onnx: {len(inputs)} inputs and {len(outputs)} outputs; expected one "
                "(N, L) int64 input and one (N, d) float output"
            )
        shape, out = inputs[0].shape, outputs[0].shape
        if len(shape) != 2 or (isinstance(shape[1], int) and shape[1] != self._length):
            raise BundleError(f"encoder.onnx: input is {shape}; expected (N, {self._length})")
        if isinstance(shape[0], int):
            raise BundleError(f"encoder.onnx: batch size is fixed at {shape[0]}; export it dynamic")
        if len(out) != 2 or (isinstance(out[1], int) and out[1] != self._width):
            raise BundleError(f"encoder.onnx: output is {out}; expected (N, {self._width})")
        return inputs[0].name, outputs[0].name

    def encode(self, rows: IntArray) -> FloatArray:
        """(N, L') int64 to (N, d) float32, L' at most the session length.

        Raises:
            TargetQueryError: the file failed, or its answer has another shape.
        """
        fed = _fed(rows, self._length)
        try:
            answer = self._session.run([self._output], {self._input: fed})[0]
        except Exception as error:  # see above
            raise TargetQueryError(f"encoder.onnx failed: {error}") from None
        if answer.shape != (len(rows), self._width):
            raise TargetQueryError(
                f"encoder.onnx answered {answer.shape}, expected ({len(rows)}, {self._width})"
            )
        return np.asarray(answer, dtype=np.float32)


class TorchEncoder:
    """A torch module in this process, fed like ``encoder.onnx``.

    Raises:
        BundleError: it is in training mode: dropout would make it answer differently each time.
    """

    def __init__(self, module: torch.nn.Module, *, session_length: int, width: int) -> None:
        if any(part.training for part in module.modules()):
            raise BundleError("the module is in training mode; call .eval() first")
        self._module, self._length, self._width = module, session_length, width

    def encode(self, rows: IntArray) -> FloatArray:
        """(N, L') int64 to (N, d) float32, L' at most the session length.

        Raises:
            TargetQueryError: the module failed, or its answer has another shape.
        """
        import torch

        held = [*self._module.parameters(), *self._module.buffers(), torch.empty(0)][0]
        try:
            with torch.inference_mode():
                fed = torch.from_numpy(_fed(rows, self._length)).to(held.device)
                answer = self._module(fed).float().cpu().numpy()
        except Exception as error:  # it may raise anything
            raise TargetQueryError(f"the module raised {type(error).__name__}: {error}") from error
        if answer.shape != (len(rows), self._width):
            raise TargetQueryError(
                f"the module answered {answer.shape}, expected ({len(rows)}, {self._width})"
            )
        return np.asarray(answer, dtype=np.float32)


def _fed(rows: IntArray, length: int) -> IntArray:
    """(N, L) int64 rows + 1, 0 on the left."""
    fed = np.zeros((len(rows), length), dtype=np.int64)
    if rows.shape[1]:
        fed[:, -rows.shape[1] :] = rows + 1
    return fed
