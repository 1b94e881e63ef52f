"""For authors of targets: a contract to inherit, small real fakes, and a server to be asked."""

from innerview.testing.contract import TargetContract
from innerview.testing.fakes import ScriptedTarget, small_catalogue
from innerview.testing.served import Reply, Served, answers_of, serving, serving_target

__all__ = [
    "Reply",
    "ScriptedTarget",
    "Served",
    "TargetContract",
    "answers_of",
    "serving",
    "serving_target",
    "small_catalogue",
]
