"""A pointer-generator: a character model that can write, and can copy any character of the prompt.

A feed-forward window over the last characters written and the prompt's n-grams proposes the next character;
attention over the prompt proposes one to copy; a gate mixes the two. Gradients are written by hand and
compared with finite differences in the tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .examples import CONTEXT, SEGMENT, WINDOW, Batch, Example, collate, matching_suffix
from .features import (
    BOS,
    BUCKETS,
    CHARACTERS,
    EOS,
    MAX_ANSWER,
    MAX_PROMPT,
    UNKNOWN,
    F,
    Features,
    Floats,
    character_id,
    segments,
    softmax,
)
from .optimizer import Weights

HIDDEN, EMBEDDING, ATTENTION = 128, 48, 48


class PointerLM:
    """p(answer | prompt), one character at a time."""

    def __init__(self, features: Features, alphabet: str, *, seed: int = 0) -> None:
        self.features = features
        self.output = ["", *sorted(set(alphabet))]
        self.index = {char: i for i, char in enumerate(self.output)}
        self.weights = _initial(np.random.default_rng(seed), len(self.output))

    def used_rows(self) -> dict[str, NDArray[np.int64]]:
        """Return the rows of the large tables that this data can reach."""
        features = self.features
        return {"E": np.flatnonzero(features.seen), "S": np.flatnonzero(features.frequency)}

    def encode(self, prompt: str) -> Example:
        """Return what the model sees of a prompt."""
        prompt = prompt[:MAX_PROMPT] or " "
        ids = np.array([character_id(c) for c in prompt])
        known = np.where(self.features.seen[ids], ids, UNKNOWN)
        ids = np.concatenate([[BOS, BOS], known, [EOS, EOS]])
        around = np.stack([ids[i : i + len(prompt)] for i in range(CONTEXT)], 1)
        return {
            "prompt": prompt,
            "grams": self.features(prompt),
            "around": around,
            "segment": segments(prompt),
        }

    def example(self, prompt: str, answer: str) -> Example:
        """Return an example; answer characters outside of the alphabet can only be copied."""
        example = self.encode(prompt)
        prompt, answer = example["prompt"], answer[: MAX_ANSWER - 1]
        ids = [BOS] * WINDOW + [self._known_id(c) for c in answer]
        example["written"] = np.array([ids[t : t + WINDOW] for t in range(len(answer) + 1)])
        example["target"] = np.array([self.index.get(c, 0) for c in answer] + [0])
        example["writable"] = np.array([c in self.index for c in answer] + [True])
        copyable = np.array([[c == x for x in prompt] for c in answer] + [[False] * len(prompt)])
        example["copyable"], example["match"] = copyable, matching_suffix(copyable)
        return example

    def loss(
        self,
        examples: Sequence[Example],
        random: np.random.Generator | None = None,
        drop: float = 0.0,
        *,
        gradients: bool = True,
    ) -> tuple[float, Weights, int]:
        """Return the mean negative log likelihood per character (nats), its gradients, and the characters."""
        batch = collate(examples)
        if drop and random is not None:
            batch.bag *= (random.random(len(batch.grams)) >= drop) / F(1 - drop)
            batch.around = np.where(random.random(batch.around.shape) < 0.06, UNKNOWN, batch.around)
        passed = self._forward(batch, random, drop)
        count = int(batch.mask.sum())
        nll = float(-(np.log(passed["p"]) * batch.mask).sum() / count)
        return nll, self._backward(batch, passed, count) if gradients else {}, count

    def _known_id(self, char: str) -> int:
        number = character_id(char)
        return number if self.features.seen[number] else UNKNOWN

    def _forward(self, batch: Batch, random: np.random.Generator | None, drop: float) -> dict[str, Any]:
        w, (examples, length) = self.weights, batch.target.shape
        places = batch.around.shape[1]
        window = w["E"][batch.written].reshape(examples, length, WINDOW * EMBEDDING)
        sums = (batch.bag @ w["S"][batch.grams])[:, None] + window @ w["Wy"] + w["T"][:length] + w["b"]
        keep: Any = F(1)
        if drop and random is not None:
            keep = (random.random(sums.shape) >= drop).astype(F) / F(1 - drop)
        hidden = np.maximum(sums, 0) * keep
        seen = w["E"][batch.around].reshape(examples, places, CONTEXT * EMBEDDING)
        seen = np.concatenate([seen, batch.segment], 2)
        key, value, query = seen @ w["Wk"], seen @ w["Wv"], hidden @ w["Wq"]
        scores = query @ key.transpose(0, 2, 1) + w["L"][batch.match]
        attention = softmax(np.where(batch.real[:, None], scores, F(-1e9)))
        context = attention @ value
        gate = _sigmoid(hidden @ w["wg"] + context @ w["wc"] + w["bg"])
        both = np.concatenate([hidden, context], 2)
        written = softmax(both @ w["Wo"] + w["bo"])
        p_write = np.take_along_axis(written, batch.target[..., None], 2)[..., 0] * batch.writable
        p_copy = (attention * batch.copyable).sum(2)
        p = (1 - gate) * p_write + gate * p_copy + F(1e-9)
        return dict(
            window=window,
            sums=sums,
            keep=keep,
            hidden=hidden,
            seen=seen,
            key=key,
            value=value,
            query=query,
            attention=attention,
            gate=gate,
            both=both,
            written=written,
            p_write=p_write,
            p_copy=p_copy,
            p=p,
            context=context,
        )

    def _backward(self, batch: Batch, f: dict[str, Any], count: int) -> Weights:
        w, g = self.weights, {}
        share = batch.mask / F(count)
        gate, p = f["gate"], f["p"]
        pull = ((1 - gate) * f["p_write"] / p * share)[..., None]
        d_logits = f["written"] * pull
        target = batch.target[..., None]
        np.put_along_axis(d_logits, target, np.take_along_axis(d_logits, target, 2) - pull, 2)
        g["Wo"], g["bo"] = _rows(f["both"]).T @ _rows(d_logits), _rows(d_logits).sum(0)
        d_both = d_logits @ w["Wo"].T
        d_gate = -(f["p_copy"] - f["p_write"]) / p * gate * (1 - gate) * share
        g["wg"] = _rows(f["hidden"]).T @ d_gate.ravel()
        g["wc"] = _rows(f["context"]).T @ d_gate.ravel()
        g["bg"] = np.array([d_gate.sum()], F)
        d_hidden = d_both[..., :HIDDEN] + d_gate[..., None] * w["wg"]
        d_context = d_both[..., HIDDEN:] + d_gate[..., None] * w["wc"]
        d_query, d_seen = self._attention_gradients(batch, f, g, d_context, (gate / p * share)[..., None])
        d_sums = (d_hidden + d_query @ w["Wq"].T) * f["keep"] * (f["sums"] > 0)
        self._input_gradients(batch, f, g, d_sums, d_seen)
        return g

    def _attention_gradients(
        self, batch: Batch, f: dict[str, Any], g: Weights, d_context: Floats, d_copy: Floats
    ) -> tuple[Floats, Floats]:
        w, attention = self.weights, f["attention"]
        d_attention = d_context @ f["value"].transpose(0, 2, 1) - d_copy * batch.copyable
        d_scores = attention * (d_attention - (attention * d_attention).sum(2, keepdims=True))
        g["L"] = np.bincount(batch.match.ravel(), d_scores.ravel(), 5).astype(F)
        d_query, d_key = d_scores @ f["key"], d_scores.transpose(0, 2, 1) @ f["query"]
        d_value = attention.transpose(0, 2, 1) @ d_context
        g["Wq"] = _rows(f["hidden"]).T @ _rows(d_query)
        g["Wk"], g["Wv"] = _rows(f["seen"]).T @ _rows(d_key), _rows(f["seen"]).T @ _rows(d_value)
        return d_query, d_key @ w["Wk"].T + d_value @ w["Wv"].T

    def _input_gradients(
        self, batch: Batch, f: dict[str, Any], g: Weights, d_sums: Floats, d_seen: Floats
    ) -> None:
        w = self.weights
        g["Wy"], g["b"] = _rows(f["window"]).T @ _rows(d_sums), _rows(d_sums).sum(0)
        g["T"] = np.zeros_like(w["T"])
        g["T"][: d_sums.shape[1]] = d_sums.sum(0)
        from_window = (d_sums @ w["Wy"].T).reshape(-1, EMBEDDING)
        from_prompt = d_seen[..., : CONTEXT * EMBEDDING].reshape(-1, EMBEDDING)
        ids = np.concatenate([batch.written.ravel(), batch.around.ravel()])
        g["E"] = _scatter(ids, np.concatenate([from_window, from_prompt]), CHARACTERS)
        g["S"] = _scatter(batch.grams, batch.bag.T @ d_sums.sum(1), BUCKETS)

    def stream(
        self, prompt: str, *, temperature: float = 0.0, random: np.random.Generator | None = None
    ) -> Iterator[tuple[str, float]]:
        """Yield (character, probability) one at a time; ends with ("", p) when the model stops by itself."""
        w, encoded = self.weights, self.encode(prompt)
        prompt, (grams, weight) = encoded["prompt"], encoded["grams"]
        base = weight @ w["S"][grams] + w["b"]
        seen = w["E"][encoded["around"]].reshape(len(prompt), CONTEXT * EMBEDDING)
        seen = np.concatenate([seen, encoded["segment"]], 1)
        key, value = seen @ w["Wk"], seen @ w["Wv"]
        chars = [*self.output, *sorted(set(prompt) - set(self.index))]  # the last only copying can produce
        where = np.array([chars.index(c) for c in prompt])
        letters, written, match = np.array(list(prompt)), [BOS] * WINDOW, np.zeros(len(prompt), np.int64)
        for t in range(MAX_ANSWER - 1):
            hidden = np.maximum(base + w["E"][written[-WINDOW:]].ravel() @ w["Wy"] + w["T"][t], 0)
            attention = softmax(key @ (hidden @ w["Wq"]) + w["L"][np.minimum(match, 4)])
            context = attention @ value
            gate = _sigmoid(hidden @ w["wg"] + context @ w["wc"] + w["bg"][0])
            p = np.zeros(len(chars))
            p[: len(self.output)] = (1 - gate) * softmax(
                np.concatenate([hidden, context]) @ w["Wo"] + w["bo"]
            )
            np.add.at(p, where, gate * attention)
            choice = _choose(p, temperature, random)
            yield chars[choice], float(p[choice])
            if not chars[choice]:
                return
            match = np.concatenate([[0], np.where(letters[:-1] == chars[choice], match[:-1] + 1, 0)])
            written.append(self._known_id(chars[choice]))


def _initial(random: np.random.Generator, outputs: int) -> Weights:
    def normal(*shape: int, scale: float) -> Floats:
        return (random.standard_normal(shape) * scale).astype(F)

    seen = CONTEXT * EMBEDDING + SEGMENT
    return {
        "E": normal(CHARACTERS, EMBEDDING, scale=0.3),
        "S": normal(BUCKETS, HIDDEN, scale=0.15),
        "Wy": normal(WINDOW * EMBEDDING, HIDDEN, scale=(WINDOW * EMBEDDING) ** -0.5),
        "T": normal(MAX_ANSWER, HIDDEN, scale=0.1),
        "b": np.zeros(HIDDEN, F),
        "Wq": normal(HIDDEN, ATTENTION, scale=0.5 * HIDDEN**-0.5),
        "Wk": normal(seen, ATTENTION, scale=seen**-0.5),
        "Wv": normal(seen, ATTENTION, scale=seen**-0.5),
        "L": np.array([0, 1, 2, 3, 3], F),
        "wg": normal(HIDDEN, scale=0.05),
        "wc": normal(ATTENTION, scale=0.05),
        "bg": np.array([-1], F),
        "Wo": np.zeros((HIDDEN + ATTENTION, outputs), F),
        "bo": np.zeros(outputs, F),
    }


def _scatter(ids: NDArray[np.int64], rows: Floats, size: int) -> Floats:
    """Sum rows by id; sorting first is several times faster than np.add.at."""
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    start = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
    out: NDArray[Any] = np.zeros((size, rows.shape[1]), np.float32)
    out[ids[start]] = np.add.reduceat(rows[order], start, 0)
    return out


def _sigmoid(score: Any) -> Any:
    # 1 / (1 + exp(-score)) overflows at large learning rates.
    return 0.5 * (1 + np.tanh(0.5 * score))


def _rows(array: NDArray[Any]) -> NDArray[Any]:
    return array.reshape(-1, array.shape[-1])


def _choose(p: NDArray[np.float64], temperature: float, random: np.random.Generator | None) -> int:
    if temperature <= 0 or random is None:
        return int(p.argmax())
    sharpened = (p / p.max()) ** (1 / temperature)
    return int(random.choice(len(p), p=sharpened / sharpened.sum()))
