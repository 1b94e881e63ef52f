"""Training: ``transformers.Trainer`` over packed rows, with checkpoints of adapters only.

The rows are laid out in a seeded order before training and nothing in it is random (no dropout),
so a run that was killed goes on from its last checkpoint as if nothing had happened.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import Dataset, SequentialSampler

from innerview.alignment.records import TASKS
from innerview.errors import SurrogateError
from innerview.surrogate.checkpoint import read_checkpoint, write_checkpoint
from innerview.surrogate.log import append_log, cut_log
from innerview.surrogate.model import SpliceModel
from innerview.surrogate.packing import Tree, collate
from innerview.surrogate.store import RowStore
from innerview.surrogate.vectors import VectorTable

__all__ = ["Progress", "TrainSettings", "TrainSummary", "train"]


_MULTIPLE = 96
"""Tokens; rows of a batch are that many times some number. oneDNN makes kernels for every shape
that it meets, and keeps them: with a width of its own for every batch, memory grew by 13 MB a step,
and with multiples of 16 it still grew by a sixth over the first thirty (docs/experiments.md)."""


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """Settings of one training."""

    learning_rate: float = 8e-4
    projector_learning_rate: float = 0.0
    """0: projectors stay as they were fitted, and the backward pass need not reach them. If at
    all, far below the adapters': thousands of features move together, and at 5e-4 they lose their
    closed-form start (docs/experiments.md)."""
    warmup_frac: float = 0.05
    final_lr_frac: float = 0.05
    """The cosine ends at this share of the peak."""
    rows_per_step: int = 2
    max_tokens: int = 480
    """tokens a row"""
    memory_rows: int = 1400
    """Packed rows that the closed-form memory is fitted to; 0: none is written."""
    lora_rank: int = 24
    lora_alpha: int = 48
    max_steps: int | None = None
    max_seconds: float | None = None
    """A budget of wall time; turned into steps by timing the first rows."""
    checkpoint_seconds: float = 300.0
    checkpoint_activations: bool = False
    """Compute layers again on the way back instead of keeping what is inside them: less memory,
    more time, the same gradients."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """What a training reports while it runs."""

    step: int
    max_steps: int
    loss: float
    seconds: float
    seconds_left: float
    tokens_per_s: float
    examples_per_s: float
    task_loss: dict[str, float]


@dataclass(frozen=True, slots=True)
class TrainSummary:
    """What a training did, for the manifest."""

    steps: int
    seconds: float
    tokens: int
    examples: int
    useful_token_frac: float
    last_task_loss: dict[str, float]


_WORKERS = 2
"""Processes that lay batches out while a GPU trains; a processor is busy enough."""
_DENSE_UP_TO, _BLOCK = 1024, 128
"""Tokens of a row up to which a GPU is faster with a dense mask than with FlexAttention
(docs/experiments.md), and the size of the blocks that the latter computes."""


class _Rows(Dataset[list[Tree]]):
    """A stretch of the rows, which are repeated without end; each is read when it is needed."""

    def __init__(self, rows: Sequence[list[Tree]], first: int, last: int) -> None:
        self.rows, self.first, self.last = rows, first, last

    def __len__(self) -> int:
        return max(0, self.last - self.first)

    def __getitem__(self, index: int) -> list[Tree]:
        return self.rows[(self.first + index) % len(self.rows)]


def train(
    model: SpliceModel,
    rows: Sequence[list[Tree]],
    vectors: VectorTable,
    settings: TrainSettings,
    *,
    pad_id: int,
    folder: Path,
    on_progress: Callable[[Progress], None] | None = None,
) -> TrainSummary:
    """Train adapters and projectors on packed rows; goes on from a checkpoint in ``folder``.

    Args:
        model: the network, on its device.
        rows: packed rows in the order of training, of which a ``RowStore`` holds none in memory;
            repeated if steps ask for more.
        vectors: the target's vectors.
        settings: one of ``max_steps`` and ``max_seconds`` bounds the training; else one pass. Steps
            for ``max_seconds`` are planned from the first few; if the rest is slower, the rate
            comes down and training ends by the clock.
        pad_id: any token id, for padding that nothing attends to.
        folder: where checkpoints and ``training.jsonl`` go.

    Raises:
        SurrogateError: there is nothing to train on.
    """
    from transformers import PrinterCallback, Trainer, TrainingArguments

    if not rows:
        raise SurrogateError("no alignment records to train on; label more cases first")
    folder.mkdir(parents=True, exist_ok=True)
    model.vectors = vectors
    with _prepared(model, settings):
        in_blocks = model.causal.config._attn_implementation == "flex_attention"
        multiple = _BLOCK if in_blocks else _MULTIPLE

        def make_batch(items: list[list[Tree]]) -> dict[str, Tensor]:
            return collate(items, vectors, pad_id=pad_id, multiple=multiple).as_dict()

        state = read_checkpoint(folder, model)
        done = state.step if state else 0
        steps = state.max_steps if state else _steps(model, rows, settings, make_batch)
        optimizer = _optimizer(model, settings)
        if state:
            state.restore_optimizer(optimizer)
        dataset = _Rows(rows, done * settings.rows_per_step, steps * settings.rows_per_step)

        class _Trainer(Trainer):
            def _get_train_sampler(self, *_: Any) -> SequentialSampler:
                return SequentialSampler(dataset)

        watch = _Watch(
            model,
            rows,
            settings,
            steps=steps,
            done=done,
            spent=state.seconds if state else 0.0,
            optimizer=optimizer,
            folder=folder,
            multiple=multiple,
            on_progress=on_progress,
        )
        schedule = LambdaLR(
            optimizer, lambda step: _rate(watch.progressed(step + done), steps, settings)
        )
        if steps > done:
            model.train()
            trainer = _Trainer(
                model=model,
                args=TrainingArguments(
                    output_dir=str(folder / "trainer"),
                    max_steps=steps - done,
                    per_device_train_batch_size=settings.rows_per_step,
                    save_strategy="no",
                    logging_strategy="no",
                    report_to=[],
                    remove_unused_columns=False,
                    disable_tqdm=True,
                    seed=settings.seed,
                    max_grad_norm=1.0,
                    use_cpu=not torch.cuda.is_available(),
                    dataloader_num_workers=_WORKERS if torch.cuda.is_available() else 0,
                ),
                data_collator=make_batch,
                train_dataset=dataset,
                optimizers=(optimizer, schedule),
                callbacks=[watch.callback()],
            )
            trainer.remove_callback(PrinterCallback)  # it prints to stdout, which is the caller's
            trainer.train()
        return watch.summary()


@contextmanager
def _prepared(model: SpliceModel, settings: TrainSettings) -> Iterator[None]:
    """What only training needs: adapters in the base's dtype, the faster attention."""
    from peft.helpers import disable_input_dtype_casting

    if model.projectors is not None:
        model.projectors.requires_grad_(settings.projector_learning_rate > 0)
    usual = model.causal.config._attn_implementation
    if settings.checkpoint_activations:
        model.causal.gradient_checkpointing_enable({"use_reentrant": False})
    if not torch.cuda.is_available():
        # With the masks of packed rows, matrix products beat the fused kernel on processors.
        model.causal.set_attn_implementation("eager")
    elif find_spec("triton") and settings.max_tokens > _DENSE_UP_TO:
        model.causal.set_attn_implementation("flex_attention")
    try:
        with disable_input_dtype_casting(model.language_model):
            yield
    finally:
        model.causal.set_attn_implementation(usual)
        if settings.checkpoint_activations:
            model.causal.gradient_checkpointing_disable()
        model.eval()


