"""The model being explained: protocol, bundle, trainers, checks. Knows no language model."""

from innerview.targets.bundle import BundleTarget, Contents
from innerview.targets.check import CheckReport, check_bundle, check_target
from innerview.targets.export import Provenance, save_bundle
from innerview.targets.folder import RecordedTarget, load_target, register, save_target
from innerview.targets.http import HttpTarget
from innerview.targets.live import BlackBox, CallableTarget, TorchTarget
from innerview.targets.load import load_bundle
from innerview.targets.manifest import Http
from innerview.targets.metrics import ConstantSurrogate, HeldOut, constant_surrogate
from innerview.targets.protocol import Capabilities, Case, QueryCounter, Target
from innerview.targets.static import distinct_cases, ridge_fold_in
from innerview.targets.train_als import AlsSettings, train_als
from innerview.targets.train_sasrec import SasrecSettings, train_sasrec
from innerview.targets.training import TrainingData

__all__ = [
    "AlsSettings",
    "BlackBox",
    "BundleTarget",
    "CallableTarget",
    "Capabilities",
    "Case",
    "CheckReport",
    "ConstantSurrogate",
    "Contents",
    "HeldOut",
    "Http",
    "HttpTarget",
    "Provenance",
    "QueryCounter",
    "RecordedTarget",
    "SasrecSettings",
    "Target",
    "TorchTarget",
    "TrainingData",
    "check_bundle",
    "check_target",
    "constant_surrogate",
    "distinct_cases",
    "load_bundle",
    "load_target",
    "register",
    "ridge_fold_in",
    "save_bundle",
    "save_target",
    "train_als",
    "train_sasrec",
]
