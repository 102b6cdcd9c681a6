"""Inference other than chat: embedding, reranking, completion, token counts, plugins, images."""

from .base import JsonObject, Record
from .chat import V1_PREFIX, ChatReply, Message, Usage
from .endpoints import Endpoint

MAX_TEXTS = 16
MAX_TEXT_CHARS = 1000
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
IMAGE_SIDES = (15, 4096)
"""Pixels: the shortest and the longest side allowed."""


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
