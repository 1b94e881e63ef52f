"""Keeps the libraries below us from talking; our own warnings become one line each."""

from __future__ import annotations

import logging
import os
import sys
import warnings

__all__ = ["quiet"]

_ENVIRONMENT = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
}
_LOGGERS = (
    "accelerate",
    "huggingface_hub",
    "lightning",
    "onnxscript",
    "pytorch_lightning",
    "torch.onnx",
    "transformers",
)


def quiet() -> None:
    """Set the libraries to errors only. What the user has set in the environment stays."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    if not sys.warnoptions:  # python -W and PYTHONWARNINGS have the last word
        _own_warnings_only()


def _own_warnings_only() -> None:
    from innerview.errors import InnerviewWarning

    warnings.simplefilter("ignore")
    warnings.simplefilter("default", InnerviewWarning)
    warnings.formatwarning = lambda message, *_, **__: f"note: {' '.join(str(message).split())}\n"
