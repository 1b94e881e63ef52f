"""Files of a surrogate: what is trained and nothing else, written whole or not at all.

Never pickled: weights and optimizer moments are safetensors, the rest is JSON. A checkpoint is a
folder of its own, ``checkpoint-STEP``; the last two are kept, so that one may be damaged.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from innerview.errors import InnerviewWarning, SurrogateError
from innerview.files import BLANK_SEAL, discard_folder, is_sealed, room_for, seal, whole_folder
from innerview.surrogate.model import SpliceModel

__all__ = [
    "Checkpoint",
    "load_tensors",
    "read_checkpoint",
    "read_sealed",
    "save_sealed",
    "trained_tensors",
    "write_checkpoint",
]

_MARKER = "complete.json"
_WEIGHTS, _MOMENTS = "weights.safetensors", "moments.safetensors"
_ADAM = ("step", "exp_avg", "exp_avg_sq")
_KEPT = 2


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


def save_sealed(tensors: dict[str, Tensor], *, notes: dict[str, str] | None = None) -> bytes:
    """A safetensors file that shows when a byte of it was changed."""
    return seal(save(tensors, metadata={**(notes or {}), "seal": BLANK_SEAL}))


def read_sealed(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and notes of a sealed file.

    Raises:
        SurrogateError: the file was changed or cut since it was written.
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    if not is_sealed(data):
        raise SurrogateError(f"{path}: changed since it was written")
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return load(data), header["__metadata__"]


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
    """Write beside, sync, rename; then remove all but the last two.

    Args:
        folder: of the training; the checkpoint becomes ``checkpoint-STEP`` in it.
        model: its trained tensors are kept, and the losses that were not reported yet.
        optimizer: Adam; its moments are kept.
        step: optimizer steps taken.
        max_steps: of the whole training.
        seconds: spent so far, restarts included.

    Raises:
        SurrogateError: there is no room for it; those before it are still there.
    """
    moments: dict[str, Tensor] = {}
    parameters = [p for g in optimizer.param_groups for p in g["params"]]
    for i, parameter in enumerate(parameters):
        state: dict[str, Any] = optimizer.state.get(parameter, {})
        for name in _ADAM:
            if name in state:
                moments[f"{i}.{name}"] = state[name].contiguous()
    files = {_WEIGHTS: save(trained_tensors(model)), _MOMENTS: save(moments)}
    marker = {
        "step": step,
        "max_steps": max_steps,
        "seconds": seconds,
        "losses": model.task_loss,
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        "seal": BLANK_SEAL,
    }
    files[_MARKER] = seal(json.dumps(marker, indent=1).encode())
    place = folder / f"checkpoint-{step:08d}"
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(".checkpoint-*"):  # by a kill
        shutil.rmtree(left, ignore_errors=True)
    with room_for(place, sum(map(len, files.values())), SurrogateError), whole_folder(place) as new:
        for name, data in files.items():
            (new / name).write_bytes(data)
    # One with a later step was passed over as damaged, or the training would have gone on from it.
    own = [other for other in _checkpoints(folder) if other.name <= place.name]
    for other in set(_checkpoints(folder)) - set(own[:_KEPT]):
        discard_folder(other)


def read_checkpoint(folder: Path, model: SpliceModel) -> Checkpoint | None:
    """Load the newest checkpoint of a training that is whole; None if the training starts anew.

    One that is damaged is passed over with a warning that names it and what is wrong.
    """
    damage: list[str] = []
    for place in _checkpoints(folder):
        try:
            marker, weights, moments = _read_files(place)
        except SurrogateError as error:
            damage.append(str(error))
            continue
        if damage:
            _warn(f"{'; '.join(damage)}; the training goes on from {place.name}")
        load_tensors(model, weights, source=place)
        model.task_loss = marker["losses"]
        return Checkpoint(marker["step"], marker["max_steps"], marker["seconds"], moments)
    if damage:
        _warn(f"{'; '.join(damage)}; no other checkpoint is there: the training starts again")
    return None


def _warn(message: str) -> None:
    warnings.warn(message, InnerviewWarning, stacklevel=3)


def _checkpoints(folder: Path) -> list[Path]:
    """Newest first."""
    return sorted(folder.glob("checkpoint-" + "[0-9]" * 8), reverse=True)


def _read_files(place: Path) -> tuple[dict[str, Any], dict[str, Tensor], dict[str, Tensor]]:
    """Marker, weights and moments; the very bytes that were checked are used.

    Raises:
        SurrogateError: names the file that is missing or damaged.
    """
    files: dict[str, bytes] = {}
    for name in (_MARKER, _WEIGHTS, _MOMENTS):
        try:
            files[name] = (place / name).read_bytes()
        except OSError as error:
            raise SurrogateError(f"{place / name}: {error.strerror}") from None
    if not is_sealed(files[_MARKER]):
        raise SurrogateError(f"{place / _MARKER}: changed since it was written")
    marker: dict[str, Any] = json.loads(files[_MARKER])
    for name, wanted in marker["sha256"].items():
        if hashlib.sha256(files[name]).hexdigest() != wanted:
            raise SurrogateError(f"{place / name}: changed since it was written")
    try:
        return marker, load(files[_WEIGHTS]), load(files[_MOMENTS])
    except SafetensorError as error:
        raise SurrogateError(f"{place}: {error}") from None
