"""Fine-tuning as a pipeline of actions whose events anyone can follow. Source: seed 004."""

from .actions import DeployAction as DeployAction
from .actions import LoadDataSetAction as LoadDataSetAction
from .actions import ModelPublishAction as ModelPublishAction
from .actions import TrainAction as TrainAction
from .configs import TrainConfig as TrainConfig
from .event import Event as Event
from .event import EventHandler as EventHandler
from .finetune import LLMFinetune as LLMFinetune
from .model import Model as Model
from .model import Service as Service
