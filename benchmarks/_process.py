"""A measurement in a process of its own, so that no peak of memory stands on another's."""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import resource
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec

__all__ = ["Result", "in_own_process", "machine", "write_json"]

P = ParamSpec("P")
Result = dict[str, Any]


def in_own_process(measure: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
    """What ``measure`` returns, and ``peak_bytes``, the most memory its process ever had.

    The process is started afresh. Linux counts in what the parent held at that moment, so whoever
    calls this must not have loaded a model, nor the libraries that do.
    """
    assert "torch" not in sys.modules, "the parent would be counted in"
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        return pool.submit(_measured, partial(measure, *args, **kwargs)).result()


def _measured(measure: Callable[[], Result]) -> Result:
    result = measure()
    unit = 1 if sys.platform == "darwin" else 1024
    return {**result, "peak_bytes": unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}


def machine() -> Result:
    """Where a measurement is made."""
    import torch
    import transformers

    from innerview.surrogate.base import compute_dtype

    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "dtype": str(compute_dtype()).removeprefix("torch."),
        "torch": str(torch.__version__),  # a class of torch's own, which the parent must not load
        "transformers": transformers.__version__,
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
