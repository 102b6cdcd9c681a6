"""A pointer-generator: a character model that can write, and can copy any character of the prompt.

A feed-forward window over the last characters written and the prompt's n-grams proposes the next
character; attention over the prompt proposes one to copy; a gate mixes the two. Gradients are
written by hand and compared with finite differences in the tests. (See, Liu and Manning 2017, arXiv
1704.04368.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .examples import (
    CONTEXT,
    MAX_RUN,
    SEGMENT,
    WINDOW,
    EncodedPrompt,
    Example,
    PaddedBatch,
    collate,
    one_hot_segments,
    seen_ids,
    windows,
)
from .features import (
    BOS,
    BUCKETS,
    CHARACTERS,
    MAX_ANSWER,
    UNKNOWN,
    F,
    Features,
    Floats,
    Ints,
    Pair,
    softmax,
)
from .optimizer import Gradients, RowGradient, Weights

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
    ) -> tuple[NDArray[np.float64], Gradients]:
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
    ) -> tuple[NDArray[Any], Callable[[Floats], Gradients]]:
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
    ) -> dict[str, Any]:
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

    def _backward(self, batch: PaddedBatch, passed: dict[str, Any], share: Floats) -> Gradients:
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
        passed: dict[str, Any],
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
        passed: dict[str, Any],
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


def _flatten(array: NDArray[Any]) -> NDArray[Any]:
    return array.reshape(-1, array.shape[-1])


def _sample(p: NDArray[np.float64], temperature: float, random: np.random.Generator | None) -> int:
    if temperature <= 0 or random is None:
        return int(p.argmax())
    powers = (p / p.max()) ** (1 / temperature)
    return int(random.choice(len(p), p=powers / powers.sum()))
