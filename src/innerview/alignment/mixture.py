"""Which questions are asked of which cases, and in what proportions.

A case is cut into windows of at most ``max_parts`` parts. Several questions of one window and
form share its encoding, and a question may look back at only the first few parts, so one window
serves as several cases: each with labels, and a case vector, of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from innerview.alignment.labels import (
    CaseLabels,
    LabelSettings,
    case_seed,
    label_cases,
    nearest_outcomes,
    outcomes_by_decile,
)
from innerview.alignment.records import DECILE, FORMS, HELDOUT, Form, Record
from innerview.alignment.tasks import Asker, Context
from innerview.explanation.evidence import Thresholds, measure_many
from innerview.targets.protocol import Case, Target

__all__ = [
    "MixtureSettings",
    "case_records",
    "decile_records",
    "heldout_outcomes",
    "outcome_records",
    "outcome_test_records",
    "prefix_case",
    "settings_for",
    "test_records",
    "windows",
]


@dataclass(frozen=True, slots=True)
class MixtureSettings:
    """Proportions of the training mixture."""

    form_shares: Mapping[Form, float] = field(
        default_factory=lambda: {"behavior": 0.45, "intention": 0.30, "hybrid": 0.25}
    )
    """Share of windows asked in each form; behavior has most to learn and starts from nothing."""
    max_cases: int = 5000
    """Cases that are asked about, drawn at random: an hour of CPU training reads no more, and
    asking about all of a large table would take longer than the training."""
    windows_per_case: int = 3
    passes: int = 1
    """Times that a window is asked, each time in a form and with questions drawn anew: an hour of
    CPU training does not get through one, a GPU through several."""
    min_visible: int = 3
    """parts"""
    prefixes: int = 6
    """Retrieval questions about earlier states of the window, beside the one about all of it."""
    interest_pairs: Mapping[Form, int] = field(
        default_factory=lambda: {"behavior": 4, "intention": 4, "hybrid": 4}
    )
    """Of one liked and one disliked outcome, per window. They share the question's encoding, so
    one more costs a title and two ids, or a slot and two ids."""
    ranking_frac: float = 0.25
    """Share of windows with a ranking question. It is answered by judgement, like the one below:
    what is trained here only keeps the surrogate able to speak of it."""
    attribution_frac: float = 0.3
    named_parts: int = 4
    """Parts to be named from their vectors, per window that shows vectors alone."""
    n_prose: int = 350
    """Explanations put into words."""
    item_chunk: int = 12
    """Questions about outcomes that share one encoding of the opening."""
    title_chunk: int = 24
    """Outcomes to be named that share one question."""
    item_passes: int = 8
    """Times every outcome's title is asked from its vector."""
    item_fact_frac: float = 0.25
    """Share of outcomes asked, per attribute and form, about an attribute or nearest neighbour."""
    heldout_outcome_frac: float = 0.05
    """Share of outcomes that no training record names or answers with, so that it can be seen
    what the surrogate makes of outcomes that it has never met."""
    seed: int = 0


def settings_for(target: Target, settings: MixtureSettings) -> MixtureSettings:
    """The same, as far as a target can answer: without vectors, behavior alone is asked; where no
    changed case can be scored, cases are asked about whole, once each."""
    forms = FORMS if target.capabilities.vectors else FORMS[:1]
    shares = {form: share for form, share in settings.form_shares.items() if form in forms}
    settings = replace(settings, form_shares=shares)
    if target.capabilities.rescoring:
        return settings
    # Without held-out outcomes, too: a case that lacks one would be another case.
    return replace(settings, windows_per_case=1, prefixes=0, heldout_outcome_frac=0.0)


def heldout_outcomes(target: Target, settings: MixtureSettings) -> frozenset[str]:
    """The outcomes that training keeps away from; parts of the same id are these outcomes too."""
    ids = target.outcomes.ids
    n = int(len(ids) * settings.heldout_outcome_frac)
    drawn = np.random.default_rng((settings.seed, len(ids))).permutation(len(ids))[:n]
    return frozenset(ids[i] for i in drawn)


def windows(case: Case, *, max_parts: int, limit: int, min_visible: int) -> list[Case]:
    """The newest ``limit`` stretches of at most ``max_parts`` parts, newest first."""
    cut: list[Case] = []
    end = len(case.parts)
    while end >= min_visible and len(cut) < limit:
        start = max(0, end - max_parts)
        cut.append(Case(f"{case.case_id}@{start}", case.parts[start:end]))
        end = start
    return cut


def prefix_case(window: Case, visible: int) -> Case:
    """The first ``visible`` parts of a window, as a case of its own."""
    return Case(f"{window.case_id}:{visible}", window.parts[:visible])


def _form_of(window: Case, settings: MixtureSettings) -> Form:
    shares = [settings.form_shares.get(f, 0.0) for f in FORMS]
    total = sum(shares)
    draw = case_seed(settings.seed, window, "form").random() * total
    return FORMS[int(np.searchsorted(np.cumsum(shares), draw, side="right").clip(0, 2))]


