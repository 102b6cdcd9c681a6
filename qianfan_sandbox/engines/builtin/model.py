"""The built-in language model: a router over remembered answers, and a generator that composes
answers.
"""

from __future__ import annotations

import io
import itertools
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from zipfile import BadZipFile

import numpy as np

from qfnb.base.text import has_chinese
from qfnb.errors import SandboxError
from qfnb.wire.base import JsonObject

from ..protocol import EngineReply
from .features import F, Features, Pair, Tick, answer_length, no_tick
from .fields import FieldCounts
from .pointer_generator import IMPOSSIBLE_LOSS, EncodedAnswers, PointerGenerator
from .refusal import (
    MIN_ROWS,
    Wording,
    draft_rows,
    evidence,
    measure_limit,
    sampled_rows,
    wrong_answers,
)
from .router import COMPOSE, MemoryRouter

MIN_CONFIDENCE = 0.2
"""The confidence below which a tuned model says that it does not know."""

BASE_MIN_CONFIDENCE = 0.6

DONT_KNOW = "（本地沙盒）这个问题不在我学过的数据里，我答不了。可以用自己的数据微调我，或配置千帆密钥改用真正的大模型。"
DONT_KNOW_IN_ENGLISH = (
    "(Local sandbox) I have not learned this. Tune me on your data, or set a "
    "Qianfan key for a real model."
)


def _refuse(prompt: str, confidence: float) -> EngineReply:
    """Say that the answer is not known, in the language of the prompt."""
    return EngineReply(
        "unknown", confidence, DONT_KNOW if has_chinese(prompt) else DONT_KNOW_IN_ENGLISH
    )


class AnswerLoss:
    """The loss of pairs, which are encoded once.

    Args:
        model: the model, whose weights may change between two measurements.
        pairs: prompts and answers.
        tick: called often; it may raise.
    """

    def __init__(self, model: LanguageModel, pairs: Sequence[Pair], tick: Tick = no_tick) -> None:
        self._model = model
        self._tick = tick
        self._prompts = [model.features(prompt) for prompt, _ in pairs]
        self._classes = [model.router.index.get(answer) for _, answer in pairs]
        self._answers = EncodedAnswers(model.lm, pairs) if model.lm else None
        self._characters = sum(answer_length(answer) for _, answer in pairs)

    def measure(self) -> float:
        """Return the nats per character of the answers, of which the end is one."""
        losses = np.full(len(self._prompts), IMPOSSIBLE_LOSS)
        if self._answers:
            losses = self._answers.losses(self._tick)
        total = 0.0
        for grams, memory_class, compose_loss in zip(
            self._prompts, self._classes, losses, strict=True
        ):
            log_p = np.log(self._model.router.class_probabilities(*grams) + 1e-9)
            log_likelihood = log_p[COMPOSE] - compose_loss
            if memory_class:
                log_likelihood = np.logaddexp(log_p[memory_class], log_likelihood)
            self._tick()
            total -= float(log_likelihood)
        return total / max(self._characters, 1)


