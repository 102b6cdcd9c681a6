"""WHAT USERS CALL: models that can be asked, and the groups of management calls; loaded when first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import lazily

if TYPE_CHECKING:
    from .batches import Batches as Batches
    from .batches import BatchInference as BatchInference
    from .batches import Files as Files
    from .charge import Charge as Charge
    from .chat import ChatCompletion as ChatCompletion
    from .completion import Completion as Completion
    from .data import Data as Data
    from .embedding import Embedding as Embedding
    from .evaluation import Evaluation as Evaluation
    from .finetune import FineTune as FineTune
    from .image2text import Image2Text as Image2Text
    from .memory import Memory as Memory
    from .messages import Messages as Messages
    from .model import Model as Model
    from .plugin import Plugin as Plugin
    from .prompt import Prompt as Prompt
    from .prompt import PromptTemplate as PromptTemplate
    from .reranker import Reranker as Reranker
    from .service import Service as Service
    from .storage import Storage as Storage
    from .text2image import Text2Image as Text2Image
    from .tokenizer import Tokenizer as Tokenizer

_HOMES = {
    "BatchInference": "batches",
    "Batches": "batches",
    "Charge": "charge",
    "ChatCompletion": "chat",
    "Completion": "completion",
    "Data": "data",
    "Embedding": "embedding",
    "Evaluation": "evaluation",
    "Files": "batches",
    "FineTune": "finetune",
    "Image2Text": "image2text",
    "Memory": "memory",
    "Messages": "messages",
    "Model": "model",
    "Plugin": "plugin",
    "Prompt": "prompt",
    "PromptTemplate": "prompt",
    "Reranker": "reranker",
    "Service": "service",
    "Storage": "storage",
    "Text2Image": "text2image",
    "Tokenizer": "tokenizer",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 - one table for names, homes and exports
__getattr__, __dir__ = lazily.lazy_exports(__name__, _HOMES)
