"""Whose reasons are the target's reasons: every explainer on the same cases, with its controls."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from innerview.alignment.cases import read_cases
from innerview.alignment.prose import checked_claims
from innerview.errors import MissingExtraError, RunError
from innerview.evaluation import orders
from innerview.evaluation.bootstrap import Figure
from innerview.evaluation.choices import LanguageReader, chosen
from innerview.evaluation.claims import claim_figures
from innerview.evaluation.controls import PermutedTarget, shuffled_orders
from innerview.evaluation.conventional import masked_scores
from innerview.evaluation.discriminators import told_apart
from innerview.evaluation.fidelity import (
    Effects,
    curves,
    differences_of,
    effects_of,
    failed_controls,
    skills,
)
from innerview.evaluation.given import Given, given_orders
from innerview.evaluation.numbers import Truths
from innerview.evaluation.own_texts import AS_STATED, own_texts
from innerview.evaluation.results import MetricTree, write_metrics
from innerview.evaluation.texts import can_read, failed_readers, text_measures
from innerview.explanation._ask import first_outcomes
from innerview.explanation.claims import CheckedClaim
from innerview.explanation.evidence import Evidence, Thresholds, measure_many
from innerview.pipeline._found import Found, Timed
from innerview.pipeline._kept import Kept
from innerview.pipeline._measured import (
    fewest_queries,
    fingerprint_in,
    forms_of,
    is_measured,
    read_explanations,
    readable_surrogate,
    rescoring_target,
    usable_cases,
)
from innerview.pipeline._own_reasons import KeptReader, OwnReasons
from innerview.pipeline._stage import Event, Say, digest
from innerview.targets import Case, Target

__all__ = ["fidelity"]

_AT_ONCE = 64
_DRAWS = 8
"""Of chance and of the controls, per case: one draw alone moves a skill by as much as a control
may have."""
_LEARNED_FROM = 50, 500
"""Cases from which a mask is learned, at least and at most."""
_VERSION = 5
"""Of what is measured."""
_SAID = 1
"""Of what language models are asked, whose answers are kept."""
_READ = 100
"""Texts that a language model reads, the first ones: it takes long."""
_TEXTS = 200
"""Of our own that are measured, the first ones, where no surrogate was asked about fewer."""
_SINGLES = Thresholds(max_set=1, max_groups=0)
_FOR_READERS = "scikit-learn", "evaluation"


class _FooledError(RunError):
    """Controls show skill, so the measure can be fooled."""

    def __init__(self, told: str, controls: Sequence[str] = ()) -> None:
        super().__init__(told)
        self.controls = list(controls)


def _refuse(wrong: Sequence[str]) -> None:
    """Give no figure, if anything speaks against all of them."""
    if wrong:
        raise _FooledError(f"no figure can be believed: {'; '.join(wrong)}", wrong)


@contextmanager
def _noted(path: Path, target: Target) -> Iterator[None]:
    """Note failed controls for the report, in the place of figures."""
    try:
        yield
    except _FooledError as error:
        meta = {"target": target.fingerprint, "failed_controls": error.controls}
        write_metrics(path, {}, meta=meta)
        raise


def fidelity(
    run: Path,
    say: Say,
    *,
    n_cases: int = 1600,
    n_surrogate: int = 200,
    shapley_budget: int = 500,
    given: Mapping[str, Path] | None = None,
    unaligned: bool = True,
    reader: str | None = None,
    seed: int = 0,
) -> Path:
    """Measure on how much of what explainers name the target's first outcomes hang.

    Held-out cases come first, then those that the surrogate was aligned on; the surrogate's own
    orders and claims are of held-out ones only. What it has said is kept: whoever is killed goes
    on, and whoever wants more cases asks for the rest.

    Args:
        run: with a target and its cases, and a surrogate if there is one.
        say: told how far it is.
        n_cases: for explainers that ask the target or nobody.
        n_surrogate: for the surrogate's own claims, at most.
        shapley_budget: queries for each case; more where that is too few for its parts.
        given: files of explanations that somebody else made, by the name that their figures get;
            see ``evaluation/given.py``.
        unaligned: let the base language model explain, too, before training: as it is, and shown
            two explanations that are grounded in evidence.
        reader: a base language model that reads the files' explanations as well.
        seed: of chance, controls and intervals.

    Raises:
        DataError: a file of explanations cannot be used.
        RunError: the target cannot rescore, or a control shows skill, so that no figure could be
            believed; those from before are gone then, and the report says why.
    """
    target = rescoring_target(run)
    began = time.monotonic()
    known = read_cases(run)
    others = read_explanations(given or {}, target, known)
    texts = {name: file.read_text(encoding="utf-8") for name, file in (given or {}).items()}
    whose = [target.fingerprint, fingerprint_in(run / "surrogate"), seed, _SAID]
    asked = [n_cases, n_surrogate, shapley_budget, texts, unaligned, reader, _VERSION]
    made_from = digest([*whose, asked])
    path = run / "report" / "fidelity.json"
    if is_measured(path, "fidelity", made_from):
        say(Event("fidelity", "unchanged, kept"))
        return path
    usable = usable_cases([*known.test, *known.valid, *known.train], target)
    cases, to_learn_from = usable[:n_cases], usable[n_cases:]
    if len(cases) < 2:
        raise RunError(f"{run}: {len(cases)} cases have parts to leave out; two or more are needed")
    pairs = list(zip(cases, first_outcomes(target, [(c, c) for c in cases]), strict=True))
    found = _of_the_target(target, pairs, say, shapley_budget=shapley_budget, seed=seed)
    _of_a_learned_mask(target, pairs, to_learn_from, found, say, seed=seed)
    _of_nobody(run, target, pairs, found, seed=seed)
    names = [case.case_id for case, _ in pairs]
    with _noted(path, target):
        effects = _effects(target, pairs, found, say)
        tree = _figures(effects, pairs, found, seed=seed)
        less: dict[str, MetricTree] = {}
        less["grounded"] = differences_of("grounded", effects, names, seed=seed)
        heldout = {case.case_id for case in known.test}
        own_pairs = [(case, outcome) for case, outcome in pairs if case.case_id in heldout]
        own_pairs = own_pairs[:n_surrogate]
        surrogate = readable_surrogate(run / "surrogate", target, say) if own_pairs else None
        claims = {"grounded": found.claims["grounded"][:_TEXTS]}
        kept = Kept(run / "report" / ".kept" / "fidelity.jsonl", digest(whose))
        if surrogate is not None:
            reasons = OwnReasons(target, own_pairs, kept, say)
            reasons.of_surrogate(surrogate)
            if unaligned:
                reasons.of_base(surrogate.base.name, known.train, seed=seed)
            figures, differences = _beside_the_target(reasons, found, seed=seed)
            tree |= figures
            less |= differences
            claims = reasons.found.claims
        for name, own in _of_own_texts(target, pairs, claims, found, say, seed=seed).items():
            tree[name] = {**tree.get(name, {}), **own}
        for name, explanations in others.items():
            read = None if reader is None else KeptReader(reader, target, kept, say, seed=seed)
            tree[name] = _of_a_file(target, name, explanations, say, reader=read, seed=seed)
        for name, apart in _told_apart(others, target, seed=seed).items():
            tree[name] = {**tree[name], **apart}
        _refuse(failed_readers(tree))
    meta = {
        "target": target.fingerprint,
        "seed": seed,
        "innerview": version("innerview"),
        "queries": target.queries.used,
        "seconds": round(time.monotonic() - began, 1),
        "n_cases": len(pairs),
        "surrogate": surrogate.fingerprint if surrogate is not None else None,
        "n_surrogate_cases": len(own_pairs) if surrogate is not None else 0,
        "cost": found.cost,
        "made_from": made_from,
    }
    write_metrics(path, {"fidelity": tree, "fidelity_differences": less}, meta=meta)
    say(Event("fidelity", f"{path}", 1.0))
    return path


def _of_the_target(
    target: Target,
    pairs: Sequence[tuple[Case, str]],
    say: Say,
    *,
    shapley_budget: int,
    seed: int,
) -> Found:
    """Explainers that ask the target, with what each of them costs."""
    found = Found()
    grounded: list[tuple[Evidence, list[CheckedClaim]]] = []
    with Timed(target, found.cost, "grounded", len(pairs)):
        for start in range(0, len(pairs), _AT_ONCE):
            say(Event("fidelity", f"{start} of {len(pairs)} cases measured", start / len(pairs)))
            grounded += checked_claims(target, pairs[start : start + _AT_ONCE])
    found.claims["grounded"] = [claims for _, claims in grounded]
    found.evidence = [evidence for evidence, _ in grounded]
    found.orders["grounded"] = [[orders.by_explanation(evidence) for evidence, _ in grounded]]
    found.orders["leave_one_out"] = [[orders.by_leaving_out(evidence) for evidence, _ in grounded]]
    by_value = []
    with Timed(target, found.cost, "shapley", len(pairs)):
        for at, (case, outcome) in enumerate(pairs):
            if not at % _AT_ONCE:
                say(Event("fidelity", f"Shapley values of {at} cases", at / len(pairs)))
            by_value.append(
                orders.by_shapley(
                    case,
                    outcome,
                    target,
                    budget=max(shapley_budget, fewest_queries(case)),
                    seed=seed,
                )
            )
    found.orders["shapley"] = [by_value]
    _of_conventional_surrogates(target, pairs, found, say, seed=seed)
    found.orders["control_permuted_target"] = _of_permuted(target, pairs, seed=seed)
    return found


def _beside_the_target(
    reasons: OwnReasons, found: Found, *, seed: int
) -> tuple[dict[str, MetricTree], dict[str, MetricTree]]:
    """Figures of what language models say, and what the surrogate that is told most has over
    everybody else, for the cases that they were asked about: the first ones.

    Raises:
        _FooledError: a control shows skill.
    """
    own, pairs, n = reasons.found, reasons.pairs, len(reasons.pairs)
    mine = list(own.orders)
    own.orders |= {name: [draw[:n] for draw in draws] for name, draws in found.orders.items()}
    own.claims["grounded"] = found.claims["grounded"][:n]
    found.cost |= own.cost
    effects = _effects(reasons.target, pairs, own, reasons.say)
    figures = _figures(effects, pairs, own, seed=seed)
    best = f"surrogate_{forms_of(reasons.target)[-1]}"
    names = [case.case_id for case, _ in pairs]
    differences = differences_of(best, effects, names, seed=seed)
    return {name: figures[name] for name in mine}, {best: differences}


def _of_a_learned_mask(
    target: Target,
    pairs: Sequence[tuple[Case, str]],
    others: Sequence[Case],
    found: Found,
    say: Say,
    *,
    seed: int,
) -> None:
    """A mask that was learned on other cases; of each case asked about it is told vectors only."""
    if not target.capabilities.vectors or len(others) < _LEARNED_FROM[0]:
        return
    from innerview.evaluation.learned_mask import LearnedMask

    others = others[: _LEARNED_FROM[1]]
    say(Event("fidelity", f"a mask learned on {len(others)} other cases"))
    learned = list(zip(others, first_outcomes(target, [(c, c) for c in others]), strict=True))
    mask = LearnedMask(learned, masked_scores(learned, target, seed=seed), target, seed=seed)
    with Timed(target, found.cost, "learned_mask", len(pairs)):
        found.orders["learned_mask"] = [mask.orders(pairs, seed=seed)]


def _of_permuted(
    target: Target, pairs: Sequence[tuple[Case, str]], *, seed: int
) -> list[list[orders.Order]]:
    """Draws of what leaving each part out shows on a target that takes parts for others."""
    return [
        [
            orders.by_leaving_out(evidence)
            for evidence in measure_many(
                pairs, PermutedTarget(target, seed=seed + draw), thresholds=_SINGLES
            )
        ]
        for draw in range(_DRAWS)
    ]


def _of_conventional_surrogates(
    target: Target, pairs: Sequence[tuple[Case, str]], found: Found, say: Say, *, seed: int
) -> None:
    """Models that are fitted to the target's scores of random subsets; they share those."""
    if find_spec("sklearn") is None:
        missing = MissingExtraError(*_FOR_READERS)
        say(Event("fidelity", f"lime and boosted trees: not run; {missing}"))
        return
    from innerview.evaluation.conventional import by_boosted_trees, by_lime

    say(Event("fidelity", f"random subsets of {len(pairs)} cases scored"))
    masked = []
    with Timed(target, found.cost, "lime", len(pairs)):
        for start in range(0, len(pairs), _AT_ONCE):
            masked += masked_scores(pairs[start : start + _AT_ONCE], target, seed=seed)
    scored = found.cost["lime"]
    for name, order in (("lime", by_lime), ("boosted_trees", by_boosted_trees)):
        with Timed(target, found.cost, name, len(pairs)):
            found.orders[name] = [
                [order(case, own, seed=seed) for (case, _), own in zip(pairs, masked, strict=True)]
            ]
        found.cost[name] = {
            unit: round(value + scored[unit], 2) for unit, value in found.cost[name].items()
        }