@dataclass
class LanguageModel:
    """A trained model.

    Attributes:
        features: the n-grams.
        router: chooses a remembered answer or `COMPOSE`.
        lm: composes answers, None without composed answers.
        meta: facts about the training.
        min_confidence: below it the model says that it does not know.
        base: the model that answers small talk.
        wording: that of the training questions, None in a file that has none.
        fields: those of the answers that `lm` was trained on, None in a file that has none.
    """

    features: Features
    router: MemoryRouter
    lm: PointerGenerator | None = None
    meta: JsonObject = field(default_factory=dict)
    min_confidence: float = MIN_CONFIDENCE
    base: LanguageModel | None = None
    wording: Wording | None = None
    fields: FieldCounts | None = None

    def reply(self, prompt: str, *, temperature: float = 0.0, seed: int = 0) -> EngineReply:
        """Answer one prompt.

        Args:
            prompt: the prompt.
            temperature: 0 for the same answer each time, larger values for other ones.
            seed: of the random numbers.
        """
        reply = self._reply_from_training(prompt, temperature, seed)
        if self.base is None:
            return reply
        small_talk = self.base.reply(prompt)
        if small_talk.kind == "memory" and (
            reply.kind == "unknown" or small_talk.confidence > max(reply.confidence, 0.9)
        ):
            return EngineReply("chat", small_talk.confidence, small_talk.text)
        return reply

    def _reply_from_training(self, prompt: str, temperature: float, seed: int) -> EngineReply:
        draft = self.draft(prompt, temperature=temperature, seed=seed)
        if draft.confidence >= self.min_confidence and draft.text:
            return draft
        return _refuse(prompt, draft.confidence)

    def draft(self, prompt: str, *, temperature: float = 0.0, seed: int = 0) -> EngineReply:
        """Return what the model would answer, however unsure it is; without a generator it may have
        no text.

        Args:
            prompt: the prompt.
            temperature: 0 for the same answer each time, larger values for other ones.
            seed: of the random numbers.
        """
        probabilities = self.router.probabilities(prompt)
        choice = int(probabilities.argmax())
        probability = float(probabilities[choice])
        confidence = self._confidence(prompt, probability)
        if not self.is_calibrated and (
            (choice == COMPOSE and self.lm is None) or confidence < self.min_confidence
        ):
            return EngineReply("compose", confidence, "")
        if choice != COMPOSE or self.lm is None:
            return EngineReply(
                "memory", confidence, self.router.answers[choice - 1] if choice else ""
            )
        characters = self.lm.stream(
            prompt, temperature=temperature, random=np.random.default_rng(seed)
        )
        steps = list(itertools.islice(characters, self.meta.get("max_draft")))
        confidence = self._confidence(prompt, probability, [p for _, p in steps])
        text = "".join(char for char, _ in steps)
        if self.fields is not None:
            confidence *= self.fields.plausibility(prompt, text)
        return EngineReply("compose", confidence, text)

    def _confidence(self, prompt: str, probability: float, steps: Sequence[float] = ()) -> float:
        """Return how sure the model is of an answer; composing it, with those probabilities, can
        only lower it.
        """
        if self.is_calibrated and self.wording is not None:
            return evidence(probability, self.wording.familiarity(prompt), steps, len(prompt))
        mean = 1.0
        if steps:
            mean = math.exp(sum(math.log(p + 1e-9) for p in steps) / len(steps))
        return probability * math.sqrt(self.features.coverage(prompt)) * mean

    @property
    def is_calibrated(self) -> bool:
        """Whether `min_confidence` is a limit that was measured for this model, and confidence is
        its evidence.
        """
        return "limit" in self.meta

    def calibrate(self, held_out: Sequence[Pair]) -> None:
        """Measure the share of wrong answers and, if enough rows are held out, the limit below
        which none is given.
        """
        self.meta.pop("held_out", None)
        if self.meta.pop("limit", None) is not None:
            self.min_confidence = MIN_CONFIDENCE
        if self.wording is not None and len(held_out) >= MIN_ROWS:
            self.meta["limit"] = {}

            def bound(prompt: str) -> float:
                return self._confidence(prompt, float(self.router.probabilities(prompt).max()))

            limit = measure_limit(self.draft, held_out, bound)
            self.meta["limit"] = limit._asdict()
            self.min_confidence = limit.confidence
            self.meta["held_out"] = {"rows": limit.rows, "wrong_answers": limit.wrong_answers}
        elif held_out:
            drafts = draft_rows(self.draft, held_out)
            share = wrong_answers(drafts, self.min_confidence)
            self.meta["held_out"] = {"rows": len(drafts), "wrong_answers": share}

    def extended(self, pairs: Sequence[Pair], memories: Sequence[str]) -> LanguageModel:
        """Return a copy that can give more answers; what it can give keeps its likelihood, or
        almost.

        Args:
            pairs: prompts and answers, whose n-grams and characters it knows then.
            memories: answers that it remembers in addition, not likely ones yet.
        """
        features = self.features.extended(pairs)
        model = LanguageModel(
            features,
            self.router.extended(features, memories),
            None,
            dict(self.meta),
            self.min_confidence,
            wording=self.wording,
            fields=self.fields,
        )
        if pairs:
            added = Wording.of(prompt for prompt, _ in pairs)
            model.wording = self.wording.extended(added) if self.wording else added
        composed = [pair for pair in pairs if pair[1] not in model.router.index]
        if composed:
            counted = FieldCounts.of(composed)
            model.fields = self.fields.extended(counted) if self.fields else counted
        if self.lm:
            model.lm = self.lm.extended(features, composed)
        elif composed:
            model.lm = PointerGenerator(features, "".join(answer for _, answer in composed))
        return model

    @property
    def metrics(self) -> dict[str, str]:
        """Its wrong answers to held-out rows; its limit of confidence, with what that costs and
        lets through.
        """
        metrics: dict[str, str] = {}
        if limit := self.meta.get("limit"):
            metrics |= {
                "minConfidence": f"{limit['confidence']:.4f}",
                "falseAnswers": f"{limit['false_answers']:.2%}",
                "falseRefusals": f"{limit['false_refusals']:.2%}",
            }
        if held_out := self.meta.get("held_out"):
            metrics |= {
                "wrongAnswers": f"{held_out['wrong_answers']:.2%}",
                "heldOutRows": str(held_out["rows"]),
            }
        return metrics

    def save(self, held_out: Sequence[Pair] = ()) -> bytes:
        """Return the model as the bytes of an npz file: the used rows of the weights, in 16 bits.

        Args:
            held_out: rows for which `load` calibrates it; by default it is as it is.
        """
        arrays: dict[str, np.ndarray[Any, Any]] = {
            "frequency": self.features.frequency,
            "seen": self.features.seen_characters,
        }
        weight = self.router.weights["W"]
        used_rows = np.flatnonzero(weight.any(1))
        arrays |= {"router_rows": used_rows, "router_W": weight[used_rows].astype(np.float16)}
        arrays["router_b"] = self.router.weights["b"].astype(np.float16)
        if self.lm is not None:
            rows = self.lm.used_rows()
            for name, value in self.lm.weights.items():
                used = value[rows.get(name, slice(None))]
                arrays[f"lm_{name}"] = used.astype(np.float16)
        head = {
            "format": 1,
            "n": self.features.n,
            "answers": self.router.answers,
            "blocks": self.router.block_sizes,
            "alphabet": "".join(self.lm.output) if self.lm else None,
            "meta": self.meta,
            "refuses_below": self.min_confidence,
        }
        if held_out:
            head["calibrate_on"] = sampled_rows(held_out)
        if self.wording is not None:
            arrays |= {
                "wording_units": self.wording.units.astype(np.uint32),
                "wording_counts": self.wording.counts,
            }
            head["questions"] = self.wording.questions
        if self.fields is not None:
            head["fields"] = self.fields.counts
        arrays["head"] = np.frombuffer(json.dumps(head).encode("ascii"), np.uint8)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
        return buffer.getvalue()

    @classmethod
    def load(cls, content: bytes) -> LanguageModel:
        """Return the model that `save` wrote.

        Raises:
            SandboxError: the bytes are not such a model.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                arrays_by_name = {name: arrays[name] for name in arrays.files}
            head = json.loads(arrays_by_name["head"].tobytes())
            return cls._restore(head, arrays_by_name)
        except (
            ValueError,
            KeyError,
            IndexError,
            TypeError,
            OSError,
            EOFError,
            BadZipFile,
        ) as error:
            raise SandboxError(f"these bytes are not a model of this version: {error}") from None

    @classmethod
    def _restore(cls, head: JsonObject, stored: JsonObject) -> LanguageModel:
        features = Features(stored["frequency"], stored["seen"], head["n"])
        # before 0.2 no columns were shared
        block_sizes = head.get("blocks", [len(head["answers"]) + 1])
        router = MemoryRouter(features, head["answers"], block_sizes)
        router.weights["W"][stored["router_rows"]] = stored["router_W"].astype(F)
        router.weights["b"] = stored["router_b"].astype(F)
        lm = None
        if head["alphabet"] is not None:
            lm = PointerGenerator(features, head["alphabet"])
            rows = lm.used_rows()
            for name in lm.weights:
                lm.weights[name][rows.get(name, slice(None))] = stored[f"lm_{name}"].astype(F)
        model = cls(features, router, lm, head["meta"], head["refuses_below"])
        if "fields" in head:
            counts = {name: Counter(events) for name, events in head["fields"].items()}
            model.fields = FieldCounts(counts)
        if "questions" in head:
            units = stored["wording_units"].astype(np.int64)
            counts_ = stored["wording_counts"].astype(np.int64)
            model.wording = Wording(units, counts_, head["questions"])
        elif model.meta.pop("limit", None):  # it is one of another measure
            model.min_confidence = MIN_CONFIDENCE
        if "calibrate_on" in head:
            model.calibrate([(prompt, answer) for prompt, answer in head["calibrate_on"]])
        return model
