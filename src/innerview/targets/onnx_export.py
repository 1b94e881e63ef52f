"""Any torch module that turns part numbers into a vector, written as ``encoder.onnx``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from innerview.errors import BundleError, MissingExtraError
from innerview.targets.exporters import ExportError
from innerview.targets.exporters._onnx import encoder_bytes

if TYPE_CHECKING:
    import torch

__all__ = ["export_encoder"]


def export_encoder(module: torch.nn.Module, *, session_length: int) -> bytes:
    """The ONNX file of a case encoder.

    Args:
        module: maps (N, L) int64 part rows + 1, 0 on the left as padding, to (N, d) float32.
        session_length: L, fixed; N stays free.

    Raises:
        MissingExtraError: ``onnx`` or ``onnxscript`` is not installed.
        BundleError: the module is in training mode: dropout would make it answer differently
            each time.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "onnx", "sasrec") from None
    try:
        return encoder_bytes(module, session_length=session_length)
    except ExportError as error:
        raise BundleError(str(error)) from None