def _of_own_texts(
    target: Target,
    pairs: Sequence[tuple[Case, str]],
    claims: Mapping[str, Sequence[Sequence[CheckedClaim]]],
    found: Found,
    say: Say,
    *,
    seed: int,
) -> dict[str, MetricTree]:
    """Figures of what we say, as text, all about the same cases: the first ones, as many as there
    are claims."""
    n = len(claims["grounded"])
    plausible = found.orders["plausible"][0][:n] if "plausible" in found.orders else None
    texts = own_texts(target, pairs[:n], claims, plausible=plausible)
    if not can_read():
        say(Event("fidelity", f"readers: not run; {MissingExtraError(*_FOR_READERS)}"))
    known: Truths = {}
    figures: dict[str, MetricTree] = {}
    for at, (name, given) in enumerate(texts.items()):
        say(Event("fidelity", f"{name.replace('_', ' ')}: {n} texts measured", at / len(texts)))
        measured = text_measures(given, found.evidence[:n], target, known=known, seed=seed)
        figures[name] = {**measured}
    # Others are in words of their own, and known by them without fail.
    alike = {name: texts[name] for name in texts if name in {AS_STATED, *claims} - {"grounded"}}
    for name, apart in _told_apart(alike, target, seed=seed).items():
        figures[name] = {**figures[name], **apart}
    return figures


