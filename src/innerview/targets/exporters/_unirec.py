"""UniRec's sequential models, in memory or as tensors of a SASRec whose layout is known.

A checkpoint of UniRec is a pickle. It is not read here: load it where UniRec is, and hand over the
module, or its ``state_dict()``; or save that as safetensors, and name the file to the command.
"""

from __future__ import annotations

import math
from typing import Any, Mapping, Sequence

import numpy as np

from ._model import Case, ExportError, FloatArray, Model
from ._torch import fed, session_model, turned

__all__ = ["from_sasrec_state", "from_unirec"]


def from_unirec(model: Any, *, ids: Sequence[Any]) -> Model:
    """A trained sequential model of UniRec (SASRec, GRU, AttHist, ...) with dot products.

    Args:
        model: in memory; it reads item ids only.
        ids: item ids by UniRec's number, from 1: number 0 is its padding.

    Raises:
        ExportError: scores are no dot products, or depend on more than the items.
    """
    import torch

    model.eval()
    config = model.config
    if config.get("distance_type", "dot") != "dot" or model.SCORE_CLIP > 0:
        raise ExportError("UniRec with another distance than dot products, or clipped scores")
    if model.has_user_bias or model.use_features or model.time_seq:
        raise ExportError("UniRec with user biases, features or times: no history alone tells them")
    ids, length = list(map(str, ids)), int(config["max_seq_len"])
    vectors = model.forward_all_item_emb() / model.tau
    if model.has_item_bias:
        vectors = np.hstack([vectors, model.get_all_item_bias()[:, None] / model.tau])

    def answer(cases: Sequence[Case]) -> FloatArray:
        parts = torch.as_tensor(fed(cases, ids, length))
        inputs = {
            "item_id": torch.arange(1, len(ids) + 1).repeat(len(cases), 1),
            "item_seq": parts,
            "item_seq_len": (parts > 0).sum(dim=1),
        }
        with torch.no_grad():
            return np.asarray(model.predict(inputs), dtype=np.float32)

    return session_model(
        _encoder(model, bool(model.has_item_bias)),
        vectors[1 : len(ids) + 1],
        ids=ids,
        session_length=length,
        answer=answer,
        name=type(model).__name__.lower(),
        libraries=("unirec", "torch"),
    )


def _encoder(model: Any, has_bias: bool) -> Any:
    """Row + 1 is UniRec's own number, and it pads on the left."""
    import torch

    class Sessions(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, parts: torch.Tensor) -> torch.Tensor:
            lengths = (parts > 0).sum(dim=1)
            encoded: torch.Tensor = self.model.forward_user_emb(
                item_seq=parts, item_seq_len=lengths
            )
            if has_bias:
                encoded = torch.cat([encoded, torch.ones_like(encoded[:, :1])], dim=1)
            return encoded

    return Sessions().eval()


def from_sasrec_state(
    state: Mapping[str, Any],
    *,
    ids: Sequence[Any],
    heads: int,
    activation: str = "swish",
    epsilon: float = 1e-10,
    padding: str = "left",
    scores: Any = None,
) -> Model:
    """A SASRec from its tensors alone, named as UniRec and RecBole name them.

    ``item_embedding.weight`` (1 + O, d), row 0 the padding; ``position_embedding.weight``;
    ``LayerNorm.*``; under ``trm_encoder.layer.N``
    ``multi_head_attention.{query,key,value,dense,LayerNorm}.*`` and
    ``feed_forward.{dense_1,dense_2,LayerNorm}.*``; ``item_bias`` (1 + O,) where there is one.
    What the tensors do not tell is asked for, as its wrong value would not show without the
    library: heads, activation and so on are in the model's configuration.

    Args:
        state: arrays or tensors by name.
        ids: item ids by number, from 1.
        heads: attention heads.
        activation: between the feed-forward layers: ``swish``, ``gelu``, ``relu``, ``tanh`` or
            ``sigmoid``.
        epsilon: of the layer norms.
        padding: ``left`` (UniRec, whose position table has one row more than it reads) or
            ``right`` (RecBole).
        scores: the library's own scores, (N, O), of (N, L) item numbers padded on the left; without
            it what the tensors give stands in.

    Raises:
        ExportError: a tensor is missing, or something else does not fit.
    """
    import torch

    tensors = {name: torch.as_tensor(np.asarray(value)).float() for name, value in state.items()}
    if padding not in ("left", "right"):
        raise ExportError(f"padding {padding!r}; expected left or right")
    for name in ("item_embedding.weight", "position_embedding.weight", "LayerNorm.weight"):
        if name not in tensors:
            raise ExportError(f"no tensor {name!r}: not a SASRec as UniRec names it")
    ids = list(map(str, ids))
    length = len(tensors["position_embedding.weight"]) - (1 if padding == "left" else 0)
    items = tensors["item_embedding.weight"][1:]
    if "item_bias" in tensors:
        items = torch.cat([items, tensors["item_bias"][1:, None]], dim=1)
    if len(items) != len(ids):
        raise ExportError(f"{len(items)} item vectors for {len(ids)} ids")
    encoder = _from_state(tensors, heads, activation, epsilon, padding)

    def answer(cases: Sequence[Case]) -> FloatArray:
        parts = torch.as_tensor(fed(cases, ids, length))
        with torch.no_grad():
            given = encoder(parts) @ items.T if scores is None else scores(parts)
        return np.asarray(given, dtype=np.float32)

    return session_model(
        encoder,
        items,
        ids=ids,
        session_length=length,
        answer=answer,
        name="sasrec",
        libraries=("torch",),
    )


