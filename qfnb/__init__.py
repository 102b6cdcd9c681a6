"""Baidu Qianfan (千帆) inside Jupyter: chat, fine-tuning, evaluation and images as magics and live panels.

Names are loaded when they are first used, so that `import qfnb` and `%load_ext qfnb` stay fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .config import get_config as get_config
    from .dataset import Dataset as Dataset
    from .errors import APIError as APIError
    from .errors import InvalidArgumentError as InvalidArgumentError
    from .errors import QianfanError as QianfanError
    from .errors import StreamInterrupted as StreamInterrupted
    from .evaluation import EvaluationManager as EvaluationManager
    from .model import DeployConfig as DeployConfig
    from .model import Model as Model
    from .model import Service as Service
    from .resources.chat import ChatCompletion as ChatCompletion
    from .resources.messages import Messages as Messages
    from .resources.text2image import Text2Image as Text2Image
    from .trainer import EventHandler as EventHandler
    from .trainer import LLMFinetune as LLMFinetune
    from .trainer import TrainConfig as TrainConfig
    from .transport.clock import testing as testing

__version__ = "0.1.0"

_HOMES = {
    "APIError": "errors",
    "ChatCompletion": "resources.chat",
    "Dataset": "dataset",
    "DeployConfig": "model",
    "EvaluationManager": "evaluation",
    "EventHandler": "trainer",
    "InvalidArgumentError": "errors",
    "LLMFinetune": "trainer",
    "Messages": "resources.messages",
    "Model": "model",
    "QianfanError": "errors",
    "Service": "model",
    "StreamInterrupted": "errors",
    "Text2Image": "resources.text2image",
    "TrainConfig": "trainer",
    "get_config": "config",
    "testing": "transport.clock",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 - one table for names, homes and exports


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'qfnb' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"qfnb.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


def load_ipython_extension(ipython: Any) -> None:
    """Register the magics: `%load_ext qfnb`."""
    from .notebook import load  # noqa: PLC0415 - IPython is needed only here

    load(ipython)


def unload_ipython_extension(ipython: Any) -> None:
    """Take the magics away again: `%unload_ext qfnb`."""
    from .notebook import unload  # noqa: PLC0415

    unload(ipython)
