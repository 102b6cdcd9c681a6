"""Services as the library's users call them: both forms of ids and arguments, and mistakes before
the network.
"""

from datetime import datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from qfnb.errors import InvalidArgumentError
from qfnb.resources import Service
from qfnb.resources.console.consts import DeployPoolType, ServiceType
from qfnb.wire.data import ExportTask
from qfnb.wire.evaluation import TaskDetail
from qfnb.wire.model import Compression, ModelVersion
from qfnb.wire.service import ServiceDetail

NOON = "2025-03-30T12:00:00Z"


def sent(operation, *args, **kwargs):
    return operation.build_record(*args, **kwargs).to_wire()


@pytest.mark.parametrize("pool", [2, DeployPoolType.PrivateResource])
def test_the_pool_is_an_int_or_a_name(pool):
    body = sent(
        Service.create,
        model_id=123,
        model_version_id="amv-1",
        name="sdk_test",
        uri="svc_uri",
        replicas=1,
        pool_type=pool,
    )
    assert (body["poolType"], body["modelId"], body["modelVersionId"]) == (2, 123, "amv-1")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Service.create(1, 2, "name", "uri", pool_type=3), "pool_type=3"),
        (lambda: Service.create(1, 2, "name", "uri", replicas=0), "replicas=0"),
        (lambda: Service.list(["Chat"]), "api_type_filter='Chat'"),
        (lambda: Service.V2.create_service("am-1", "amv-1", "name", "uri", hours=0), "hours=0"),
        (
            lambda: Service.V2.create_service("am-1", "amv-1", "n", "u", {"qps": "many"}),
            "resource_config",
        ),
        (
            lambda: Service.V2.create_service(
                "am-1", "amv-1", "n", "u", billing={"reservation": 1}
            ),
            "billing",
        ),
        (lambda: Service.V2.service_metric("yesterday", NOON), "start_time='yesterday'"),
        (lambda: Service.V2.service_metric(NOON, "2024-01-01T00:00:00Z"), "before start_time"),
    ],
    ids=range(8),
)
def test_wrong_arguments_are_named_before_anything_is_sent(call, message):
    with pytest.raises(InvalidArgumentError, match=message):
        call()


def test_resources_are_built_from_options_or_passed_as_a_mapping():
    built = sent(Service.V2.create_service, "am-1", "amv-1", "n", "u", replicas=2, qps=1.5)
    assert built["resourceConfig"] == {"type": "GPU-I-2", "replicasCount": 2, "qps": 1.5}
    assert built["billing"]["reservation"] == {
        "reservationTimeUnit": "Hour",
        "reservationLength": 1,
    }
    passed = sent(
        Service.V2.create_service,
        "am-1",
        "amv-1",
        "n",
        "u",
        {"type": "CPU-I-2"},
        {"paymentTiming": "Postpaid"},
    )
    assert (passed["resourceConfig"]["type"], passed["billing"]) == (
        "CPU-I-2",
        {"paymentTiming": "Postpaid"},
    )


def test_times_are_sent_in_utc():
    china = timezone(timedelta(hours=8))
    body = sent(
        Service.V2.service_metric, datetime(2025, 3, 30, 20, tzinfo=china), NOON, "svco-1", [7]
    )
    assert body == {"startTime": NOON, "endTime": NOON, "serviceId": ["svco-1"], "appId": ["7"]}


def test_types_are_texts_or_enumeration_members():
    assert sent(Service.list, [ServiceType.Chat, "embeddings"]) == {
        "apiTypefilter": ["chat", "embeddings"]
    }
    assert sent(Service.list) == {}


@pytest.mark.parametrize(
    ("record", "state"),
    [
        (ServiceDetail, "runStatus"),
        (ModelVersion, "state"),
        (TaskDetail, "state"),
        (ExportTask, "exportStatus"),
        (Compression, "status"),
    ],
)
def test_an_answer_that_lacks_the_state_which_is_waited_for_is_no_answer(record, state):
    with pytest.raises(ValidationError, match=state):
        record.model_validate({})
    assert record.model_validate({state: "Done"})


def test_applications_do_not_show_their_secrets(sandbox):
    reply = Service.app_list()
    assert reply["result"]["appList"][0]["sk"] == sandbox.sk
    assert sandbox.sk not in repr(reply.data) + repr(reply)
    assert reply.data.app_list[0].sk.get_secret_value() == sandbox.sk
