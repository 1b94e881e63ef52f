"""SASRec as a target, trained with the ``rectools`` library and exported to ONNX.

SASRec is order-sensitive: the last items weigh most. Train it until it is worth explaining: after
a few epochs it still gives nearly everyone the same first items, and a table imitates it. Early
stopping here looks at valid NDCG@10 only after ``min_epochs`` for that reason.
"""

from __future__ import annotations

import contextlib
import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from innerview.errors import MissingExtraError
from innerview.targets.bundle import BundleTarget
from innerview.targets.export import Provenance, data_hash, save_bundle, versions_of
from innerview.targets.metrics import evaluate
from innerview.targets.training import OnLook, TrainingData, sample_cases, training_report

if TYPE_CHECKING:
    import pandas as pd

    from innerview.targets.sasrec_export import SasrecAnswers

__all__ = ["SasrecSettings", "train_sasrec"]


class SasrecSettings(BaseModel):
    """How SASRec is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    factors: int = Field(default=64, ge=1)
    """Width of the vectors."""
    blocks: int = Field(default=2, ge=1)
    heads: int = Field(default=2, ge=1)
    dropout: float = Field(default=0.3, ge=0, lt=1)
    """Share of units; in training only."""
    session_length: int = Field(default=20, ge=1)
    """Items of a history the target looks at (the last ones)."""
    batch_size: int = Field(default=128, ge=1)
    """Histories."""
    learning_rate: float = Field(default=1e-3, gt=0)
    step: int = Field(default=2, ge=1)
    """Epochs between two looks at the valid cases."""
    min_epochs: int = Field(default=10, ge=0)
    max_epochs: int = Field(default=80, ge=1)
    patience: int = Field(default=3, ge=1)
    """Looks without a better valid NDCG@10 before training stops."""
    threads: int = Field(default=1, ge=1)
    """CPU threads; with one, two runs give the same vectors."""
    n_check_cases: int = Field(default=64, ge=1)
    """Cases recorded for the replay at load."""
    n_agreement_cases: int = Field(default=200, ge=1)
    """Cases on which the exported encoder is compared with the library's own scores."""


def train_sasrec(
    data: TrainingData,
    out: Path | str,
    *,
    settings: SasrecSettings | None = None,
    seed: int = 0,
    overwrite: bool = False,
    on_look: OnLook | None = None,
) -> BundleTarget:
    """Train SASRec, stop early on valid NDCG@10, export to ONNX, report on test, write a bundle.

    Items that no training history of two or more holds are left out of the target's catalogue:
    SASRec has no vector for them. All figures come from the exported encoder, in evaluation mode;
    its largest difference from the library's own scores is in the report.

    ``on_look`` is told how many epochs are done and what NDCG@10 on valid is, and says whether to
    go on.

    Raises:
        MissingExtraError: ``rectools`` with torch, or ``onnx``, is not installed.
        BundleError: the folder exists and ``overwrite`` is off, or the export disagrees.
    """
    from innerview.targets.sasrec_export import agreement, check_answers, to_contents

    settings = settings or SasrecSettings()
    data = data.known(fewest=2)
    started = time.perf_counter()
    with _quiet(settings.threads):
        answers, looks = _fit(data, settings, seed, on_look)
        contents = to_contents(answers)
        target = BundleTarget(contents)
        compared = sample_cases(data.test, settings.n_agreement_cases, seed=seed)
        difference, same_top = agreement(answers, target, compared)
        checked = sample_cases(data.test, settings.n_check_cases, seed=seed)
        check = check_answers(answers, target, checked)
    seconds = time.perf_counter() - started
    report = training_report(target.score, data, seconds=seconds, valid_ndcg10=looks)
    report |= {"onnx_max_difference": float(difference), "onnx_same_top20": same_top}
    provenance = Provenance(
        training=report,
        settings=settings.model_dump(),
        libraries=versions_of("rectools", "torch", "onnx", "onnxruntime", "numpy", "innerview"),
        seed=seed,
        data_sha256=data_hash(data.train),
    )
    return save_bundle(out, contents, check=check, provenance=provenance, overwrite=overwrite)


