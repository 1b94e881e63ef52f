"""Cases by agreement, out of the predictions."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerview.errors import RunError
from innerview.evaluation.agreement import case_agreements
from innerview.evaluation.results import write_predictions
from innerview.targets.protocol import Case

from .conftest import ask


def test_cases_come_worst_first_with_their_tasks_weighing_the_same(tmp_path: Path) -> None:
    good, bad, like_bad = (Case(name, ("p", "q")) for name in ("007", "b", "a"))
    records = [
        ask("interest", good, outcome="x", liked=True),
        ask("interest", good, outcome="y", liked=False),
        ask("attribution", good, outcome="x", part="p"),
        ask("interest", good, outcome="x", liked=True, heldout_outcome=True),
        ask("interest", good, outcome="z", decile=3),
        ask("history", good, parts=["p"]),
        ask("attribution", bad, outcome="x", part="p"),
        ask("attribution", like_bad, outcome="x", part="p"),
        ask("item_title", None, outcome="x"),
    ]
    values = [0.9, 0.9, "p", 0.0, 0.0, (), "q", "q", "x"]
    path = tmp_path / "predictions.parquet"
    write_predictions(path, {"hybrid": (records, values), "random": ([], [])})
    found = case_agreements(path, "hybrid")
    assert [(one.case_id, one.agreement) for one in found] == [
        ("a", 0.0), ("b", 0.0), ("007", 0.75),
    ]  # fmt: skip
    assert found[-1].by_task == {"interest": 0.5, "attribution": 1.0}
    assert case_agreements(path, "behavior") == []


def test_what_is_no_predictions_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "predictions.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(RunError, match="no readable predictions file"):
        case_agreements(path, "hybrid")
