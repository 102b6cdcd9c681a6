"""Calls of the management plane as notebooks for the official SDK make them, over HTTP."""

import logging

import pandas as pd
import pytest

from qfnb import Dataset, DeployConfig, LLMFinetune, Model, Service, TrainConfig, get_config
from qfnb.dataset import Dataset as Table
from qfnb.errors import AuthError, InvalidArgumentError
from qfnb.resources import Data, FineTune

ROWS = [{"prompt": f"问题{number}", "response": f"回答{number}"} for number in range(10)]


@pytest.fixture(scope="module")
def model():
    """A published model."""
    trainer = LLMFinetune(
        "ERNIE-Speed-8K", Dataset(ROWS, name="compat"), TrainConfig(epoch=1)
    ).run()
    return Model(trainer.output["model_version_id"])


def test_months_are_paid_in_place_of_hours():
    reservation = DeployConfig(months=2).billing["reservation"]
    assert reservation == {"reservationTimeUnit": "Month", "reservationLength": 2}


@pytest.mark.usefixtures("sandbox")
def test_offline_batches_are_listed_and_a_missing_one_is_named(account):
    folder = f"bos:/{account.bucket}/none/"
    with pytest.raises(Exception, match=r"no \*\.jsonl"):
        Data.create_offline_batch_inference_task(
            "name", folder, folder, endpoint="x", inference_params={}
        )
    listed = Data.list_offline_batch_inference_task(max_keys=1, run_status="Done")["result"]
    assert {task["runStatus"] for task in listed["taskList"]} <= {"Done"}
    assert len(listed["taskList"]) <= 1
    with pytest.raises(Exception, match="infer-none"):
        Data.get_offline_batch_inference_task("infer-none")


def test_a_call_has_limits_and_keys_of_its_own(account, scripted):
    with pytest.raises(AuthError):
        FineTune.V2.supported_models(
            ak="ak-test", sk="sk-test", access_key="ALTAKtest", secret_key="test"
        )
    script = scripted([b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"])
    with pytest.raises(Exception, match="503"):
        FineTune.V2.supported_models(retry_count=1, request_timeout=30)
    assert len(script.requests) == 1


@pytest.mark.usefixtures("sandbox")
def test_an_unknown_argument_of_a_call_is_named_and_not_sent(caplog):
    with caplog.at_level(logging.WARNING, "qfnb"):
        assert Data.V2.get_dataset_list(max_keys=1, descrption="a typo").body["result"]
    assert "get_dataset_list has no argument 'descrption'" in caplog.text


def test_a_setting_without_effect_can_be_set_and_read(caplog):
    with get_config().unset(), caplog.at_level(logging.WARNING, "qfnb"):
        assert get_config().AUTH_TIMEOUT == 5
        get_config().AUTH_TIMEOUT = 7.5
        assert get_config().auth_timeout == 7.5
    assert "AUTH_TIMEOUT changes nothing" in caplog.text
    assert get_config().AUTH_TIMEOUT == 5


def test_a_batch_has_its_calls_as_a_list(sandbox):
    from qfnb import ChatCompletion

    task = ChatCompletion().batch_do([[{"role": "user", "content": "你好"}]])
    assert [call.result()["result"] for call in task.get_future_list()] == [
        reply["result"] for reply in task.results()
    ]


@pytest.mark.usefixtures("sandbox")
def test_a_service_answers_a_dataset():
    frame = pd.DataFrame([{"prompt": "你好", "response": "你好"}])
    table = Table.load(dataframe=frame, input_columns=["prompt"], reference_column="response")
    answers = Service(model="ERNIE-Speed-8K").batch_inference(table)
    assert answers.list()[0]["llm_output"]
    with pytest.raises(InvalidArgumentError, match=r"qfnb\.batch"):
        Service(model="ERNIE-Speed-8K").batch_inference(Dataset(ROWS))
