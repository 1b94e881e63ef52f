"""What each part carries, for the eye: our own bars, and SHAP's. Both packages are optional."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from innerview.errors import CaseError, MissingExtraError
from innerview.explanation._rungs import short, without_and_with_only, without_each
from innerview.targets.protocol import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from innerview.explanation.explanation import Explanation
    from innerview.explanation.shapley import Shapley

__all__ = ["plot_effects", "plot_ranks", "shap_explanation", "shap_explanations"]

_FOR, _AGAINST = "#2f6f9f", "#c2672d"
_ROW_INCHES, _WIDTH_INCHES = 0.34, 7.0


def plot_effects(explanation: Explanation, ax: Axes | None = None) -> Axes:
    """Bars of what each part carries: the score that is lost without it, largest on top.

    Blue bars to the right speak for the outcome, orange bars to the left against it; beside each
    stands the rank of the outcome without that part.

    Raises:
        CaseError: nothing was measured.
        MissingExtraError: matplotlib is not installed.
    """
    parts, carried = _carried(explanation)
    ranks = {e.part: e.rank_after for e in explanation.evidence.leave_out}  # type: ignore[union-attr]
    ax = _axes(len(parts), ax)
    order = np.argsort(carried, kind="stable")
    values = carried[order]
    bars = ax.barh(range(len(order)), values, color=np.where(values >= 0, _FOR, _AGAINST))
    ax.bar_label(bars, labels=[f"rank {ranks[parts[i]]}" for i in order], padding=4, fontsize=8)
    ax.set_yticks(range(len(order)), [short(explanation.title(parts[i])) for i in order])
    ax.axvline(0, color="0.5", linewidth=0.8)
    ax.margins(x=0.15)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel(f"score lost without that {explanation.noun}")
    _name(ax, explanation)
    return ax


def plot_ranks(explanation: Explanation, ax: Axes | None = None) -> Axes:
    """A ladder of ranks: where the outcome stands as it is, and where without each part, without
    the set that is decisive, and with only the parts that are enough.

    Best rank at the right, on a logarithmic scale; the dashed line is the rank as it is.

    Raises:
        CaseError: nothing was measured.
        MissingExtraError: matplotlib is not installed.
    """
    _carried(explanation)  # refuses what was not measured
    changed = [*without_each(explanation), *without_and_with_only(explanation)]
    rungs = [*changed, ("as it is", explanation.rank)]
    ax = _axes(len(rungs), ax)
    for at, (_, rank) in enumerate(rungs):
        color = _FOR if rank > explanation.rank else _AGAINST if rank < explanation.rank else "0.4"
        ax.plot([explanation.rank, rank], [at, at], color=color, linewidth=2)
        ax.plot([rank], [at], "o", color=color)
        ax.annotate(
            f"{rank}",
            (rank, at),
            xytext=(0, 5),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    ax.axvline(explanation.rank, color="0.5", linewidth=0.8, linestyle="--")
    ax.set_xscale("log")
    ax.invert_xaxis()
    ax.margins(x=0.1, y=0.08)
    ax.set_yticks(range(len(rungs)), [label for label, _ in rungs])
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.set_xticks([], minor=True)
    ax.set_xticks([])  # every point says its rank
    ax.set_xlabel("rank, better to the right")
    _name(ax, explanation)
    return ax


def _axes(n: int, ax: Axes | None) -> Axes:
    """Those given, or new ones with room for n rows."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plot") from error
    if ax is None:
        height = 1.1 + _ROW_INCHES * n
        _, ax = plt.subplots(figsize=(_WIDTH_INCHES, height), layout="constrained")
    return ax


def _name(ax: Axes, explanation: Explanation) -> None:
    """Head the picture. Titles are data: a pair of dollar signs in one is not a formula."""
    title = short(explanation.title(explanation.outcome_id))
    ax.set_title(f"{title}: rank {explanation.rank}", loc="left", parse_math=False)
    for label in ax.get_yticklabels():
        label.set_parse_math(False)


