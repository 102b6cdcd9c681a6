"""Training a model directory: LoRA or all weights, a loss for every step, an end within one step."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model

from ...errors import InvalidArgumentError
from .protocol import Observer, Pair, Step
from .recipe import Recipe
from .weights import device_of, length_of, prompt_ids, read, serving_type

MOST_VALIDATED = 200
IGNORED = -100
"""The label of tokens whose loss does not count."""


@dataclass(frozen=True)
class Example:
    """The tokens of a pair, and where its answer begins."""

    ids: list[int]
    start: int


def tune(
    folder: Path,
    adapter: Path | None,
    pairs: Sequence[Pair],
    recipe: Recipe,
    *,
    validation: Sequence[Pair],
    observer: Observer | None,
    device: str,
    into: Path,
) -> bool:
    """Train and write the result into a folder; tell whether the observer ended it early.

    Args:
        folder: the model directory.
        adapter: an earlier run's adapter to go on from.
        pairs: what to learn.
        recipe: how.
        validation: held-out pairs; their loss is reported after each pass.
        observer: hears of every `recipe.every` steps, and is asked at each whether to go on.
        device: auto, cpu, cuda, cuda:N or mps.
        into: an adapter, or a whole model directory with its tokenizer.

    Raises:
        InvalidArgumentError: no pair has an answer within the length.
    """
    place = device_of(device)
    torch.manual_seed(recipe.seed)
    model, tokenizer = read(folder, torch.float32 if recipe.full else serving_type(place))
    most = min(recipe.max_length, length_of(model, tokenizer))
    examples, held_out = (
        list(_examples(tokenizer, rows, most)) for rows in (pairs, validation[:MOST_VALIDATED])
    )
    if not examples:
        raise InvalidArgumentError(f"no pair has an answer within {most} tokens")
    learning = _learning(model, adapter, recipe).to(place)
    loop = _Loop(learning, recipe, place, examples, held_out, observer)
    stopped = not all(loop.steps())
    learning.save_pretrained(str(into))
    if recipe.full:
        tokenizer.save_pretrained(str(into))
    return stopped


def _learning(model: Any, adapter: Path | None, recipe: Recipe) -> Any:
    """Return the model with what is to be trained."""
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


def _examples(tokenizer: Any, pairs: Sequence[Pair], most: int) -> Iterator[Example]:
    """Yield the pairs as tokens, cut at the length; one whose answer is cut off altogether is left out."""
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    for prompt, answer in pairs:
        head = prompt_ids(tokenizer, [{"role": "user", "content": prompt}]) if prompt else []
        start = len(head) or 1  # the first token of a bare text follows nothing
        ids = [*head, *tokenizer(answer, add_special_tokens=False)["input_ids"], *end][:most]
        if len(ids) > start:
            yield Example(ids, start)


@dataclass
class _Loop:
    model: Any
    recipe: Recipe
    device: str
    examples: list[Example]
    held_out: list[Example]
    observer: Observer | None

    def steps(self) -> Iterator[bool]:
        """Make the updates one after the other; yield whether to go on, and end where not."""
        recipe, chance = self.recipe, random.Random(self.recipe.seed)  # noqa: S311 - an order, no secret
        per_epoch = math.ceil(len(self.examples) / recipe.batch_size)
        total, done = per_epoch * recipe.epochs, 0
        trained = [weight for weight in self.model.parameters() if weight.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
        for _ in range(recipe.epochs):
            order = chance.sample(self.examples, len(self.examples))
            for start in range(0, len(order), recipe.batch_size):
                self._rate(optimizer, done, total)
                loss = self._update(optimizer, trained, order[start : start + recipe.batch_size])
                done += 1
                last = done % per_epoch == 0
                quiet = done % recipe.every > 0 and not last
                validation = self._loss(self.held_out) if last and self.held_out else None
                step = Step(done, total, done / per_epoch, loss, validation, quiet=quiet)
                go_on = self.observer is None or self.observer(step) is not False
                yield go_on
                if not go_on:
                    return

    def _rate(self, optimizer: Any, done: int, total: int) -> None:
        """Set the learning rate: up over the warm-up, then down in a straight line."""
        rising = (done + 1) / max(1.0, self.recipe.warmup * total)
        for group in optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate * min(1.0, rising, 1.02 - done / total)

    def _update(self, optimizer: Any, trained: list[Any], batch: list[Example]) -> float:
        self.model.train()
        with self._precision():
            loss = self.model(**self._padded(batch)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return float(loss.detach())

    def _loss(self, examples: list[Example]) -> float:
        """Return the mean loss of examples per token of their answers."""
        self.model.eval()
        total = tokens = 0.0
        with torch.inference_mode(), self._precision():
            for start in range(0, len(examples), self.recipe.batch_size):
                batch = examples[start : start + self.recipe.batch_size]
                count = sum(len(example.ids) - example.start for example in batch)
                total += float(self.model(**self._padded(batch)).loss) * count
                tokens += count
        return total / tokens

    def _precision(self) -> AbstractContextManager[Any]:
        """Return what lets all weights be trained with half the memory on a GPU."""
        if self.recipe.full and serving_type(self.device) is torch.bfloat16:
            halved: AbstractContextManager[Any] = torch.autocast("cuda", torch.bfloat16)
            return halved
        return nullcontext()

    def _padded(self, batch: list[Example]) -> dict[str, Any]:
        """Return a batch as tensors; only the answers' tokens count."""
        length = max(len(example.ids) for example in batch)
        ids, mask = (torch.zeros(len(batch), length, dtype=torch.long) for _ in range(2))
        labels = torch.full_like(ids, IGNORED)
        for row, example in enumerate(batch):
            size = len(example.ids)
            ids[row, :size] = torch.tensor(example.ids)
            mask[row, :size] = 1
            labels[row, example.start : size] = ids[row, example.start : size]
        rows = {"input_ids": ids, "attention_mask": mask, "labels": labels}
        return {name: value.to(self.device) for name, value in rows.items()}
