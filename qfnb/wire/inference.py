"""Inference other than chat: embedding, reranking, completion, token counts, plugins, images."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from ..base.language import tr
from .base import JsonMapping, JsonObject, Record
from .chat import CHAT_V1, CHAT_V2, V1_PREFIX, ChatReply, Message, Usage
from .endpoints import Endpoint

MAX_TEXTS = 16
MAX_DOCUMENTS = 64
MAX_DOCUMENT_CHARS = 4096
MAX_RERANK_QUERY_CHARS = 1600


class EmbeddingRequest(Record):
    """1 to 16 texts of at most 1,000 characters, of which the first 384 tokens count."""

    input: list[str]


class EmbeddingRequestV2(EmbeddingRequest):
    """v2 names the model in the body."""

    model: str


class Vector(Record):
    """The vector of one text; `index` is its position in the request."""

    object: str = "embedding"
    embedding: list[float] = []
    index: int = 0


class EmbeddingReply(Record):
    """The vectors, in the order of the texts."""

    id: str = ""
    object: str = "embedding_list"
    created: int = 0
    data: list[Vector] = []
    usage: Usage | None = None


class RerankRequest(Record):
    """A query (at most 1,600 characters) and up to 64 documents (at most 4,096 characters each)."""

    query: str
    documents: list[str]
    top_n: int | None = None


class RerankRequestV2(RerankRequest):
    """v2 names the model in the body."""

    model: str


class RankedDocument(Record):
    """The relevance of one document; `index` is its position in the request."""

    document: str = ""
    relevance_score: float = 0.0
    index: int = 0


class RerankReply(Record):
    """The documents with their scores."""

    id: str = ""
    object: str = "reranker_list"
    created: int = 0
    results: list[RankedDocument] = []
    usage: Usage | None = None


EMBEDDING_V1 = Endpoint(
    "embedding.v1", V1_PREFIX + "/embeddings/{model}", EmbeddingRequest, EmbeddingReply, plane="v1"
)
EMBEDDING_V2 = Endpoint(
    "embedding.v2", "/v2/embeddings", EmbeddingRequestV2, EmbeddingReply, plane="v2"
)
RERANK_V1 = Endpoint(
    "rerank.v1", V1_PREFIX + "/reranker/{model}", RerankRequest, RerankReply, plane="v1"
)
RERANK_V2 = Endpoint("rerank.v2", "/v2/rerank", RerankRequestV2, RerankReply, plane="v2")


class CompletionRequest(Record):
    """A prompt that is continued; further options are sent as they are."""

    prompt: str
    stream: bool = False


COMPLETION_V1 = Endpoint(
    "completion.v1", V1_PREFIX + "/completions/{model}", CompletionRequest, ChatReply, plane="v1"
)


class FillRequest(Record):
    """A text with a gap: what comes before (`prompt`) and after (`suffix`); further options are
    sent as they are.
    """

    model: str
    prompt: str
    suffix: str | None = None
    stream: bool = False


class FillChoice(Record):
    """What fills the gap."""

    index: int = 0
    text: str = ""
    finish_reason: str | None = None


class FillReply(Record):
    """The text for the gap."""

    id: str = ""
    object: str = "text_completion"
    created: int = 0
    model: str = ""
    choices: list[FillChoice] = []
    usage: Usage | None = None


COMPLETION_V2 = Endpoint("completion.v2", "/v2/completions", FillRequest, FillReply, plane="v2")


class TokenizerRequest(Record):
    """A text whose tokens are counted, and the model whose tokenizer counts."""

    prompt: str
    model: str = "ernie-3.5-8k"


class TokenizerReply(Record):
    """The count is in `usage`."""

    id: str = ""
    object: str = "tokenizer.erniebot"
    created: int = 0
    usage: Usage | None = None


TOKENIZER = Endpoint(
    "tokenizer.v1", V1_PREFIX + "/tokenizer/erniebot", TokenizerRequest, TokenizerReply, plane="v1"
)


MAX_PLUGIN_QUERY_CHARS = 1000
BUILTIN_PLUGINS = ("eChart", "ImageAI", "ChatFile")


class AppPluginRequest(Record):
    """A question (at most 1,000 characters) to an application, and the plugins that it may use."""

    query: str
    plugins: list[str] | None = None
    stream: bool = False


class BuiltinPluginRequest(Record):
    """A conversation with one to three of the platform's built-in plugins."""

    messages: list[Message]
    plugins: list[str]
    stream: bool = False


