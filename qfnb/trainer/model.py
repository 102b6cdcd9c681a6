"""Models and services under the seeds' second import path (`qfnb.trainer.model`)."""

from ..model import DeployConfig, Model, Service


def model_deploy(model: Model, deploy_config: DeployConfig) -> Service:
    """Deploy a model and wait until the service is ready."""
    return model.deploy(deploy_config)


__all__ = ["Model", "Service", "model_deploy"]
