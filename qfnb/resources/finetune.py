"""Fine-tuning runs on the platform.

In `FineTune.V2` a job is the folder that runs live in and a task is one run; v1 of the API used the two words
the other way round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..wire import finetune as wire
from ..wire.base import Nothing
from .operation import operation


class FineTune:
    """Fine-tuning on the platform."""

    class V2:
        """Create, watch and stop runs. Source: API pages of /v2/finetuning."""

        @operation(wire.CREATE_JOB)
        def create_job(
            name: str, model: str, train_mode: str = "SFT", description: str | None = None
        ) -> wire.CreateJob:
            """Create the folder that a model's runs live in; returns `job_id`."""
            return wire.CreateJob(name=name, model=model, train_mode=train_mode, description=description)

        @operation(wire.CREATE_TASK)
        def create_task(
            job_id: str,
            datasets: Sequence[str],
            *,
            parameter_scale: str = "LoRA",
            hyper_parameters: Mapping[str, Any] | None = None,
            split_ratio: int = 20,
        ) -> wire.CreateTask:
            """Start a run on released datasets (`ds-...`); returns `task_id`."""
            versions = [wire.DatasetVersionRef(version_id=dataset) for dataset in datasets]
            return wire.CreateTask(
                job_id=job_id,
                parameter_scale=parameter_scale,
                hyper_parameter_config=dict(hyper_parameters or {}),
                dataset_config=wire.DatasetConfig(versions=versions, split_ratio=split_ratio),
            )

        @operation(wire.DESCRIBE_TASK)
        def task_detail(task_id: str) -> wire.TaskRef:
            """Return a run's state, progress, and its checkpoints once there are any."""
            return wire.TaskRef(task_id=task_id)

        @operation(wire.STOP_TASK)
        def stop_task(task_id: str) -> wire.TaskRef:
            """Stop a run."""
            return wire.TaskRef(task_id=task_id)

        @operation(wire.SUPPORT_MODELS)
        def supported_models() -> Nothing:
            """Return which models can be tuned, how, and the range of every hyper-parameter."""
            return Nothing()