class PluginReply(ChatReply):
    """A chat reply with what each plugin did."""

    meta_info: JsonObject | None = None
    plugin_info: list[JsonObject] | None = None


PLUGIN_V1 = Endpoint(
    "plugin.v1", V1_PREFIX + "/plugin/{model}/", AppPluginRequest, PluginReply, plane="v1"
)
BUILTIN_PLUGIN_V1 = Endpoint(
    "plugin.own.v1", V1_PREFIX + "/erniebot/plugins", BuiltinPluginRequest, PluginReply, plane="v1"
)
BUILTIN_PLUGIN_2_V1 = Endpoint(
    "plugin.own2.v1", V1_PREFIX + "/erniebot/plugin", BuiltinPluginRequest, PluginReply, plane="v1"
)
"""The path of the model EBPluginV2."""


MAX_IMAGE_BYTES = 10 * 1024 * 1024


class VisionRequest(Record):
    """A question about an image (base64 of a JPEG, PNG or BMP file, without the head of a data
    URL).
    """

    prompt: str
    image: str
    stream: bool = False


IMAGE2TEXT_V1 = Endpoint(
    "image2text.v1", V1_PREFIX + "/image2text/{model}", VisionRequest, ChatReply, plane="v1"
)


MAX_IMAGES = 4
"""The largest `n` that a page of an image model had; of other models the platform decides."""

IMAGE_SIZES = ("768x768", "768x1024", "1024x768", "576x1024", "1024x576", "1024x1024")


class ImageRequest(Record):
    """An image to generate: `size` from IMAGE_SIZES, `n` 1 to MAX_IMAGES, `steps` 10-50, `seed`
    0-4294967295.
    """

    prompt: str
    negative_prompt: str | None = None
    size: str | None = None
    n: int | None = None
    steps: int | None = None
    sampler_index: str | None = None
    seed: int | None = None
    cfg_scale: float | None = None
    style: str | None = None


class ImageRequestV2(Record):
    """v2 names the model in the body; `size` is any WxH from 512 to 2048."""

    prompt: str
    model: str
    n: int | None = None
    size: str | None = None


class ImageEditRequest(Record):
    """An edit of 1 to 3 pictures (each an address, a data URL or base64) by a prompt of at most 800
    characters.
    """

    prompt: str
    model: str
    image: str | list[str]


class Picture(Record):
    """One generated image: the file in base64 (`b64_image` on v1), or a `url` that is valid for a
    day (v2).
    """

    object: str = "image"
    b64_image: str = ""
    b64_json: str = ""
    url: str = ""
    index: int = 0


class ImageReply(Record):
    """The generated images."""

    id: str = ""
    object: str = "image"
    created: int = 0
    data: list[Picture] = []
    usage: Usage | None = None


TEXT2IMAGE_V1 = Endpoint(
    "text2image.v1", V1_PREFIX + "/text2image/{model}", ImageRequest, ImageReply, plane="v1"
)
TEXT2IMAGE_V2 = Endpoint(
    "text2image.v2", "/v2/images/generations", ImageRequestV2, ImageReply, plane="v2"
)
IMAGE_EDIT_V2 = Endpoint(
    "image_edit.v2", "/v2/images/edits", ImageEditRequest, ImageReply, plane="v2"
)
MUSESTEAMER_IMAGE_V2 = Endpoint(
    "text2image.musesteamer.v2",
    "/v2/musesteamer/images/generations",
    ImageRequestV2,
    ImageReply,
    plane="v2",
)


# What the pages of image models say about prompts and sizes.


class ImageRules(NamedTuple):
    """The limits of one image model."""

    max_chars: int
    max_n: int
    # others become 1024x1024; empty: any with sides of 512 to 2048 pixels
    sizes: frozenset[str] = frozenset()


AIR_IMAGE_SIZES = frozenset(
    f"{width}x{height}"
    for a, b in ((1024, 1024), (1280, 720), (1152, 864), (1328, 1328), (1664, 928), (1472, 1104))
    for width, height in ((a, b), (b, a))
)

