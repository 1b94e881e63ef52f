"""Titles looked up by content, beside one feed-forward part.

What the feed-forward layers of a small language model have to say about a title are a few thousand
features, and a linear map of them cannot tell thousands of titles apart. But at its last token a
title looks nearly the same in whatever prompt it stands: mentions of one title differ by a fiftieth
of what titles differ by. So each title is a class with a key of its own, and what has been read is
compared with all keys by linear discriminant analysis (Fisher 1936; Rao 1948): in the directions
that tell titles apart best, in units in which the mentions of one title differ by one. What is
recalled is what the titles mean, each by its share; nothing, where no key is near.

Axes: N mentions, O titles, h width, r directions, c numbers of a title.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["RECALLED", "Recall", "fit_recall"]

RECALLED = ("center", "project", "keys", "values", "far")
"""What is saved of it; in bfloat16 all that has two axes."""

_DIRECTIONS = 256
"""Directions at most; with all 576 of a small model, rare titles are told apart worse."""
_SHRINK = 1e-4
"""Share of the variance of everything that is added to that within titles."""
_TEMPERATURES = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Mentions are no perfect Gaussians; which of these fits best is seen on mentions left out."""
_SEEN, _OTHERS = 3000, 20_000
"""Mentions, and positions where nothing is mentioned, that tempering is fitted to."""
_QUANTILE = 0.99
"""Share of mentions that should be near their key, and of other positions that should not."""
_AT_ONCE = 2**25
"""Comparisons of a position with a key that are made at once."""


