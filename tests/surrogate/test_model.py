"""The hidden state between layers is float32, and only what the layers compute is rounded."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import Tensor
from transformers import Gemma2Config, Gemma2ForCausalLM

from innerview.surrogate.model import SpliceModel

from .tiny import tiny_base


def _states(model: SpliceModel, embeddings: Tensor) -> Tensor:
    """What reaches the last norm."""
    caught: list[Tensor] = []
    norm = model.causal.model.norm
    hook = norm.register_forward_pre_hook(lambda _, given: caught.append(given[0]))
    with torch.no_grad():
        model.causal.model(inputs_embeds=embeddings, use_cache=False)
    hook.remove()
    return caught[0]


@pytest.mark.parametrize("kind", ["llama", "qwen"])
def test_what_is_small_survives_beside_what_is_large(kind: Literal["llama", "qwen"]) -> None:
    model = SpliceModel(tiny_base(kind=kind).model.to(torch.bfloat16), None)
    assert model.wide and model.dtype == torch.bfloat16
    for layer in model.causal.model.layers:
        for silent in (layer.self_attn.o_proj, layer.mlp.down_proj):
            silent.weight.zero_()
    embeddings = model.embed(torch.tensor([[3, 4]]), *(torch.zeros(0, 2, dtype=torch.int64),) * 3)
    assert embeddings.dtype == torch.float32
    given = embeddings * 1000 + 0.125  # bfloat16 would keep three digits
    assert torch.equal(_states(model, given), given)


def test_a_model_in_float32_has_nothing_to_widen() -> None:
    assert not SpliceModel(tiny_base().model, None).wide


def test_layers_of_another_build_are_left_as_they_are() -> None:
    config = Gemma2Config(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8,
    )  # fmt: skip
    model = SpliceModel(Gemma2ForCausalLM(config).to(torch.bfloat16).eval(), None)
    assert not model.wide
    embeddings = model.embed(torch.tensor([[3, 4]]), *(torch.zeros(0, 2, dtype=torch.int64),) * 3)
    assert embeddings.dtype == torch.bfloat16
    assert _states(model, embeddings).isfinite().all()


def test_reserved_places_are_empty_in_embeddings_however_often_they_are_prepared() -> None:
    model = SpliceModel(tiny_base().model.to(torch.bfloat16), None)
    random = torch.randn(32, 5, generator=torch.Generator().manual_seed(0))
    model.reserved = torch.linalg.qr(random).Q.T
    plain = model.causal.get_input_embeddings()(torch.arange(9)[None])
    once = model.prepared(plain)
    assert torch.allclose(model.prepared(once), once, atol=1e-6)
    assert (once @ model.reserved.T).abs().max() < 1e-6
    assert (plain.float() @ model.reserved.T).abs().max() > 0.1