def _from_state(
    state: dict[str, Any], heads: int, activation: str, epsilon: float, padding: str
) -> Any:
    """The network of Kang and McAuley 2018 with norms behind, as BERT has them."""
    import torch
    from torch.nn import functional

    active: Any = {
        "swish": functional.silu,
        "gelu": functional.gelu,
        "relu": functional.relu,
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
    }[activation]
    width = int(state["item_embedding.weight"].shape[1])
    layers = len({name.split(".")[2] for name in state if name.startswith("trm_encoder.layer.")})

    class Sasrec(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, tensor in state.items():
                self.register_buffer(name.replace(".", "__"), tensor)

        def tensor(self, name: str) -> torch.Tensor:
            found: torch.Tensor = getattr(self, name.replace(".", "__"))
            return found

        def linear(self, x: torch.Tensor, name: str) -> torch.Tensor:
            weight, bias = self.tensor(name + ".weight"), self.tensor(name + ".bias")
            return functional.linear(x, weight, bias)

        def norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
            weight, bias = self.tensor(name + ".weight"), self.tensor(name + ".bias")
            return functional.layer_norm(x, (width,), weight, bias, epsilon)

        def split(self, x: torch.Tensor) -> torch.Tensor:
            return x.reshape(x.shape[0], x.shape[1], heads, width // heads).transpose(1, 2)

        def attend(self, x: torch.Tensor, mask: torch.Tensor, name: str) -> torch.Tensor:
            q, k, v = (
                self.split(self.linear(x, name + "." + n)) for n in ("query", "key", "value")
            )
            weights = q @ k.transpose(-1, -2) / math.sqrt(width // heads) + mask
            mixed = (torch.softmax(weights, dim=-1) @ v).transpose(1, 2).reshape(x.shape)
            return self.norm(self.linear(mixed, name + ".dense") + x, name + ".LayerNorm")

        def forward(self, parts: torch.Tensor) -> torch.Tensor:
            sequence = turned(parts) if padding == "right" else parts
            length = sequence.shape[1]
            x = self.tensor("item_embedding.weight")[sequence]
            x = self.norm(x + self.tensor("position_embedding.weight")[:length], "LayerNorm")
            causal = torch.ones((length, length), dtype=torch.bool).tril()
            seen = causal & (sequence > 0)[:, None, None, :]
            mask = torch.where(seen, 0.0, -10000.0)
            for at in range(layers):
                name = f"trm_encoder.layer.{at}."
                x = self.attend(x, mask, name + "multi_head_attention")
                inner = active(self.linear(x, name + "feed_forward.dense_1"))
                inner = self.linear(inner, name + "feed_forward.dense_2")
                x = self.norm(inner + x, name + "feed_forward.LayerNorm")
            if padding == "right":
                last = ((parts > 0).sum(dim=1) - 1)[:, None, None].expand(-1, 1, width)
                encoded = torch.gather(x, 1, last).squeeze(1)
            else:
                encoded = x[:, -1, :]
            if "item_bias" in state:
                encoded = torch.cat([encoded, torch.ones_like(encoded[:, :1])], dim=1)
            return encoded

    return Sasrec().eval()
