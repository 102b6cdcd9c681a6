"""The model repository through the library: v1 as the seeds have it, v2 with the SDK's names."""

import hashlib

import httpx
import pytest
from support import finetune_runs
from support.waiting import wait_for

from qfnb import errors
from qfnb.resources import Model
from qfnb.resources.console.consts import CustomModelSetModelType


@pytest.fixture(scope="module")
def run():
    """A run that is done."""
    return finetune_runs.describe_run(finetune_runs.run_to_end())


def publish(run, **more):
    origin = {"taskId": run["jobId"], "iterationId": run["taskId"]}
    model = Model.publish(is_new=True, model_name="sdk_test_1", version_meta=origin, **more)[
        "result"
    ]
    wait_for(
        lambda: Model.detail(model["versionId"])["result"], lambda row: row["state"] == "Ready"
    )
    return model


@pytest.fixture
def published(run):
    return publish(run)


def test_the_seeds_calls(published):
    model = Model.list(model_id=published["modelId"])
    assert model["result"]["modelVersionList"][0]["modelName"] == "sdk_test_1"
    detail = Model.detail(model_version_id=published["versionId"])
    assert detail["result"]["modelName"] == "sdk_test_1"


def test_integers_publish_as_in_the_seed(run):
    job, task = (Model.detail(publish(run)["versionId"])["result"]["sourceExtra"]["trainSourceExtra"][key] for key in ("taskId", "runId"))  # fmt: skip
    assert isinstance(
        Model.publish(True, {"taskId": job, "iterationId": task})["result"]["modelId"], int
    )


@pytest.mark.fault("F32")
def test_either_kind_of_id_finds_a_model_and_a_version(published):
    for id_ in (published["modelId"], published["modelIDStr"]):
        assert Model.list(id_)["result"]["modelIdStr"] == published["modelIDStr"]
    for id_ in (published["versionId"], published["versionIdStr"]):
        assert Model.detail(id_)["result"]["modelVersionIdStr"] == published["versionIdStr"]


def test_a_second_version_is_the_newest_everywhere(run, published):
    origin = {"taskId": run["jobId"], "iterationId": run["taskId"]}
    second = Model.publish(False, origin, model_id=published["modelId"]).data
    assert (second.version, second.model_id_str) == ("2", published["modelIDStr"])
    ids = Model.V2.describe_model_set(model_set_id=published["modelIDStr"])["result"]["modelIds"]
    assert ids == [second.version_id_str, published["versionIdStr"]]
    versions = Model.list(published["modelId"]).data.model_version_list
    assert [row.version for row in versions] == ["2", "1"]


def test_your_own_model_is_listed_with_its_newest_version(published):
    page = Model.user_list(name_filter="sdk_test", model_type=[0], page_size=1)["result"]
    assert page["total"] >= 1
    assert page["items"][0]["modelIdStr"] == published["modelIDStr"]
    assert page["items"][0]["latestVersionInfo"]["versionIdStr"] == published["versionIdStr"]


def test_presets_are_paged_filtered_and_found_again(sandbox):
    first, second = (Model.preset_list(page_no=page, page_size=5).data.items for page in (1, 2))
    assert len(first) == len(second) == 5
    assert {row.model_id for row in first}.isdisjoint(row.model_id for row in second)
    assert {row.model_type for row in Model.preset_list(model_type=[4]).data.items} == {4}
    detail = Model.list(first[0].model_id)["result"]
    assert detail["source"] == "PlatformPreset"
    assert (
        Model.detail(detail["modelVersionList"][0]["modelVersionId"])["result"]["state"] == "Ready"
    )


def test_deleting_versions_and_models(run, published):
    second = publish(run)
    assert (
        Model.batch_delete_model_version([published["versionId"], second["versionIdStr"]])["result"]
        is True
    )
    assert Model.list(published["modelId"]).data.model_version_list == []
    assert Model.batch_delete_model([published["modelIDStr"], second["modelId"]])["result"] is True
    with pytest.raises(errors.APIError, match="does not exist"):
        Model.list(published["modelId"])


