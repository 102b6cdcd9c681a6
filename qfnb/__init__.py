"""Baidu Qianfan (千帆) inside Jupyter: chat, fine-tuning, evaluation and images as magics and live panels.

Names are loaded when they are first used, so that `import qfnb` and `%load_ext qfnb` stay fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import lazily

if TYPE_CHECKING:
    from . import charts as charts
    from .batching.batch import Batch as Batch
    from .batching.journals import batches as batches
    from .batching.starting import abatch as abatch
    from .batching.starting import batch as batch
    from .batching.starting import estimate as estimate
    from .batching.starting import resume as resume
    from .config import get_config as get_config
    from .dataset import Dataset as Dataset
    from .errors import APIError as APIError
    from .errors import InvalidArgumentError as InvalidArgumentError
    from .errors import QianfanError as QianfanError
    from .errors import StreamInterrupted as StreamInterrupted
    from .evaluation import EvaluationManager as EvaluationManager
    from .evaluation.compare import compare as compare
    from .model import DeployConfig as DeployConfig
    from .model import Model as Model
    from .model import Service as Service
    from .notebook.launch import launcher as launcher
    from .resources.chat import ChatCompletion as ChatCompletion
    from .resources.completion import Completion as Completion
    from .resources.embedding import Embedding as Embedding
    from .resources.image2text import Image2Text as Image2Text
    from .resources.ledger import usage as usage
    from .resources.messages import Messages as Messages
    from .resources.models import models as models
    from .resources.overview import datasets as datasets
    from .resources.overview import jobs as jobs
    from .resources.overview import services as services
    from .resources.plugin import Plugin as Plugin
    from .resources.reranker import Reranker as Reranker
    from .resources.text2image import Text2Image as Text2Image
    from .resources.tokenizer import Tokenizer as Tokenizer
    from .trainer import EventHandler as EventHandler
    from .trainer import LLMFinetune as LLMFinetune
    from .trainer import TrainConfig as TrainConfig
    from .transport.clock import testing as testing
    from .views.evaluation_samples import browse as browse

__version__ = "0.1.0"

_MODULES = {
    "APIError": "errors",
    "Batch": "batching.batch",
    "ChatCompletion": "resources.chat",
    "Completion": "resources.completion",
    "Dataset": "dataset",
    "DeployConfig": "model",
    "Embedding": "resources.embedding",
    "EvaluationManager": "evaluation",
    "EventHandler": "trainer",
    "Image2Text": "resources.image2text",
    "InvalidArgumentError": "errors",
    "LLMFinetune": "trainer",
    "Messages": "resources.messages",
    "Model": "model",
    "Plugin": "resources.plugin",
    "QianfanError": "errors",
    "Reranker": "resources.reranker",
    "Service": "model",
    "StreamInterrupted": "errors",
    "Text2Image": "resources.text2image",
    "Tokenizer": "resources.tokenizer",
    "TrainConfig": "trainer",
    "abatch": "batching.starting",
    "batch": "batching.starting",
    "batches": "batching.journals",
    "browse": "views.evaluation_samples",
    "charts": "charts",
    "compare": "evaluation.compare",
    "datasets": "resources.overview",
    "estimate": "batching.starting",
    "get_config": "config",
    "jobs": "resources.overview",
    "launcher": "notebook.launch",
    "models": "resources.models",
    "resume": "batching.starting",
    "services": "resources.overview",
    "testing": "transport.clock",
    "usage": "resources.ledger",
}

__all__ = sorted(_MODULES)  # noqa: PLE0605 - one table for names, homes and exports
__getattr__, __dir__ = lazily.lazy_exports(__name__, _MODULES)


def load_ipython_extension(ipython: Any) -> None:
    """Register the magics: `%load_ext qfnb`."""
    from .notebook import load  # noqa: PLC0415 - IPython is needed only here

    load(ipython)


def unload_ipython_extension(ipython: Any) -> None:
    """Take the magics away again: `%unload_ext qfnb`."""
    from .notebook import unload  # noqa: PLC0415

    unload(ipython)
