"""Baidu Qianfan (千帆) inside Jupyter: chat, fine-tuning, evaluation and images as magics and live
panels.

Names are loaded on first use, so that `import qfnb` and `%load_ext qfnb` stay fast.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from . import _lazy
from .compat import import_hook

if TYPE_CHECKING:
    from . import (
        charts as charts,
        config as config,
        dataset as dataset,
        errors as errors,
        evaluation as evaluation,
        resources as resources,
        trainer as trainer,
    )
    from .batching.api import (
        abatch as abatch,
        batch as batch,
        estimate as estimate,
        resume as resume,
    )
    from .batching.batch import Batch as Batch
    from .batching.journal_store import batches as batches
    from .batching.shards.api import batch_shards as batch_shards
    from .batching.shards.sharded_batch import ShardedBatch as ShardedBatch
    from .compat.client import (
        AsyncQianfan as AsyncQianfan,
        Function as Function,
        Qianfan as Qianfan,
    )
    from .compat.consts import QfRole as QfRole
    from .compat.settings import (
        AK as AK,
        SK as SK,
        AccessKey as AccessKey,
        AccessToken as AccessToken,
        SecretKey as SecretKey,
        disable_log as disable_log,
        enable_log as enable_log,
    )
    from .config import get_config as get_config
    from .dataset.typed_dataset import Dataset as Dataset
    from .errors import (
        APIError as APIError,
        InvalidArgumentError as InvalidArgumentError,
        QianfanError as QianfanError,
        StreamInterrupted as StreamInterrupted,
    )
    from .evaluation import EvaluationManager as EvaluationManager
    from .evaluation.manager import compare as compare
    from .model import DeployConfig as DeployConfig, Model as Model, Service as Service
    from .notebook.train import launcher as launcher
    from .resources.inference.arguments import Messages as Messages
    from .resources.inference.chat import ChatCompletion as ChatCompletion
    from .resources.inference.completion_plugin import Completion as Completion, Plugin as Plugin
    from .resources.inference.embedding_reranker_tokenizer import (
        Embedding as Embedding,
        Reranker as Reranker,
        Tokenizer as Tokenizer,
    )
    from .resources.inference.images import (
        Image2Text as Image2Text,
        ImageEdit as ImageEdit,
        Text2Image as Text2Image,
    )
    from .resources.inference.reply import usage as usage
    from .resources.inference.responses import Responses as Responses
    from .resources.inference.tools import tool as tool
    from .resources.management.listings import (
        datasets as datasets,
        jobs as jobs,
        models as models,
        services as services,
    )
    from .trainer import (
        EventHandler as EventHandler,
        LLMFinetune as LLMFinetune,
        TrainConfig as TrainConfig,
    )
    from .trainer.sweep import sweep as sweep
    from .transport.clock import testing as testing
    from .transport.response import Response as Response
    from .views.evaluation.label_panel import label as label
    from .views.evaluation.sample_browser import browse as browse

    Role = QfRole
    QfMessages = Messages
    QfResponse = Response

__version__ = "0.1.0"

_EXPORTS = {
    "batching.api": "abatch batch estimate resume",
    "batching.batch": "Batch",
    "batching.journal_store": "batches",
    "batching.shards.api": "batch_shards",
    "batching.shards.sharded_batch": "ShardedBatch",
    "charts": "charts",
    "config": "get_config",
    "dataset.typed_dataset": "Dataset",
    "errors": "APIError InvalidArgumentError QianfanError StreamInterrupted",
    "evaluation": "EvaluationManager compare evaluation",
    "model": "DeployConfig Model Service",
    "notebook.train": "launcher",
    "resources.inference.arguments": "Messages",
    "resources.inference.chat": "ChatCompletion",
    "resources.inference.completion_plugin": "Completion Plugin",
    "resources.inference.embedding_reranker_tokenizer": "Embedding Reranker Tokenizer",
    "resources.inference.images": "Image2Text ImageEdit Text2Image",
    "resources.inference.reply": "usage",
    "resources.inference.responses": "Responses",
    "resources.inference.tools": "tool",
    "resources.management.listings": "datasets jobs models services",
    "trainer": "EventHandler LLMFinetune TrainConfig",
    "trainer.sweep": "sweep",
    "transport.clock": "testing",
    "views.evaluation.label_panel": "label",
    "views.evaluation.sample_browser": "browse",
}

__getattr__, __dir__, __all__ = _lazy.lazy_exports(__name__, _EXPORTS)
import_hook.install(sys.modules[__name__])


def _register_displays() -> None:
    """Let values show themselves in a notebook that has not loaded the magics."""
    if (ipython := sys.modules.get("IPython")) is not None and (
        shell := ipython.get_ipython()
    ) is not None:
        importlib.import_module(".views.formatters", __name__).register(shell.display_formatter)


_register_displays()


def load_ipython_extension(ipython: Any) -> None:
    """Register the magics: `%load_ext qfnb`."""
    from .notebook.registration import load  # noqa: PLC0415 - IPython is needed only here

    load(ipython, __version__)


def unload_ipython_extension(ipython: Any) -> None:
    """Remove the magics: `%unload_ext qfnb`."""
    from .notebook.registration import unload  # noqa: PLC0415

    unload(ipython)
