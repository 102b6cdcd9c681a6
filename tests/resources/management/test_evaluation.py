"""The calls of evaluation tasks: what is refused before it travels, and what travels."""

import pytest

from qfnb.errors import InvalidArgumentError
from qfnb.resources import Model
from qfnb.resources.console.consts import (
    EvaluationResultExportDestinationType,
    EvaluationResultExportField,
)
from qfnb.resources.management.evaluation import Evaluation
from qfnb.wire import evaluation as wire

VERSIONS = [{"modelId": 1, "modelVersionId": "amv-x"}]
RULES = {"evalMode": "rule", "scoreModes": ["similarity"]}


def sent(operation, *args, **more):
    return operation.build_record(*args, **more).to_wire()


def test_the_seeds_call_is_sent():
    conf = {"evalMode": "rule", "scoreModes": ["similarity", "accuracy"]}
    versions = [
        {"modelId": 2259, "modelVersionId": 2744},
        {"modelId": 2258, "modelVersionId": 2743},
    ]
    assert sent(
        Model.create_evaluation_task, "n", versions, 14666, conf, dataset_name="CMMLU_STEM"
    ) == {
        "name": "n",
        "versionEvalInfo": versions,
        "datasetId": 14666,
        "evalStandardConf": conf,
        "computeResourceConf": {"vmType": 1, "vmNumber": 8},
        "datasetName": "CMMLU_STEM",
    }


def test_fields_with_odd_names_keep_them():
    body = sent(
        Model.get_evaluation_result_list, 1, rouge_1={"start": 0.1}, judge_score={"start": -1}
    )
    assert body["rouge_1"] == {"start": 0.1}
    assert (body["judgeScore"], body["pageNo"], body["pageSize"]) == ({"start": -1}, 1, 20)
    assert sent(Model.get_evaluation_result_export_task_status, 5) == {"exportID": 5}
    assert sent(Model.create_evaluation_result_export_task, "ame-x") == {
        "id": "ame-x",
        "exportType": "local",
        "exportOpt": "total",
        "exportContent": [*wire.EXPORT_CONTENT],
    }


def test_the_sdks_enumerations_work_too():
    body = sent(
        Model.create_evaluation_result_export_task,
        1,
        EvaluationResultExportDestinationType.PrivateBos,
        export_field=[EvaluationResultExportField.Metrics],
        bos_bucket_id="b",
    )
    assert (body["exportType"], body["exportContent"], body["volumeId"]) == (
        "storage",
        ["metrics"],
        "b",
    )


@pytest.mark.parametrize(
    ("versions", "conf", "message"),
    [
        ([], RULES, "version_info"),
        ([{"modelId": 1}], RULES, "version_info.modelVersionId"),
        (VERSIONS, {}, "eval_config.evalMode"),
        (VERSIONS, {"evalMode": "rules"}, "evalMode='rules'"),
        (VERSIONS, {"evalMode": "rule"}, "scoreModes"),
        (VERSIONS, {"evalMode": "rule", "scoreModes": ["bleu"]}, "scoreModes='bleu'"),
        (VERSIONS, {"evalMode": "manual"}, "evaluationDimension"),
        (VERSIONS, {"evalMode": "rule,model", "scoreModes": ["accuracy"]}, "appId"),
    ],
)
def test_a_wrong_task_is_rejected_before_it_is_sent(versions, conf, message):
    with pytest.raises(InvalidArgumentError) as caught:
        Model.create_evaluation_task("n", versions, 1, conf)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("operation", "arguments", "message"),
    [
        (
            Model.create_evaluation_result_export_task,
            {"export_destination_type": "tape"},
            "local, storage",
        ),
        (
            Model.create_evaluation_result_export_task,
            {"export_destination_type": "storage"},
            "bos_bucket_id",
        ),
        (Model.create_evaluation_result_export_task, {"export_range": "part"}, "result_ids"),
        (Model.get_evaluation_result_list, {"order_by": "name"}, "order_by"),
        (Model.get_evaluation_result_list, {"order": "up"}, "asc, desc"),
        (Evaluation.V2.task_list, {}, "manual, auto"),
    ],
)
def test_wrong_values_are_rejected_with_the_allowed_ones(operation, arguments, message):
    with pytest.raises(InvalidArgumentError) as caught:
        operation("x", **arguments)
    assert message in str(caught.value)
