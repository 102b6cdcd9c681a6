"""WHAT USERS CALL: inference models, and the groups of management calls; loaded on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _lazy

if TYPE_CHECKING:
    from .inference.arguments import Messages as Messages
    from .inference.chat import ChatCompletion as ChatCompletion
    from .inference.completion_plugin import Completion as Completion
    from .inference.completion_plugin import Plugin as Plugin
    from .inference.embedding_reranker import Embedding as Embedding
    from .inference.embedding_reranker import Reranker as Reranker
    from .inference.embedding_reranker import Tokenizer as Tokenizer
    from .inference.image2text import Image2Text as Image2Text
    from .inference.text2image import Text2Image as Text2Image
    from .management.batches import Batches as Batches
    from .management.batches import BatchInference as BatchInference
    from .management.batches import Files as Files
    from .management.charge import Charge as Charge
    from .management.data import Data as Data
    from .management.evaluation import Evaluation as Evaluation
    from .management.finetune import FineTune as FineTune
    from .management.memory import Memory as Memory
    from .management.model import Model as Model
    from .management.prompt import Prompt as Prompt
    from .management.prompt import PromptTemplate as PromptTemplate
    from .management.service import Service as Service
    from .management.storage import Storage as Storage

_HOMES = {
    "BatchInference": "management.batches",
    "Batches": "management.batches",
    "Charge": "management.charge",
    "ChatCompletion": "inference.chat",
    "Completion": "inference.completion_plugin",
    "Data": "management.data",
    "Embedding": "inference.embedding_reranker",
    "Evaluation": "management.evaluation",
    "Files": "management.batches",
    "FineTune": "management.finetune",
    "Image2Text": "inference.image2text",
    "Memory": "management.memory",
    "Messages": "inference.arguments",
    "Model": "management.model",
    "Plugin": "inference.completion_plugin",
    "Prompt": "management.prompt",
    "PromptTemplate": "management.prompt",
    "Reranker": "inference.embedding_reranker",
    "Service": "management.service",
    "Storage": "management.storage",
    "Text2Image": "inference.text2image",
    "Tokenizer": "inference.embedding_reranker",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 - one table for names, homes and exports
__getattr__, __dir__ = _lazy.lazy_exports(__name__, _HOMES)
