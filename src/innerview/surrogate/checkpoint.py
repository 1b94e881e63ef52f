"""Files of a surrogate: what is trained and nothing else, written whole or not at all.

Never pickled: weights and optimizer moments are safetensors, the rest is JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from innerview.errors import SurrogateError
from innerview.surrogate.model import SpliceModel

__all__ = [
    "Checkpoint",
    "load_tensors",
    "read_checkpoint",
    "replace_folder",
    "sha256_of",
    "trained_tensors",
    "write_checkpoint",
]

_MANIFEST = "complete.json"
_ADAM = ("step", "exp_avg", "exp_avg_sq")


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def trained_tensors(model: SpliceModel) -> dict[str, Tensor]:
    """Every tensor of the surrogate that is not the base's, by its name in the model.

    Projectors belong even where only their closed-form start made them what they are.
    """
    ours = "projectors."
    named = {n: p for n, p in model.named_parameters() if p.requires_grad or n.startswith(ours)}
    buffers = {n: b for n, b in model.named_buffers() if n.startswith(ours)}
    return {n: t.detach().contiguous() for n, t in {**named, **buffers}.items()}


def load_tensors(model: SpliceModel, tensors: dict[str, Tensor], *, source: Path) -> None:
    """Put trained tensors back.

    Raises:
        SurrogateError: names or shapes differ from the model's, or a value is not finite.
    """
    own = trained_tensors(model)
    if set(own) != set(tensors):
        odd = sorted(set(own) ^ set(tensors))[0]
        raise SurrogateError(
            f"{source}: tensor {odd!r} does not belong; was it made for another base?"
        )
    with torch.no_grad():
        for name, tensor in tensors.items():
            if tensor.shape != own[name].shape:
                found, wanted = tuple(tensor.shape), tuple(own[name].shape)
                raise SurrogateError(f"{source}: tensor {name!r} is {found}, not {wanted}")
            if not bool(torch.isfinite(tensor).all()):
                raise SurrogateError(f"{source}: tensor {name!r} holds NaN or infinity")
            own[name].copy_(tensor)


def replace_folder(beside: Path, folder: Path) -> None:
    """Put a finished folder in the place of another, syncing its files first."""
    for file in beside.rglob("*"):
        if file.is_file():
            with file.open("rb") as stream:
                os.fsync(stream.fileno())
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    beside.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A place to go on from; the weights are already in the model when this is returned."""

    step: int
    max_steps: int
    seconds: float
    moments: dict[str, Tensor]

    def restore_optimizer(self, optimizer: torch.optim.Optimizer) -> None:
        """Put the Adam moments back, by the parameters' order."""
        parameters = [p for g in optimizer.param_groups for p in g["params"]]
        for i, parameter in enumerate(parameters):
            if f"{i}.step" in self.moments:
                optimizer.state[parameter] = {
                    # Adam keeps the count on the CPU; a parameter that no row used skips a step.
                    name: own if name == "step" else own.to(parameter.device)
                    for name in _ADAM
                    for own in (self.moments[f"{i}.{name}"],)
                }


def write_checkpoint(
    folder: Path,
    model: SpliceModel,
    optimizer: torch.optim.Optimizer,
    *,
    step: int,
    max_steps: int,
    seconds: float,
) -> None:
    """Write beside, sync, rename; the marker with hashes is written last.

    Args:
        folder: of the checkpoint; an older one there is replaced.
        model: its trained tensors are kept.
        optimizer: Adam; its moments are kept.
        step: optimizer steps taken.
        max_steps: of the whole training.
        seconds: spent so far, restarts included.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=".checkpoint-", dir=folder.parent))
    moments: dict[str, Tensor] = {}
    parameters = [p for g in optimizer.param_groups for p in g["params"]]
    for i, parameter in enumerate(parameters):
        state: dict[str, Any] = optimizer.state.get(parameter, {})
        for name in _ADAM:
            if name in state:
                moments[f"{i}.{name}"] = state[name].contiguous()
    try:
        save_file(trained_tensors(model), beside / "weights.safetensors")
        save_file(moments, beside / "moments.safetensors")
        hashes = {f.name: sha256_of(f) for f in sorted(beside.iterdir())}
        marker = {"step": step, "max_steps": max_steps, "seconds": seconds, "sha256": hashes}
        (beside / _MANIFEST).write_text(json.dumps(marker), encoding="utf-8")
        replace_folder(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def read_checkpoint(folder: Path, model: SpliceModel) -> Checkpoint | None:
    """Load the checkpoint of a folder, or of its predecessor if a crash left only that.

    An incomplete or damaged checkpoint is passed over: the training then starts again.
    """
    for place in (folder, folder.with_name(f".{folder.name}.old")):
        try:
            marker = json.loads((place / _MANIFEST).read_text(encoding="utf-8"))
            if any(sha256_of(place / name) != h for name, h in marker["sha256"].items()):
                continue
            weights = load_file(place / "weights.safetensors")
            moments = load_file(place / "moments.safetensors")
        except (OSError, ValueError, KeyError, SafetensorError):
            continue
        load_tensors(model, weights, source=place)
        return Checkpoint(
            int(marker["step"]), int(marker["max_steps"]), float(marker["seconds"]), moments
        )
    return None
