"""What the base model knows: greetings, and help about the sandbox itself. All of it written for qfnb."""

from __future__ import annotations

import functools

from .features import Pair
from .model import BASE_MIN_CONFIDENCE, LanguageModel
from .training import Hyperparameters, train

_HELLO = "你好！这里是 qfnb 本地沙盒，没有连接千帆平台。Hello from qfnb's local sandbox; no cloud model is behind it."
_SELF = (
    "我是 qfnb 本地沙盒模型，一个在本机训练的小模型，不是文心一言。I am qfnb's small local model, not ERNIE."
)
_CAN = "我只会两件事：记住训练数据里的回答，以及照着训练数据里的格式改写输入。"
_TUNE = "准备“问题-回答”数据，用 LLMFinetune 训练，发布后部署成服务就能调用。"
_KEY = "设置环境变量 QIANFAN_API_KEY，或用 %qfauth set 输入密钥，就会连接千帆平台。"

_SMALL_TALK: dict[str, tuple[str, ...]] = {
    _HELLO: (
        "你好", "您好", "嗨", "hello", "hi", "早上好", "晚上好", "下午好", "在吗", "你好呀", "哈喽", "hello there",
    ),
    _SELF: (
        "你是谁", "你叫什么名字", "介绍一下你自己", "你是什么模型", "你是文心一言吗", "你是ERNIE吗", "自我介绍一下",
        "你是人工智能吗", "who are you", "what model are you", "请用一句话介绍你自己", "一句话介绍自己",
    ),
    _CAN: ("你能做什么", "你会什么", "你有什么功能", "你可以帮我做什么", "怎么用你", "你的能力有哪些", "what can you do"),
    _TUNE: ("怎么微调", "如何训练模型", "怎么用自己的数据训练", "微调的步骤是什么", "怎么发布模型", "怎么部署服务"),
    _KEY: (
        "怎么连接千帆", "怎么配置密钥", "如何使用真正的大模型", "密钥在哪里设置", "怎么退出沙盒", "怎么调用文心一言",
    ),
    "不客气。You are welcome.": ("谢谢", "多谢", "谢谢你", "感谢", "thanks", "thank you"),
    "再见！Goodbye!": ("再见", "拜拜", "bye", "下次见", "我走了"),
}  # fmt: skip


def training_pairs() -> list[Pair]:
    """Return the pairs that the base model is trained on."""
    pairs = []
    for answer, prompts in _SMALL_TALK.items():
        pairs += [(prompt + ending, answer) for prompt in prompts for ending in ("", "？", "！")]
        if answer != _HELLO:
            pairs += [(hello + prompt, answer) for prompt in prompts for hello in ("你好，", "请问")]
    return pairs


@functools.cache
def base_model() -> LanguageModel:
    """Return the base model, trained in a fraction of a second on first use."""
    model = train(training_pairs(), hyperparameters=Hyperparameters(epochs=20), remember_all=True)
    model.min_confidence = BASE_MIN_CONFIDENCE
    return model