def _told_apart(
    explainers: Mapping[str, Sequence[Given]], target: Target, *, seed: int
) -> dict[str, dict[str, Figure]]:
    """See ``told_apart``; nothing where there is no scikit-learn."""
    return told_apart(explainers, target, seed=seed) if can_read() else {}


def _of_a_file(
    target: Target,
    name: str,
    given: Sequence[Given],
    say: Say,
    *,
    reader: KeptReader | None,
    seed: int,
) -> MetricTree:
    """Figures of explanations from a file, beside chance and the ceiling on the same cases.

    Raises:
        RunError: there are fewer than two of them, or a control shows skill.
    """
    if len(given) < 2:
        raise RunError(f"{name}: one explanation; two or more can be measured")
    pairs = [(one.case, one.outcome) for one in given]
    cases = [one.case for one in given]
    own = Found()
    evidence = list(measure_many(pairs, target, thresholds=_SINGLES))
    singles = [orders.by_leaving_out(e) for e in evidence]
    own.orders = {
        name: given_orders(given, draws=_DRAWS, seed=seed),
        "leave_one_out": [singles],
        "random": _by_chance(cases, seed=seed),
        "control_permuted_target": _of_permuted(target, pairs, seed=seed),
        "control_shuffled": _shuffled(cases, singles, seed=seed),
    }
    effects = _effects(target, pairs, own, say)
    figures = {**_figures(effects, pairs, own, seed=seed)[name]}
    figures = {**figures, **text_measures(given, evidence, target, seed=seed)}
    if reader is not None:
        read = LanguageReader(reader, target)
        figures |= chosen(given[:_READ], target, read, name="language", seed=seed)
    return figures


