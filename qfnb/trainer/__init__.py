"""Training as a pipeline of actions whose events anyone can follow. Source: seed 004."""

from .actions import DeployAction as DeployAction
from .actions import LoadDataSetAction as LoadDataSetAction
from .actions import ModelPublishAction as ModelPublishAction
from .actions import TrainAction as TrainAction
from .base import BaseAction as BaseAction
from .base import Executable as Executable
from .base import ExecuteSerializable as ExecuteSerializable
from .base import Pipeline as Pipeline
from .base import Serializable as Serializable
from .base import Trainer as Trainer
from .configs import DeployConfig as DeployConfig
from .configs import TrainConfig as TrainConfig
from .consts import ActionState as ActionState
from .consts import FinetuneStatus as FinetuneStatus
from .consts import ServiceStatus as ServiceStatus
from .consts import ServiceType as ServiceType
from .evaluate import EvaluateAction as EvaluateAction
from .event import Event as Event
from .event import EventHandler as EventHandler
from .event import dispatch_event as dispatch_event
from .finetune import DPO as DPO
from .finetune import LLMFinetune as LLMFinetune
from .finetune import PostPretrain as PostPretrain
from .model import Model as Model
from .model import Service as Service
from .model import model_deploy as model_deploy
