"""What a run keeps when it is started again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zlib import crc32

import numpy as np
import polars as pl
import pytest

from innerview import Explainer
from innerview.alignment.cases import read_cases, read_times, write_cases
from innerview.alignment.mixture import MixtureSettings
from innerview.alignment.records import FORMS, Record, read_records
from innerview.cli._result import show_comparison, show_overview, show_stability
from innerview.errors import BundleError, CaseError, RunError, SurrogateError
from innerview.evaluation import texts
from innerview.evaluation._tables import FLOORS, METHODS
from innerview.evaluation.bootstrap import Figure
from innerview.evaluation.channels import CHANGES
from innerview.evaluation.results import read_metrics
from innerview.explanation._ask import first_outcomes
from innerview.explanation.evidence import measure_many
from innerview.pipeline import (
    Event,
    Segment,
    _benchmark,
    _evaluate,
    _evidence,
    _fidelity,
    _own_reasons,
    _stability,
    _whole,
    align,
    benchmark,
    compare,
    evaluate,
    evidence,
    explain,
    export,
    fidelity,
    label,
    report,
    run,
    stability,
    train_target,
    write_overview,
)
from innerview.pipeline import _target as stage
from innerview.pipeline._align import TrainingGroups, _drop_stale
from innerview.pipeline._stage import RunSettings
from innerview.surrogate.surrogate import Surrogate
from innerview.surrogate.train import TrainSettings
from innerview.targets import (
    BundleTarget,
    CallableTarget,
    Case,
    HttpTarget,
    Target,
    distinct_cases,
    load_bundle,
    load_target,
    ridge_fold_in,
    save_target,
)
from innerview.targets.derived import DerivedTarget
from innerview.targets.manifest import Static
from innerview.targets.protocol import FloatArray
from innerview.testing import serving_target
from surrogate.tiny import tiny_base


class Killed(BaseException):
    """Like a kill: nothing catches it."""


def _killed(*_: object, **__: object) -> None:
    raise Killed


@pytest.fixture
def settings(tmp_path: Path) -> RunSettings:
    rows = ["user_id,item_id,timestamp"]
    rows += [f"u{u},i{(u * 7 + k * k) % 12},{k}" for u in range(30) for k in range(8)]
    (tmp_path / "events.csv").write_text("\n".join(rows) + "\n")
    items = ["item_id,title", *(f"i{i},Title {i}" for i in range(12))]
    (tmp_path / "items.csv").write_text("\n".join(items) + "\n")
    return RunSettings(
        tmp_path / "events.csv", tmp_path / "items.csv", tmp_path / "run", k_core=2, n_test=5
    )


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen: list[str] = []
    real = stage._train
    monkeypatch.setattr(
        stage, "_train", lambda *args: (seen.append(args[0].target), real(*args))[1]
    )
    return seen


def _start(settings: RunSettings) -> None:
    train_target(settings, lambda event: None)


def test_another_number_of_test_cases_keeps_the_target(
    settings: RunSettings, trainings: list[str]
) -> None:
    _start(settings)
    _start(settings)
    assert len(read_cases(settings.out).test) == 5
    _start(replace(settings, n_test=8))
    assert len(read_cases(settings.out).test) == 8
    assert trainings == ["als"]
    _start(replace(settings, seed=1))
    assert trainings == ["als", "als"]


def test_tables_in_memory_are_the_same_run(settings: RunSettings, trainings: list[str]) -> None:
    _start(settings)
    interactions, items = (pl.read_csv(path) for path in (settings.interactions, settings.items))
    _start(replace(settings, interactions=interactions, items=items))
    assert trainings == ["als"]


def test_cases_that_a_kill_left_are_not_taken_for_those_before(
    settings: RunSettings, trainings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _start(settings)
    with monkeypatch.context() as patched:
        patched.setattr(stage, "finish", _killed)
        with pytest.raises(Killed):
            _start(replace(settings, n_test=8))
    _start(settings)
    assert len(read_cases(settings.out).test) == 5
    assert trainings == ["als"]


def test_a_target_that_a_kill_left_is_not_taken_for_the_one_before(
    settings: RunSettings, trainings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _start(settings)
    first = (settings.out / "target" / "manifest.json").read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(stage, "write_json", _killed)
        with pytest.raises(Killed):
            _start(replace(settings, seed=1))
    assert (settings.out / "target" / "manifest.json").read_bytes() != first
    _start(settings)
    assert trainings == ["als", "als", "als"]


def test_a_target_is_trained_no_further_than_its_time(settings: RunSettings) -> None:
    said: list[str] = []
    train_target(settings, lambda event: said.append(event.text), max_seconds=0.0)
    assert said[-1] == "stopped: its share of the time budget is spent"
    assert sum("on valid after round" in text for text in said) == 1


def test_labels_are_asked_for_no_more_cases_than_set(settings: RunSettings) -> None:
    _start(settings)
    mixture = MixtureSettings(max_cases=6)
    folder = label(settings.out, lambda event: None, mixture=mixture, n_test=3)
    records = read_records(folder / "train" / "records.parquet")
    users = {r.case_id.partition("@")[0] for r in records if r.task == "retrieval"}
    assert len(users) == 6


def test_a_bundle_that_lies_in_the_run_folder_is_taken_as_it_is(
    settings: RunSettings, trainings: list[str]
) -> None:
    _start(settings)
    bundle = settings.out / "target"
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    _start(replace(settings, target=str(bundle)))
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before
    _start(replace(settings, target=str(bundle), out=settings.out / "other"))
    again = settings.out / "other" / "target"
    assert {path.name: path.read_bytes() for path in again.iterdir()} == before
    assert trainings == ["als"]


def test_a_bundle_of_other_items_is_refused_before_anything_is_removed(
    settings: RunSettings, tmp_path: Path
) -> None:
    _start(settings)
    (tmp_path / "events.csv").write_text(
        (tmp_path / "events.csv").read_text().replace(",i", ",other").replace("othertem", "item")
    )
    with pytest.raises(BundleError, match="knows none of the"):
        _start(replace(settings, items=None, target=str(settings.out / "target")))
    assert load_bundle(settings.out / "target").outcomes.ids


def _scores_only() -> CallableTarget:
    titles = {f"i{row}": f"Title {row}" for row in range(12)}
    weights = np.random.default_rng(0).normal(size=(12, 12))

    def scores(histories: list[list[str]]) -> np.ndarray:
        return np.stack([weights[[int(i[1:]) for i in own]].sum(axis=0) for own in histories])

    return CallableTarget(scores, titles, name="sums", max_parts=5, order_sensitive=False)


def _static(run: Path) -> BundleTarget:
    """What the target of a run makes of its cases, and no way to make more of it."""
    model, known = load_bundle(run / "target"), read_cases(run)
    everybody = [*known.train, *known.valid, *known.test]
    cases, vectors = distinct_cases(everybody, model.case_vectors(everybody))
    return BundleTarget(
        replace(
            model.contents,
            spec=Static(),
            capabilities=replace(model.capabilities, rescoring=False),
            cases=cases,
            case_vectors=vectors,
        )
    )


def _with_surrogate(settings: RunSettings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of a target that was given, with a surrogate that was never trained."""
    from innerview.surrogate import base as bases
    from innerview.surrogate import surrogate as surrogates

    for module in (bases, surrogates):
        monkeypatch.setattr(module, "load_base", lambda *_, **__: tiny_base())
    _start(settings)
    label(settings.out, lambda event: None, n_test=4)
    groups = TrainingGroups(settings.out / "records" / "train" / "records.parquet")
    made = surrogates.Surrogate(tiny_base(), load_target(settings.out / "target"), lora_rank=4)
    made.start(groups, features=16)
    made.save(settings.out / "surrogate", provenance={})
    return settings.out


