"""Training as a pipeline of actions whose events can be followed. Source: seed 004."""

from ..model.service import Executable, ExecuteSerializable, Serializable
from .actions import (
    DeployAction,
    EvaluateAction,
    LoadDataSetAction,
    ModelPublishAction,
    TrainAction,
)
from .base import BaseAction, Pipeline, Trainer
from .configs import DeployConfig, TrainConfig
from .consts import ActionState, FinetuneStatus, ServiceStatus, ServiceType
from .event import Event, EventHandler, dispatch_event
from .finetune import DPO, KTO, LLMFinetune, PostPretrain
from .model import Model, Service, model_deploy

__all__ = [
    "DPO", "KTO", "ActionState", "BaseAction", "DeployAction", "DeployConfig", "EvaluateAction",
    "Event",
    "EventHandler", "Executable", "ExecuteSerializable", "FinetuneStatus", "LLMFinetune",
    "LoadDataSetAction", "Model", "ModelPublishAction", "Pipeline", "PostPretrain", "Serializable",
    "Service", "ServiceStatus", "ServiceType", "TrainAction", "TrainConfig", "Trainer",
    "dispatch_event",
    "model_deploy",
]  # fmt: skip
