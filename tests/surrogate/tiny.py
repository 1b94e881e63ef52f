"""Tiny random language models and tokenizers of three families, made on the spot."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from innerview.surrogate.base import BaseModel

Family = Literal["chatml", "llama", "gemma"]
FAMILIES: tuple[Family, ...] = ("chatml", "llama", "gemma")

_SPECIAL = {
    "chatml": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
    "llama": ["<s>", "</s>", "<|header|>", "<|end_header|>", "<|eot|>"],
    "gemma": ["<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"],
}
_TEMPLATE = {
    # Adds a system message of its own when none is given, as SmolLM2 does.
    "chatml": (
        "{% if messages[0]['role'] != 'system' %}"
        "<|im_start|>system\nBe nice.<|im_end|>\n{% endif %}"
        "{% for m in messages %}"
        "<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    ),
    # Writes the BOS itself, and the tokenizer adds another: the reference's double BOS.
    "llama": (
        "<s>{% for m in messages %}<|header|>{{ m['role'] }}<|end_header|>\n\n"
        "{{ m['content'] }}<|eot|>{% endfor %}"
    ),
    # Refuses a system message.
    "gemma": (
        "{% for m in messages %}{% if m['role'] == 'system' %}"
        "{{ raise_exception('System role not supported') }}{% endif %}"
        "<start_of_turn>{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n"
        "{{ m['content'] }}<end_of_turn>\n{% endfor %}"
    ),
}
_CORPUS = [
    "You speak for a recommender. History: Item 1; Item 2; Item 3; Which item comes next?",
    "system user assistant model Rank these, best first: Would Item 7 fit? Yes No",
    "Facts about the outcome, put into words: it ranks first; without it, it falls to rank 14.",
]


@lru_cache(maxsize=8)
def tiny_tokenizer(family: Family) -> Any:
    tokenizer = Tokenizer(models.BPE(unk_token=None, byte_fallback=family == "gemma"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = _SPECIAL[family]
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_CORPUS * 4, trainer)
    bos, eos = special[0], special[-1]
    if family != "chatml":
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, tokenizer.token_to_id(bos))]
        )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=special[1] if family == "chatml" else bos,
        eos_token=eos,
        pad_token=eos,
    )
    fast.chat_template = _TEMPLATE[family]
    return fast


def tiny_base(
    family: Family = "chatml",
    *,
    kind: Literal["llama", "qwen"] = "llama",
    seed: int = 0,
    layers: int = 2,
    width: int = 32,
) -> BaseModel:
    """Float32, random; by default two layers of width 32."""
    tokenizer = tiny_tokenizer(family)
    torch.manual_seed(seed)
    sizes: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": width,
        "intermediate_size": width * 3 // 2,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": True,
    }
    if kind == "llama":
        model: Any = LlamaForCausalLM(LlamaConfig(**sizes, attn_implementation="sdpa"))
    else:
        config = Qwen3Config(**sizes, head_dim=8, attn_implementation="sdpa")
        model = Qwen3ForCausalLM(config)
    # Larger weights than the usual start, so that answers differ clearly from one another.
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, 0.25)
    model.requires_grad_(False)
    return BaseModel(f"tiny-{family}-{kind}", model.eval(), tokenizer)
