"""A pointer-generator: a character model that can write, and can copy any character of the prompt.

A feed-forward window over the last characters written and the prompt's n-grams proposes the next
character; attention over the prompt proposes one to copy; a gate mixes the two. Gradients are
written by hand and compared with finite differences in the tests. (See, Liu and Manning 2017, arXiv
1704.04368.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from qfnb.wire.base import JsonObject

from .features import (
    BOS,
    BUCKETS,
    CHARACTERS,
    EOS,
    MAX_ANSWER,
    MAX_PROMPT,
    SEGMENT_WIDTHS,
    UNKNOWN,
    Array,
    Bools,
    F,
    Features,
    Floats,
    Ints,
    Pair,
    Tick,
    character_id,
    no_tick,
    segments,
    softmax,
)
from .fields import substitute

HIDDEN = 128
EMBEDDING = 48
ATTENTION = 48

UNKNOWN_SHARE = 0.06  # the share of prompt characters that a training update hides

# how far the score of a new character is below the lowest bias of the old ones
NEW_CHARACTER_SCORE = 2.0


class PointerGenerator:
    """p(answer | prompt), one character at a time."""

    def __init__(self, features: Features, alphabet: str, *, seed: int = 0) -> None:
        self.features = features
        self.output = ["", *sorted(set(alphabet))]
        self.index = {char: i for i, char in enumerate(self.output)}
        self.weights = _initial_weights(
            np.random.default_rng(seed), len(self.output), self.used_rows()
        )

    def used_rows(self) -> dict[str, Ints]:
        """Return the rows of the large tables that the training data uses; the others are 0."""
        features = self.features
        return {
            "E": np.flatnonzero(features.seen_characters),
            "S": np.flatnonzero(features.frequency),
        }

    def extended(self, features: Features, pairs: Sequence[Pair]) -> PointerGenerator:
        """Return a copy that can write more characters, not likely ones yet, and that knows more
        n-grams.

        Args:
            features: those of this model, extended.
            pairs: the answers have the characters.
        """
        more = PointerGenerator(features, "".join([*self.output, *(answer for _, answer in pairs)]))
        rows = self.used_rows()
        new = {name: weights.copy() for name, weights in self.weights.items()}
        new["E"][np.setdiff1d(more.used_rows()["E"], rows["E"])] = new["E"][UNKNOWN]
        new["S"][np.setdiff1d(more.used_rows()["S"], rows["S"])] = 0
        columns = [more.index[char] for char in self.output]
        for name in ("Wo", "bo"):
            new[name] = np.zeros_like(more.weights[name])
            new[name][..., columns] = self.weights[name]
        new["bo"][np.setdiff1d(np.arange(len(more.output)), columns)] = (
            self.weights["bo"].min() - NEW_CHARACTER_SCORE
        )
        more.weights = new
        return more

    def example(self, prompt: str, answer: str) -> Example:
        """Return a training example."""
        return Example.of(self.features, self.index, prompt, answer)

    def loss(
        self,
        examples: Sequence[Example],
        random: np.random.Generator | None = None,
        drop: float = 0.0,
    ) -> tuple[Array, Gradients]:
        """Return the loss (nats) of each answer, and the gradients of their mean per character.

        Args:
            examples: the batch.
            random: the source of the dropout, None without dropout.
            drop: the share (0-1) that is dropped.
        """
        batch = collate(examples)
        if drop and random is not None:
            batch.bag *= (random.random(batch.bag.shape, F) >= drop) / F(1 - drop)
            batch.contexts = np.where(
                random.random(batch.contexts.shape, F) < UNKNOWN_SHARE, UNKNOWN, batch.contexts
            )
        passed = self._forward(batch, random, drop)
        losses = -(np.log(passed["p"]) * batch.mask).sum(1, dtype=np.float64)
        return losses, self._backward(batch, passed, (batch.mask / batch.mask.sum()).astype(F))

    def log_likelihoods(
        self, examples: Sequence[Example]
    ) -> tuple[Array, Callable[[Floats], Gradients]]:
        """Return log p of each answer, and a function from a loss's derivatives by them to its
        gradients.
        """
        batch = collate(examples)
        passed = self._forward(batch, None, 0.0)
        values = (np.log(passed["p"]) * batch.mask).sum(1)
        return values, lambda derivatives: self._backward(
            batch, passed, -derivatives[:, None] * batch.mask
        )

    def _forward(
        self, batch: PaddedBatch, random: np.random.Generator | None, drop: float
    ) -> JsonObject:
        weights = self.weights
        (examples, length) = batch.target.shape
        width = batch.contexts.shape[1]
        window = weights["E"][batch.written].reshape(examples, length, WINDOW * EMBEDDING)
        sums = (
            (batch.bag @ weights["S"][batch.grams])[:, None]
            + window @ weights["Wy"]
            + weights["T"][:length]
            + weights["b"]
        )
        dropout: Any = F(1)
        if drop and random is not None:
            dropout = (random.random(sums.shape, F) >= drop).astype(F) / F(1 - drop)
        hidden = np.maximum(sums, 0) * dropout
        context_vectors = weights["E"][batch.contexts].reshape(examples, width, CONTEXT * EMBEDDING)
        context_vectors = np.concatenate([context_vectors, batch.segment], 2)
        key = context_vectors @ weights["Wk"]
        value = context_vectors @ weights["Wv"]
        query = hidden @ weights["Wq"]
        scores = query @ key.transpose(0, 2, 1) + weights["L"][batch.match]
        attention = softmax(np.where(batch.prompt_mask[:, None], scores, F(-1e9)))
        context = attention @ value
        gate = _sigmoid(hidden @ weights["wg"] + context @ weights["wc"] + weights["bg"])
        joined = np.concatenate([hidden, context], 2)
        write_probabilities = softmax(joined @ weights["Wo"] + weights["bo"])
        p_write = (
            np.take_along_axis(write_probabilities, batch.target[..., None], 2)[..., 0]
            * batch.writable
        )
        p_copy = (attention * batch.copyable).sum(2)
        p = (1 - gate) * p_write + gate * p_copy + F(1e-9)
        return dict(
            window=window, sums=sums, keep=dropout, hidden=hidden, seen=context_vectors, key=key,
            value=value,
            query=query, attention=attention, gate=gate, both=joined, written=write_probabilities,
            p_write=p_write, p_copy=p_copy, p=p, context=context,
        )  # fmt: skip

    def _backward(self, batch: PaddedBatch, passed: JsonObject, share: Floats) -> Gradients:
        """Return the gradients of the summed loss of all characters, each times its share."""
        weights = self.weights
        gradients = dict[str, Floats | RowGradient]()
        gate = passed["gate"]
        p = passed["p"]
        write_share = ((1 - gate) * passed["p_write"] / p * share)[..., None]
        d_logits = passed["written"] * write_share
        target = batch.target[..., None]
        np.put_along_axis(
            d_logits, target, np.take_along_axis(d_logits, target, 2) - write_share, 2
        )
        gradients["Wo"] = _flatten(passed["both"]).T @ _flatten(d_logits)
        gradients["bo"] = _flatten(d_logits).sum(0)
        d_both = d_logits @ weights["Wo"].T
        d_gate = -(passed["p_copy"] - passed["p_write"]) / p * gate * (1 - gate) * share
        gradients["wg"] = _flatten(passed["hidden"]).T @ d_gate.ravel()
        gradients["wc"] = _flatten(passed["context"]).T @ d_gate.ravel()
        gradients["bg"] = np.array([d_gate.sum()], F)
        d_hidden = d_both[..., :HIDDEN] + d_gate[..., None] * weights["wg"]
        d_context = d_both[..., HIDDEN:] + d_gate[..., None] * weights["wc"]
        d_query, d_seen = self._attention_gradients(
            batch, passed, gradients, d_context, (gate / p * share)[..., None]
        )
        d_sums = (d_hidden + d_query @ weights["Wq"].T) * passed["keep"] * (passed["sums"] > 0)
        self._input_gradients(batch, passed, gradients, d_sums, d_seen)
        return gradients

    def _attention_gradients(
        self,
        batch: PaddedBatch,
        passed: JsonObject,
        gradients: dict[str, Floats | RowGradient],
        d_context: Floats,
        d_copy: Floats,
    ) -> tuple[Floats, Floats]:
        weights = self.weights
        attention = passed["attention"]
        d_attention = d_context @ passed["value"].transpose(0, 2, 1) - d_copy * batch.copyable
        d_scores = attention * (d_attention - (attention * d_attention).sum(2, keepdims=True))
        gradients["L"] = np.bincount(batch.match.ravel(), d_scores.ravel(), 5).astype(F)
        d_query = d_scores @ passed["key"]
        d_key = d_scores.transpose(0, 2, 1) @ passed["query"]
        d_value = attention.transpose(0, 2, 1) @ d_context
        gradients["Wq"] = _flatten(passed["hidden"]).T @ _flatten(d_query)
        gradients["Wk"] = _flatten(passed["seen"]).T @ _flatten(d_key)
        gradients["Wv"] = _flatten(passed["seen"]).T @ _flatten(d_value)
        return d_query, d_key @ weights["Wk"].T + d_value @ weights["Wv"].T

    def _input_gradients(
        self,
        batch: PaddedBatch,
        passed: JsonObject,
        gradients: dict[str, Floats | RowGradient],
        d_sums: Floats,
        d_seen: Floats,
    ) -> None:
        weights = self.weights
        gradients["Wy"] = _flatten(passed["window"]).T @ _flatten(d_sums)
        gradients["b"] = _flatten(d_sums).sum(0)
        gradients["T"] = RowGradient(np.arange(d_sums.shape[1]), d_sums.sum(0))
        from_window = (d_sums @ weights["Wy"].T).reshape(-1, EMBEDDING)
        from_prompt = d_seen[..., : CONTEXT * EMBEDDING].reshape(-1, EMBEDDING)
        ids = np.concatenate([batch.written.ravel(), batch.contexts.ravel()])
        gradients["E"] = RowGradient.sum_by_id(ids, np.concatenate([from_window, from_prompt]))
        gradients["S"] = RowGradient(batch.grams, batch.bag.T @ d_sums.sum(1))

    def stream(
        self, prompt: str, *, temperature: float = 0.0, random: np.random.Generator | None = None
    ) -> Iterator[tuple[str, float]]:
        """Yield (character, probability) one at a time; the last is ("", p) when the model ends the
        answer.

        Args:
            prompt: the prompt.
            temperature: 0 for the likeliest characters.
            random: the source of random numbers, needed with a temperature.
        """
        weights = self.weights
        encoded = EncodedPrompt.of(self.features, prompt)
        prompt = encoded.text
        (grams, weight) = encoded.grams
        base = weight @ weights["S"][grams] + weights["b"]
        context_vectors = weights["E"][windows(encoded.ids, CONTEXT)].reshape(
            len(prompt), CONTEXT * EMBEDDING
        )
        context_vectors = np.concatenate(
            [context_vectors, one_hot_segments([encoded.segment], len(prompt))[0]], 1
        )
        key = context_vectors @ weights["Wk"]
        value = context_vectors @ weights["Wv"]
        # the last ones can only be copied
        chars = [*self.output, *sorted(set(prompt) - set(self.index))]
        prompt_indexes = np.array([chars.index(c) for c in prompt])
        letters = np.array(list(prompt))
        written_ids = [BOS] * WINDOW
        match = np.zeros(len(prompt), np.int64)
        for step in range(MAX_ANSWER - 1):
            hidden = np.maximum(
                base
                + weights["E"][written_ids[-WINDOW:]].ravel() @ weights["Wy"]
                + weights["T"][step],
                0,
            )
            attention = softmax(
                key @ (hidden @ weights["Wq"]) + weights["L"][np.minimum(match, MAX_RUN)]
            )
            context = attention @ value
            gate = _sigmoid(hidden @ weights["wg"] + context @ weights["wc"] + weights["bg"][0])
            p = np.zeros(len(chars))
            p[: len(self.output)] = (1 - gate) * softmax(
                np.concatenate([hidden, context]) @ weights["Wo"] + weights["bo"]
            )
            np.add.at(p, prompt_indexes, gate * attention)
            choice = _sample(p, temperature, random)
            yield chars[choice], float(p[choice])
            if not chars[choice]:
                return
            match = np.concatenate(
                [[0], np.where(letters[:-1] == chars[choice], match[:-1] + 1, 0)]
            )
            written_ids += seen_ids(self.features, chars[choice])


def _initial_weights(
    random: np.random.Generator, outputs: int, used_rows: dict[str, Ints]
) -> Weights:
    def normal(*shape: int, scale: float) -> Floats:
        return random.standard_normal(shape, F) * F(scale)

    def table(name: str, rows: int, columns: int, scale: float) -> Floats:
        weights = np.zeros((rows, columns), F)
        weights[used_rows[name]] = normal(len(used_rows[name]), columns, scale=scale)
        return weights

    context_size = CONTEXT * EMBEDDING + SEGMENT
    return {
        "E": table("E", CHARACTERS, EMBEDDING, 0.3),
        "S": table("S", BUCKETS, HIDDEN, 0.15),
        "Wy": normal(WINDOW * EMBEDDING, HIDDEN, scale=(WINDOW * EMBEDDING) ** -0.5),
        "T": normal(MAX_ANSWER, HIDDEN, scale=0.1),
        "b": np.zeros(HIDDEN, F),
        "Wq": normal(HIDDEN, ATTENTION, scale=0.5 * HIDDEN**-0.5),
        "Wk": normal(context_size, ATTENTION, scale=context_size**-0.5),
        "Wv": normal(context_size, ATTENTION, scale=context_size**-0.5),
        "L": np.array([0, 1, 2, 3, 3], F),
        "wg": normal(HIDDEN, scale=0.05),
        "wc": normal(ATTENTION, scale=0.05),
        "bg": np.array([-1], F),
        "Wo": np.zeros((HIDDEN + ATTENTION, outputs), F),
        "bo": np.zeros(outputs, F),
    }


def _sigmoid(score: Any) -> Any:
    # 1 / (1 + exp(-score)) overflows at large learning rates.
    return 0.5 * (1 + np.tanh(0.5 * score))


def _flatten(array: Array) -> Array:
    return array.reshape(-1, array.shape[-1])


def _sample(p: Array, temperature: float, random: np.random.Generator | None) -> int:
    if temperature <= 0 or random is None:
        return int(p.argmax())
    powers = (p / p.max()) ** (1 / temperature)
    return int(random.choice(len(p), p=powers / powers.sum()))


WINDOW = 6
"""How many written characters the model sees."""

CONTEXT = 5
"""How many prompt characters around an index attention sees."""

SEGMENT = sum(SEGMENT_WIDTHS)
MAX_RUN = 4
"""The longest run of equal characters before an index that is told apart."""

_NO_CHARACTER = -1  # neither is equal to a character of a prompt
_PADDING = -2


@dataclass(frozen=True)
class EncodedPrompt:
    """A prompt of n characters: n code points, n + CONTEXT - 1 ids, n x 4 columns of segments,
    buckets and weights.
    """

    text: str
    codes: Array
    ids: Array
    segment: Array
    grams: tuple[Ints, Floats]

    @classmethod
    def of(cls, features: Features, prompt: str) -> EncodedPrompt:
        """Return a prompt as the features know it; an empty one is one blank."""
        text = prompt[:MAX_PROMPT] or " "
        margin = CONTEXT // 2
        ids = np.array([BOS] * margin + seen_ids(features, text) + [EOS] * margin, np.int16)
        return cls(text, _codes(text), ids, segments(text), features(text))


@dataclass(frozen=True)
class Example:
    """A prompt with an answer of m characters: m + 1 code points and targets, m + WINDOW ids."""

    prompt: EncodedPrompt
    codes: Array
    written: Array
    target: Array
    writable: Bools

    @classmethod
    def of(cls, features: Features, index: dict[str, int], prompt: str, answer: str) -> Example:
        """Return an example; answer characters outside the alphabet can only be copied.

        Args:
            features: the n-grams and characters of the training data.
            index: the number of each character of the alphabet.
            prompt: the prompt.
            answer: the answer.
        """
        answer = answer[: MAX_ANSWER - 1]
        return cls(
            EncodedPrompt.of(features, prompt),
            np.append(_codes(answer), np.int32(_NO_CHARACTER)),
            np.array([BOS] * WINDOW + seen_ids(features, answer), np.int16),
            np.array([index.get(char, 0) for char in answer] + [0], np.int16),
            np.array([char in index for char in answer] + [True]),
        )


def seen_ids(features: Features, text: str) -> list[int]:
    """Return the ids of characters; those that are not in the training data are UNKNOWN."""
    seen = features.seen_characters
    return [id_ if seen[id_] else UNKNOWN for id_ in map(character_id, text)]


@dataclass
class PaddedBatch:
    """Examples padded to arrays; B examples, m answer characters, n prompt characters, g
    buckets.
    """

    written: Ints
    target: Ints
    contexts: Ints
    segment: Floats
    match: Ints
    copyable: Bools
    writable: Bools
    mask: Bools
    prompt_mask: Bools
    grams: Ints
    bag: Floats


def collate(examples: Sequence[Example]) -> PaddedBatch:
    """Pad examples to one batch."""
    prompts = [example.prompt for example in examples]
    length = max(len(e.target) for e in examples)
    width = max(len(prompt.codes) for prompt in prompts)
    written = _pad(examples, lambda e: e.written, length + WINDOW)
    contexts = _pad(examples, lambda e: e.prompt.ids, width + CONTEXT - 1)
    prompt_codes = _pad(examples, lambda e: e.prompt.codes, width, _PADDING)
    answer_codes = _pad(examples, lambda e: e.codes, length, _NO_CHARACTER)
    copyable = answer_codes[:, :, None] == prompt_codes[:, None, :]
    return PaddedBatch(
        windows(written, WINDOW)[:, :length],
        _pad(examples, lambda e: e.target, length),
        windows(contexts, CONTEXT),
        one_hot_segments([prompt.segment for prompt in prompts], width),
        matching_suffix(copyable),
        copyable,
        _pad(examples, lambda e: e.writable, length).astype(bool),
        np.arange(length) < np.array([[len(e.target)] for e in examples]),
        prompt_codes != _PADDING,
        *bags([prompt.grams for prompt in prompts]),
    )


def windows(ids: Array, size: int) -> Array:
    """Return all runs of `size` neighbours of the last axis, as a new last axis."""
    return np.lib.stride_tricks.sliding_window_view(ids, size, axis=-1)


def one_hot_segments(rows: Sequence[Array], width: int) -> Floats:
    """Return the columns of `segments` as zeros and ones, shape (rows, width, SEGMENT)."""
    segment = np.zeros((len(rows), width, SEGMENT), F)
    for target, columns in zip(segment, rows, strict=True):
        target[np.arange(len(columns))[:, None], columns] = 1
    return segment


def bags(grams: Sequence[tuple[Ints, Floats]]) -> tuple[Ints, Floats]:
    """Return the distinct buckets of some prompts, and the weights of each prompt in them."""
    ids = np.concatenate([buckets for buckets, _ in grams])
    distinct, columns = np.unique(ids, return_inverse=True)
    weights = np.zeros((len(grams), len(distinct)), F)
    weights[np.repeat(np.arange(len(grams)), [len(buckets) for buckets, _ in grams]), columns] = (
        np.concatenate([weight for _, weight in grams])
    )
    return distinct, weights


def matching_suffix(copyable: Bools) -> Ints:
    """Return for each step and prompt index how many characters before both are equal, at most
    MAX_RUN.
    """
    run = copyable
    longest = np.zeros(copyable.shape, np.int64)
    for _ in range(MAX_RUN):
        shifted = np.zeros_like(run)
        shifted[:, 1:, 1:] = run[:, :-1, :-1]
        longest += shifted
        run = shifted & copyable
    return longest


def _codes(text: str) -> Array:
    return np.array([ord(char) for char in text], np.int32)


def _pad(
    examples: Sequence[Example], values: Callable[[Example], Array], width: int, fill: int = 0
) -> Ints:
    rows = np.full((len(examples), width), fill, np.int64)
    for row, example in zip(rows, examples, strict=True):
        array = values(example)
        row[: len(array)] = array
    return rows


Weights = dict[str, Floats]


class RowGradient(NamedTuple):
    """The gradient of a table whose other rows have none."""

    rows: Ints  # each row once
    values: Floats

    @classmethod
    def sum_by_id(cls, ids: Ints, rows: Floats) -> RowGradient:
        """Sum rows by id; sorting first is several times faster than np.add.at."""
        order = np.argsort(ids, kind="stable")
        ids = ids[order]
        start = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
        return cls(ids[start], np.add.reduceat(rows[order], start, 0))


Gradients = Mapping[str, Floats | RowGradient]


B1 = 0.9
B2 = 0.99
"""The decay of the mean of the gradients, and of their variance."""


class Adam:
    """Updates weights in place; of a table only the rows that have a gradient, and their means, are
    changed.

    Args:
        weights: the weights by name.
        decay: weight decay, relative to the learning rate.
        clip: the largest norm of the gradients.
        epsilon: gradients much smaller than it make smaller updates; by default all make updates of
            one size.
    """

    def __init__(
        self, weights: Weights, *, decay: float = 0.05, clip: float = 1.0, epsilon: float = 1e-8
    ) -> None:
        self._weights = weights
        self._decay = decay
        self._clip = clip
        self._epsilon = epsilon
        self._steps = 0
        self._mean = {name: np.zeros_like(value) for name, value in weights.items()}
        self._variance = {name: np.zeros_like(value) for name, value in weights.items()}

    def step(self, gradients: Gradients, rate: float) -> None:
        """Update the weights once.

        Args:
            gradients: of each weight.
            rate: the learning rate.
        """
        self._steps += 1
        rows: dict[str, Any] = dict.fromkeys(gradients, slice(None))
        values: Weights = {}
        for name, g in gradients.items():
            if isinstance(g, RowGradient):
                rows[name], values[name] = g
            else:
                values[name] = g
        norm = math.sqrt(sum(float(np.vdot(g, g)) for g in values.values()))
        scale = F(min(1.0, self._clip / (norm + 1e-9)))
        mean_correction = F(1 - B1**self._steps)
        variance_correction = F(1 - B2**self._steps)
        for name, gradient in values.items():
            part = rows[name]
            scaled = gradient * scale
            mean = self._mean[name][part]
            variance = self._variance[name][part]
            weight = self._weights[name][part]
            mean += F(1 - B1) * (scaled - mean)
            scaled *= scaled
            variance += F(1 - B2) * (scaled - variance)
            deviation = np.sqrt(variance / variance_correction)
            deviation += F(self._epsilon)
            update = mean / (deviation * mean_correction)
            update += F(self._decay) * weight
            weight -= F(rate) * update
            if isinstance(part, np.ndarray):  # what was taken by index is a copy
                self._mean[name][part] = mean
                self._variance[name][part] = variance
                self._weights[name][part] = weight


DROPOUT = 0.2

# of a training: more data teach a model of this size no more, and a pass takes a part of them
MAX_UPDATES = 3000

SUBSTITUTED_SHARE = 0.2  # of the updates, whose rows have other values in their fields

WARM_UP_UPDATES = 20

CHUNK = 32  # answers whose losses are computed at a time

# nats, of an answer with a character that the model can neither write nor copy
IMPOSSIBLE_LOSS = 20.0


def learning_rate_factor(update: int, done: float) -> float:
    """Return the factor of the learning rate: it rises quickly, is level for half of the updates,
    falls to 2 %.

    Args:
        update: the number of the update, from 0.
        done: the share (0-1) of the training that is done.
    """
    return min(1.0, (update + 1) / WARM_UP_UPDATES) * min(1.0, 0.02 + 0.98 * 2 * (1 - done))


class GeneratorTraining:
    """Trains a generator pass by pass.

    Args:
        lm: its weights are changed.
        pairs: the training data.
        passes: passes over the data.
        batch_size: pairs per update.
        rate: the learning rate.
        seed: of the order and of the dropout.
        tick: called after each update and now and then before; it may raise.
        has_substitutes: whether the rows of some updates have other values in their fields.

    Attributes:
        examples: the losses of the pairs.
    """

    def __init__(
        self,
        lm: PointerGenerator,
        pairs: Sequence[Pair],
        passes: int,
        *,
        batch_size: int,
        rate: float,
        seed: int,
        tick: Tick,
        has_substitutes: bool = False,
    ) -> None:
        self._lm = lm
        self._passes = passes
        self._batch_size = batch_size
        self._rate = rate
        self._tick = tick
        self._encoded: list[Example] = []
        self._substitutes: dict[int, Example] = {}
        self._chance = np.random.default_rng(seed + 2)
        for index, pair in enumerate(pairs):
            self._encoded.append(lm.example(*pair))
            if has_substitutes and (substitute_pair := substitute(pair, self._chance)) != pair:
                self._substitutes[index] = lm.example(*substitute_pair)
        self._random = np.random.default_rng(seed + 1)
        self.examples = Passes(
            np.array([len(example.target) for example in self._encoded]), self._random
        )

    def parts(self, parts_per_pass: int) -> Iterator[None]:
        """Train; yield after each part of a pass.

        Args:
            parts_per_pass: parts of a pass, at least 1.
        """
        adam = Adam(self._lm.weights)
        updates = 0
        limit = self._batch_size * math.ceil(MAX_UPDATES / self._passes)
        for number in range(self._passes):
            groups = self._random_groups(self.examples.begin(limit))
            for part, share in enumerate(np.array_split(np.arange(len(groups)), parts_per_pass)):
                done = (number + part / parts_per_pass) / self._passes
                for index in share:
                    self._update(
                        groups[index], adam, self._rate * learning_rate_factor(updates, done)
                    )
                    updates += 1
                yield

    def _update(self, group: Ints, adam: Adam, rate: float) -> None:
        examples = [self._encoded[index] for index in group]
        is_substituted = self._substitutes and self._chance.random() < SUBSTITUTED_SHARE
        if is_substituted:
            examples = [self._substitutes.get(index, self._encoded[index]) for index in group]
        losses, gradients = self._lm.loss(examples, self._random, DROPOUT)
        if not is_substituted:
            self.examples.record(group, losses)
        adam.step(gradients, rate)
        self._tick()

    def _random_groups(self, order: Ints) -> list[Ints]:
        """Return random batches of examples of similar length."""
        order = order[np.argsort(self.examples.units[order] // 8, kind="stable")]
        groups = [
            order[start : start + self._batch_size]
            for start in range(0, len(order), self._batch_size)
        ]
        return [groups[index] for index in self._random.permutation(len(groups))]


class EncodedAnswers:
    """Answers whose losses are measured, perhaps several times.

    Args:
        lm: the model.
        pairs: the prompts and answers.
    """

    def __init__(self, lm: PointerGenerator, pairs: Sequence[Pair]) -> None:
        self._lm = lm
        self._examples = [lm.example(*pair) for pair in pairs]
        impossible = [_is_impossible(lm, prompt[:MAX_PROMPT], answer) for prompt, answer in pairs]
        self._extra = IMPOSSIBLE_LOSS * np.array(impossible, np.float64)
        lengths = [len(example.target) for example in self._examples]
        self._order = np.argsort(lengths, kind="stable")

    def losses(self, tick: Tick = no_tick) -> Array:
        """Return the loss (nats) of each answer, at least IMPOSSIBLE_LOSS if it cannot be produced.

        `tick` is called after each batch; it may raise.
        """
        losses = np.zeros(len(self._examples))
        for start in range(0, len(self._order), CHUNK):
            chunk = self._order[start : start + CHUNK]
            losses[chunk] = -self._lm.log_likelihoods([self._examples[index] for index in chunk])[0]
            tick()
        losses += self._extra
        return losses


def _is_impossible(lm: PointerGenerator, prompt: str, answer: str) -> bool:
    return any(char not in lm.index and char not in prompt for char in answer)


LEARNED_LOSS = 0.01  # nats per unit; an example with a smaller loss is learned

MAX_REST = 4  # passes that a learned example is left out at most


class Passes:
    """The examples of a training, with their last losses.

    Args:
        units: of each example, by which its loss is divided.
        random: the source of the order.

    Attributes:
        losses: nats of each example when it was last seen, NaN if it never was.
        units: those of each example.
    """

    def __init__(self, units: Ints, random: np.random.Generator) -> None:
        self.units = units
        self._random = random
        self._number = -1
        self.losses = np.full(len(units), np.nan)
        self._rests = np.zeros(len(units), np.int64)
        self._due = np.zeros(len(units), np.int64)

    def begin(self, limit: int) -> Ints:
        """Return the examples of the next pass in random order; of too many, those not seen for the
        longest time.
        """
        self._number += 1
        order = self._random.permutation(np.flatnonzero(self._due <= self._number))
        if len(order) > limit:
            return order[np.argsort(self._due[order], kind="stable")[:limit]]
        return order

    def record(self, group: Ints, losses: Array) -> None:
        """Note the losses of some examples of the pass."""
        self.losses[group] = losses
        rests = np.where(
            losses < LEARNED_LOSS * self.units[group],
            np.minimum(2 * self._rests[group] + 1, MAX_REST),
            0,
        )
        self._due[group] = self._number + 1 + rests
        self._rests[group] = rests

    def mean_loss(self) -> float:
        """Return the mean loss per unit of all examples that were seen."""
        return float(np.nansum(self.losses)) / max(int(self.units[~np.isnan(self.losses)].sum()), 1)