def test_a_function_goes_all_the_way_with_behavior_alone(
    settings: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(settings, target=_scores_only())
    run = _with_surrogate(settings, monkeypatch)
    records = read_records(run / "records" / "train" / "records.parquet")
    assert {record.form for record in records} == {"behavior"}
    said: list[Event] = []
    train_target(settings, said.append)
    assert said[-1].text == "unchanged, kept"
    quick = {"unaligned": False, "distilled": False, "channels": True}
    metrics = read_metrics(evaluate(run, said.append, **quick))
    assert {"behavior", "popularity"} <= set(metrics["alignment"])
    assert not {"intention", "hybrid"} & set(metrics["alignment"])
    found = read_metrics(fidelity(run, said.append, n_cases=12, n_surrogate=2, shapley_budget=300))
    assert "similarity" not in found["fidelity"], "there are no vectors to be similar"
    assert any("has no memory to read claims in" in event.text for event in said)
    lines = explain(run, said.append, n=2).read_text().splitlines()
    told = [json.loads(line) for line in lines]
    assert {claim["verdict"] for one in told for claim in one["claims"]} <= {"verified", "refuted"}
    assert all(set(one["answers"]) == {"behavior"} for one in told)
    report(run, said.append)
    page = (run / "report" / "index.html").read_text(encoding="utf-8")
    assert "The target gives no vectors: its surrogate has the behavior form alone." in page
    with pytest.raises(SurrogateError, match="no memory to read scores in; align it anew"):
        Explainer.load(run, claims="surrogate")(told[0]["case_id"])
    published = run.parent / "published"
    with pytest.raises(RunError, match="the target is not in its folder"):
        export(run, published, said.append, license="mit")
    export(run, published, said.append, license="mit", private_target=True)
    alone = Explainer.load(published, target=load_target(run / "target"))
    assert alone(Case("x", _scores_only().parts.ids[:3])).answers.keys() == {"behavior"}


def test_a_black_box_is_aligned_with_what_its_scores_imply(
    settings: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _with_surrogate(replace(settings, target=_scores_only()), monkeypatch)
    said: list[Event] = []
    align(run, said.append, settings=TrainSettings(lora_rank=4), max_steps=1)
    assert any("gives no vectors; factoring what it scores instead" in e.text for e in said)
    manifest = json.loads((run / "surrogate" / "manifest.json").read_text(encoding="utf-8"))
    assert "factors.safetensors" in manifest["sha256"]
    assert manifest["factors"]["explained"] > 0.5
    assert manifest["factors"]["queries"] == len(read_cases(run).train)
    align(run, said.append, settings=TrainSettings(lora_rank=4), max_steps=1)
    assert said[-1].text == "unchanged, kept"


def test_a_static_model_goes_all_the_way_and_says_what_it_cannot(
    settings: RunSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _start(settings)
    static = _static(settings.out)
    settings = replace(settings, target=static, out=tmp_path / "static")
    run = _with_surrogate(settings, monkeypatch)
    known = {case.parts for case in static.contents.cases}
    records = read_records(run / "records" / "train" / "records.parquet")
    assert {r.form for r in records} == set(FORMS)
    assert {r.parts[: r.visible] for r in records if r.task == "retrieval"} <= known
    said: list[Event] = []
    metrics = read_metrics(evaluate(run, said.append, unaligned=False, distilled=False))
    assert set(FORMS) <= set(metrics["alignment"]) and "channels" not in metrics
    lines = explain(run, said.append, n=2).read_text().splitlines()
    told = [json.loads(line) for line in lines]
    assert all(one["text"].endswith("could not be verified.") for one in told)
    assert {one["provenance"]["prose"] for one in told} == {"rendered from the claims"}
    claims = [claim for one in told for claim in one["claims"]]
    assert {claim["verdict"] for claim in claims} <= {"untestable"}
    assert {claim["reason"] for claim in claims} <= {"the target cannot score a changed case"}
    benchmark(run, said.append)
    assert any("left out: the target cannot score a changed" in event.text for event in said)
    for measure in (fidelity, stability, write_overview, evidence):
        with pytest.raises(RunError, match=r"cannot score a changed case; .* target fold-in$"):
            measure(run, said.append)
    with pytest.raises(CaseError, match="what a surrogate claims of changed cases cannot be"):
        Explainer.load(run, claims="surrogate")

    folded = replace(settings, target=BundleTarget(ridge_fold_in(static)), out=tmp_path / "folded")
    _start(folded)
    explain(folded.out, said.append, n=2)
    report(folded.out, said.append)
    page = (folded.out / "report" / "index.html").read_text(encoding="utf-8")
    assert "a ridge fold-in stands for a model that scores no changed case" in page


def test_a_target_behind_an_address_goes_all_the_way(
    settings: RunSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = _scores_only()
    with serving_target(model) as served:
        remote = HttpTarget(served.url, model.outcomes, max_parts=5, order_sensitive=False)
        save_target(tmp_path / "remote", remote)
        settings = replace(settings, target=str(tmp_path / "remote"))
        run = _with_surrogate(settings, monkeypatch)
        (line,) = explain(run, lambda event: None, n=1).read_text().splitlines()
        evidence(run, lambda event: None, heldout_only=True)
    assert json.loads(line)["claims"]
    report(run, lambda event: None)  # nobody is asked for it


@pytest.fixture
def tiny_run(settings: RunSettings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run with target, records and a surrogate that was never trained, on a tiny base."""
    from innerview.surrogate import base as bases
    from innerview.surrogate import surrogate as surrogates

    for module in (bases, surrogates):
        monkeypatch.setattr(module, "load_base", lambda *_, **__: tiny_base())
    _start(settings)
    # A quarter of twelve outcomes, so that there are some to ask about.
    mixture = MixtureSettings(heldout_outcome_frac=0.25)
    label(settings.out, lambda event: None, mixture=mixture, n_test=8)
    groups = TrainingGroups(settings.out / "records" / "train" / "records.parquet")
    made = surrogates.Surrogate(tiny_base(), load_bundle(settings.out / "target"), lora_rank=4)
    made.start(groups, features=16)
    made.save(settings.out / "surrogate", provenance={})
    return settings.out


def test_everyone_is_asked_and_the_channels_are_measured(tiny_run: Path) -> None:
    said: list[Event] = []
    metrics = read_metrics(evaluate(tiny_run, said.append))
    assert set(metrics["alignment"]) == set(METHODS)
    for method in ("in_context", "distilled"):
        assert set(metrics["alignment"][method]) >= {
            "retrieval_hr5", "ranking_kendall", "interest_auc", "attribution_accuracy",
        }  # fmt: skip
        assert "history_recall" not in metrics["alignment"][method]
        assert "ranking_kendall_heldout_items" in metrics["alignment"][method]
    assert set(metrics["channels"]) == {"unchanged", *CHANGES}
    differences = metrics["differences"]
    assert set(differences) == set(METHODS) - {"hybrid", *FLOORS}, "tables know no case"
    assert "history_recall" not in differences["intention"], "one answer, counted for both"
    assert "history_recall" in differences["unaligned"]
    assert set(metrics["deciles"]) == set(METHODS) - {"unaligned", "in_context"}
    assert set(metrics["deciles"]["hybrid"]) == {"yes", "order", "log_odds"}
    assert set(metrics["calibration"]) == set(FORMS)
    said.clear()
    evaluate(tiny_run, said.append)
    assert [event.text for event in said] == ["unchanged, kept"]
    report(tiny_run, said.append)
    page = (tiny_run / "report" / "index.html").read_text(encoding="utf-8")
    assert all(f">{method.replace('_', ' ')}<small>" in page for method in METHODS)
    assert page.count('<figure class="ev-chart">') == 3 and 'id="agreement"' in page
    made = {path.name for path in (tiny_run / "report" / "tables").iterdir()}
    assert {"alignment.csv", "deciles.md", "calibration.tex", "agreement.csv"} <= made
    few = read_metrics(
        evaluate(tiny_run, said.append, unaligned=False, distilled=False, channels=False)
    )
    assert set(METHODS) - set(few["alignment"]) == {"unaligned", "in_context", "distilled"}
    assert "channels" not in few


def test_an_evaluation_that_was_killed_goes_on_where_it_stopped(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_evaluate, "_SHARD", 1)
    few = {"unaligned": False, "distilled": False, "channels": False}
    asked: list[int] = []
    real = Surrogate.answer
    kept = tiny_run / "report" / ".kept" / "evaluate.jsonl"

    def answer(self: Surrogate, records: list[Record], **settings: int) -> list[object]:
        if len(asked) == 2:
            raise Killed
        asked.append(len(records))
        return real(self, records, **settings)

    monkeypatch.setattr(Surrogate, "answer", answer)
    with pytest.raises(Killed):
        evaluate(tiny_run, lambda event: None, **few)
    assert not (tiny_run / "report" / "metrics.json").exists()
    asked.pop()
    with pytest.raises(Killed):
        evaluate(tiny_run, lambda event: None, **few)
    assert len(kept.read_bytes().splitlines()) == 1 + 3, "what was kept was not asked again"
    monkeypatch.setattr(Surrogate, "answer", real)
    metrics = read_metrics(evaluate(tiny_run, lambda event: None, **few))
    shutil.rmtree(tiny_run / "report")
    whole = read_metrics(evaluate(tiny_run, lambda event: None, **few))
    for one in (metrics, whole):
        del one["meta"]["seconds"]
    assert metrics == whole
    monkeypatch.setattr(Surrogate, "answer", _killed)
    evaluate(tiny_run, lambda event: None, distilled=True, unaligned=False, channels=False)


def test_whoever_wants_more_reasons_asks_for_the_rest(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_evaluate, "_SHARD", 1)
    few = {"unaligned": False, "distilled": False, "channels": False}
    asked: list[Record] = []
    real = Surrogate.answer

    def answer(self: Surrogate, records: list[Record], **settings: int) -> list[object]:
        asked.extend(records)
        return real(self, records, **settings)

    monkeypatch.setattr(Surrogate, "answer", answer)
    some = read_metrics(evaluate(tiny_run, lambda event: None, n_reasons=2, **few))
    asked.clear()
    more = read_metrics(evaluate(tiny_run, lambda event: None, n_reasons=5, **few))
    assert {record.task for record in asked} == {"attribution"}
    assert len({record.case_id for record in asked}) == 3
    n = [found["alignment"]["hybrid"]["attribution_accuracy"].n for found in (some, more)]
    assert n == [2, 5]


def test_a_training_under_way_is_dropped_only_for_another_one_and_not_in_silence(
    tmp_path: Path,
) -> None:
    folder, said = tmp_path / "surrogate", []

    def start(made_from: str) -> None:
        _drop_stale(folder, made_from, lambda event: said.append(event.text))

    start("one")
    (folder / "checkpoint-00000001").mkdir()
    start("one")
    assert (folder / "checkpoint-00000001").exists() and not said
    note = folder / "started.json"
    whole = note.read_bytes()
    note.write_bytes(whole.replace(b"one", b"onf"))
    with pytest.raises(RunError, match=r"started.json: changed since it was written; remove"):
        start("one")
    note.write_bytes(whole)
    start("two")
    assert [path.name for path in folder.iterdir()] == ["started.json"]
    assert said == ["what is there was made from something else; aligning anew"]


def test_evidence_goes_on_where_a_killed_run_stopped(
    settings: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _start(settings)
    monkeypatch.setattr(_evidence, "_SHARD", 7)
    whole = evidence(settings.out, lambda event: None).read_bytes()
    path = settings.out / "evidence"
    (file,) = path.glob("*.jsonl")
    cases = read_cases(settings.out)
    lines = [json.loads(line) for line in whole.splitlines()]
    known = (*cases.test, *cases.valid, *cases.train)
    assert [line["case_id"] for line in lines] == [case.case_id for case in known]
    assert all(line["rank"] == 1 for line in lines)
    file.unlink()
    with monkeypatch.context() as patched:
        calls = iter([None, None])
        real = _evidence.measure_many
        patched.setattr(
            _evidence, "measure_many", lambda *a: real(*a) if next(calls, 1) is None else _killed()
        )
        with pytest.raises(Killed):
            evidence(settings.out, lambda event: None)
    assert len(file.read_bytes().splitlines()) == 14
    assert evidence(settings.out, lambda event: None).read_bytes() == whole
    file.write_bytes(b"{}\n")
    with pytest.raises(RunError, match=r"jsonl:1: no evidence \(KeyError.*remove the file"):
        evidence(settings.out, lambda event: None)


def test_fidelity_is_refused_where_a_control_shows_skill(
    settings: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _start(settings)
    path = fidelity(settings.out, lambda event: None, n_cases=25, shapley_budget=300)
    found = read_metrics(path)
    tree = found["fidelity"]
    assert set(tree) >= {"grounded", "leave_one_out", "shapley", "lime", "boosted_trees",
                         "similarity", "random", "popularity", "constant",
                         "control_permuted_target", "control_shuffled"}  # fmt: skip
    assert "plausible" not in tree, "the items have no attributes"
    assert tree["leave_one_out"]["deletion_skill"].value == pytest.approx(1.0)
    assert tree["grounded"]["verified_share"].value == 1.0
    for name in ("grounded", "grounded_stated"):
        figures = tree[name]
        assert figures["numbers_ungrounded"].value == figures["foreign_titles"].value == 0
        assert figures["simulated"].n == figures["empty"].n == 25
    assert "necessity" not in tree["grounded_stated"], "it is a wording, and no other explainer"
    assert found["meta"]["n_cases"] == 25
    assert found["meta"]["cost"]["grounded"]["queries"] > 10
    assert found["meta"]["cost"]["lime"]["queries"] > 5
    report(settings.out, lambda event: None)
    assert "insertion" in (settings.out / "report" / "index.html").read_text()
    # A control that looks at the very target shows all the skill there is.
    monkeypatch.setattr(_fidelity, "PermutedTarget", lambda target, seed: target)
    with pytest.raises(RunError, match="no figure can be believed: control_permuted_target has a"):
        fidelity(settings.out, lambda event: None, n_cases=25, shapley_budget=300, seed=1)
    assert list(read_metrics(path)) == ["meta"], "figures from before are not believed either"
    said: list[Event] = []
    report(settings.out, said.append)
    assert said[0].text.startswith("can I show these? no: An explainer that knows nothing")
    page = (settings.out / "report" / "index.html").read_text()
    assert "ev-says-no" in page and "control_permuted_target has a" in page
    assert 'id="fidelity"' not in page
    path.write_text(path.read_text().replace(found["meta"]["target"], "another"))
    report(settings.out, said.append)
    page = (settings.out / "report" / "index.html").read_text()
    assert "fidelity.json is left out" in page and "ev-says-no" not in page.split("</style>")[1]


@pytest.fixture
def without_surrogate(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way, but for what takes a language model."""
    for stage_name in ("align", "evaluate"):
        monkeypatch.setattr(_whole, stage_name, lambda *_, **__: None)
    monkeypatch.setattr(_whole, "_CONTROL_CASES", 30)  # there are no more


@pytest.mark.usefixtures("without_surrogate")
def test_the_whole_way_tries_explainers_that_know_nothing(settings: RunSettings) -> None:
    assert run(settings, lambda event: None) == settings.out
    path = settings.out / "report" / "fidelity.json"
    found = read_metrics(path)
    assert {"control_permuted_target", "control_shuffled"} <= set(found["fidelity"])
    assert found["meta"]["n_cases"] == 30 and found["meta"]["surrogate"] is None
    page = (settings.out / "report" / "index.html").read_text(encoding="utf-8")
    assert "skills of explainers that know nothing, over 30 cases" in page
    before, said = path.read_bytes(), list[Event]()
    run(settings, said.append)
    assert Event("fidelity", "unchanged, kept") in said and path.read_bytes() == before
    # Whoever asks for all of it gets it, and keeps it.
    fidelity(settings.out, lambda event: None, n_cases=29)
    whole = path.read_bytes()
    assert whole != before
    run(settings, lambda event: None)
    assert path.read_bytes() == whole


@pytest.mark.usefixtures("without_surrogate")
def test_the_whole_way_fails_where_a_control_shows_skill_and_the_report_says_so(
    settings: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = "no figure can be believed: control_permuted_target has a"
    with monkeypatch.context() as patched:
        patched.setattr(_fidelity, "PermutedTarget", lambda target, seed: target)
        with pytest.raises(RunError, match=rf"{told}.*; see .*index.html$"):
            run(settings, lambda event: None)
    page = (settings.out / "report" / "index.html").read_text(encoding="utf-8")
    assert "ev-says-no" in page and "control_permuted_target has a" in page
    assert 'id="drivers"' in page, "the rest is there"
    # Fewer cases, or luck, do not make it good.
    with pytest.raises(RunError, match=told):
        run(settings, lambda event: None)
    fidelity(settings.out, lambda event: None, n_cases=25)
    run(settings, lambda event: None)


def test_controls_are_tried_where_there_are_cases_and_time_for_them(
    settings: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _start(settings)
    target, tried, said = _scores_only(), list[int](), list[Event]()
    monkeypatch.setattr(_whole, "fidelity", lambda *_, n_cases, **__: tried.append(n_cases))
    _whole._try_controls(settings, target, said.append, left_s=900.0)
    assert said.pop().text == "left out: 30 cases are too few to tell skill from luck"
    cases = read_cases(settings.out)
    many = replace(cases, train=cases.train * 10)
    monkeypatch.setattr(_whole, "read_cases", lambda *_: many)
    for takes, left in ((1e-5, -5.0), (1.8e-3, -5.0), (2e-3, -5.0), (2e-3, 900.0), (1e-2, 900.0)):
        monkeypatch.setattr(_whole, "_seconds_per_query", lambda *_, takes=takes: takes)
        _whole._try_controls(settings, target, said.append, left_s=left)
    assert tried == [200] * 3, "a quarter of the budget is theirs, or what is left of it"
    told = "left out: it would take {} min; ask for it with innerview fidelity"
    assert [event.text for event in said] == [told.format(7), told.format(33)]


@pytest.mark.usefixtures("without_surrogate")
def test_controls_are_left_out_where_the_target_scores_no_changed_case(
    settings: RunSettings, tmp_path: Path
) -> None:
    _start(settings)
    folded = replace(settings, target=_static(settings.out), out=tmp_path / "static")
    run(folded, lambda event: None)
    assert (folded.out / "report" / "index.html").exists()
    assert not (folded.out / "report" / "fidelity.json").exists()


class _Reader:
    """In place of a surrogate: from titles it says what their letters say, from vectors what the
    target does."""

    fingerprint = "reader"
    base = SimpleNamespace(name="tiny")

    def __init__(self, target: Target | None = None) -> None:
        self.target = target
        self.asked: list[str] = []

    def answer(self, records: Sequence[Record], **_: int) -> list[str]:
        self.asked.append("free_prose")
        assert self.target is not None
        return [f'It is "{self.target.parts.title(r.parts[-1])}".' for r in records]

    def stand_in(self, form: str, *, told: Target | None = None) -> DerivedTarget:
        told = told or self.target
        assert told is not None
        self.asked.append(form)
        understood = DerivedTarget(told) if form != "behavior" else _Spelled(told)
        understood.form = form  # type: ignore[attr-defined]
        return understood


class _Spelled(DerivedTarget):
    def score(self, cases: Sequence[Case]) -> FloatArray:
        letters = [[crc32(self.parts.title(p).encode()) % 97 for p in c.parts] for c in cases]
        fit = np.arange(1, 1 + len(self.outcomes)) / len(self.outcomes)
        return np.outer([sum(own) for own in letters], fit).astype(np.float32)


def test_the_whole_battery_is_measured_once(tiny_run: Path) -> None:
    said: list[Event] = []
    path = benchmark(tiny_run, said.append, n_cases=25, n_surrogate=8)
    assert path == tiny_run / "report" / "index.html"
    measured = {"metrics.json", "fidelity.json", "stability.json", "overview.json"}
    assert measured <= {file.name for file in path.parent.iterdir()}
    page = path.read_text(encoding="utf-8")
    for section in ("alignment", "fidelity", "stability", "drivers"):
        assert f'id="{section}"' in page
    before = {name: (path.parent / name).read_bytes() for name in measured}
    said.clear()
    benchmark(tiny_run, said.append, n_cases=25, n_surrogate=8)
    kept = [event.stage for event in said if event.text == "unchanged, kept"]
    assert kept == ["evaluate", "fidelity", "stability", "overview"]
    assert all((path.parent / name).read_bytes() == data for name, data in before.items())


def test_the_battery_hands_on_what_its_stages_are_told(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told: dict[str, dict[str, Any]] = {}
    for name in ("evaluate", "fidelity", "stability"):
        monkeypatch.setattr(
            _benchmark, name, lambda *_, name=name, **settings: told.update({name: settings})
        )
    beside, files = tmp_path / "beside", {"given_mine": tmp_path / "mine.jsonl"}
    asked = {"reader": "tiny", "beside": beside, "n_reasons": 3, "given": files, "n_cases": 9}
    benchmark(tiny_run, lambda event: None, **asked)
    assert told["evaluate"]["n_reasons"] == 3
    assert (told["fidelity"]["reader"], told["fidelity"]["given"]) == ("tiny", files)
    assert told["stability"]["beside"] == beside
    told.clear()
    benchmark(tiny_run, lambda event: None, target_only=True, **asked)
    assert set(told) == {"fidelity", "stability"}, "the rest needs a language model"
    assert told["fidelity"]["reader"] is None and told["stability"]["beside"] is None


def test_half_of_the_battery_needs_no_language_model(
    settings: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _start(settings)
    for asking in (_fidelity, _stability):
        monkeypatch.setattr(asking, "readable_surrogate", lambda *_: pytest.fail("it is asked"))
    (settings.out / "surrogate").mkdir()
    (settings.out / "surrogate" / "manifest.json").write_text('{"base": "not to be loaded"}')
    path = benchmark(settings.out, lambda event: None, n_cases=25, target_only=True)
    assert not (path.parent / "metrics.json").exists()
    curves = read_metrics(path.parent / "fidelity.json")["fidelity"]["grounded"]["curves"]
    assert curves["deletion"]["1"].value < curves["insertion"]["8"].value
    assert "curves.csv" in path.read_text(encoding="utf-8")


def test_a_surrogate_is_not_asked_again_for_its_reasons(
    settings: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _start(replace(settings, n_test=9))
    monkeypatch.setattr(_own_reasons, "_TEXTS_AT_ONCE", 4)

    def measure(surrogate: _Reader, out: Path, n: int = 9) -> dict[str, Any]:
        monkeypatch.setattr(_fidelity, "readable_surrogate", lambda *_: surrogate)
        said: list[Event] = []
        path = fidelity(
            out, said.append, n_cases=25, n_surrogate=n, shapley_budget=300, unaligned=False
        )
        return read_metrics(path) | {"said": [event.text for event in said]}

    target = load_bundle(settings.out / "target")
    whole, killed = _Reader(target), _Reader(target)
    shutil.copytree(settings.out, settings.out.with_name("again"))
    found = measure(whole, settings.out)
    assert whole.asked == [*FORMS, *["free_prose"] * 9]
    assert found["meta"]["n_surrogate_cases"] == 9
    assert found["fidelity"]["surrogate_intention"]["verified_share"].value == 1.0
    assert found["fidelity"]["surrogate_behavior"]["verified_share"].value < 1.0
    for name in (*(f"surrogate_{form}" for form in FORMS), "grounded", "grounded_stated"):
        assert found["fidelity"][name]["words"].n == 9, "texts of all are of the same cases"
    assert "words" not in found["fidelity"]["free_prose"]
    assert measure(whole, settings.out)["said"] == ["unchanged, kept"]

    again = settings.out.with_name("again")
    with monkeypatch.context() as patched:
        patched.setattr(killed, "answer", _killed)
        with pytest.raises(Killed):
            measure(killed, again)
    resumed = measure(killed, again)
    assert resumed["fidelity"] == found["fidelity"]
    with monkeypatch.context() as patched:
        patched.setattr(killed, "answer", _killed)
        fewer = measure(killed, again, n=8)
    assert fewer["meta"]["n_surrogate_cases"] == 8, "the first eight were kept, texts as well"


def test_an_explanation_that_hangs_on_words_is_told_from_one_that_does_not(
    settings: RunSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _start(replace(settings, n_test=9))
    path = stability(settings.out, lambda event: None)
    found = read_metrics(path)
    assert found["meta"]["order"] == "shuffled" and found["meta"]["titles_unchanged"] == 0.0
    assert set(found["stability"]) == {"titles", "order", "seeds", "another_case", "chance"}
    assert set(found["stability"]["seeds"]) == {"shapley", "lime", "boosted_trees"}
    for change in ("titles", "order"):
        grounded = found["stability"][change]["grounded"]
        assert {figure.value for figure in grounded.values()} == {1.0}
    with pytest.raises(RunError, match="no surrogate whose claims can be read"):
        stability(settings.out, lambda event: None, beside=settings.out / "other")

    monkeypatch.setattr(_stability, "readable_surrogate", lambda *_: _Reader())
    found = read_metrics(stability(settings.out, lambda event: None, n_cases=6))
    titles, order = (found["stability"][change] for change in ("titles", "order"))
    assert titles["surrogate_behavior"]["rbo5"].value < 1.0
    assert titles["surrogate_intention"]["rbo5"].value == 1.0
    assert order["surrogate_behavior"]["rbo5"].value == 1.0
    assert found["meta"]["surrogate"] == "reader" and found["meta"]["n_cases"] == 6
    show_stability(path)
    told = capsys.readouterr().out
    assert "parts shuffled: surrogate hybrid" in told and "another seed: shapley" in told
    assert told.endswith(f"titles that no rule rewords: 0.0%\n{path}\n")
    shown = next(line for line in told.splitlines() if line.startswith("floor: random"))
    assert shown.endswith("–"), "chance claims nothing"


def test_reasons_of_one_run_are_replayed_on_another(
    settings: RunSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _start(settings)
    other = replace(settings, out=tmp_path / "other", seed=settings.seed + 1)
    _start(other)
    path = compare(settings.out, other.out, lambda event: None, n_cases=30)
    assert path == other.out / "report" / "compare.json"
    found = read_metrics(path)
    assert found["meta"]["n_cases"] <= 30
    assert 0.0 < found["compare"]["claims_hold"].value < 1.0
    lines = [json.loads(line) for line in path.with_suffix(".jsonl").read_text().splitlines()]
    assert len(lines) == found["meta"]["n_cases"]
    same = [line["before"][0] == line["after"][0] for line in lines]
    assert same == sorted(same, reverse=True), "the same answer for other reasons comes first"
    lost = [sum(c["verdict"] == "refuted" for c in line["claims"]) for line in lines]
    assert lost == [len(line["lost"]) for line in lines]
    show_comparison(path)
    told = capsys.readouterr().out
    assert told.startswith("same first") and told.endswith(f"{path}\n")
    assert ("for other reasons" in told) == bool(same[0] and lost[0])
    # The same target, and all of it holds.
    again = read_metrics(compare(settings.out, settings.out, lambda event: None, n_cases=30))
    assert again["compare"].pop("claims_untestable").value == 0.0
    assert {figure.value for figure in again["compare"].values()} == {1.0}


def test_what_drives_the_answers_is_counted_and_shown(
    settings: RunSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    _start(settings)
    path = write_overview(settings.out, lambda event: None, n_cases=25)
    found = json.loads(path.read_text())
    assert found["n_cases"] == 25 and found["parts"][0]["decides"] > 0
    assert sum(one["cases"] for one in found["outcomes"]) == 25
    show_overview(path)
    told = capsys.readouterr().out
    assert told.startswith("25 cases\n") and "first place is lost without one part" in told
    assert "attribute" not in told, "the items have none"
    report(settings.out, lambda event: None)
    assert 'id="drivers"' in (settings.out / "report" / "index.html").read_text()
    first = found["outcomes"][0]["outcome"]
    whole = path.read_bytes()
    path = write_overview(settings.out, lambda event: None, segment=Segment(outcome=first))
    assert (settings.out / "report" / "overview.json").read_bytes() == whole
    again = json.loads(path.read_text())
    assert [one["outcome"] for one in again["outcomes"]] == [first]
    part = found["parts"][0]["part"]
    held_by = Segment(part=part)
    path = write_overview(settings.out, lambda event: None, n_cases=4, segment=held_by)
    again = json.loads(path.read_text())
    held = next(one for one in again["parts"] if one["part"] == part)
    assert held["present"] == again["n_cases"] <= 4
    report(settings.out, lambda event: None)
    page = (settings.out / "report" / "index.html").read_text()
    assert page.count('<details class="ev-segment">') == 2 and "drivers2_parts.csv" in page
    with pytest.raises(CaseError, match="unknown id 'nothing'"):
        write_overview(settings.out, lambda event: None, segment=Segment(outcome="nothing"))
    with pytest.raises(RunError, match=f"no case has '{first}' first and holds '{first}'"):
        # What a case holds is never recommended to it.
        write_overview(settings.out, lambda event: None, segment=Segment(first, first))


def test_segments_are_cases_named_in_a_file_or_of_one_week(
    settings: RunSettings, tmp_path: Path
) -> None:
    _start(settings)

    def counted(**segment: Any) -> dict[str, Any]:
        path = write_overview(settings.out, lambda event: None, segment=Segment(**segment))
        return dict(json.loads(path.read_text()))

    known = read_cases(settings.out)
    chosen = [case.case_id for case in (*known.test, *known.train) if len(case.parts) > 2][:3]
    ids = tmp_path / "chosen.txt"
    ids.write_text("\n".join([*chosen, "nobody", ""]))
    found = counted(ids=ids)
    assert found["n_cases"] == 3 and found["meta"]["segment"] == "is named in chosen.txt"
    times = read_times(settings.out)
    assert set(times) >= set(chosen), "kept from the tables on"
    year, week, _ = datetime.fromtimestamp(times[chosen[0]], UTC).isocalendar()
    told = f"{year}-W{week:02}"
    same = {
        case_id
        for case_id, seconds in times.items()
        if datetime.fromtimestamp(seconds, UTC).isocalendar()[:2] == (year, week)
    }
    assert 1 <= counted(week=told)["n_cases"] <= len(same)
    with pytest.raises(RunError, match="'2013-W54' is no week; write 2013-W21"):
        counted(week="2013-W54")
    with pytest.raises(RunError, match="no case ends in week 1999-W01; try"):
        counted(week="1999-W01")
    with pytest.raises(RunError, match="no case has parts with an attribute 'genre'"):
        counted(having="genre=Crime")
    with pytest.raises(RunError, match="no readable list of case ids"):
        counted(ids=tmp_path / "nowhere")
    write_cases(settings.out / "labels" / "cases.parquet", known)
    with pytest.raises(RunError, match=r"does not know when its cases came.* demo --from-scratch$"):
        counted(week="1999-W01")


def test_somebody_elses_explanations_are_measured_beside_ours(
    settings: RunSettings, tmp_path: Path
) -> None:
    _start(settings)
    target = load_bundle(settings.out / "target")
    cases = [case.last(16) for case in read_cases(settings.out).train]
    cases = [case for case in cases if len(set(case.parts)) > 1][:40]
    firsts = first_outcomes(target, [(case, case) for case in cases])
    found = measure_many(list(zip(cases, firsts, strict=True)), target)
    best = [{"case_id": e.case_id, "reasons": [p.part for p in e.strongest()]} for e in found]
    worst = [{**line, "reasons": line["reasons"][::-1], "text": "It is good."} for line in best]
    files = {name: tmp_path / f"{name}.jsonl" for name in ("best", "worst", "one")}
    for name, lines in (("best", best), ("worst", worst), ("one", best[:1])):
        files[name].write_text("".join(json.dumps(line) + "\n" for line in lines))
    given = {name: files[name] for name in ("best", "worst")}
    path = fidelity(settings.out, lambda e: None, n_cases=25, shapley_budget=300, given=given)
    tree = read_metrics(path)["fidelity"]
    assert tree["best"]["deletion_skill"].value == pytest.approx(1.0)
    assert tree["worst"]["deletion_skill"].value < 0.0
    assert tree["worst"]["repeated"].value == 1.0 and "repeated" not in tree["best"]
    with pytest.raises(RunError, match="one: one explanation; two or more"):
        fidelity(
            settings.out, lambda e: None, n_cases=25, shapley_budget=300,
            given={"one": files["one"]},
        )  # fmt: skip


def test_readers_whose_control_knows_something_are_not_believed(
    settings: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _start(settings)
    said: list[Event] = []
    for module in (_fidelity, texts):
        monkeypatch.setattr(module, "can_read", lambda: False)
    path = fidelity(settings.out, said.append, n_cases=8, shapley_budget=300)
    assert any("readers: not run; scikit-learn is not installed" in event.text for event in said)
    assert "simulated" not in read_metrics(path)["fidelity"]["grounded"]
    planted = {"simulated_shuffled": Figure(0.9, 0.8, 1.0, 8)}
    planted["simulated_without_text"] = Figure(0.5, 0.5, 0.5, 8)
    monkeypatch.setattr(_fidelity, "text_measures", lambda *_, **__: planted)
    with pytest.raises(RunError, match=r"believed: grounded: simulated_shuffled is 0\.90"):
        fidelity(settings.out, said.append, n_cases=8, shapley_budget=300, seed=1)
    told = read_metrics(path)
    assert list(told) == ["meta"] and len(told["meta"]["failed_controls"]) == 2
