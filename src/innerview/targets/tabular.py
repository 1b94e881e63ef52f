"""Classifiers of tables as targets: a part is a feature with its value, an outcome is a class.

A feature's values are cut into a few, so that parts can be named: a classifier to be explained is
trained on what ``Features.seen`` gives, and then nothing about it is approximate. What is removed
is made up for by a baseline: the score of a case that lacks features is the mean of the scores it
has with their values from each of some background rows. In a net that is a mean of its last hidden
layer, so that layer is the target's vector.

Axes: N rows, F features, P parts, k background rows, d width, O classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import softmax

from innerview.data.domain import CLASSIFIER
from innerview.data.tables import Catalogue
from innerview.errors import BundleError, DataError
from innerview.targets.bundle import BundleTarget, Contents
from innerview.targets.export import Provenance, check_record, save_bundle
from innerview.targets.manifest import OnnxEncoder
from innerview.targets.onnx_export import export_encoder
from innerview.targets.protocol import Capabilities, Case, FloatArray

__all__ = ["Features", "save_mlp"]

DoubleArray = npt.NDArray[np.float64]
_LEVELS = ("low", "middle", "high")
_ACTIVATIONS: Mapping[str, Any] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "logistic": torch.sigmoid,
    "identity": lambda x: x,
}
_CHECKED, _AGREEMENT = 20, 1e-4
"""Rows whose scores are recorded, and how far their probabilities may be from the classifier's."""


