"""For authors of targets: a contract to inherit, and small real fakes."""

from innerview.testing.contract import TargetContract
from innerview.testing.fakes import ScriptedTarget, small_catalogue

__all__ = ["ScriptedTarget", "TargetContract", "small_catalogue"]
