"""What a bundle says of itself: one validated, frozen record, written as ``manifest.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from innerview.data.domain import DomainName
from innerview.targets.protocol import Capabilities

__all__ = [
    "BUNDLE_VERSION",
    "Agreement",
    "AlsFoldIn",
    "CheckCase",
    "EncoderSpec",
    "FileRecord",
    "Http",
    "ItemItem",
    "Live",
    "Manifest",
    "MeanOfParts",
    "OnnxEncoder",
    "RidgeFoldIn",
    "Static",
    "SumOfParts",
]

BUNDLE_VERSION: Final = 1

FileName = Literal[
    "outcomes.parquet",
    "parts.parquet",
    "cases.parquet",
    "vectors.safetensors",
    "check.safetensors",
    "encoder.onnx",
]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class OnnxEncoder(_Record):
    """The case vector comes from ``encoder.onnx``: (N, L) int64 in, (N, d) float32 out.

    Part row ``r`` is fed as ``r + 1``; 0 is padding and stands on the left.
    """

    kind: Literal["onnx"] = "onnx"
    session_length: Annotated[int, Field(ge=1, le=4096)]
    """Parts fed at a time (L); shorter cases are padded."""


class AlsFoldIn(_Record):
    """The case vector solves the ALS normal equations for the parts of the case.

    ``(Y'Y + regularization I + (alpha - 1) sum y y') x = alpha sum y`` over the parts' vectors y.
    Source: Hu, Koren, Volinsky 2008, eq. 4, in the form of implicit 0.7 ``recalculate_user``.
    """

    kind: Literal["als_fold_in"] = "als_fold_in"
    alpha: Annotated[float, Field(gt=0)]
    """Confidence of one interaction."""
    regularization: Annotated[float, Field(ge=0)]


class MeanOfParts(_Record):
    """The case vector is the mean of its parts' vectors."""

    kind: Literal["mean"] = "mean"


class SumOfParts(_Record):
    """The case vector is the sum of its parts' vectors.

    So linear autoencoders of low rank fold a history in (PureSVD): ``parts`` is V / sigma,
    ``outcomes`` V sigma.
    """

    kind: Literal["sum"] = "sum"


class ItemItem(_Record):
    """Scores are sums of rows of a (P, O) matrix; there are no vectors."""

    kind: Literal["item_item"] = "item_item"


class Static(_Record):
    """The case vectors are those of the model, one for each case in ``cases.parquet``.

    A case is known by its parts, whatever its id: nothing else can be scored, so nothing that is
    left out of it or added to it.
    """

    kind: Literal["static"] = "static"


class Agreement(_Record):
    """How far an approximation agrees with what it stands for, on cases it was not fitted to."""

    n_cases: Annotated[int, Field(ge=1)]
    rank_correlation: Annotated[float, Field(ge=-1, le=1)]
    """Spearman's, over all outcomes of a case; the mean over cases."""
    same_top10: Annotated[float, Field(ge=0, le=1)]
    """Share of the ten best outcomes that both have; the mean over cases."""


class RidgeFoldIn(_Record):
    """The case vector is a ridge regression on its parts' vectors: an approximation of a static
    model, which itself cannot say what a changed case scores.

    Of all vectors x the one that least misses ``own_score`` as the score y.x of each part, and is
    least unusual: ``sum (own_score - y.x)^2 + regularization |z|^2``, where ``x = center + spread
    z``. ``prior`` in ``vectors.safetensors`` is (d + 1, d): the center, then the spread.
    """

    kind: Literal["ridge_fold_in"] = "ridge_fold_in"
    regularization: Annotated[float, Field(gt=0)]
    own_score: float
    """What the static model gives a part of a case, in the mean."""
    agreement: Agreement


class Http(_Record):
    """No vectors: the model lies behind an address; ``targets/http.py`` says what is sent."""

    kind: Literal["http"] = "http"
    url: Annotated[str, Field(max_length=2000)]
    batch_cases: Annotated[int, Field(ge=1, le=4096)] = 64
    """Cases in a request."""
    timeout_s: Annotated[float, Field(gt=0)] = 30.0
    """Without a byte, after which a request has failed."""
    tries: Annotated[int, Field(ge=1, le=20)] = 4
    """Of a request that fails in passing."""
    pause_s: Annotated[float, Field(ge=0, le=60)] = 0.5
    """Before the second try; each further one waits twice as long."""
    per_second: Annotated[float, Field(gt=0)] | None = None
    """Requests, at most."""
    most_bytes: Annotated[int, Field(ge=1, le=2**30)] = 2**26
    """Of an answer."""


class Live(_Record):
    """No vectors: the model lives in the process that made it."""

    kind: Literal["live"] = "live"


EncoderSpec = Annotated[
    OnnxEncoder
    | AlsFoldIn
    | MeanOfParts
    | SumOfParts
    | ItemItem
    | Static
    | RidgeFoldIn
    | Http
    | Live,
    Field(discriminator="kind"),
]


class FileRecord(_Record):
    """What a file must be."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: Annotated[int, Field(ge=0)]
    """Bytes."""


class CheckCase(_Record):
    """A case and what the living model answered for it at export; scores are in a tensor."""

    case_id: str
    parts: tuple[str, ...]
    top: tuple[str, ...]
    """Best outcomes, best first, without the case's own parts where those are excluded."""


class Manifest(_Record):
    """Everything about a bundle but its numbers."""

    version: Literal[1] = BUNDLE_VERSION
    name: Annotated[str, Field(min_length=1, max_length=200)]
    noun: str = "item"
    """What an outcome is called."""
    part_noun: str = "item"
    domain: DomainName = "recommender"
    """Whose words prompts, sentences and pages use."""
    n_outcomes: Annotated[int, Field(ge=1)]
    n_parts: Annotated[int, Field(ge=1)]
    width: Annotated[int, Field(ge=0)]
    """Numbers in a vector (d); 0 where there are no vectors."""
    encoder: EncoderSpec
    capabilities: Capabilities
    files: Mapping[FileName, FileRecord]
    check_cases: tuple[CheckCase, ...] = ()
    training: Mapping[str, JsonValue] = Field(default_factory=dict)
    """The target's own report: its metrics beside popularity and item-kNN."""
    seed: int | None = None
    settings: Mapping[str, JsonValue] = Field(default_factory=dict)
    libraries: Mapping[str, str] = Field(default_factory=dict)
    data_sha256: str | None = None
    """Hash of the training histories."""
    seal: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """Hash of this very text, as ``innerview.files.seal`` makes it; a manifest written by hand
    needs none."""
