"""Model names as data: the seeds' old names, the v1 endpoint and the v2 id each one stands for.

An unknown name is never refused: it is passed through and the platform decides. Source: the model pages of
the documentation, read as facts in 2026-11; old names are kept because the seeds use them.
"""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_CHAT = "ERNIE-Bot-turbo"
DEFAULT_TEXT2IMAGE = "Stable-Diffusion-XL"


@dataclass(frozen=True)
class ChatModel:
    """One chat model: `v1` is its endpoint below /chat/, `v2` its id; `context` counts input tokens."""

    name: str
    v1: str
    v2: str
    context: int | None = None
    renamed: str = ""


_CHAT = (
    ChatModel("ERNIE-Bot-4", "completions_pro", "ernie-4.0-8k", 5120, renamed="ERNIE-4.0-8K"),
    ChatModel("ERNIE-Bot", "completions", "ernie-3.5-8k", 5120, renamed="ERNIE-3.5-8K"),
    ChatModel("ERNIE-Bot-turbo", "eb-instant", "ernie-lite-8k", 7168, renamed="ERNIE-Lite-8K"),
    ChatModel("ERNIE-4.0-8K", "completions_pro", "ernie-4.0-8k", 5120),
    ChatModel("ERNIE-4.0-Turbo-8K", "ernie-4.0-turbo-8k", "ernie-4.0-turbo-8k", 5120),
    ChatModel("ERNIE-3.5-8K", "completions", "ernie-3.5-8k", 5120),
    ChatModel("ERNIE-3.5-128K", "ernie-3.5-128k", "ernie-3.5-128k", 126976),
    ChatModel("ERNIE-Speed", "ernie_speed", "ernie-speed-8k", 7168, renamed="ERNIE-Speed-8K"),
    ChatModel("ERNIE-Speed-8K", "ernie_speed", "ernie-speed-8k", 7168),
    ChatModel("ERNIE-Speed-128K", "ernie-speed-128k", "ernie-speed-128k", 126976),
    ChatModel("ERNIE-Speed-Pro-128K", "ernie-speed-pro-128k", "ernie-speed-pro-128k", 126976),
    ChatModel("ERNIE-Lite-8K", "ernie-lite-8k", "ernie-lite-8k", 7168),
    ChatModel("ERNIE-Lite-Pro-128K", "ernie-lite-pro-128k", "ernie-lite-pro-128k", 126976),
    ChatModel("ERNIE-Tiny-8K", "ernie-tiny-8k", "ernie-tiny-8k", 6144),
    ChatModel("ERNIE-Character-8K", "ernie-char-8k", "ernie-char-8k", 6144),
    ChatModel("ERNIE-Functions-8K", "ernie-func-8k", "ernie-func-8k", 6144),
    ChatModel("BLOOMZ-7B", "bloomz_7b1", "bloomz-7b"),
    ChatModel("Llama-2-7B-Chat", "llama_2_7b", "llama-2-7b-chat"),
    ChatModel("Llama-2-13B-Chat", "llama_2_13b", "llama-2-13b-chat"),
    ChatModel("Llama-2-70B-Chat", "llama_2_70b", "llama-2-70b-chat"),
    ChatModel("Qianfan-BLOOMZ-7B-compressed", "qianfan_bloomz_7b_compressed", "qianfan-bloomz-7b-compressed"),
    ChatModel("Qianfan-Chinese-Llama-2-7B", "qianfan_chinese_llama_2_7b", "qianfan-chinese-llama-2-7b"),
    ChatModel("ChatGLM2-6B-32K", "chatglm2_6b_32k", "chatglm2-6b-32k"),
    ChatModel("AquilaChat-7B", "aquilachat_7b", "aquilachat-7b"),
)

CHAT_MODELS: dict[str, ChatModel] = {row.name.lower(): row for row in _CHAT}


def chat_endpoint(model: str) -> str:
    """Return the path segment below /chat/ that serves a model on v1."""
    row = CHAT_MODELS.get(model.lower())
    return row.v1 if row else model.lower()


def chat_id(model: str) -> str:
    """Return the id that names a model on v2."""
    row = CHAT_MODELS.get(model.lower())
    return row.v2 if row else model


def image_endpoint(model: str) -> str:
    """Return the path segment below /text2image/ that serves a model on v1."""
    return "sd_xl" if model.lower() == DEFAULT_TEXT2IMAGE.lower() else model.lower()
