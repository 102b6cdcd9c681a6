"""Training of a model directory by the platform's hyper-parameters: LoRA or all weights; it stops
within a step.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from peft import LoraConfig, PeftModel, get_peft_model

from qfnb.errors import InvalidArgumentError

from ..protocol import Observer, Pair, Step, is_validated
from .weights import context_length, inference_dtype, load_pretrained, prompt_ids, resolve_device

MAX_VALIDATION_PAIRS = 200
IGNORED_LABEL = -100
"""The label of tokens that do not count in the loss."""


@dataclass(frozen=True)
class TokenizedPair:
    """The tokens of a pair, and the index where its answer begins."""

    ids: list[int]
    start: int


def fine_tune(
    folder: Path,
    adapter: Path | None,
    pairs: Sequence[Pair],
    recipe: TuningRecipe,
    *,
    validation: Sequence[Pair],
    observer: Observer | None,
    device: str,
    output: Path,
    keep: Callable[[str, Callable[[Path], None]], bytes],
) -> bool:
    """Train, and write the result to a folder; return whether the observer stopped it early.

    Raises:
        InvalidArgumentError: no pair has an answer within the length.
    """
    torch_device = resolve_device(device)
    torch.manual_seed(recipe.seed)
    model, tokenizer = load_pretrained(
        folder, torch.float32 if recipe.full else inference_dtype(torch_device)
    )
    max_tokens = min(recipe.max_length, context_length(model, tokenizer))
    examples, held_out = (
        list(_tokenize(tokenizer, rows, max_tokens))
        for rows in (pairs, validation[:MAX_VALIDATION_PAIRS])
    )
    if not examples:
        raise InvalidArgumentError(f"no pair has an answer within {max_tokens} tokens")
    trainable = _trainable_model(model, adapter, recipe).to(torch_device)

    def write(target: Path) -> None:
        trainable.save_pretrained(str(target))
        if recipe.full:
            tokenizer.save_pretrained(str(target))

    loop = _TrainingLoop(
        trainable,
        recipe,
        torch_device,
        examples,
        held_out,
        observer,
        lambda name: keep(name, write),
    )
    stopped = not all(loop.steps())
    write(output)
    return stopped


def _trainable_model(model: Any, adapter: Path | None, recipe: TuningRecipe) -> Any:
    if recipe.full:
        return model
    if adapter is not None:
        return PeftModel.from_pretrained(model, str(adapter), is_trainable=True)
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def _tokenize(tokenizer: Any, pairs: Sequence[Pair], max_tokens: int) -> Iterator[TokenizedPair]:
    """Yield the pairs as tokens, cut at the length; a pair whose answer is cut off completely is
    skipped.
    """
    if tokenizer.eos_token_id is None:
        eos = []
    else:
        eos = [tokenizer.eos_token_id]
    for prompt, answer in pairs:
        if prompt:
            prompt_tokens = prompt_ids(tokenizer, [{"role": "user", "content": prompt}])
        else:
            prompt_tokens = []
        # the first token of a text without a prompt is not predicted
        start = len(prompt_tokens) or 1
        ids = [*prompt_tokens, *tokenizer(answer, add_special_tokens=False)["input_ids"], *eos][
            :max_tokens
        ]
        if len(ids) > start:
            yield TokenizedPair(ids, start)


@dataclass
class _TrainingLoop:
    model: Any
    recipe: TuningRecipe
    device: str
    examples: list[TokenizedPair]
    held_out: list[TokenizedPair]
    observer: Observer | None
    snapshot: Callable[[str], bytes]

    def steps(self) -> Iterator[bool]:
        """Make the updates one after the other; yield after each whether to continue, and end if
        not.
        """
        recipe = self.recipe
        random_ = random.Random(self.recipe.seed)  # noqa: S311 - an order, no secret
        per_epoch = math.ceil(len(self.examples) / recipe.batch_size)
        total = per_epoch * recipe.epochs
        step_count = 0
        parameters = [weight for weight in self.model.parameters() if weight.requires_grad]
        optimizer = torch.optim.AdamW(
            parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        for _ in range(recipe.epochs):
            order = random_.sample(self.examples, len(self.examples))
            for start in range(0, len(order), recipe.batch_size):
                self._set_learning_rate(optimizer, step_count, total)
                loss = self._update(optimizer, parameters, order[start : start + recipe.batch_size])
                step_count += 1
                is_last_of_epoch = step_count % per_epoch == 0
                if recipe.validation_interval is None:
                    interval = per_epoch
                else:
                    interval = recipe.validation_interval
                is_due = self.held_out and is_validated(step_count, total, interval)
                if not is_due:
                    validation = None
                else:
                    validation = self._evaluate(self.held_out)
                is_quiet = (
                    step_count % recipe.every > 0 and not is_last_of_epoch and validation is None
                )
                step = Step(
                    step_count,
                    total,
                    step_count / per_epoch,
                    loss,
                    validation,
                    quiet=is_quiet,
                    snapshot=self.snapshot,
                )
                should_continue = self.observer is None or self.observer(step) is not False
                yield should_continue
                if not should_continue:
                    return

    def _set_learning_rate(self, optimizer: Any, step_count: int, total: int) -> None:
        """Set the learning rate: it rises during the warm-up, then falls linearly."""
        warmup_factor = (step_count + 1) / max(1.0, self.recipe.warmup * total)
        for group in optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate * min(
                1.0, warmup_factor, 1.02 - step_count / total
            )

    def _update(self, optimizer: Any, parameters: list[Any], batch: list[TokenizedPair]) -> float:
        self.model.train()
        with self._precision():
            loss = self.model(**self._pad(batch)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return float(loss.detach())

    def _evaluate(self, examples: list[TokenizedPair]) -> float:
        """Return the mean loss of examples per token of their answers."""
        self.model.eval()
        total = tokens = 0.0
        with torch.inference_mode(), self._precision():
            for start in range(0, len(examples), self.recipe.batch_size):
                batch = examples[start : start + self.recipe.batch_size]
                count = sum(len(example.ids) - example.start for example in batch)
                total += float(self.model(**self._pad(batch)).loss) * count
                tokens += count
        return total / tokens

    def _precision(self) -> AbstractContextManager[Any]:
        """Return the context in which all weights are trained with half the memory on a GPU."""
        if self.recipe.full and inference_dtype(self.device) is torch.bfloat16:
            autocast: AbstractContextManager[Any] = torch.autocast("cuda", torch.bfloat16)
            return autocast
        return nullcontext()

    def _pad(self, batch: list[TokenizedPair]) -> dict[str, Any]:
        """Return a batch as tensors; only the answers' tokens count."""
        length = max(len(example.ids) for example in batch)
        ids, mask = (torch.zeros(len(batch), length, dtype=torch.long) for _ in range(2))
        labels = torch.full_like(ids, IGNORED_LABEL)
        for row, example in enumerate(batch):
            size = len(example.ids)
            ids[row, :size] = torch.tensor(example.ids)
            mask[row, :size] = 1
            labels[row, example.start : size] = ids[row, example.start : size]
        rows = {"input_ids": ids, "attention_mask": mask, "labels": labels}
        return {name: value.to(self.device) for name, value in rows.items()}


