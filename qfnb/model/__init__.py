"""Models and services as objects: publish, deploy, call."""

from .configs import DeployConfig as DeployConfig
from .model import Model as Model
from .service import Service as Service