@pytest.mark.parametrize(
    "call",
    [
        lambda: Model.publish(True, {"taskId": 1}),
        lambda: Model.publish(False, {"taskId": 1, "iterationId": 2}),
        lambda: Model.user_list(order="up"),
        lambda: Model.batch_delete_model([]),
        lambda: Model.batch_delete_model("am-1"),
        lambda: Model.V2.create_custom_model_set("x", "Text2Music"),
        Model.V2.describe_model_set,
        lambda: Model.V2.create_custom_model("am-1", "Train"),
        lambda: Model.V2.create_custom_model("am-1", "Found", train_meta={"taskId": "t"}),
        lambda: Model.V2.create_custom_model(
            "am-1", "Train", "x" * 301, train_meta={"taskId": "t"}
        ),
        lambda: Model.V2.create_custom_model_conf("no/such.py"),
        lambda: Model.V2.create_model_comp_task("n", "amv-1", {"strategy": "Zip"}, "am-1"),
    ],
)
def test_wrong_arguments_are_rejected_before_anything_is_sent(call):
    with pytest.raises(errors.InvalidArgumentError):
        call()


def test_a_set_takes_versions_of_runs(run):
    set_id = Model.V2.create_custom_model_set(
        "mine", CustomModelSetModelType.Text2Text, ["tea"]
    ).data.model_set_id
    version = Model.V2.create_custom_model(
        set_id, "Train", "first", {"taskId": run["taskId"]}
    ).data.model_id
    detail = Model.V2.describe_model(version)["result"]
    assert (detail["modelSetId"], detail["description"]) == (set_id, "first")
    assert detail["sourceInfo"] == {"sourceType": "Train", "trainTaskId": run["taskId"]}
    assert Model.V2.describe_model_set("mine")["result"]["modelIds"] == [version]
    assert (
        Model.V2.describe_custom_model_sets(max_keys=1).data.custom_model_set_list[0].model_set_id
        == set_id
    )
    assert Model.V2.delete_model(version)["result"] is True
    assert Model.V2.delete_model_set(set_id)["result"] is True


def test_an_export_is_a_file_that_can_be_imported_again(sandbox, published):
    version = published["versionIdStr"]
    assert Model.V2.describe_model_export_model(version).data.has_record is False
    Model.V2.create_model_export_model(version)
    done = wait_for(
        lambda: Model.V2.describe_model_export_model(version).data, lambda row: row.status == "Done"
    )
    content = httpx.get(done.download_url, trust_env=False).content
    assert (len(content), hashlib.md5(content).hexdigest()) == (done.file_size, done.md5)
    set_id = Model.V2.create_custom_model_set("imported", "Text2Text").data.model_set_id
    meta = {"bucket": sandbox.bucket, "objectPath": f"qfnb/exports/{done.file_name}"}
    imported = Model.V2.create_custom_model(set_id, "Import", import_meta=meta).data.model_id
    assert Model.V2.describe_model(imported)["result"]["sourceInfo"]["sourceType"] == "Import"


@pytest.mark.parametrize(
    "config", [{"strategy": "Quantization", "weight": "W4A16C16"}, {"strategy": "Sparsity"}]
)
def test_a_compression_makes_a_version(published, config):
    version = published["versionIdStr"]
    model = published["modelIDStr"]
    task = Model.V2.create_model_comp_task("smaller", version, config, model)["result"]
    assert task.startswith("amva-")
    assert Model.V2.describe_model_set(model_set_id=model)["result"]["modelIds"] == [version]
    done = wait_for(
        lambda: Model.V2.describe_model_comp_task(task)["result"],
        lambda row: row["status"] == "succeeded",
    )
    assert (
        Model.V2.describe_model_set(model_set_id=model)["result"]["modelIds"][0] == done["modelId"]
    )
    assert Model.detail(done["modelId"]).data.source_type == "Acceleration"
    assert (
        Model.V2.describe_model_comp_tasks(source_model_id=version).data.model_comp_task_list[0].id
        == task
    )
    assert Model.V2.delete_model_comp_task(task)["result"] is True
