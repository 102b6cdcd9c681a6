"""WHAT USERS CALL: inference models, and the groups of management calls; loaded on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _lazy

if TYPE_CHECKING:
    from .inference.arguments import Messages as Messages
    from .inference.chat import ChatCompletion as ChatCompletion
    from .inference.completion_plugin import Completion as Completion, Plugin as Plugin
    from .inference.embedding_reranker_tokenizer import (
        Embedding as Embedding,
        Reranker as Reranker,
        Tokenizer as Tokenizer,
    )
    from .inference.images import (
        Image2Text as Image2Text,
        ImageEdit as ImageEdit,
        Text2Image as Text2Image,
    )
    from .inference.responses import Responses as Responses
    from .management.batches import (
        Batches as Batches,
        BatchInference as BatchInference,
        Files as Files,
    )
    from .management.data import Data as Data
    from .management.evaluation import Evaluation as Evaluation
    from .management.finetune import FineTune as FineTune
    from .management.model import Model as Model
    from .management.prompt import (
        Memory as Memory,
        Prompt as Prompt,
        PromptTemplate as PromptTemplate,
    )
    from .management.service import Charge as Charge, Service as Service
    from .management.storage import Storage as Storage

_EXPORTS = {
    "inference.arguments": "Messages",
    "inference.chat": "ChatCompletion",
    "inference.completion_plugin": "Completion Plugin",
    "inference.embedding_reranker_tokenizer": "Embedding Reranker Tokenizer",
    "inference.images": "Image2Text ImageEdit Text2Image",
    "inference.responses": "Responses",
    "management.batches": "BatchInference Batches Files",
    "management.data": "Data",
    "management.evaluation": "Evaluation",
    "management.finetune": "FineTune",
    "management.model": "Model",
    "management.prompt": "Memory Prompt PromptTemplate",
    "management.service": "Charge Service",
    "management.storage": "Storage",
}

__getattr__, __dir__, __all__ = _lazy.lazy_exports(__name__, _EXPORTS)