IMAGE_RULES: dict[str, ImageRules] = {
    "qwen-image": ImageRules(800, 1),
    "qwen-image-edit": ImageRules(800, 1),
    "musesteamer-air-image": ImageRules(1000, 1, AIR_IMAGE_SIZES),
}
"""API pages of 2026-04-21 and 2025-12."""


def warn_of_size(model: str, size: str | None) -> str:
    """Return what a model draws in place of a size that it does not have, "" if it has it.

    Args:
        model: its v2 id; of others nothing is known.
        size: of the call.
    """
    rules = IMAGE_RULES.get(model)
    if rules is None or not size or not rules.sizes or size in rules.sizes:
        return ""
    return tr(
        "size={size}: {model} draws 1024x1024 instead; its sizes are {sizes}",
        size=size,
        model=model,
        sizes=", ".join(sorted(rules.sizes)),
    )


_EVERYWHERE = frozenset(["extra_parameters", "model", "stream"])
_SAMPLING = frozenset(
    ["frequency_penalty", "penalty_score", "presence_penalty", "repetition_penalty", "seed", "stop",
    "temperature",
     "top_k", "top_p"]
)  # fmt: skip
_CHAT_V2 = (_EVERYWHERE | _SAMPLING) | {
    "enable_thinking", "logit_bias", "logprobs", "max_completion_tokens", "max_tokens", "messages",
    "metadata", "n",
    "parallel_tool_calls", "reasoning_effort", "response_format", "safety", "stream_options",
    "thinking",
    "thinking_budget", "tool_choice", "tools", "top_logprobs", "user", "web_search",
}  # fmt: skip
_CHAT_V1 = (_EVERYWHERE | _SAMPLING) | {
    "disable_search", "enable_citation", "enable_system_memory", "enable_trace",
    "enable_user_memory", "functions",
    "max_output_tokens", "messages", "min_output_tokens", "response_format", "system",
    "system_memory_id",
    "tool_choice", "tools", "trace_number", "user_id", "user_memory_extract_level", "user_setting",
}  # fmt: skip
_PICTURE_V2 = _EVERYWHERE | {
    "guidance", "image", "n", "negative_prompt", "prompt", "prompt_extend", "refer_image",
    "response_format", "seed",
    "size", "steps", "user", "watermark",
}  # fmt: skip

BODY_KEYS: Final[Mapping[str, frozenset[str]]] = {
    CHAT_V2.name: _CHAT_V2,
    CHAT_V1.name: _CHAT_V1,
    COMPLETION_V2.name: (_EVERYWHERE | _SAMPLING)
    | {"max_completion_tokens", "max_tokens", "prompt", "stream_options", "suffix", "user"},
    COMPLETION_V1.name: (_EVERYWHERE | _SAMPLING) | {"max_output_tokens", "prompt", "user_id"},
    EMBEDDING_V2.name: _EVERYWHERE | {"encoding_format", "input", "user"},
    EMBEDDING_V1.name: _EVERYWHERE | {"input", "user_id"},
    RERANK_V2.name: _EVERYWHERE | {"documents", "query", "top_n", "user"},
    RERANK_V1.name: _EVERYWHERE | {"documents", "query", "top_n", "user_id"},
    TEXT2IMAGE_V2.name: _PICTURE_V2,
    MUSESTEAMER_IMAGE_V2.name: _PICTURE_V2,
    IMAGE_EDIT_V2.name: _PICTURE_V2,
}
"""The name of an endpoint -> the keys of its body, for the endpoints whose keys are documented."""


def unknown_keys(endpoint: str, body: JsonMapping) -> list[str]:
    """Return the keys of a body that its endpoint does not take: those with a value, and v1's form
    of function calls.

    Args:
        endpoint: the endpoint's name; of one that is not in `BODY_KEYS` every key is taken.
        body: the JSON object.
    """
    keys = [key for key, value in body.items() if value is not None]
    unknown = sorted(set(keys) - BODY_KEYS.get(endpoint, frozenset(keys)))
    if endpoint != CHAT_V2.name:
        return unknown
    for index, message in enumerate(body.get("messages") or ()):
        if message.get("role") == "function":
            unknown.append(f"messages.{index}.role")
        if message.get("function_call") is not None:
            unknown.append(f"messages.{index}.function_call")
    return unknown
