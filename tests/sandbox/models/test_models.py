"""What the sandbox refuses of the model repository, and in which shape."""

import pytest
from support import finetune_runs

from qfnb import connect, errors
from qfnb.resources import Model
from qfnb.transport import event_loop
from qfnb.wire import model
from qfnb.wire.base import Record


def refusal_of(endpoint, **body):
    """Return what the sandbox answers to a body that no operation would send."""
    with pytest.raises(errors.APIError) as caught:
        event_loop.run(send(endpoint, body))
    return caught.value


async def send(endpoint, body):
    return await (await connect.aclient()).send(endpoint, Record.model_validate(body))


@pytest.mark.parametrize(
    ("endpoint", "body", "field"),
    [
        (model.LIST, {"modelId": 10**30}, "modelId"),
        (model.DETAIL, {}, "modelVersionId"),
        (
            model.PUBLISH,
            {"versionMeta": {"taskId": 1, "iterationId": 10**8}},
            "versionMeta.iterationId",
        ),
        (model.PRESET_LIST, {"pageSize": 101}, "pageSize"),
        (model.DELETE_VERSIONS, {"modelVersionIds": [10**8]}, "modelVersionIds"),
    ],
)
def test_v1_refuses_with_a_number_in_http_200(sandbox, endpoint, body, field):
    refusal = refusal_of(endpoint, **body)
    assert (refusal.error_code, refusal.status) == (500001, 200)
    assert f"param[{field}] invalid" in str(refusal)


@pytest.mark.parametrize(
    ("endpoint", "body", "field"),
    [(model.CREATE_SET, {"modelSetName": "x", "modelType": "Text2Music"}, "modelType"), (model.DESCRIBE_SET, {"modelSetName": "no such name"}, "modelSetName"), (model.CREATE, {"modelSetId": "am-none", "sourceType": "Train"}, "modelSetId"), (model.CREATE_COMPRESSION, {"name": "x", "sourceModelId": "amv-none", "modelSetId": "am-none", "config": {"strategy": "Sparsity"}}, "sourceModelId")],
)  # fmt: skip
def test_v2_refuses_with_a_word_in_http_400(sandbox, endpoint, body, field):
    refusal = refusal_of(endpoint, **body)
    assert (refusal.error_code, refusal.status) == ("InappropriateJSON", 400)
    assert f"param[{field}] invalid" in str(refusal)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"sourceType": "Found"}, "sourceType"),
        ({"sourceType": "Train"}, "trainMeta"),
        ({"sourceType": "Import"}, "importMeta"),
        ({"sourceType": "Train", "trainMeta": {"taskId": "task-none"}}, "trainMeta.taskId"),
        (
            {"sourceType": "Import", "importMeta": {"bucket": "a", "objectPath": "b"}},
            "importMeta.objectPath",
        ),
        ({"sourceType": "Train", "description": "x" * 301}, "description"),
    ],
)
def test_a_version_needs_a_source_that_is_there(sandbox, change, field):
    model_set = Model.V2.create_custom_model_set("mine", "Text2Text").data.model_set_id
    assert f"param[{field}] invalid" in str(
        refusal_of(model.CREATE, modelSetId=model_set, **change)
    )


def test_what_is_no_model_is_not_imported(sandbox):
    finetune_runs.put_object(sandbox.bucket, "letter.npz", "dear model")
    model_set = Model.V2.create_custom_model_set("mine", "Text2Text").data.model_set_id
    meta = {"bucket": sandbox.bucket, "objectPath": "letter.npz"}
    refusal = refusal_of(model.CREATE, modelSetId=model_set, sourceType="Import", importMeta=meta)
    assert "imports its own exports" in str(refusal)


def test_the_platforms_models_are_not_the_users_to_change(sandbox):
    preset = Model.preset_list(page_size=1).data.items[0]
    assert "belongs to the platform" in str(refusal_of(model.DELETE, modelIDs=[preset.model_id]))
    assert "belongs to the platform" in str(
        refusal_of(model.DELETE_SET, modelSetId=preset.model_id_str)
    )