def shap_explanation(explanation: Explanation, shapley: Shapley | None = None) -> Any:
    """The leave-one-out effects, or Shapley values, as a ``shap.Explanation`` of one case.

    ``values`` are what each part carries (the score lost without it), ``feature_names`` the titles.
    ``base_values`` is the score less the sum of the values, so that SHAP's bars start and end where
    its plots expect; for an additive target that is the score of a case without parts.
    Leave-one-out effects are no Shapley values: where parts stand in for one another they are
    smaller. With Shapley values of the same case and outcome (``Explainer.shapley``), these are
    shown with their own base.

    Raises:
        CaseError: nothing was measured, or the Shapley values are of other parts.
        MissingExtraError: shap is not installed.
    """
    shap = _shap()
    parts, carried, base = _carried_and_base(explanation, shapley)
    return shap.Explanation(
        values=carried,
        base_values=base,
        feature_names=[explanation.title(part) for part in parts],
    )


def shap_explanations(
    explanations: Sequence[Explanation], shapley: Sequence[Shapley] | None = None
) -> Any:
    """The same of several cases: one ``shap.Explanation`` with a row for each.

    Axes: N explanations, P parts of any of them, in the order in which they first occur.

    ``values`` (N, P) are what each part carries, 0 where a case does not have it; ``data`` (N, P)
    say whether it has, 1 or 0; ``base_values`` (N,). Two parts of one title are told apart by
    their ids.

    Raises:
        CaseError: there are none, of one nothing was measured, or Shapley values are of others.
        MissingExtraError: shap is not installed.
    """
    shap = _shap()
    if not explanations:
        raise CaseError("no explanations to show; explain at least one case")
    if shapley is not None and len(shapley) != len(explanations):
        raise CaseError(
            f"Shapley values of {len(shapley)} cases for {len(explanations)} explanations; "
            "give one of each"
        )
    own = [
        _carried_and_base(one, None if shapley is None else shapley[row])
        for row, one in enumerate(explanations)
    ]
    titles = {
        p: one.title(p) for one, found in zip(explanations, own, strict=True) for p in found[0]
    }
    column = {part: at for at, part in enumerate(titles)}
    values, data = np.zeros((2, len(own), len(column)))
    for row, (parts, carried, _) in enumerate(own):
        at = [column[part] for part in parts]
        values[row, at], data[row, at] = carried, 1.0
    times = Counter(titles.values())
    return shap.Explanation(
        values=values,
        base_values=np.array([base for _, _, base in own]),
        data=data,
        feature_names=[t if times[t] == 1 else f"{t} [{part}]" for part, t in titles.items()],
    )


def _shap() -> Any:
    try:
        import shap
    except ImportError as error:
        raise MissingExtraError("shap", "plot") from error
    return shap


def _carried_and_base(
    explanation: Explanation, shapley: Shapley | None
) -> tuple[list[str], FloatArray, float]:
    """Parts, what each carries, and where bars start."""
    if shapley is None:
        parts, carried = _carried(explanation)
        return parts, carried, float(explanation.score - carried.sum())
    if set(shapley.parts) != set(explanation.parts):
        raise CaseError(f"the Shapley values are not of case {explanation.case_id!r}")
    return list(shapley.parts), np.array(shapley.values), shapley.base


def _carried(explanation: Explanation) -> tuple[list[str], FloatArray]:
    """Parts with a measured effect, and the score lost without each: (P,), in the case's order."""
    effects = explanation.evidence.leave_out if explanation.evidence else ()
    measured = [(e.part, -e.score_change) for e in effects if e.score_change is not None]
    if not measured:
        raise CaseError(
            f"nothing was measured for case {explanation.case_id!r}: no part of it could be left "
            "out; a case needs two parts and a target that can rescore"
        )
    return [part for part, _ in measured], np.array([c for _, c in measured])
