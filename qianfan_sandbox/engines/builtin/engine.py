"""The built-in engine: a small numpy model that learns on this computer, with nothing to install or
download.

Two experts share one router:

    p(answer | prompt) = sum_k p(k | prompt) [answer = memory_k]  +  p(compose | prompt) p_LM(answer
    | prompt)

It is not ERNIE and knows nothing but its training pairs; for anything else it says that it does not
know. The base model has learned greetings and help about the sandbox, all of it written for qfnb.
numpy is imported when
the first model is needed: it takes half of the server's start.
"""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from qfnb.base.language import tr, tr_noop
from qfnb.base.text import clip

from ..protocol import Conversation, EngineReply

if TYPE_CHECKING:
    from .model import LanguageModel

NGRAM_LABEL = "qfnb character n-grams, not a language model"
IMITATED_PARAMETERS = frozenset(
    {"epoch", "learningRate", "batchSize", "globalBatchSize", "seed", "validationStep", "beta"}
)
"""The platform's hyper-parameters that change a training of the small model."""

REFERENCE_SECONDS = 0.035
"""Seconds of the base model's training on the computer on which `TRAINING_SECONDS` were
measured.
"""

TRAINING_SECONDS = {"start": 1.5, "epoch": 0.045, "row": 0.0025, "rowEpoch": 0.00055}
PREFERENCE_SECONDS = TRAINING_SECONDS | {"rowEpoch": 0.008}
"""Seconds of a training: at once, for each epoch, for each row, for each row of an epoch."""

MAX_ROWS = 50_000
"""Rows that a model is trained on."""

_OUTCOMES = {
    "memory": tr_noop("It returns the remembered answer as it is."),
    "chat": tr_noop("The base model's small talk was more certain than the training data."),
    "compose": tr_noop("It composed the answer from patterns of the training data."),
    "unknown": tr_noop("That is too little to answer, so it says that it does not know."),
}

_SMALL_TALK = """
你好！这里是 qfnb 本地沙盒，没有连接千帆平台。
你好 | 您好 | 嗨 | 早上好 | 晚上好 | 下午好 | 在吗 | 你好呀 | 哈喽
Hello from qfnb's local sandbox; no cloud model is behind it.
hello | hi | hello there | good morning
我是 qfnb 本地沙盒模型，一个在本机训练的小模型，不是文心一言。
你是谁 | 你叫什么名字 | 介绍一下你自己 | 你是什么模型 | 你是文心一言吗 | 你是ERNIE吗 | 自我介绍一下 | 你是人工智能吗 | 请用一句话介绍你自己 | 一句话介绍自己
I am qfnb's small local model, not ERNIE.
who are you | what model are you | what is your name | introduce yourself in one sentence | are you ERNIE
我只会两件事：记住训练数据里的回答，以及照着训练数据里的格式改写输入。
你能做什么 | 你会什么 | 你有什么功能 | 你可以帮我做什么 | 怎么用你 | 你的能力有哪些
I can do two things: remember the answers that I was tuned on, and fill in their patterns.
what can you do | what are you good for
准备“问题-回答”数据，用 LLMFinetune 训练，发布后部署成服务就能调用。
怎么微调 | 如何训练模型 | 怎么用自己的数据训练 | 微调的步骤是什么 | 怎么发布模型 | 怎么部署服务
设置环境变量 QIANFAN_API_KEY，或用 %qfauth set 输入密钥，就会连接千帆平台。
怎么连接千帆 | 怎么配置密钥 | 如何使用真正的大模型 | 密钥在哪里设置 | 怎么退出沙盒 | 怎么调用文心一言
不客气。
谢谢 | 多谢 | 谢谢你 | 感谢
You are welcome.
thanks | thank you
再见！
再见 | 拜拜 | 下次见 | 我走了
Goodbye!
bye | goodbye
"""
"""An answer on each odd line, the questions to it on the next."""