def _rate(step: float, steps: int, settings: TrainSettings) -> float:
    """Linear warm-up, then a cosine down to ``final_lr_frac``."""
    warm = max(1, int(steps * settings.warmup_frac))
    if step < warm:
        return (step + 1) / warm
    share = (step - warm) / max(1, steps - warm)
    low = settings.final_lr_frac
    return low + (1 - low) * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


def _optimizer(model: SpliceModel, settings: TrainSettings) -> torch.optim.AdamW:
    projectors = list(model.projectors.parameters()) if model.projectors is not None else []
    own = {id(p) for p in projectors}
    adapters = [p for p in model.parameters() if p.requires_grad and id(p) not in own]
    groups = [
        {"params": adapters, "lr": settings.learning_rate},
        {
            "params": [p for p in projectors if p.requires_grad],
            "lr": settings.projector_learning_rate,
        },
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], weight_decay=0.0)


def _steps(
    model: SpliceModel,
    rows: Sequence[list[Tree]],
    settings: TrainSettings,
    make_batch: Callable[[list[list[Tree]]], dict[str, Tensor]],
) -> int:
    """How many steps: as set, or as many as fit into the time budget, or one pass."""
    one_pass = math.ceil(len(rows) / settings.rows_per_step)
    if settings.max_steps is not None:
        return settings.max_steps
    if settings.max_seconds is None:
        return one_pass
    took = []
    device = next(model.language_model.parameters()).device
    model.train()
    for attempt in range(3):
        batch = make_batch([rows[i % len(rows)] for i in range(settings.rows_per_step)])
        began = time.perf_counter()
        model(**{k: v.to(device) for k, v in batch.items()})["loss"].backward()
        if attempt:  # the first one warms up
            took.append(time.perf_counter() - began)
    model.zero_grad(set_to_none=True)
    model.task_loss.clear()
    # A twentieth is kept back for checkpoints and the optimizer.
    return max(1, int(0.95 * settings.max_seconds / min(took)))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(1, len(values))


