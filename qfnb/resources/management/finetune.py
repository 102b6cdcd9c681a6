"""Fine-tuning runs on the platform.

In v2 a job is a folder of runs and a task is one run; v1 uses the two words the other way round.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ...base.language import tr
from ...errors import InvalidArgumentError
from ...wire import finetune as wire
from ..validation import validate_record
from .operation import Fields, Id, operation, record_operation


class FineTune:
    """Fine-tuning, v1: a task holds jobs. Source: seed 002, API pages of /finetune."""

    @operation(wire.CREATE_TASK_V1)
    def create_task(
        name: str,
        base_train_type: str | None = None,
        train_type: str | None = None,
        description: str | None = None,
    ) -> None:
        """Create a folder of runs; returns `id` (an int) and `uuid`.

        Args:
            name: shown in the console.
            base_train_type: family of the model, such as ERNIE-Bot-turbo.
            train_type: the model, such as ERNIE-Bot-turbo-0725.
            description: a note for people.
        """
        if not name:
            raise InvalidArgumentError(tr("create_task: name is empty: write the name of the task"))

    @operation(wire.CREATE_JOB_V1)
    def create_job(job: Mapping[str, Any]) -> wire.CreateJobV1:
        """Start a run; returns `id` (an int) and `uuid`.

        Args:
            job: taskId, trainType, trainMode, peftType (LoRA, ALL or P-tuning), trainConfig {epoch,
                learningRate, batchSize, maxSeqLen}, trainset [{"type": 1, "id": a dataset}] and
                trainsetRate (percent held out for validation), under the API's own names.

        Raises:
            InvalidArgumentError: a field is missing or wrong.
        """
        return validate_record("job", wire.CreateJobV1, job)

    get_job = record_operation(
        wire.GET_JOB,
        """Return a run: `trainStatus` is RUNNING, FINISH, FAIL or STOP, `progress` is in
        percent.
        """,
    )

    stop_job = record_operation(wire.STOP_JOB, "Stop a run; returns whether it was running.")

    class V2:
        """Create, watch and stop runs: a job holds tasks. Source: API pages of /v2/finetuning."""

        create_job = record_operation(
            wire.CREATE_JOB,
            """Create a folder for runs of a model; returns `job_id`.

            Args:
                name: shown in the console.
                model: the model to tune, such as ERNIE-4.5-Turbo-128K.
                train_mode: SFT, PostPretrain, DPO or KTO.
                description: a note for people.
                parameter_scale: LoRA, FullFineTuning or PromptTuning.
                hyper_parameter_config: {"epoch", "learningRate", ...} for its runs.
            """,
        )

        @operation(wire.CREATE_TASK)
        def create_task(
            job_id: Id,
            params_scale: str = "LoRA",
            hyper_params: Mapping[str, Any] | None = None,
            dataset_config: Mapping[str, Any] | None = None,
            increment_task_id: Id | None = None,
            increment_checkpoint_step: int | None = None,
            model_config: Mapping[str, Any] | None = None,
            resource_config: Mapping[str, Any] | None = None,
            corpus_config: Mapping[str, Any] | None = None,
            *,
            datasets: Sequence[Id] = (),
            split_ratio: int = 20,
        ) -> Fields:
            """Start a run; returns `task_id`.

            Args:
                job_id: `job-...`.
                params_scale: LoRA, FullFineTuning or PromptTuning.
                hyper_params: epoch, learningRate, maxSeqLen, ...; others have the model's defaults.
                dataset_config: {"sourceType", "versions": [{"versionId"}], "splitRatio"}, or
                datasets: released datasets (`ds-...`), with
                split_ratio: percent held out for validation, 0-100.
                increment_task_id: an earlier run to continue from, at
                increment_checkpoint_step: one of its checkpoints; default: the last.
                model_config: for a model of your own.
                resource_config: your own machines.
                corpus_config: data that the platform mixes in.

            Raises:
                InvalidArgumentError: there is no data, or a value is out of range.
            """
            if (dataset_config is None) == (not datasets):
                raise InvalidArgumentError(
                    tr("create_task: pass either datasets=['ds-...'] or dataset_config={...}")
                )
            if increment_checkpoint_step is not None and increment_task_id is None:
                raise InvalidArgumentError(
                    tr("create_task: increment_checkpoint_step needs increment_task_id")
                )
            data_source = dataset_config or {
                "versions": [{"versionId": dataset} for dataset in datasets],
                "splitRatio": split_ratio,
            }
            return {
                "parameter_scale": params_scale,
                "hyper_parameter_config": hyper_params or {},
                "dataset_config": data_source,
                "custom_config": model_config,
                "corpus_config": corpus_config or None,
            }

        job_list = record_operation(
            wire.LIST_JOBS,
            """Return a page of jobs, the newest first; `train_model` is their train mode.

            Args:
                train_model: only jobs of this train mode.
                marker: the last id of the page before.
                max_keys: rows of a page.
                page_reverse: return the page before the marker instead.
                model: only jobs of this model.
            """,
            "train_model",
        )

        task_list = record_operation(
            wire.LIST_TASKS,
            """Return a page of a job's runs, the newest first.

            Args:
                job_id: `job-...`.
                marker: the last id of the page before.
                max_keys: rows of a page.
                page_reverse: return the page before the marker instead.
            """,
            "job_id",
        )

        task_detail = record_operation(
            wire.DESCRIBE_TASK, "Return a run's state, progress and checkpoints."
        )

        stop_task = record_operation(wire.STOP_TASK, "Stop a run; returns whether it was running.")

        delete_task = record_operation(wire.DELETE_TASK, "Delete an ended run.")

        delete_job = record_operation(
            wire.DELETE_JOB, "Delete a job with all its runs, which must have ended."
        )

        supported_models = record_operation(
            wire.SUPPORT_MODELS,
            """Return the models that can be tuned, their train modes, and the range of each
            hyper-parameter.
            """,
        )
