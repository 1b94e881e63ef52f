"""For authors of targets: a contract to inherit, and small real fakes."""

from innerview.testing.fakes import ScriptedTarget, small_catalogue

__all__ = ["ScriptedTarget", "small_catalogue"]