@dataclass(frozen=True)
class TuningRecipe:
    """The hyper-parameters of a training."""

    full: bool = False  # whether all weights are trained instead of an adapter
    epochs: int = 1
    learning_rate: float = 3e-4
    batch_size: int = 4
    max_length: int = 4096  # tokens of a pair
    rank: int = 8  # of the adapter
    alpha: int = 16  # of the adapter
    dropout: float = 0.05  # of the adapter
    warmup: float = 0.1  # the share of the steps (0-1) in which the learning rate rises
    weight_decay: float = 0.01
    every: int = 1  # steps between two reports
    seed: int = 0
    # steps between two validations, None for one after each epoch
    validation_interval: int | None = None


RECIPE_FIELDS: Final[dict[str, tuple[str, type]]] = {
    "epoch": ("epochs", int),
    "learningRate": ("learning_rate", float),
    "batchSize": ("batch_size", int),
    "globalBatchSize": ("batch_size", int),
    "maxSeqLen": ("max_length", int),
    "loraRank": ("rank", int),
    "loraAlpha": ("alpha", int),
    "loraDropout": ("dropout", float),
    "warmupRatio": ("warmup", float),
    "weightDecay": ("weight_decay", float),
    "loggingSteps": ("every", int),
    "seed": ("seed", int),
    "validationStep": ("validation_interval", int),
}
"""The platform's hyper-parameters: the fields of a recipe and their types."""


def tuning_recipe(values: Mapping[str, Any], *, full: bool) -> TuningRecipe:
    """Return the recipe for the platform's hyper-parameters, with defaults for those that are
    missing.
    """
    chosen = {
        name: kind(values[key])
        for key, (name, kind) in RECIPE_FIELDS.items()
        if values.get(key) is not None
    }
    return TuningRecipe(
        full=full, **({"alpha": 2 * chosen.get("rank", TuningRecipe.rank)} | chosen)
    )