@dataclass(frozen=True)
class Features:
    """The features of a table, each with the few values that it is taken to have.

    Attributes:
        names: (F,) of the features.
        edges: per feature, where one value ends and the next begins.
        values: per feature, its values, rising: the mean of what lies between two edges.
        center, scale: (F,) mean and standard deviation of those, in the rows they were cut from.
    """

    names: tuple[str, ...]
    edges: tuple[DoubleArray, ...]
    values: tuple[DoubleArray, ...]
    center: DoubleArray
    scale: DoubleArray

    @classmethod
    def cut(cls, rows: npt.ArrayLike, names: Sequence[str], *, n_values: int = 6) -> Features:
        """Cut each feature so that about as many rows have each of its values.

        Raises:
            DataError: a value is missing, names do not fit, or a feature never varies.
        """
        table = np.asarray(rows, dtype=np.float64)
        if table.ndim != 2 or table.shape[1] != len(names):
            raise DataError(f"rows are {table.shape}; expected one column for {len(names)} names")
        if not np.isfinite(table).all():
            bad = int(np.flatnonzero(~np.isfinite(table).all(axis=0))[0])
            raise DataError(f"feature {names[bad]!r} has values that are missing or infinite")
        edges, values = [], []
        for name, column in zip(names, table.T, strict=True):
            inner = np.quantile(column, np.arange(1, n_values) / n_values)
            own = np.unique(inner[inner > column.min()])
            if not len(own):
                raise DataError(f"feature {name!r} hardly varies; leave it out")
            at = np.searchsorted(own, column, side="right")
            edges.append(own)
            values.append(np.array([column[at == i].mean() for i in range(len(own) + 1)]))
        whole = cls(tuple(names), tuple(edges), tuple(values), np.zeros(len(names)), np.ones(1))
        taken = whole._taken(table)
        return cls(whole.names, whole.edges, whole.values, taken.mean(axis=0), taken.std(axis=0))

    def _at(self, rows: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """(N, F) which of its values each feature has."""
        columns = np.asarray(rows, dtype=np.float64).T
        cut = [
            np.searchsorted(e, c, side="right") for e, c in zip(self.edges, columns, strict=True)
        ]
        return np.stack(cut, axis=1)

    def _taken(self, rows: npt.ArrayLike) -> DoubleArray:
        at = self._at(rows)
        return np.stack(
            [own[column] for own, column in zip(self.values, at.T, strict=True)], axis=1
        )

    def seen(self, rows: npt.ArrayLike) -> DoubleArray:
        """(N, F) what a classifier is to be trained on: the values, in standard units."""
        return (self._taken(rows) - self.center) / self.scale

    @cached_property
    def catalogue(self) -> Catalogue:
        """The parts: every feature with each of its values; how high that is, as an attribute."""
        titles, levels = [], []
        for name, own in zip(self.names, self.values, strict=True):
            titles += [f"{name} {value:.4g}" for value in own]
            levels += [(_LEVELS[3 * i // len(own)],) for i in range(len(own))]
        return Catalogue(
            ids=tuple(
                f"{name}={i}"
                for name, own in zip(self.names, self.values, strict=True)
                for i in range(len(own))
            ),
            titles=tuple(titles),
            attributes={"level": tuple(levels)},
            noun="feature",
            domain=CLASSIFIER,
        )

    def cases(self, rows: npt.ArrayLike, *, seed: int = 0) -> dict[str, tuple[str, ...]]:
        """Rows as cases, by their number; features in an order by chance, since it means nothing
        and every stretch of a case is then some of them."""
        rng = np.random.default_rng(seed)
        return {
            str(number): tuple(f"{self.names[f]}={at[f]}" for f in rng.permutation(len(at)))
            for number, at in enumerate(self._at(rows))
        }

    def tables(self) -> tuple[FloatArray, FloatArray]:
        """(1 + P, F) values in standard units, and which feature is told; row 0 tells nothing."""
        column = np.repeat(np.arange(len(self.names)), [len(own) for own in self.values])
        told = np.zeros((1 + len(column), len(self.names)), dtype=np.float32)
        told[np.arange(1, 1 + len(column)), column] = 1.0
        flat = (np.concatenate(self.values) - self.center[column]) / self.scale[column]
        return told * np.concatenate([[0.0], flat])[:, None].astype(np.float32), told


class _LastHidden(torch.nn.Module):
    """Part rows to the last hidden layer, the mean over the background, and a one for the bias."""

    values: torch.Tensor
    told: torch.Tensor
    background: torch.Tensor

    def __init__(self, features: Features, background: DoubleArray, classifier: Any) -> None:
        super().__init__()
        values, told = (torch.from_numpy(table) for table in features.tables())
        self.register_buffer("values", values)
        self.register_buffer("told", told)
        self.register_buffer("background", torch.tensor(background, dtype=torch.float32))
        self.layers = torch.nn.ParameterList()
        for weights, biases in zip(
            classifier.coefs_[:-1], classifier.intercepts_[:-1], strict=True
        ):
            self.layers.append(torch.nn.Parameter(torch.tensor(weights, dtype=torch.float32)))
            self.layers.append(torch.nn.Parameter(torch.tensor(biases, dtype=torch.float32)))
        self.activation = _ACTIVATIONS[classifier.activation]

    def forward(self, parts: torch.Tensor) -> torch.Tensor:
        """(N, L) part rows + 1, 0 for none, to (N, d)."""
        told = self.told[parts].sum(dim=1)  # (N, F)
        own = self.values[parts].sum(dim=1) / told.clamp(min=1.0)
        gone = (told == 0).to(own.dtype)
        hidden = own[:, None] + gone[:, None] * self.background  # (N, k, F)
        for at in range(0, len(self.layers), 2):
            hidden = self.activation(hidden @ self.layers[at] + self.layers[at + 1])
        mean = hidden.mean(dim=1)
        return torch.cat([mean, torch.ones_like(mean[:, :1])], dim=1)


def save_mlp(
    path: Path | str,
    classifier: Any,
    features: Features,
    rows: npt.ArrayLike,
    *,
    classes: Sequence[str],
    name: str = "mlp",
    noun: str = "class",
    n_background: int = 32,
    seed: int = 0,
    report: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> BundleTarget:
    """Write scikit-learn's ``MLPClassifier`` as a bundle.

    Args:
        path: the folder to make.
        classifier: trained on ``features.seen``; only its weights are read.
        features: how rows become parts.
        rows: (N, F) of training; the background is drawn from them.
        classes: (O,) what the classes are called, in the classifier's order.
        name: for reports.
        noun: what a class is called.
        n_background: rows (k) whose values stand in for removed features.
        seed: of the background.
        report: the classifier's own figures, for the report.
        overwrite: replace the folder where it exists.

    Raises:
        MissingExtraError: ``onnx`` is not installed.
        BundleError: the classifier is of another kind, was trained on other features, or the folder
            exists.
    """
    width = len(features.names)
    shape = [w.shape for w in getattr(classifier, "coefs_", ())]
    if len(shape) < 2 or shape[0][0] != width or classifier.activation not in _ACTIVATIONS:
        raise BundleError(
            f"classifier layers are {shape}; expected a trained MLPClassifier of {width} features"
        )
    seen = features.seen(rows)
    drawn = np.random.default_rng(seed).permutation(len(seen))[:n_background]
    module = _LastHidden(features, seen[drawn], classifier).eval()
    outcomes = Catalogue(
        ids=tuple(f"class={own}" for own in classes),
        titles=tuple(classes),
        noun=noun,
        domain=CLASSIFIER,
    )
    none = torch.zeros((1, width), dtype=torch.int64)
    alone = none.repeat(len(features.catalogue), 1)
    alone[:, -1] = torch.arange(1, len(alone) + 1)
    with torch.no_grad():
        # What a part alone adds to the layer; the layer of no part is common to all of them.
        part_vectors = (module(alone) - module(none)).numpy()
    contents = Contents(
        name=name,
        spec=OnnxEncoder(session_length=width),
        capabilities=Capabilities(
            vectors=True, rescoring=True, order_sensitive=False, deterministic=True,
            excludes_parts=False, max_parts=width,
        ),
        outcomes=outcomes,
        parts=features.catalogue,
        outcome_vectors=_outcome_vectors(classifier),
        part_vectors=np.ascontiguousarray(part_vectors, dtype=np.float32),
        onnx=export_encoder(module, session_length=width),
    )  # fmt: skip
    target = BundleTarget(contents)
    cases = [Case(*own) for own in features.cases(np.asarray(rows)[:_CHECKED]).items()]
    check = check_record(
        target, cases, _agreeing(target, cases, classifier.predict_proba(seen[:_CHECKED]))
    )
    baseline = (
        f"the mean score over {len(drawn)} training rows (seed {seed}), whose values stand in for "
        "removed features"
    )
    origin = Provenance(training=dict(report or {}), settings={"baseline": baseline}, seed=seed)
    return save_bundle(path, contents, check=check, provenance=origin, overwrite=overwrite)


def _outcome_vectors(classifier: Any) -> FloatArray:
    """(O, d): weights and bias of each class, less their mean over classes: what raises all scores
    alike decides nothing. A net of two classes has one output, the log-odds of the second."""
    last = np.vstack([classifier.coefs_[-1], classifier.intercepts_[-1]]).T
    if len(last) == 1:
        last = np.vstack([np.zeros_like(last), last])
    return np.asarray(last - last.mean(axis=0), dtype=np.float32)


def _agreeing(target: BundleTarget, cases: Sequence[Case], wanted: DoubleArray) -> FloatArray:
    """(N, O) scores, whose softmax must be the classifier's own probabilities (N, O).

    Raises:
        BundleError: they are not.
    """
    scores = target.score(cases)
    worst = float(np.abs(softmax(scores.astype(np.float64), axis=1) - wanted).max())
    if worst > _AGREEMENT:
        raise BundleError(
            f"encoder.onnx: probabilities differ from the classifier's by {worst:.2g}, "
            f"more than {_AGREEMENT:g}; was it trained on other features?"
        )
    return scores
