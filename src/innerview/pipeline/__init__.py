"""The stages from tables to a report. Each leaves files in the run folder and is skipped when
what it was made from has not changed.

Knows how the rooms are put together and nothing of what goes on in them.
"""

from innerview.pipeline._align import align, label
from innerview.pipeline._benchmark import benchmark
from innerview.pipeline._compare import compare
from innerview.pipeline._evaluate import evaluate
from innerview.pipeline._evidence import evidence
from innerview.pipeline._export import export
from innerview.pipeline._fidelity import fidelity
from innerview.pipeline._given import begin
from innerview.pipeline._judge import judge
from innerview.pipeline._overview import write_overview
from innerview.pipeline._report import explain, report
from innerview.pipeline._segment import Segment
from innerview.pipeline._stability import stability
from innerview.pipeline._stage import Event, RunSettings, Say
from innerview.pipeline._target import train_target
from innerview.pipeline._whole import demo, run, shipped_folder

__all__ = [
    "Event",
    "RunSettings",
    "Say",
    "Segment",
    "align",
    "begin",
    "benchmark",
    "compare",
    "demo",
    "evaluate",
    "evidence",
    "explain",
    "export",
    "fidelity",
    "judge",
    "label",
    "report",
    "run",
    "shipped_folder",
    "stability",
    "train_target",
    "write_overview",
]