class Recall(nn.Module):
    """(..., h) to (..., c): the numbers of the titles that end there.

    Computes in float32, whatever the model's dtype: distances are differences of large numbers.

    Args:
        center: (h,) what is taken off first.
        project: (r, h) onto the directions that tell titles apart.
        keys: (O, r) where each title lies.
        values: (O, c) its numbers.
        far: (1,) squared distance from which on nothing is recalled rather than something.
    """

    center: Tensor
    project: Tensor
    keys: Tensor
    values: Tensor
    far: Tensor

    def __init__(
        self, center: Tensor, project: Tensor, keys: Tensor, values: Tensor, far: Tensor
    ) -> None:
        super().__init__()
        if project.shape[1] != len(center) or keys.shape != (len(values), len(project)):
            raise RuntimeError(
                f"keys of shape {tuple(keys.shape)} do not go with {len(values)} titles in "
                f"{tuple(project.shape)} directions"
            )
        for name, tensor in zip(RECALLED, (center, project, keys, values, far), strict=True):
            self.register_buffer(name, tensor.float(), persistent=False)

    def forward(self, given: Tensor) -> Tensor:
        """The numbers of what is recalled, in float32."""
        with torch.autocast(given.device.type, enabled=False):
            flat = given.flatten(0, -2).float()
            pieces = torch.split(flat, max(1, _AT_ONCE // len(self.keys)))
            found = torch.cat([self._shares(piece) @ self.values for piece in pieces])
        return found.reshape(*given.shape[:-1], -1)

    def _shares(self, given: Tensor) -> Tensor:
        """(N, O) of (N, h); what is missing to 1 is the share of nothing."""
        at = (given - self.center) @ self.project.T
        near = at @ self.keys.T - self.keys.square().sum(1) / 2
        nothing = (at.square().sum(1, keepdim=True) - self.far) / 2
        return torch.softmax(torch.cat([near, nothing], dim=1), dim=1)[:, :-1]

    def saved(self) -> dict[str, Tensor]:
        """What is saved, by name."""
        own = {name: getattr(self, name).contiguous() for name in RECALLED}
        return {n: t.to(torch.bfloat16) if t.ndim > 1 else t for n, t in own.items()}

    def attach(self, layer: Any, out: Tensor) -> None:
        """Stand beside a layer's feed-forward part from now on.

        Args:
            layer: of a language model.
            out: (c, h) where in the hidden state the numbers are written.
        """
        weight = next(layer.mlp.parameters())
        recall = Recall(*(getattr(self, name) for name in RECALLED)).to(weight.device)
        written = out.to(weight.device, torch.float32)

        def add_recalled(_: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            added: Tensor = output.float() + recall(inputs[0]) @ written
            return added

        layer.mlp.register_forward_hook(add_recalled)


def fit_recall(mentions: Tensor, told: Tensor, numbers: Tensor, others: Tensor) -> Recall:
    """Keys for titles, in closed form.

    Args:
        mentions: (N, h) float32, what is given where a title has been read.
        told: (N,) int64, which title.
        numbers: (N, c) float32, its numbers; the same at every mention.
        others: (M, h) float32, what is given where nothing is mentioned.

    Returns:
        Its projection, keys and values rounded to bfloat16.
    """
    titles, of, counts = torch.unique(told, return_inverse=True, return_counts=True)
    n = counts.float()
    center = mentions.mean(0)
    centered = mentions - center
    means = _sums(centered, of, len(titles)) / n[:, None]
    values = _rounded(_sums(numbers, of, len(titles)) / n[:, None])
    project = _directions(centered, means[of], means)
    at, keys = centered @ project.T, means @ project.T
    temperature = _temperature(at, keys, values, of, n)
    project = _rounded(project / temperature**0.5)
    at, keys = centered @ project.T, _rounded(means @ project.T)
    far = _far(_left_out(at, keys, of, n)[1], _spread((others - center), _OTHERS) @ project.T, keys)
    return Recall(center, project, keys, values, far)


def _sums(rows: Tensor, of: Tensor, n: int) -> Tensor:
    """(n, ·) sums of rows by what they are of."""
    return rows.new_zeros(n, rows.shape[1]).index_add_(0, of, rows)


def _rounded(tensor: Tensor) -> Tensor:
    """As it will be saved."""
    return tensor.to(torch.bfloat16).float()


def _spread(rows: Tensor, n: int) -> Tensor:
    """About n of them, evenly spread."""
    return rows[:: max(1, len(rows) // n)]


def _directions(mentions: Tensor, own_means: Tensor, means: Tensor) -> Tensor:
    """(r, h) directions in which titles differ most, in units of how mentions of one title differ.

    Args:
        mentions: (N, h), centered.
        own_means: (N, h) of the title of each.
        means: (O, h) of each title.
    """
    apart = (mentions - own_means).double()
    spare = len(mentions) - len(means)
    within, total = apart.T @ apart / max(1, spare), mentions.double().T @ mentions.double()
    total = total / len(mentions)
    h = len(total)
    # The fewer mentions, the less is known of how they differ: then, in proportion to everything.
    doubt = float(within.trace() / total.trace()) * h / (spare + h) if spare else 1.0
    within = within + (_SHRINK + doubt) * total
    within.diagonal().add_(1e-6 * within.diagonal().mean())
    lower = torch.linalg.cholesky(within)
    white = torch.linalg.solve_triangular(lower, means.double().T, upper=False)
    most = torch.linalg.eigh(white @ white.T).eigenvectors[:, -_DIRECTIONS:]
    found: Tensor = torch.linalg.solve_triangular(lower.T, most, upper=True).T
    return found.float()


def _left_out(at: Tensor, keys: Tensor, of: Tensor, n: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Which mentions of titles with several, the squared distance (S,) of each to its own key, had
    the key been made without it, and those (S, O) to all keys."""
    several = _spread((n[of] > 1).nonzero()[:, 0], _SEEN)
    own, count = of[several], n[of[several]]
    distances = torch.cdist(at[several], keys).square()
    rows = torch.arange(len(several), device=at.device)
    # The mean of n moves by 1 / (n - 1) of the distance when one of them is left out.
    distances[rows, own] *= (count / (count - 1)).square()
    return several, distances[rows, own], distances


def _temperature(at: Tensor, keys: Tensor, values: Tensor, of: Tensor, n: Tensor) -> float:
    """That at which mentions that were left out are recalled best."""
    several, _, distances = _left_out(at, keys, of, n)
    if not len(several):
        return _TEMPERATURES[1]
    wanted = values[of[several]]
    errors = [
        float((torch.softmax(-distances / (2 * t), 1) @ values - wanted).square().sum())
        for t in _TEMPERATURES
    ]
    return _TEMPERATURES[errors.index(min(errors))]


def _far(own: Tensor, others: Tensor, keys: Tensor) -> Tensor:
    """(1,) half way, in orders of magnitude, from the farthest mentions to the nearest others."""
    nearest = torch.cdist(others, keys).square().amin(1) if len(others) else others.new_zeros(0)
    if not len(own):
        return nearest.quantile(1 - _QUANTILE)[None] if len(nearest) else keys.new_ones(1)
    farthest = float(own.quantile(_QUANTILE))
    apart = float(nearest.quantile(1 - _QUANTILE)) if len(nearest) else 4 * farthest
    return own.new_tensor([farthest * math.sqrt(max(1.0, apart / max(farthest, 1e-9)))])
