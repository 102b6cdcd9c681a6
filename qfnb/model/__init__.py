"""Models and services with a life: publish, deploy, ask."""

from .configs import DeployConfig as DeployConfig
from .model import Model as Model
from .service import Service as Service