class _Watch:
    """Counts, logs, reports and saves while the Trainer runs."""

    def __init__(
        self,
        model: SpliceModel,
        rows: Sequence[list[Tree]],
        settings: TrainSettings,
        *,
        steps: int,
        done: int,
        spent: float,
        optimizer: torch.optim.Optimizer,
        folder: Path,
        multiple: int,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self.model, self.settings, self.steps, self.done = model, settings, steps, done
        self.multiple = multiple
        self.spent = spent
        self.optimizer, self.folder, self.on_progress = optimizer, folder, on_progress
        if isinstance(rows, RowStore):
            self.sizes, self.examples = rows.sizes, rows.examples
        else:
            self.sizes = [sum(len(t) for t in row) for row in rows]
            self.examples = [sum(len(t.branches) for t in row) for row in rows]
        self.began = self.saved = time.perf_counter()
        self.last = cut_log(folder / "training.jsonl", done).get("task_loss", {})

    def _totals(self, first: int, last: int) -> tuple[int, int, int]:
        """Tokens, examples and padded tokens of a range of steps."""
        n, k = len(self.sizes), self.settings.rows_per_step
        tokens = examples = padded = 0
        for s in range(first, last):
            at = [i % n for i in range(s * k, (s + 1) * k)]
            tokens += sum(self.sizes[i] for i in at)
            examples += sum(self.examples[i] for i in at)
            longest = max(self.sizes[i] for i in at)
            padded += k * -(-longest // self.multiple) * self.multiple
        return tokens, examples, padded

    def progressed(self, step: int) -> float:
        """Steps done, or how many should be by the clock, where it has run faster than expected:
        so that the rate comes down in time."""
        if self.settings.max_seconds is None:
            return step
        share = (time.perf_counter() - self.began) / self.settings.max_seconds
        return max(step, self.done + share * (self.steps - self.done))

    def step(self, local_step: int) -> bool:
        """After each optimizer step; whether time is up, so that it is the last."""
        step = self.done + local_step
        now = time.perf_counter()
        limit = self.settings.max_seconds
        is_late = limit is not None and now - self.began >= limit
        if is_late:
            self.steps = step
        if step % 10 == 0 or step == self.steps:
            self._report(step, now - self.began)
        if now - self.saved >= self.settings.checkpoint_seconds or step == self.steps:
            write_checkpoint(
                self.folder,
                self.model,
                self.optimizer,
                step=step,
                max_steps=self.steps,
                seconds=self.spent + now - self.began,
            )
            self.saved = time.perf_counter()
        return is_late

    def _report(self, step: int, seconds: float) -> None:
        noted, self.model.task_loss = self.model.task_loss, {}
        self.last = {task: sum(v) / len(v) for task, v in sorted(noted.items())}
        tokens, examples, _ = self._totals(self.done, step)
        each = seconds / max(1, step - self.done)
        progress = Progress(
            step=step,
            max_steps=self.steps,
            loss=_mean([v for k, v in self.last.items() if k in TASKS]),
            seconds=seconds,
            seconds_left=each * (self.steps - step),
            tokens_per_s=tokens / seconds,
            examples_per_s=examples / seconds,
            task_loss=self.last,
        )
        append_log(self.folder / "training.jsonl", asdict(progress))
        if self.on_progress is not None:
            self.on_progress(progress)

    def callback(self) -> Any:
        """The Trainer's view of this."""
        from transformers import TrainerCallback

        watch = self

        class _Callback(TrainerCallback):
            def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
                control.should_training_stop |= watch.step(state.global_step)
                return control

        return _Callback()

    def summary(self) -> TrainSummary:
        """Totals of the whole training, restarts included, for the manifest."""
        tokens, examples, padded = self._totals(0, self.steps)
        return TrainSummary(
            steps=self.steps,
            seconds=round(self.spent + time.perf_counter() - self.began, 1),
            tokens=tokens,
            examples=examples,
            useful_token_frac=round(tokens / max(1, padded), 4),
            last_task_loss={k: round(v, 4) for k, v in self.last.items()},
        )
