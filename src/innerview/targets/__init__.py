"""The model being explained: protocol, bundle, trainers, checks. Knows no language model."""

from innerview.targets.bundle import BundleTarget, Contents, load_bundle
from innerview.targets.export import Provenance, save_bundle
from innerview.targets.metrics import ConstantSurrogate, HeldOut, constant_surrogate
from innerview.targets.protocol import Capabilities, Case, QueryCounter, Target
from innerview.targets.train_als import AlsSettings, train_als
from innerview.targets.training import TrainingData

__all__ = [
    "AlsSettings",
    "BundleTarget",
    "Capabilities",
    "Case",
    "ConstantSurrogate",
    "Contents",
    "HeldOut",
    "Provenance",
    "QueryCounter",
    "Target",
    "TrainingData",
    "constant_surrogate",
    "load_bundle",
    "save_bundle",
    "train_als",
]
