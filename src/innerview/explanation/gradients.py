"""Integrated gradients over the slots of a case, where the target is a torch module.

What each part adds to an outcome's score along the straight way from vectors of zeros to the
parts' own (Sundararajan et al., ICML 2017), by Captum, which is an extra. Asks the target once: the
module must score the case as the target does, or it is another model.

Axes: P parts, d width of a part's vector, O outcomes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from innerview.errors import CaseError, MissingExtraError, TargetQueryError
from innerview.targets.protocol import Case, Target

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Gradients", "integrated_gradients"]

_SAME_SCORE = 1e-3


@dataclass(frozen=True, slots=True)
class Gradients:
    """Attributions of a case's parts for one outcome, in the target's units.

    Attributes:
        parts: ids, in the order of the case; one that comes twice stands here twice.
        values: (P,) as a tuple; with ``base`` they sum to the score of the case, but for ``error``.
        base: the module's score of a case of zeros.
        error: what the sum lacks; more steps make it smaller.
    """

    parts: tuple[str, ...]
    values: tuple[float, ...]
    base: float
    error: float


def integrated_gradients(
    case: Case, outcome: str, target: Target, scores: nn.Module, *, steps: int = 64
) -> Gradients:
    """Attribute an outcome's score to the parts of a case.

    Args:
        case: as the target sees it.
        outcome: its id.
        target: gives the parts' vectors, and the score that the module is held to.
        scores: from (1 or more, P, d) vectors of parts to (1 or more, O) scores, in the order of
            the target's outcomes; in evaluation mode, and on the CPU in float32.
        steps: points on the way.

    Raises:
        MissingExtraError: Captum is not installed.
        CaseError: an id is unknown, or the module is in training mode.
        TargetQueryError: the target has no vectors, or the module scores the case otherwise.
    """
    try:
        from captum.attr import IntegratedGradients
    except ImportError:
        raise MissingExtraError("captum", "gradients") from None
    import torch

    if scores.training:
        raise CaseError(
            "the module is in training mode, where it may answer by chance; call eval()"
        )
    if not target.capabilities.vectors:
        raise TargetQueryError("the target gives no vectors of parts to attribute to")
    row = target.outcomes.rows([outcome])[0]
    own = target.part_vectors[list(target.parts.rows(case.parts))]
    slots = torch.from_numpy(np.ascontiguousarray(own, dtype=np.float32))[None]
    zeros = torch.zeros_like(slots)
    with torch.no_grad():
        base, whole = (float(scores(given)[0, row]) for given in (zeros, slots))
    asked = float(target.score([case])[0, row])
    if abs(whole - asked) > _SAME_SCORE * max(abs(asked), 1.0):
        raise TargetQueryError(
            f"the module scores {outcome!r} at {whole:.6g} and the target at {asked:.6g}; "
            "give the module that the target was made from"
        )
    found = IntegratedGradients(scores).attribute(slots, zeros, target=row, n_steps=steps)
    values = found[0].sum(1).tolist()
    return Gradients(case.parts, tuple(values), base, whole - base - sum(values))