def _by_chance(cases: Sequence[Case], *, seed: int) -> list[list[orders.Order]]:
    return [[orders.by_chance(case, seed=seed + draw) for case in cases] for draw in range(_DRAWS)]


def _shuffled(
    cases: Sequence[Case], own: Sequence[orders.Order], *, seed: int
) -> list[list[orders.Order]]:
    return [shuffled_orders(cases, own, seed=seed + draw) for draw in range(_DRAWS)]


def _of_nobody(
    run: Path, target: Target, pairs: Sequence[tuple[Case, str]], found: Found, *, seed: int
) -> None:
    """Explainers that ask nobody, and those that know nothing."""
    popularity = json.loads((run / "labels" / "popularity.json").read_text(encoding="utf-8"))
    if set(target.parts.attributes) & set(target.outcomes.attributes):
        found.orders["plausible"] = [
            [orders.by_attributes(case, outcome, target, seed=seed) for case, outcome in pairs]
        ]
    if target.capabilities.vectors:
        found.orders["similarity"] = [
            [orders.by_similarity(case, outcome, target, seed=seed) for case, outcome in pairs]
        ]
    found.orders["popularity"] = [
        [orders.by_popularity(case, popularity, seed=seed) for case, _ in pairs]
    ]
    cases = [case for case, _ in pairs]
    found.orders["random"] = _by_chance(cases, seed=seed)
    (singles,) = found.orders["leave_one_out"]
    found.orders["constant"] = [orders.by_habit(cases, singles, seed=seed)]
    (grounded,) = found.orders["grounded"]
    found.orders["control_shuffled"] = _shuffled(cases, grounded, seed=seed)


def _effects(
    target: Target, pairs: Sequence[tuple[Case, str]], found: Found, say: Say
) -> dict[str, list[Effects]]:
    say(Event("fidelity", f"{len(found.orders)} explainers tried on {len(pairs)} cases"))
    return effects_of(target, pairs, found.orders)


def _figures(
    effects: Mapping[str, Sequence[Effects]],
    pairs: Sequence[tuple[Case, str]],
    found: Found,
    *,
    seed: int,
) -> dict[str, MetricTree]:
    """Figures by explainer.

    Raises:
        _FooledError: a control shows skill.
    """
    names = [case.case_id for case, _ in pairs]
    figures = skills(effects, names, floor="random", ceiling="leave_one_out", seed=seed)
    _refuse(failed_controls(figures))
    truth = found.claims.get("grounded", [])
    claims = {
        name: claim_figures(own, truth, names, seed=seed) for name, own in found.claims.items()
    }
    return {
        name: {**own, **claims.get(name, {}), "curves": curves(effects[name], names, seed=seed)}
        for name, own in figures.items()
    }
