"""A torch module that turns part numbers into a vector, as the bytes of ``encoder.onnx``."""

from __future__ import annotations

import inspect
import io
import warnings
from typing import Any

from ._model import ExportError

__all__ = ["encoder_bytes"]

OPSET = 17
"""Of torch's older exporter; onnxruntime 1.14 and newer read it."""


def encoder_bytes(module: Any, *, session_length: int) -> bytes:
    """The ONNX file of a case encoder.

    Torch has two exporters. The newer one is taken where it is there with ``onnx`` and
    ``onnxscript``, which it needs; else the older one, which needs nothing.

    Args:
        module: maps (N, L) int64 part rows + 1, 0 on the left as padding, to (N, d) float32.
        session_length: L, fixed; N stays free.

    Raises:
        ExportError: the module is in training mode: dropout would make it answer differently each
            time.
    """
    import torch

    if any(part.training for part in module.modules()):
        raise ExportError("the module is in training mode; call .eval() before the export")
    example = torch.ones((2, session_length), dtype=torch.int64)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of its own deprecations
        return (_by_program if _has_newer_exporter() else _by_trace)(module, example)


def _has_newer_exporter() -> bool:
    import torch

    options = inspect.signature(torch.onnx.export).parameters
    if not {"dynamo", "dynamic_shapes"} <= set(options):
        return False
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401  (torch needs it and says so late)
    except ImportError:
        return False
    return True


def _by_program(module: Any, example: Any) -> bytes:
    import onnx
    import torch

    program: Any = torch.onnx.export(
        module,
        (example,),
        dynamo=True,
        input_names=["parts"],
        output_names=["vector"],
        dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
        external_data=False,
        verbose=False,
    )
    buffer = io.BytesIO()
    onnx.save(program.model_proto, buffer)
    return buffer.getvalue()


def _by_trace(module: Any, example: Any) -> bytes:
    import torch

    buffer = io.BytesIO()
    export: Any = torch.onnx.export
    older = {"dynamo": False} if "dynamo" in inspect.signature(export).parameters else {}
    export(
        module,
        (example,),
        buffer,
        input_names=["parts"],
        output_names=["vector"],
        dynamic_axes={"parts": {0: "batch"}, "vector": {0: "batch"}},
        opset_version=OPSET,
        **older,
    )
    return buffer.getvalue()