def _fit(
    data: TrainingData, settings: SasrecSettings, seed: int, on_look: OnLook | None
) -> tuple[SasrecAnswers, list[float]]:
    """The model with the weights of its best look, and valid NDCG@10 of every look."""
    from innerview.targets.sasrec_export import SasrecAnswers

    model = _new_model(settings, seed)
    dataset = _dataset(data, settings.session_length + 1)
    looks: list[float] = []
    best: dict[str, Any] = {}
    waited = 0
    for epoch in range(settings.step, settings.max_epochs + 1, settings.step):
        model.fit_partial(dataset, min_epochs=settings.step, max_epochs=settings.step)
        answers = SasrecAnswers(model, data.catalogue, settings.session_length)
        ndcg10 = evaluate(answers.score, data.valid, data.catalogue).ndcg10
        waited = waited + 1 if looks and ndcg10 <= max(looks) else 0
        if not waited:
            best = {k: v.clone() for k, v in answers.backbone.state_dict().items()}
        looks.append(ndcg10)
        go_on = on_look is None or on_look(epoch, ndcg10)
        if not go_on or (waited >= settings.patience and epoch >= settings.min_epochs):
            break
    answers.backbone.load_state_dict(best)
    return answers, looks


def _new_model(settings: SasrecSettings, seed: int) -> Any:
    import torch

    trainer_class, model_class, item_net_class = _libraries()

    def trainer() -> Any:
        return trainer_class(
            accelerator="cpu",
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            max_epochs=settings.max_epochs,
        )

    torch.manual_seed(seed)
    return model_class(
        n_blocks=settings.blocks,
        n_heads=settings.heads,
        n_factors=settings.factors,
        dropout_rate=settings.dropout,
        session_max_len=settings.session_length,
        batch_size=settings.batch_size,
        lr=settings.learning_rate,
        loss="softmax",
        item_net_block_types=(item_net_class,),
        get_trainer_func=trainer,
        recommend_torch_device="cpu",
    )


def _libraries() -> tuple[Any, Any, Any]:
    try:
        import onnx  # noqa: F401  (missed now, not after the training)
        from pytorch_lightning import Trainer
        from rectools.models import SASRecModel
        from rectools.models.nn.item_net import IdEmbeddingsItemNet
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "rectools", "sasrec") from None
    return Trainer, SASRecModel, IdEmbeddingsItemNet


def _dataset(data: TrainingData, longest: int) -> Any:
    """A RecTools data set; an item's place in its history stands for the time.

    RecTools reads the last ``longest`` items of a history, those that are looked at and the one to
    be foretold. So a longer one is cut into stretches, or it would know nothing of items that
    occur only before them.
    """
    import pandas as pd
    from rectools.dataset import Dataset

    stretches = [s for items in data.train.values() for s in _stretches(items, longest)]
    events = [
        (number, item, place)
        for number, stretch in enumerate(stretches)
        for place, item in enumerate(stretch)
    ]
    frame: pd.DataFrame = pd.DataFrame(events, columns=["user_id", "item_id", "datetime"])
    frame["datetime"] = pd.to_datetime(frame["datetime"], unit="s")
    frame["weight"] = 1.0
    return Dataset.construct(frame)


def _stretches(items: Sequence[str], longest: int) -> Iterator[Sequence[str]]:
    """Stretches that end where the next one begins, so that each step is in exactly one; from the
    end, the first one may be shorter."""
    end = len(items)
    while end > 1:
        start = max(0, end - longest)
        yield items[start:end]
        end = start + 1


@contextlib.contextmanager
def _quiet(threads: int) -> Iterator[None]:
    """The wanted torch threads, and no chatter; these and the random numbers are put back."""
    _libraries()  # before the levels are set: their import sets levels of its own
    import torch

    before = torch.get_num_threads()
    names = ("pytorch_lightning", "lightning.pytorch", "torch.onnx", "onnxscript")
    levels = {name: logging.getLogger(name).level for name in names}
    torch.set_num_threads(threads)
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_num_threads(before)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
