"""A trained RecTools SASRec: its own answers, and the bundle contents made from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from innerview.data.tables import Catalogue
from innerview.errors import BundleError
from innerview.targets.bundle import BundleTarget, Contents
from innerview.targets.export import CheckRecord, check_record
from innerview.targets.manifest import OnnxEncoder
from innerview.targets.metrics import BATCH_CASES, mask_parts
from innerview.targets.onnx_export import export_encoder
from innerview.targets.protocol import Capabilities, Case, FloatArray

__all__ = ["SasrecAnswers", "agreement", "check_answers", "to_contents"]

AGREEMENT_TOLERANCE = 1e-4
AGREEMENT_TOP = 20


class SasrecAnswers:
    """What the library's model answers, through the library's own id map.

    Always in evaluation mode: with dropout on, a third of the first items would change.
    """

    def __init__(self, model: Any, catalogue: Catalogue, session_length: int) -> None:
        self.backbone = model.torch_model
        self.catalogue = catalogue
        self.session_length = session_length
        numbers = model.data_preparator.item_id_map.convert_to_internal(list(catalogue.ids))
        self.numbers = torch.as_tensor(np.asarray(numbers, dtype=np.int64))
        self._number = dict(zip(catalogue.ids, numbers, strict=True))
        self.backbone.eval()

    def vectors(self) -> torch.Tensor:
        """(1 + O, d): the padding's vector, then the items' in the order of the catalogue."""
        with torch.no_grad():
            every = self.backbone.item_model.get_all_embeddings()
        return torch.cat([every[:1], every[self.numbers]]).detach().clone()

    def score(self, cases: Sequence[Case]) -> FloatArray:
        """(N, O) float32."""
        assert not any(part.training for part in self.backbone.modules())
        sessions = torch.zeros((len(cases), self.session_length), dtype=torch.int64)
        for row, case in zip(sessions, cases, strict=True):
            seen = [int(self._number[p]) for p in case.parts[-self.session_length :]]
            row[-len(seen) :] = torch.tensor(seen)
        with torch.no_grad():
            every = self.backbone.item_model.get_all_embeddings()
            last = self.backbone.encode_sessions({"x": sessions}, every)[:, -1, :]
            scores = self.backbone.similarity_module(last, every)
        return np.asarray(scores[:, self.numbers].numpy(), dtype=np.float32)


class _SessionEncoder(torch.nn.Module):
    """The backbone with its item vectors frozen in the order of the catalogue."""

    def __init__(self, backbone: Any, vectors: torch.Tensor) -> None:
        super().__init__()
        self.backbone = backbone
        self.register_buffer("vectors", vectors)

    def forward(self, parts: torch.Tensor) -> torch.Tensor:
        """(N, L) int64 to (N, d)."""
        encoded: torch.Tensor = self.backbone.encode_sessions({"x": parts}, self.vectors)
        return encoded[:, -1, :]


def to_contents(answers: SasrecAnswers) -> Contents:
    """The bundle contents: item vectors, and the session encoder as ONNX.

    Raises:
        MissingExtraError: ``onnx`` is not installed.
    """
    vectors = answers.vectors()
    encoder = _SessionEncoder(answers.backbone, vectors).eval()
    items = np.ascontiguousarray(vectors[1:].numpy(), dtype=np.float32)
    return Contents(
        name="sasrec",
        spec=OnnxEncoder(session_length=answers.session_length),
        capabilities=Capabilities(
            vectors=True,
            rescoring=True,
            order_sensitive=True,
            deterministic=True,
            excludes_parts=True,
            max_parts=answers.session_length,
        ),
        outcomes=answers.catalogue,
        parts=answers.catalogue,
        outcome_vectors=items,
        part_vectors=items,
        onnx=export_encoder(encoder, session_length=answers.session_length),
    )


def agreement(
    answers: SasrecAnswers, target: BundleTarget, cases: Sequence[Case]
) -> tuple[float, float]:
    """Largest score difference between library and bundle, and share of equal top lists.

    Raises:
        BundleError: the difference is above 1e-4 of the scores' size.
    """
    worst, same = 0.0, 0
    for start in range(0, len(cases), BATCH_CASES):
        batch = cases[start : start + BATCH_CASES]
        own, exported = answers.score(batch), target.score(batch)
        scale = max(1.0, float(np.abs(own).max()))
        worst = max(worst, float(np.abs(own - exported).max()) / scale)
        for scores in (own, exported):
            mask_parts(scores, batch, answers.catalogue)
        tops = [np.argsort(-s, axis=1, kind="stable")[:, :AGREEMENT_TOP] for s in (own, exported)]
        same += int((tops[0] == tops[1]).all(axis=1).sum())
    if worst > AGREEMENT_TOLERANCE:
        raise BundleError(
            f"encoder.onnx: scores differ from the library's by {worst:.2g}, "
            f"more than {AGREEMENT_TOLERANCE:g}; this version of the library does not export"
        )
    return worst, same / len(cases)


def check_answers(
    answers: SasrecAnswers, target: BundleTarget, cases: Sequence[Case]
) -> CheckRecord:
    """What the library's model answers, for the replay at load."""
    return check_record(target, cases, answers.score(cases))
