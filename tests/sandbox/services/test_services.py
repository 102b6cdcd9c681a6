"""The life of a service on the sandbox: deployed, asked, counted, changed, stopped, and still there
afterwards.
"""

import pytest
from support.service_sandbox import (
    ANSWERS,
    QUESTION,
    V2,
    ServiceSandbox,
    ask_service,
    run_service_sandbox,
)

from qfnb import ChatCompletion, Completion, errors
from qfnb.resources import Service

FAR = ("2000-01-01T00:00:00Z", "2100-01-01T00:00:00Z")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with run_service_sandbox(tmp_path_factory.mktemp("services")) as sandbox:
        yield sandbox.world


@pytest.fixture
def shop(world):
    return ServiceSandbox(world)


def metric(service_id, **filters):
    return V2.service_metric(*FAR, service_id, **filters).data.service_list[0].app_list


def test_a_service_is_new_then_deploying_then_serving(shop):
    service_id = shop.deploy("life")
    states = []
    for _ in range(3):
        states.append(V2.service_detail(service_id).data.run_status)
        shop.pass_time(0.35)
    assert states == ["New", "Deploying", "Serving"]


def test_v1_calls_the_last_state_done(shop):
    service = Service.create("am-old", "amv-old", "v1 life", "shop")["result"]
    number = service["serviceId"]
    assert service["result"] is True
    states = []
    for _ in range(3):
        states.append(Service.get(number)["result"]["serviceStatus"])
        shop.pass_time(0.35)
    assert states == ["New", "Deploying", "Done"]


@pytest.mark.parametrize(("version", "code"), [("1", 336005), ("2", "invalid_model")])
def test_chat_on_a_service_is_refused_until_it_serves(shop, version, code):
    service_id = shop.deploy(f"early {version}")
    endpoint = V2.service_detail(service_id).data.endpoint
    with pytest.raises(errors.APIError, match="is New, it answers when it is Serving") as caught:
        ask_service(endpoint, version=version)
    assert caught.value.error_code == code
    shop.pass_time()
    assert ask_service(endpoint, version=version) == ANSWERS["old"]


def test_a_strict_sandbox_has_services_of_v2_only(tmp_path):
    with run_service_sandbox(tmp_path) as shop:
        first = shop.serve("v2 kind")
        second = Service.create("am-old", "amv-old", "v1 kind", "shop")["result"]
        shop.pass_time()
        endpoint = Service.get(second["serviceId"])["result"]["uri"]
        assert ask_service(endpoint, version=2) == ANSWERS["old"]
        shop.world.set_modes({"strict": True})
        assert ask_service(first.endpoint, version=2) == ANSWERS["old"]
        with pytest.raises(errors.APIError, match="deploy it again"):
            ask_service(endpoint, version=2)


def test_while_a_service_changes_its_version_the_old_one_answers(shop):
    service = shop.serve("rolling")
    V2.modify_service(service.service_id, "am-new", "amv-new")
    now = V2.service_detail(service.service_id)
    assert (now.data.run_status, now["result"]["updateStatus"]) == ("Deploying", "Updating")
    assert now.data.model_version_id == "amv-new"
    assert ask_service(service.endpoint) == ANSWERS["old"]
    shop.pass_time()
    assert ask_service(service.endpoint) == ANSWERS["new"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"model_id": "amv-early"}, "is Creating, not Ready"),
        ({"url_suffix": "_shop"}, "first and last"),
        ({"qps": 51}, r"param\[resourceConfig.qps\] invalid"),
        ({"billing": {"paymentTiming": "Prepaid"}}, r"param\[billing.reservation\] invalid"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_what_cannot_be_deployed_is_refused(shop, change, expected):
    if shop.world.store.get("version", "amv-early") is None:
        shop.unready("amv-early")
    call = {
        "model_set_id": "am-old",
        "model_id": "amv-old",
        "name": "refused",
        "url_suffix": "shop",
    }
    with pytest.raises(errors.APIError, match=expected) as caught:
        V2.create_service(**call | change)
    assert (caught.value.status, caught.value.error_code) == (400, "InappropriateJSON")


def test_services_are_found_by_what_they_are(shop):
    ids = [shop.deploy(f"paged {number}", qps=2) for number in range(3)]
    rows = V2.service_list(name="paged", service_type=["chat"], pay_type="Prepay").data.service_list
    assert [row.service_id for row in rows] == ids[::-1]
    assert not V2.service_list(name="paged", run_status=["Serving"]).data.service_list
    assert not V2.service_list(name="paged", service_type=["completions"]).data.service_list


def test_calls_and_tokens_are_counted_by_service_and_application(shop):
    service = shop.serve("counted")
    say = [{"role": "user", "content": QUESTION}]
    usage = ChatCompletion(endpoint=service.endpoint, version="1").do(messages=say)["usage"]
    list(ChatCompletion(endpoint=service.endpoint, version="2").do(messages=say, stream=True))
    Completion(endpoint=service.endpoint).do(prompt=QUESTION)
    with shop.http() as http:
        body = {"model": service.endpoint, "messages": say, "temperature": 9}
        assert http.post("/v2/chat/completions", json=body).status_code == 400
    (app,) = metric(service.service_id)
    assert (
        app.metric.call_total,
        app.metric.succeed_call_total,
        app.metric.failure_call_total,
    ) == (4, 3, 1)
    assert app.metric.input_tokens_total == 3 * usage["prompt_tokens"]
    assert app.metric.tokens_total == app.metric.input_tokens_total + app.metric.output_tokens_total
    assert app.app_id == str(Service.app_list()["result"]["appList"][0]["id"])