def case_records(
    target: Target,
    cases: Sequence[Case],
    settings: MixtureSettings,
    labels: LabelSettings,
) -> list[list[Record]]:
    """Training records, one list per window; the records of a list share its context.

    Held-out outcomes are taken out of the cases before anything is asked about them, so a label
    is what the target says to what the surrogate is shown.
    """
    heldout = heldout_outcomes(target, settings)
    cut = [
        again
        for case in cases
        for window in windows(
            case.without(heldout),
            max_parts=target.capabilities.max_parts,
            limit=settings.windows_per_case,
            min_visible=settings.min_visible,
        )
        for again in _asked_again(window, settings.passes)
    ]
    seen = [_visible_counts(window, settings) for window in cut]
    asked = [prefix_case(w, v) for w, counts in zip(cut, seen, strict=True) for v in counts]
    known = [outcome for outcome in target.outcomes.ids if outcome not in heldout]
    labelled = iter(label_cases(target, asked, labels, among=known))
    asker = Asker(target.outcomes, target.parts)
    per_window = [[next(labelled) for _ in counts] for counts in seen]
    n_why = min(3, len(target.outcomes))
    reasons = _strongest_parts(
        target,
        [
            (own[-1].case, own[-1].top[int(case_seed(settings.seed, w, "why").integers(n_why))])
            if case_seed(settings.seed, w, "attribution").random() < settings.attribution_frac
            and len(own[-1].top) >= n_why
            else None
            for w, own in zip(cut, per_window, strict=True)
        ],
    )
    return [
        _window_records(asker, w, own, reason, settings)
        for w, own, reason in zip(cut, per_window, reasons, strict=True)
    ]


def _asked_again(window: Case, passes: int) -> list[Case]:
    """A window under another name each time: what is drawn for it goes by its name."""
    names = (f"{window.case_id}~{again}" for again in range(1, passes))
    return [window, *(Case(name, window.parts) for name in names)]


def _visible_counts(window: Case, settings: MixtureSettings) -> list[int]:
    """How much of a window each question sees; the last is all of it."""
    n = len(window.parts)
    earlier = np.arange(settings.min_visible, n)
    rng = case_seed(settings.seed, window, "prefix")
    k = min(settings.prefixes, len(earlier))
    return [*sorted(int(v) for v in rng.choice(earlier, size=k, replace=False)), n]


def _strongest_parts(
    target: Target, asked: Sequence[tuple[Case, str] | None]
) -> list[tuple[str, str] | None]:
    """For each asked pair the outcome and the part that speaks for it most, by leave-one-out."""
    singles_only = Thresholds(max_set=1, attribute_draws=0)
    pairs = [pair for pair in asked if pair is not None]
    measured = iter(measure_many(pairs, target, thresholds=singles_only) if pairs else ())
    found: list[tuple[str, str] | None] = []
    for pair in asked:
        evidence = next(measured) if pair is not None else None
        best = evidence.strongest() if evidence is not None else []
        found.append((evidence.outcome, best[0].part) if evidence is not None and best else None)
    return found


def _window_records(
    asker: Asker,
    window: Case,
    labels: Sequence[CaseLabels],
    reason: tuple[str, str] | None,
    settings: MixtureSettings,
) -> list[Record]:
    """Records of one window; ``labels`` are of its prefixes, the last one of all of it."""
    form = _form_of(window, settings)
    rng = case_seed(settings.seed, window, "records")
    whole = Context(window.case_id, window.parts, len(window.parts))
    records = [
        asker.retrieval(
            Context(window.case_id, window.parts, len(own.case.parts)), form, own.top, rng
        )
        for own in labels
    ]
    full, n_pairs = labels[-1], settings.interest_pairs[form]
    judged = [(o, True) for o in full.liked[:n_pairs]] + [
        (o, False) for o in full.disliked[:n_pairs]
    ]
    records += asker.interest(whole, form, judged, rng)
    if rng.random() < settings.ranking_frac:
        records.append(asker.ranking(whole, form, full.ranked, rng))
    if reason is not None:
        records.append(asker.attribution(whole, form, *reason, rng))
    if form == "intention":
        distinct = list(dict.fromkeys(window.parts))
        drawn = rng.permutation(len(distinct))[: settings.named_parts]
        records += asker.namings(asker.reconstruction(whole, rng), [distinct[i] for i in drawn])
    return records


def outcome_records(target: Target, settings: MixtureSettings) -> list[list[Record]]:
    """Training records about single outcomes, in random order, a few to a list."""
    asker = Asker(target.outcomes, target.parts)
    heldout = heldout_outcomes(target, settings)
    known = [outcome for outcome in target.outcomes.ids if outcome not in heldout]
    nearest = nearest_outcomes(target, among=known) if target.capabilities.vectors else []
    forms: Iterable[Form] = [f for f in FORMS if settings.form_shares.get(f, 0.0) > 0]
    records: list[Record] = []
    for row, outcome in enumerate(target.outcomes.ids):
        if outcome in heldout:
            continue
        rng = case_seed(settings.seed, Case(outcome, (outcome,)), "item")
        for form in forms:
            facts = [a for a in target.outcomes.attributes if target.outcomes.values(outcome, a)]
            for attribute in facts:
                if rng.random() < settings.item_fact_frac / max(1, len(facts)):
                    records.append(asker.attribute(outcome, form, attribute, rng))
            if nearest and rng.random() < settings.item_fact_frac:
                records.append(asker.nearest(outcome, form, nearest[row], rng))
    by_form: dict[Form, list[Record]] = {form: [] for form in FORMS}
    for at in np.random.default_rng(settings.seed).permutation(len(records)):
        by_form[records[at].form].append(records[at])
    k = settings.item_chunk
    groups = [own[at : at + k] for own in by_form.values() for at in range(0, len(own), k)]
    if {"intention", "hybrid"} & set(forms):
        groups += _title_records(asker, known, settings)
    return groups