@functools.cache
def base_model() -> LanguageModel:
    """Return the base model, trained in a fraction of a second on first use."""
    from .model import BASE_MIN_CONFIDENCE  # noqa: PLC0415

    model = _train_base_model()
    model.min_confidence = BASE_MIN_CONFIDENCE
    return model


def _train_base_model() -> LanguageModel:
    from .training import Hyperparameters, train  # noqa: PLC0415

    pairs = []
    lines = _SMALL_TALK.strip().split("\n")
    for answer, line in zip(lines[::2], lines[1::2], strict=True):
        prompts = line.split(" | ")
        for prompt in prompts:
            for ending in ("", "？", "！"):
                pairs.append((prompt + ending, answer))
        if not {"你好", "hello"} & {*prompts}:
            for prompt in prompts:
                pairs += [(f"你好，{prompt}", answer), (f"请问{prompt}", answer)]
    return train(pairs, hyperparameters=Hyperparameters(epochs=20), remember_all=True)


def training_seconds(*, preferences: bool) -> Mapping[str, float]:
    """Return the seconds that the parts of a training take on this computer, as it is now."""
    parts = TRAINING_SECONDS
    if preferences:
        parts = PREFERENCE_SECONDS
    return {name: round(seconds * measure_slowness(), 6) for name, seconds in parts.items()}


@functools.cache
def measure_slowness() -> float:
    """Return how many times as long as the reference this computer takes, measured once within half
    a second.
    """
    base_model()  # imports
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        _train_base_model()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds) / REFERENCE_SECONDS


def is_model(content: bytes) -> bool:
    """Return whether the content kept of a run is a model of this engine, an npz file."""
    return content.startswith(b"PK")


def load_model(content: bytes) -> LanguageModel:
    """Return the model of a run, with the base model's small talk."""
    from .model import LanguageModel  # noqa: PLC0415

    model = LanguageModel.load(content)
    model.base = base_model()
    return model


def embed(texts: Sequence[str], dimensions: int | None = None) -> list[list[float]]:
    """Return vectors of character n-grams."""
    from . import features  # noqa: PLC0415

    rows = features.embed(texts, dimensions or features.DIMENSIONS)
    return [[round(float(x), 8) for x in row] for row in rows]


def answer(model: LanguageModel, conversation: Conversation) -> EngineReply:
    """Answer the last message within a millisecond; the temperature counts only with a seed, so
    that notebooks repeat.
    """
    options = conversation.options
    temperature = 0.0
    if options.get("seed") is not None:
        temperature = float(options.get("temperature") or 0.0)
    seed = int(options.get("seed") or 0)
    return model.reply(conversation.question, temperature=temperature, seed=seed)


def explain(model: LanguageModel, prompt: str, reply: EngineReply, alternatives: int) -> str:
    """Return how an answer came about: the share of the prompt that was learned, the best
    candidates, the rule.

    Args:
        model: the model.
        prompt: the question.
        reply: its answer.
        alternatives: how many candidates to list, with their probabilities.
    """
    lines = [
        tr("This is qfnb's small local model, and how it decided."),
        tr("It learned {n} pairs of question and answer.", n=model.meta.get("pairs", 0)),
        tr(
            "{share:.0%} of the question's character n-grams occur in what it learned.",
            share=model.features.coverage(prompt),
        ),
        tr("Nearest learned answers:"),
    ]
    probabilities = model.router.probabilities(prompt)
    for choice in probabilities.argsort()[::-1][:alternatives]:
        name = _candidate_name(model, int(choice))
        lines.append(tr("- {answer}: probability {p:.3f}", answer=name, p=probabilities[choice]))
    confidence = tr(
        "Confidence {p:.3f}; below {limit:.2f} it does not answer.",
        p=reply.confidence,
        limit=model.min_confidence,
    )
    return "\n".join([*lines, confidence, tr(_OUTCOMES[reply.kind])])


def _candidate_name(model: LanguageModel, choice: int) -> str:
    if choice:
        return f"“{clip(model.router.answers[choice - 1], 40)}”"
    return tr("compose an answer")
