"""Files an evaluation leaves, and how they come back."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from innerview.errors import RecordError, RunError
from innerview.evaluation.bootstrap import Figure
from innerview.evaluation.results import read_metrics, write_metrics, write_predictions
from innerview.targets.protocol import Case

from .conftest import ask

FIGURE = Figure(0.5, 0.25, 0.75, 8)
TREE = {"alignment": {"hybrid": {"retrieval_hr5": FIGURE}}, "fidelity": {"grounded": {}}}


def test_metrics_read_as_the_design_says(tmp_path: Path) -> None:
    path = tmp_path / "report" / "metrics.json"
    write_metrics(path, TREE, meta={"seed": 0, "versions": {"innerview": "0"}})
    wire = json.loads(path.read_text(encoding="utf-8"))
    assert wire["alignment"]["hybrid"]["retrieval_hr5"] == {
        "value": 0.5, "low": 0.25, "high": 0.75, "n": 8,
    }  # fmt: skip
    assert wire["meta"]["seed"] == 0
    assert read_metrics(path) == {**TREE, "meta": wire["meta"]}
    assert [p.name for p in path.parent.iterdir()] == ["metrics.json"]


def test_a_figure_that_is_no_number_is_refused_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    write_metrics(path, TREE)
    before = path.read_bytes()
    with pytest.raises(RunError, match="a figure that is no number must be left out"):
        write_metrics(path, {"alignment": {"hybrid": {"x": Figure(float("nan"), 0, 1, 2)}}})
    assert path.read_bytes() == before


@pytest.mark.parametrize(("text", "match"), [("[1]", "holds a list"), ("{", "no readable")])
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str, match: str) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(text)
    with pytest.raises(RunError, match=match):
        read_metrics(path)
    with pytest.raises(RunError, match="no readable metrics file"):
        read_metrics(tmp_path / "absent.json")


def test_predictions_hold_every_method_and_answer(tmp_path: Path) -> None:
    records = [
        ask("retrieval", Case("007", ("p",)), top=["a"]),
        ask("interest", Case("007", ("p",)), outcome="a", liked=True),
        ask("interest", Case("007", ("p",)), outcome="b", decile=4),
    ]
    path = tmp_path / "report" / "predictions.parquet"
    write_predictions(
        path, {"hybrid": (records, [("a", "b"), 0.25, 0.5]), "random": (records, [("é",), 1, 0])}
    )
    frame = pl.read_parquet(path)
    assert frame.schema == {
        **dict.fromkeys(("case_id", "task", "form", "method"), pl.String),
        "asked": pl.List(pl.String), "label": pl.String, "value": pl.String, "worth": pl.Float64,
    }  # fmt: skip
    assert frame["case_id"].to_list() == ["007"] * 6
    assert frame["method"].to_list() == ["hybrid"] * 3 + ["random"] * 3
    assert [json.loads(v) for v in frame["value"]] == [["a", "b"], 0.25, 0.5, ["é"], 1.0, 0.0]
    assert frame["asked"].to_list() == [[], ["a"], ["b"]] * 2
    assert frame["worth"].to_list() == [1.0, 0.0, None, 0.0, 1.0, None]
    assert json.loads(frame["label"][1]) == {"outcome": "a", "liked": True}
    with pytest.raises(RecordError, match="1 answers to 3 records"):
        write_predictions(path, {"hybrid": (records, [("a",)])})
    assert pl.read_parquet(path).height == 6