def _title_records(
    asker: Asker, outcomes: Sequence[str], settings: MixtureSettings
) -> list[list[Record]]:
    """Every outcome to be named, several times, each time among others."""
    rng = np.random.default_rng([settings.seed, 1])
    k = settings.title_chunk
    groups: list[list[Record]] = []
    for _ in range(settings.item_passes):
        order = [outcomes[i] for i in rng.permutation(len(outcomes))]
        groups += [asker.titles(order[at : at + k], rng) for at in range(0, len(order), k)]
    return groups


def test_records(
    target: Target,
    cases: Sequence[Case],
    form: Form,
    labels: LabelSettings,
    *,
    heldout: Collection[str] = (),
) -> list[Record]:
    """Held-out questions, in held-out words, about whole cases; one of each task per case.

    With ``heldout``, also questions about these outcomes alone, marked in their labels.
    """
    asker = Asker(target.outcomes, target.parts, heldout=True)
    labelled = label_cases(target, cases, labels)
    reasons = _strongest_parts(target, [(own.case, own.top[0]) for own in labelled])
    records: list[Record] = []
    for own, reason in zip(labelled, reasons, strict=True):
        case = own.case
        rng = case_seed(labels.seed, case, f"test-{form}")
        context = Context(case.case_id, case.parts, len(case.parts))
        records.append(asker.retrieval(context, form, own.top, rng))
        records.append(asker.ranking(context, form, own.ranked, rng))
        judged = [(own.liked[0], True), (own.disliked[0], False)]
        records += asker.interest(context, form, judged, rng)
        if reason is not None:
            records.append(asker.attribution(context, form, *reason, rng))
        if form == "intention":
            records.append(asker.reconstruction(context, rng))
    if heldout:
        records += _heldout_records(target, cases, form, labels, heldout)
    return records


def _heldout_records(
    target: Target,
    cases: Sequence[Case],
    form: Form,
    labels: LabelSettings,
    heldout: Collection[str],
) -> list[Record]:
    """Judgements and an order of held-out outcomes, as far as the target has any to give."""
    asker = Asker(target.outcomes, target.parts, heldout=True)
    records: list[Record] = []
    for own in label_cases(target, cases, labels, among=heldout):
        case = own.case
        rng = case_seed(labels.seed, case, f"heldout-{form}")
        context = Context(case.case_id, case.parts, len(case.parts))
        if len(own.ranked) > 1:
            records.append(asker.ranking(context, form, own.ranked, rng))
        if own.liked and own.disliked:
            judged = [(own.liked[0], True), (own.disliked[0], False)]
            records += asker.interest(context, form, judged, rng)
    return [replace(r, label={**r.label, HELDOUT: True}) for r in records]


def decile_records(target: Target, cases: Sequence[Case], form: Form, *, seed: int) -> list[Record]:
    """Judgements of one outcome from each tenth of the target's ranking of each case.

    Other questions are about the best fifth and the worst half. What lies between is neither liked
    nor disliked, so these have no right answer: their labels say which tenth, and no more. They are
    for asking, in held-out words, not for training.
    """
    asker = Asker(target.outcomes, target.parts, heldout=True)
    records: list[Record] = []
    for case, drawn in zip(cases, outcomes_by_decile(target, cases, seed=seed), strict=True):
        rng = case_seed(seed, case, f"decile-{form}")
        context = Context(case.case_id, case.parts, len(case.parts))
        asked = asker.interest(context, form, [(own, True) for own in drawn.values()], rng)
        records += [
            replace(record, label={"outcome": outcome, DECILE: tenth})
            for record, (tenth, outcome) in zip(asked, drawn.items(), strict=True)
        ]
    return records


def outcome_test_records(
    target: Target, *, n: int, seed: int, heldout: Collection[str] = ()
) -> list[Record]:
    """Questions for the titles behind ``n`` outcomes' vectors, in held-out words.

    Every outcome but the held-out ones, which are not asked about, was also asked about in
    training, as in the paper: this measures memory.
    """
    if not target.capabilities.vectors:
        return []
    rng = np.random.default_rng(seed)
    asker = Asker(target.outcomes, target.parts, heldout=True)
    ids = [outcome for outcome in target.outcomes.ids if outcome not in set(heldout)]
    chosen = rng.choice(len(ids), size=min(n, len(ids)), replace=False)
    return asker.titles([ids[i] for i in sorted(int(i) for i in chosen)], rng)
