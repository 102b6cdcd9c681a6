"""Models and services as objects: publish, deploy, call."""

from .model import Model as Model
from .service import DeployConfig as DeployConfig, Service as Service
