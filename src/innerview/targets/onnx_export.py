"""Any torch module that turns part numbers into a vector, written as ``encoder.onnx``."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

from innerview.errors import BundleError, MissingExtraError

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
        import onnx
        import onnxscript  # noqa: F401  (torch needs it and says so late)
        import torch
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "onnx", "sasrec") from None
    if any(part.training for part in module.modules()):
        raise BundleError("the module is in training mode; call .eval() before the export")
    example = torch.ones((2, session_length), dtype=torch.int64)
    batch = torch.export.Dim("batch", min=1)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of its own deprecations
        program = torch.onnx.export(
            module,
            (example,),
            dynamo=True,
            input_names=["parts"],
            output_names=["vector"],
            dynamic_shapes=({0: batch},),
            external_data=False,
            verbose=False,
        )
    assert program is not None
    buffer = io.BytesIO()
    onnx.save(program.model_proto, buffer)
    return buffer.getvalue()
