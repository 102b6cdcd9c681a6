"""Evaluation tasks: models answer a dataset on the platform, which scores the answers.

`EvaluationTasks` are the calls of v1, which `Model` inherits; `Evaluation.V2` are those of v2.
Scores that are computed on this computer are in `qfnb.evaluation`.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from ...base.language import tr
from ...errors import InvalidArgumentError
from ...wire import evaluation as wire
from ..validation import validate_choice, validate_record
from .operation import Fields, Id, operation, record_operation


class EvaluationTasks:
    """Compare versions of models on a dataset. Source: seed 001, API pages of /modelrepo/eval."""

    @operation(wire.CREATE)
    def create_evaluation_task(
        name: str,
        version_info: Sequence[Mapping[str, Any]],
        dataset_id: Id,
        eval_config: Mapping[str, Any],
        dataset_name: str | None = None,
        *,
        description: str | None = None,
        pending_eval_id: Id | None = None,
        compute_resource_conf: Mapping[str, Any] | None = None,
    ) -> Fields:
        """Start a task; returns `evalId` and `evalIdStr`.

        Args:
            name: name of the task.
            version_info: [{"modelId": ..., "modelVersionId": ...}, ...], ids as int or `am-...` /
                `amv-...`.
            dataset_id: a released dataset, as int or `ds-...`; rules need one with reference
                answers.
            eval_config: {"evalMode": parts of "manual,rule,model"} and what each mode takes:
                `scoreModes` of rule, `evaluationDimension` of manual, `appId` and `prompt` of
                model.
            dataset_name: name of the dataset; the platform does not need it.
            description: description of the task.
            pending_eval_id: a task that has not started, to be replaced by this one.
            compute_resource_conf: {"vmType", "vmNumber"}.

        Raises:
            InvalidArgumentError: there is no version, or the config lacks a field that its mode
                needs.
        """
        if not version_info:
            raise InvalidArgumentError(tr("version_info=[]: must name at least one model version"))
        versions = [
            validate_record("version_info", wire.EvaluatedVersion, row) for row in version_info
        ]
        return {
            "version_eval_info": versions,
            "eval_standard_conf": _validate_standard(eval_config),
            "compute_resource_conf": compute_resource_conf or {},
            "id": pending_eval_id,
        }

    @operation(wire.INFO)
    def get_evaluation_info(eval_id: Id) -> Fields:
        """Return a task; its state is one of Pending, Doing, DoingWithManualBegin, Done,
        PartlyDone, Failed.

        A task that is stopped goes through Stopping to Stopped.
        """
        return {"id": eval_id}

    @operation(wire.REPORT)
    def get_evaluation_result(eval_id: Id) -> Fields:
        """Return the scores, one item per version that has been scored."""
        return {"id": eval_id}

    @operation(wire.STOP)
    def stop_evaluation_task(eval_id: Id) -> Fields:
        """Stop a task; `result` is False if it had ended already."""
        return {"id": eval_id}

    @operation(wire.EXPORT)
    def create_evaluation_result_export_task(
        eval_id: Id,
        export_destination_type: str | Enum | None = None,
        export_range: str | Enum = wire.TOTAL,
        export_field: Sequence[str | Enum] | None = None,
        bos_bucket_id: str | None = None,
        result_ids: Sequence[str] | None = None,
    ) -> Fields:
        """Export the rows of a task; returns `exportID` and `exportIDStr`.

        Args:
            eval_id: as int or `ame-...`.
            export_destination_type: "local" (downloaded from an address) or "storage" (into a
                bucket).
            export_range: "total", or "part" for the rows of `result_ids`.
            export_field: some of "prompt", "prediction", "completion", "metrics"; all by default.
            bos_bucket_id: the bucket of "storage".
            result_ids: the rows of "part".

        Raises:
            InvalidArgumentError: a value is unknown, or the bucket or the rows are missing.
        """
        destination = wire.LOCAL if export_destination_type is None else export_destination_type
        target = validate_choice("export_destination_type", destination, (wire.LOCAL, wire.STORAGE))
        part = validate_choice("export_range", export_range, (wire.TOTAL, wire.PART))
        fields = export_field or wire.EXPORT_CONTENT
        if target == wire.STORAGE and not bos_bucket_id:
            raise InvalidArgumentError(tr("bos_bucket_id is missing: name the bucket to export to"))
        if part == wire.PART and not result_ids:
            raise InvalidArgumentError(tr("result_ids is missing: list the rows to export"))
        return {
            "id": eval_id,
            "export_type": target,
            "export_opt": part,
            "export_content": [
                validate_choice("export_field", field, wire.EXPORT_CONTENT) for field in fields
            ],
            "volume_id": bos_bucket_id,
            "result_ids": result_ids or None,
        }

    @operation(wire.EXPORT_INFO)
    def get_evaluation_result_export_task_status(export_task_id: Id) -> Fields:
        """Return an export; its state is Pending, Uploading, Done or Fail, `downloadUrl` is a
        zip.
        """
        return {"export_id": export_task_id}

    @operation(wire.LIST_RESULTS)
    def get_evaluation_result_list(
        id: Id,  # noqa: A002 - the SDK's name
        bleu4: Mapping[str, float] | None = None,
        rouge_1: Mapping[str, float] | None = None,
        rouge_2: Mapping[str, float] | None = None,
        rouge_l: Mapping[str, float] | None = None,
        judge_score: Mapping[str, float] | None = None,
        model_version_ids: Sequence[Id] | None = None,
        order_by: str | None = None,
        order: str | None = None,
        eval_unit_id: Sequence[str] | None = None,
        page_no: int = 1,
        page_size: int = 20,
    ) -> Fields:
        """Return rows of a task: question, answer, reference and scores.

        Args:
            id: the task, as int or `ame-...`.
            bleu4: only rows with {"start": 0.0, "end": 1.0}; also the next three.
            rouge_1: see bleu4.
            rouge_2: see bleu4.
            rouge_l: see bleu4.
            judge_score: only rows with a score of the judge model in {"start": -1, "end": ...}; -1
                is no score.
            model_version_ids: only rows of these versions.
            order_by: "bleu4", "rouge_1", "rouge_2", "rouge_l" or "judgeScore".
            order: "asc" or "desc".
            eval_unit_id: only rows of these units, `ameu-...`.
            page_no: number of the page, from 1.
            page_size: rows of a page.

        Raises:
            InvalidArgumentError: a value is unknown.
        """
        if order_by:
            validate_choice("order_by", order_by, wire.ORDERS)
        if order:
            validate_choice("order", order, ("asc", "desc"))
        return {
            "bleu4": bleu4 or None,
            "rouge_1": rouge_1 or None,
            "rouge_2": rouge_2 or None,
            "rouge_l": rouge_l or None,
            "judge_score": judge_score or None,
            "model_version_ids": model_version_ids or None,
            "order_by": order_by or None,
            "order": order or None,
            "eval_unit_id": eval_unit_id or None,
        }

    batch_delete_evaluation_result = record_operation(
        wire.DELETE, "Delete ended tasks with their rows."
    )


class Evaluation:
    """Evaluation tasks."""

    class V2:
        """The same tasks, console v2. Source: API pages of /v2/eval."""

        @operation(wire.CREATE_V2)
        def create_task(
            task_name: str,
            eval_object_type: str,
            eval_object_config: Mapping[str, Any],
            eval_config: Mapping[str, Any],
            description: str = "",
        ) -> Fields:
            """Start a task; the `result` is its id, `ame-...`.

            Args:
                task_name: name of the task.
                eval_object_type: "model", or "inferDataset" for existing answers.
                eval_object_config: {"evalModelConfig": {"versionId": a dataset's `ds-...`,
                    "evalModelConfigList": [{"modelId": "amv-...", "promptTemplate": "... {input}
                    ..."}]}}.
                eval_config: {"evalMode": "rule", "model" or "manual"} and the options of the mode.
                description: description of the task.
            """
            return {"description": description or None}

        @operation(wire.LIST_V2)
        def task_list(
            eval_type: str,
            key_filter: str | None = None,
            marker: str | None = None,
            max_keys: int | None = None,
            page_reverse: bool | None = None,
        ) -> Fields:
            """Return tasks, the newest first.

            Args:
                eval_type: "manual" (people judge) or "auto".
                key_filter: part of a name or of an id, or a version's whole id.
                marker: the last id of the page before.
                max_keys: rows of a page, 100 at most.
                page_reverse: the page before the marker instead.
            """
            return {"eval_type": validate_choice("eval_type", eval_type, wire.EVAL_TYPES)}

        task_detail = record_operation(
            wire.INFO_V2,
            """Return a task; its state is one of Queued, Running, RunningWithManualBegin,
            Successed, Failed.

            It is Failed also if only some of the versions failed. A stopped one is Stopping, then
            Stopped.
            """,
        )

        task_report = record_operation(
            wire.REPORT_V2, "Return the scores, one item per version that has been scored."
        )

        delete_task = record_operation(wire.DELETE_V2, "Delete an ended task.")

        create_eval_task = create_task
        describe_eval_tasks = task_list
        describe_eval_task = task_detail
        describe_eval_task_report = task_report
        delete_eval_task = delete_task


def _validate_standard(config: Mapping[str, Any]) -> wire.EvaluationStandard:
    """Return the config as a record, after checking that each mode has the fields that it needs."""
    standard = validate_record("eval_config", wire.EvaluationStandard, config)
    modes = [
        validate_choice("evalMode", mode.strip(), wire.MODES)
        for mode in standard.eval_mode.split(",")
    ]
    if wire.RULE in modes:
        if not standard.score_modes:
            raise InvalidArgumentError(
                tr(
                    "scoreModes is missing: rule takes {modes}",
                    modes=tr(", ").join(wire.SCORE_MODES),
                )
            )
        for word in standard.score_modes:
            validate_choice("scoreModes", word, wire.SCORE_MODES)
    if wire.MANUAL in modes and not standard.evaluation_dimension:
        raise InvalidArgumentError(
            tr(
                "evaluationDimension is missing: name what people judge, e.g. [{'dimension': "
                "'helpfulness'}]"
            )
        )
    if wire.MODEL in modes and (standard.app_id is None or standard.prompt is None):
        raise InvalidArgumentError(tr("appId or prompt is missing: a judge model needs both"))
    return standard
